//! What every process of a run agrees on: people, policy, calls.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::InMemoryDirectory;
use approvals_core::policy::{Quorum, Stage};
use approvals_core::{
    ActionName, Approver, ApproverError, ChannelDesk, Coverage, Declaration, Gate, Limits, Notice,
    Permit, PolicyName, Presentation, Receipt, RedactionKey, RequestStore, Requester, Requirement,
    Risk, Rules, async_trait,
};

use crate::Failure;
use crate::sink::{self, Licences};

/// The channel that people vote on.
pub(crate) const CHANNEL: &str = "inbox";
/// Those who may.
pub(crate) const REVIEWERS: [&str; 2] = ["alice", "bob"];
/// Who may release alone what those who are asked never answer.
pub(crate) const OPENER: &str = "gina";
/// Who operates the gates.
pub(crate) const OPERATOR: &str = "olga";
/// How long people have to decide about what is hurried.
pub(crate) const HURRIED_FOR: Duration = Duration::from_secs(1);
/// How long claims hold: as short as a gate allows.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// What a call's argument `people` asks for.
pub(crate) mod kind {
    /// One of the reviewers.
    pub(crate) const ONE: u8 = 1;
    /// Both of them.
    pub(crate) const TWO: u8 = 2;
    /// One of them, within a second.
    pub(crate) const HURRIED: u8 = 3;
    /// One of them, for three runs of the same.
    pub(crate) const GRANTED: u8 = 4;
    /// People who never answer, or somebody who breaks the glass.
    pub(crate) const GLASS: u8 = 5;
}

const POLICY: &str = "crash";
/// The action of which one yes covers several runs.
const BOOK: &str = "crash.book";
/// The action of racers; that of agents is named where it is annotated.
const RACE: &str = "race.append";

pub(crate) fn directory() -> Result<Arc<InMemoryDirectory>, Failure> {
    let directory = InMemoryDirectory::new();
    for reviewer in REVIEWERS {
        directory.person(reviewer, ["reviewers"])?;
    }
    directory.person(OPERATOR, ["operators"])?;
    directory.person(OPENER, ["openers"])?;
    for sleeper in ["sam", "sara"] {
        directory.person(sleeper, ["sleepers"])?;
    }
    directory.person("dana", ["developers"])?;
    Ok(Arc::new(directory))
}

pub(crate) fn requester() -> Result<Requester, Failure> {
    Ok(Requester::agent("appender")?.acting_for("person:dana")?)
}

/// A gate over a store, with `channel` to put requests before people.
pub(crate) async fn gate<A: Approver + 'static>(
    store: Arc<dyn RequestStore>,
    lease: Duration,
    channel: impl FnOnce(ChannelDesk) -> Arc<A>,
) -> Result<Gate, Failure> {
    gate_with(store, lease, channel, None).await
}

/// The same, with a sink that holds up effects until it has what licenses them.
pub(crate) async fn gate_with<A: Approver + 'static>(
    store: Arc<dyn RequestStore>,
    lease: Duration,
    channel: impl FnOnce(ChannelDesk) -> Arc<A>,
    sink: Option<Arc<Licences>>,
) -> Result<Gate, Failure> {
    let mut gate = Gate::builder(store, directory()?);
    if let Some(sink) = sink {
        gate = gate.required_audit_sink(sink::NAME, sink);
    }
    let gate = gate
        .policy(POLICY, rules()?)
        .approver(CHANNEL, channel)
        .redaction_key(RedactionKey::new("crash", vec![7; 32])?)
        .limits(Limits {
            pending: u32::MAX,
            asks_per_hour: u32::MAX,
            denials: u32::MAX,
            ..Limits::default()
        })
        .lease(lease)
        .single_requester(requester()?)
        .build()
        .await?;
    Ok(gate)
}

fn rules() -> Result<Rules, Failure> {
    let second = Duration::from_secs(1);
    let soon = || Stage::of(Quorum::of(1, ["reviewers"])?).decide_within(HURRIED_FOR);
    let hurried = Requirement::review(soon()?);
    let soon = Requirement::review(soon()?).execute_within(second)?;
    let asks = |name: &'static str, number: u64| {
        move |call: &approvals_core::Call, _: &approvals_core::Facts| {
            call.argument(name).and_then(|argument| argument.as_u64()) == Some(number)
        }
    };
    let one = || Requirement::one_of("reviewers");
    Ok(Rules::new()
        .review_when(
            "crash.append",
            "one",
            one()?,
            asks("people", kind::ONE.into()),
        )?
        .review_when(
            "crash.append",
            "two",
            Requirement::some_of(2, "reviewers")?,
            asks("people", kind::TWO.into()),
        )?
        .review_when(
            "crash.append",
            "hurried",
            hurried,
            asks("people", kind::HURRIED.into()),
        )?
        .review_when(
            "crash.append",
            "glass",
            Requirement::some_of(2, "sleepers")?.break_glass("openers")?,
            asks("people", kind::GLASS.into()),
        )?
        .review(BOOK, "book", one()?.reuse(3, Duration::from_secs(3_600))?)?
        .review_when(RACE, "soon", soon, asks("hurry", 1))?
        .review_when(RACE, "some-day", one()?, asks("hurry", 0))?)
}

/// What the calls of racers are.
pub(crate) fn race() -> Result<Arc<Declaration>, Failure> {
    declared(RACE, "append(race: &str, hurry: u8)")
}

/// What the calls are of which one yes covers several.
pub(crate) fn book() -> Result<Arc<Declaration>, Failure> {
    declared(BOOK, "append(book: &str, people: u8)")
}

fn declared(action: &str, signature: &str) -> Result<Arc<Declaration>, Failure> {
    Ok(Arc::new(Declaration {
        action: ActionName::new(action)?,
        policy: PolicyName::new(POLICY)?,
        signature: signature.into(),
        version: 1,
        risk: Risk::Low,
        idempotent: false,
        origin: "approvals-crash".into(),
    }))
}

/// A channel that shows everything: requests are read in the store by whoever votes.
#[derive(Debug)]
pub(crate) struct Inbox;

#[async_trait]
impl Approver for Inbox {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }

    async fn present(&self, _: &Notice) -> Result<Receipt, ApproverError> {
        Ok(Receipt::none())
    }

    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        Ok(())
    }
}

/// The line that a body leaves: which logical call it was, for which request, under which fence.
pub(crate) fn effect(key: &str, permit: &Permit) -> Option<String> {
    let (request, fence) = (permit.request_id()?, permit.fence()?);
    Some(format!("{key} {request} {fence}"))
}
