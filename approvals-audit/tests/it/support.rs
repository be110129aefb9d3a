//! Trails as a gate writes them, and logs of them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use approvals_audit::{
    AuditLog, Ed25519Signer, Report, Signer, Verifier, VerifierKey, VerifyError,
};
use approvals_core::review::Vote;
use approvals_core::{
    AuditSink, Choice, Event, EventId, Groups, OwnerId, RequestId, Timestamp, What,
};
use approvals_core::{ChannelId, ChannelIdentity};
use approvals_testing::sample::{Sample, person};

pub(crate) const ORIGIN: &str = "example.com/approvals";

pub(crate) fn key() -> Arc<Ed25519Signer> {
    Arc::new(Ed25519Signer::generate(ORIGIN).unwrap())
}

/// A trail of so many events: one request after the other is asked, approved, run.
pub(crate) fn trail(events: u64) -> Vec<Event> {
    let mut trail = Vec::new();
    let mut request = 0;
    while (trail.len() as u64) < events {
        request += 1;
        let at = Timestamp::from_millis(1_700_000_000_000 + request * 10);
        let opening = Sample::at(at).table(&format!("table-{request}")).opening();
        let (id, shown) = (opening.asked.id, opening.asked.shown);
        let (fence, owner) = (1, OwnerId::from_bytes([7; 16]));
        let vote = Vote {
            person: person("alice"),
            identity: ChannelIdentity::new(ChannelId::new("chat").unwrap(), "", "alice"),
            groups: Groups::new(),
            choice: Choice::Approve,
            comment: None,
            at,
            revision: 2,
            seats: Vec::new(),
        };
        let life = [
            What::Requested {
                asked: opening.asked,
            },
            What::Voted {
                vote: Arc::new(vote),
                shown,
                seen_revision: 1,
            },
            What::Approved,
            What::Claimed {
                fence,
                owner,
                struck: 0,
                policy_version: None,
            },
            What::Started { fence, owner },
            What::Finished {
                fence,
                succeeded: true,
                summary: None,
            },
        ];
        for (what, revision) in life.into_iter().zip([1, 2, 2, 3, 3, 4]) {
            if (trail.len() as u64) < events {
                let number = trail.len() as u64 + 1;
                trail.push(event(number, at, Some(id), revision, what));
            }
        }
    }
    trail
}

pub(crate) fn event(
    number: u64,
    at: Timestamp,
    request: Option<RequestId>,
    revision: u64,
    what: What,
) -> Event {
    Event {
        number,
        id: EventId::new(),
        at,
        request,
        revision,
        what,
    }
}

/// A log of these events in this directory, closed.
pub(crate) async fn written(path: &Path, key: &Arc<Ed25519Signer>, events: &[Event]) {
    let log = AuditLog::at(path, key.clone()).open().await.unwrap();
    for some in events.chunks(100) {
        log.record(some).await.unwrap();
    }
    log.close().await;
}

pub(crate) fn verify(path: &Path, key: &VerifierKey) -> Result<Report, VerifyError> {
    Verifier::new(path, [key.clone()]).run()
}

/// A log of a trail of so many events, and its public key.
pub(crate) async fn log_of(path: &Path, events: u64) -> (Arc<Ed25519Signer>, VerifierKey) {
    let key = key();
    written(path, &key, &trail(events)).await;
    let public = key.key().clone();
    (key, public)
}

/// Copies a directory with all that it has.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
