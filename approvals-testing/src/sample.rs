//! Ready-made calls and requests, for suites and for tests of adapters.

mod commands;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::call::Declaration;
use approvals_core::digest::Digest;
use approvals_core::review::{Asked, Ballot, Choice, Limits, Opening};
use approvals_core::{
    Call, ChannelId, ChannelIdentity, GroupId, Groups, NonEmpty, OwnerId, People, PersonId,
    Presentation, Reasons, RequestId, Requester, Requirement, Risk, Timestamp,
};

pub use commands::{
    LEASE, claim, claim_and_start, copies_in_every_state, intended, start, swap, vote, withdraw,
};

/// The group whose members are asked.
pub const REVIEWERS: &str = "reviewers";

/// A request in the making: one call of the action `sample.export` by the agent `exporter`, who
/// acts for `bob`; one of [`REVIEWERS`] has to agree.
#[derive(Debug, Clone)]
#[must_use]
pub struct Sample {
    now: Timestamp,
    table: String,
    key: Option<String>,
    idempotent: bool,
    limits: Limits,
    requirement: Requirement,
    waiter: Option<OwnerId>,
}

impl Sample {
    /// A request that is made now: nothing is keyed, nobody waits.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            table: "customers".to_owned(),
            key: None,
            idempotent: false,
            limits: Limits::default(),
            requirement: known(Requirement::one_of(REVIEWERS)),
            waiter: None,
        }
    }

    /// Exports another table: another digest, the same action and resource.
    pub fn table(mut self, table: &str) -> Self {
        table.clone_into(&mut self.table);
        self
    }

    /// Names the logical call.
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Running twice does what running once does.
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Has these limits hold.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Asks for this.
    pub fn requirement(mut self, requirement: Requirement) -> Self {
        self.requirement = requirement;
        self
    }

    /// Only this gate waits for it.
    pub const fn waiter(mut self, waiter: OwnerId) -> Self {
        self.waiter = Some(waiter);
        self
    }

    /// The call.
    #[must_use]
    pub fn call(&self) -> Call {
        let declaration = Arc::new(Declaration {
            action: known("sample.export".parse()),
            policy: known("sample".parse()),
            signature: "async fn export(table: &str)".into(),
            version: 1,
            risk: Risk::Low,
            idempotent: self.idempotent,
            origin: "sample::export (src/sample.rs:1)".into(),
        });
        let builder = Call::of(declaration, requester())
            .argument("table", &self.table)
            .resource("db/sample");
        known(match &self.key {
            Some(key) => builder.key(key).build(),
            None => builder.build(),
        })
    }

    /// The opening, under a new id.
    #[must_use]
    pub fn opening(&self) -> Opening {
        let call = Arc::new(self.call());
        let digest = call.digest();
        let mut asked = Asked {
            id: RequestId::new(self.now),
            digest,
            shown: digest,
            call,
            tracks: NonEmpty::of(Arc::new(self.requirement.clone())),
            reasons: known(Reasons::rule("sample", "samples are reviewed")),
            policy_version: None,
            risk: Risk::Low,
            root: requester().root().clone(),
            principals: People::from([person("bob")]),
            asked_at: self.now,
            expires_at: self.now.plus(self.requirement.whole_time()),
            may_have_run: None,
        };
        asked.shown = Presentation::of(&asked).hash();
        Opening {
            key: self.key.as_deref().map(key_digest),
            excluded: asked.principals.clone(),
            waiter: self.waiter,
            limits: self.limits,
            asked: Arc::new(asked),
        }
    }
}

/// The agent `exporter`, who acts for `bob`.
#[must_use]
pub fn requester() -> Requester {
    known(Requester::agent("exporter").map(|agent| known(agent.acting_for("person:bob"))))
}

/// The person of this name.
#[must_use]
pub fn person(name: &str) -> PersonId {
    known(PersonId::new(name))
}

/// What a member of [`REVIEWERS`] says who looked at this revision of exactly this request.
#[must_use]
pub fn ballot(asked: &Asked, revision: u64, who: &str, choice: Choice) -> Ballot {
    Ballot {
        person: person(who),
        identity: ChannelIdentity::new(known(ChannelId::new("sample")), "", who),
        groups: Groups::from([known(GroupId::new(REVIEWERS))]),
        excluded: asked.principals.clone(),
        choice,
        comment: None,
        proposal: None,
        digest: asked.digest,
        shown: asked.shown,
        revision,
    }
}

/// A requirement of one reviewer whose yes covers so many uses within an hour.
pub(crate) fn reusable(uses: u32) -> Requirement {
    known(known(Requirement::one_of(REVIEWERS)).reuse(uses, Duration::from_secs(3600)))
}

fn key_digest(key: &str) -> Digest {
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().zip(key.bytes()) {
        *place = byte;
    }
    Digest::from_bytes(bytes)
}

#[expect(clippy::expect_used, reason = "samples are well-formed")]
pub(crate) fn known<T, E: Debug>(made: Result<T, E>) -> T {
    made.expect("a sample is well-formed")
}
