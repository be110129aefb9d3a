//! Logs that whoever has the key can write, whatever a gate would have done: entries of any text,
//! under a good signature.

use std::fs;
use std::sync::{Arc, LazyLock};

use approvals_audit::{
    Checkpoint, Ed25519Signer, Finding, Frontier, Hash, Note, Report, Signer, Tile, Verifier,
    VerifyError, WIDTH,
};
use approvals_core::review::{Asked, Vote};
use approvals_core::{
    ChannelId, ChannelIdentity, Choice, Groups, OwnerId, RequestId, Timestamp, What,
};
use approvals_testing::sample::{Sample, person};
use serde_json::{Value, json};

use crate::support::*;

/// Writes a log of these entries as C2SP has it, and verifies it.
pub(crate) fn judged_as(
    entries: &[Vec<u8>],
    with: impl FnOnce(Verifier) -> Verifier,
) -> Result<Report, Finding> {
    let place = tempfile::tempdir().unwrap();
    // One key for all, so that whole reports can be compared.
    static KEY: LazyLock<Arc<Ed25519Signer>> = LazyLock::new(key);
    let (key, size) = (&*KEY, entries.len() as u64);
    let mut tree = Frontier::new();
    for (index, entries) in (0..).zip(entries.chunks(256)) {
        let (mut bundle, mut hashes) = (Vec::new(), Vec::new());
        for entry in entries {
            bundle.extend(u16::try_from(entry.len()).unwrap().to_be_bytes());
            bundle.extend(entry);
            let hash = Hash::of_leaf(entry);
            hashes.extend(hash.as_bytes());
            tree.push(hash);
        }
        for (level, bytes) in [(None, bundle), (Some(0), hashes)] {
            let path = place
                .path()
                .join(Tile::with(level, index, size).to_string());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    assert!(size <= WIDTH, "one tile of hashes");
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size,
        root: tree.root(),
    };
    let note = Note::signed(&checkpoint.text(), [&**key as &dyn Signer]).unwrap();
    fs::write(place.path().join("checkpoint"), note.to_string()).unwrap();
    match with(Verifier::new(place.path(), [key.key().clone()])).run() {
        Ok(report) => Ok(report),
        Err(VerifyError::Found(finding)) => Err(finding),
        Err(other) => panic!("{other}"),
    }
}

pub(crate) const BEGAN: u64 = 1_700_000_000_000;

/// A trail in the making: every event a second after the one before.
#[derive(Debug, Default, Clone)]
pub(crate) struct Forgery {
    pub(crate) entries: Vec<Value>,
    waited: u64,
}

impl Forgery {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGAN + self.waited + self.entries.len() as u64 * 1000)
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.waited += seconds * 1000;
    }

    /// Whatever somebody says of a request.
    pub(crate) fn then(&mut self, request: RequestId, what: What) -> &mut Self {
        self.says(Some(request), what)
    }

    /// Whatever somebody says of a request, or of none.
    pub(crate) fn says(&mut self, request: Option<RequestId>, what: What) -> &mut Self {
        let number = self.entries.len() as u64 + 1;
        let event = event(number, self.now(), request, number, what);
        let mut entry = serde_json::to_value(&event).unwrap();
        entry["schema"] = json!(approvals_audit::SCHEMA);
        self.entries.push(entry);
        self
    }

    pub(crate) fn all(&mut self, request: RequestId, whats: impl IntoIterator<Item = What>) {
        for what in whats {
            self.then(request, what);
        }
    }

    /// A request is asked.
    pub(crate) fn asks(&mut self, sample: &Sample) -> Arc<Asked> {
        let asked = sample.opening().asked;
        let id = asked.id;
        let what = What::Requested {
            asked: Arc::clone(&asked),
        };
        self.then(id, what);
        asked
    }

    /// A request that is asked and approved.
    pub(crate) fn approves(&mut self, sample: &Sample) -> Arc<Asked> {
        let asked = self.asks(sample);
        self.all(asked.id, [voted("alice", Choice::Approve), What::Approved]);
        asked
    }

    /// A request is born approved, with the use that it takes.
    pub(crate) fn uses(&mut self, of: RequestId, uses_left: u32, sample: &Sample) -> RequestId {
        let asked = sample.opening().asked;
        let by = asked.id;
        self.then(of, What::GrantUsed { by, uses_left });
        self.born(of, asked)
    }

    pub(crate) fn born(&mut self, of: RequestId, asked: Arc<Asked>) -> RequestId {
        let (id, granted_by) = (asked.id, of);
        self.all(
            id,
            [
                What::RequestedUnderGrant { asked, granted_by },
                What::Approved,
            ],
        );
        id
    }

    fn bytes(&self) -> Vec<Vec<u8>> {
        let entries = self.entries.iter();
        entries
            .map(|entry| entry.to_string().into_bytes())
            .collect()
    }

    pub(crate) fn judged(&self) -> Result<Report, Finding> {
        judged_as(&self.bytes(), |verifier| verifier)
    }

    pub(crate) fn judged_following(&self, requests: usize) -> Result<Report, Finding> {
        judged_as(&self.bytes(), |verifier| verifier.following(requests))
    }

    /// The same where the trail begins later than the store's first event.
    pub(crate) fn judged_from(&self, first: usize) -> Result<Report, Finding> {
        judged_as(&self.bytes()[first..], |verifier| verifier)
    }

    /// That the last event is found, and why.
    #[track_caller]
    pub(crate) fn is_wrong(&self, why: &str) {
        let finding = self.judged().unwrap_err();
        assert!(finding.why.contains(why), "{finding}");
        assert_eq!(finding.entry, self.entries.len() as u64 - 1, "{finding}");
        // What is before it is not.
        let mut before = self.clone();
        before.entries.pop();
        if !before.entries.is_empty() {
            before.judged().unwrap();
        }
        // And the same where the log is read in parts.
        let in_parts = self.judged_following(5).unwrap_err();
        assert_eq!(in_parts, finding);
    }
}

pub(crate) fn voted(who: &str, choice: Choice) -> What {
    let vote = Vote {
        person: person(who),
        identity: ChannelIdentity::new(ChannelId::new("chat").unwrap(), "", who),
        groups: Groups::new(),
        choice,
        comment: None,
        at: Timestamp::from_millis(BEGAN),
        revision: 2,
        seats: Vec::new(),
    };
    What::Voted {
        vote: Arc::new(vote),
        shown: Sample::at(Timestamp::from_millis(BEGAN)).call().digest(),
        seen_revision: 1,
    }
}

pub(crate) const OWNER: OwnerId = OwnerId::from_bytes([7; 16]);

pub(crate) const fn claimed(fence: u64) -> What {
    What::Claimed {
        fence,
        owner: OWNER,
        struck: 0,
        policy_version: None,
    }
}

pub(crate) const fn started(fence: u64) -> What {
    What::Started {
        fence,
        owner: OWNER,
    }
}

pub(crate) const fn finished(fence: u64) -> What {
    What::Finished {
        fence,
        succeeded: true,
        summary: None,
    }
}
