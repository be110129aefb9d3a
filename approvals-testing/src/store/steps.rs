//! What the rules do with a store.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::audit::NewEvent;
use approvals_core::review::{
    Choice, ClaimNow, Command, Record, State, VoterNow, WithdrawnBy, apply,
};
use approvals_core::store::{Delivery, DeliveryState, Opened, RequestStore, Swap, Swapped};
use approvals_core::{
    ChannelId, Clock, Coverage, Event, GroupId, Groups, OwnerId, People, Reasons, RequestId,
    SinkId, Timestamp, Verdict,
};

use crate::ManualClock;
use crate::report::Found;
use crate::sample::{REVIEWERS, Sample, ballot, known, person};

/// How many tasks contend.
pub(super) const CROWD: usize = 8;

/// A new store and its clock.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(super) store: Arc<dyn RequestStore>,
    pub(super) clock: Arc<ManualClock>,
}

impl World {
    pub(super) fn now(&self) -> Result<Timestamp, Found> {
        Ok(self.clock.now()?)
    }

    pub(super) fn sample(&self) -> Result<Sample, Found> {
        Ok(Sample::at(self.now()?))
    }

    pub(super) async fn open(&self, sample: &Sample) -> Result<Opened, Found> {
        Ok(self.store.open(sample.opening(), vec![intended()]).await?)
    }

    /// Opens a request that asks people.
    pub(super) async fn ask(&self, sample: &Sample) -> Result<Arc<Record>, Found> {
        match self.open(sample).await? {
            Opened::Asked { record, .. } => Ok(record),
            other => Err(Found(format!("people should be asked, but: {other:?}"))),
        }
    }

    pub(super) async fn record(&self, id: RequestId) -> Result<Arc<Record>, Found> {
        match self.store.read(id).await? {
            Some(snapshot) => Ok(snapshot.record),
            None => Err(Found(format!("{id} cannot be read"))),
        }
    }

    /// The swap that a command asks for, as the record stands now.
    pub(super) async fn swap(&self, id: RequestId, command: &Command) -> Result<Swap, Found> {
        let record = self.record(id).await?;
        let transition = apply(&record, command, self.now()?)?;
        let revision = transition.record.revision;
        Ok(Swap {
            expected: record.revision,
            record: transition.record.into(),
            events: transition
                .events
                .into_iter()
                .map(|what| NewEvent::about(id, revision, what))
                .collect(),
            not_after: None,
            unfrozen: false,
            stands: false,
        })
    }

    /// Carries a command out.
    pub(super) async fn carry(
        &self,
        id: RequestId,
        command: &Command,
    ) -> Result<Arc<Record>, Found> {
        match self
            .store
            .compare_and_swap(self.swap(id, command).await?)
            .await?
        {
            Swapped::Done { record, .. } => Ok(record),
            other => Err(Found(format!("a swap should be done, but: {other:?}"))),
        }
    }

    pub(super) async fn vote(
        &self,
        id: RequestId,
        who: &str,
        choice: Choice,
    ) -> Result<Arc<Record>, Found> {
        let record = self.record(id).await?;
        let ballot = ballot(&record.asked, record.revision, who, choice);
        self.carry(id, &Command::Vote(Box::new(ballot))).await
    }

    /// From approved to executing.
    pub(super) async fn run(&self, id: RequestId) -> Result<Arc<Record>, Found> {
        let claimed = self.carry(id, &claim()?).await?;
        let State::Claimed { claim, .. } = claimed.state else {
            return Err(Found(format!("{id} should be claimed: {claimed:?}")));
        };
        let start = Command::Start {
            fence: claim.fence,
            owner: claim.owner,
            frozen: false,
            lease: LEASE,
        };
        self.carry(id, &start).await
    }

    /// From pending to in doubt.
    pub(super) async fn lose(&self, id: RequestId) -> Result<Arc<Record>, Found> {
        self.vote(id, "alice", Choice::Approve).await?;
        let fence = self.run(id).await?.fence;
        let why = "its process died".into();
        self.carry(id, &Command::Abandon { fence, why }).await
    }

    /// A sink that has seen nothing.
    pub(super) async fn sink(&self, name: &str) -> Result<SinkId, Found> {
        let sink = SinkId::new(name)?;
        self.store.register_sink(&sink).await?;
        Ok(sink)
    }

    pub(super) async fn events(&self, sink: &SinkId) -> Result<Vec<Event>, Found> {
        Ok(self.store.events(sink, 10_000).await?)
    }

    /// Does the same in many tasks at once, and collects what came of it.
    pub(super) async fn crowd<T, F>(&self, each: impl Fn(Self, usize) -> F) -> Result<Vec<T>, Found>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Found>> + Send + 'static,
    {
        let tasks: Vec<_> = (0..CROWD)
            .map(|n| tokio::spawn(each(self.clone(), n)))
            .collect();
        let mut all = Vec::with_capacity(CROWD);
        for task in tasks {
            all.push(task.await??);
        }
        Ok(all)
    }
}

pub(super) const LEASE: Duration = Duration::from_secs(30);

fn claim_now() -> Result<Box<ClaimNow>, Found> {
    Ok(Box::new(ClaimNow {
        owner: OwnerId::new(),
        lease: LEASE,
        frozen: false,
        verdict: Verdict::Allow(Reasons::rule("sample", "allowed now")?),
        voters: vec![VoterNow {
            person: person("alice"),
            groups: Groups::from([GroupId::new(REVIEWERS)?]),
        }],
        excluded: People::new(),
    }))
}

pub(super) fn claim() -> Result<Command, Found> {
    Ok(Command::Claim(claim_now()?))
}

/// Both in one commit: from approved to executing.
pub(super) fn claim_and_start() -> Result<Command, Found> {
    Ok(Command::ClaimAndStart(claim_now()?))
}

pub(super) const fn withdraw() -> Command {
    Command::Withdraw(WithdrawnBy::Requester)
}

pub(super) fn channel(name: &str) -> ChannelId {
    known(ChannelId::new(name))
}

pub(super) fn intended() -> Delivery {
    Delivery {
        channel: channel("sample"),
        coverage: Coverage::Whole,
        state: DeliveryState::Intended,
        revision: 1,
    }
}
