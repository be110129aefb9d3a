//! What the rules do with a store.

use std::future::Future;
use std::sync::Arc;

use approvals_core::review::{Choice, Command, Record};
use approvals_core::store::{Opened, RequestStore, Swap, Swapped};
use approvals_core::{ChannelId, Clock, Event, OwnerId, RequestId, SinkId, Timestamp};

use crate::ManualClock;
use crate::report::Found;
use crate::sample::{self, Sample, claim, intended, known, start};

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
        Ok(sample::swap(&record, command, self.now()?)?)
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
        self.carry(id, &sample::vote(&record, who, choice)).await
    }

    /// From approved to executing.
    pub(super) async fn run(&self, id: RequestId) -> Result<Arc<Record>, Found> {
        let owner = OwnerId::new();
        let fence = self.carry(id, &claim(owner)).await?.fence;
        self.carry(id, &start(owner, fence)).await
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

pub(super) fn channel(name: &str) -> ChannelId {
    known(ChannelId::new(name))
}
