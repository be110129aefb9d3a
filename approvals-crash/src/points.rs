//! A store at whose calls a process ends itself, and which may have a flaw.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::audit::{Event, NewEvent};
use approvals_core::review::{Opening, Record};
use approvals_core::store::{
    Delivery, Due, Filter, Freeze, Hints, Opened, RequestStore, Snapshot, StoreError, Swap, Swapped,
};
use approvals_core::{Digest, OwnerId, Phase, RequestId, SinkId, Timestamp, async_trait};

use crate::flaw::Flaw;
use crate::point::Points;

/// Passes everything on to the store that is tried.
#[derive(Debug)]
pub(crate) struct PointedStore {
    pub(crate) inner: Arc<dyn RequestStore>,
    pub(crate) points: Arc<Points>,
    pub(crate) flaw: Option<Flaw>,
}

#[async_trait]
impl RequestStore for PointedStore {
    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.inner.now().await
    }

    async fn open(&self, opening: Opening, copies: Vec<Delivery>) -> Result<Opened, StoreError> {
        let call = self.inner.open(opening, copies);
        self.points.pass("open", call).await
    }

    async fn read(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError> {
        let call = self.inner.read(id);
        self.points.pass("read", call).await
    }

    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        let loses = match self.flaw {
            Some(Flaw::LosesVotes) => true,
            Some(Flaw::LosesStarts) => swap.record.state.phase() == Phase::Executing,
            Some(Flaw::RunsUnclaimed | Flaw::ForgetsKeys | Flaw::NeverDue) | None => false,
        };
        if loses {
            return Ok(Swapped::Done {
                record: swap.record,
                last_event: 0,
            });
        }
        let call = self.inner.compare_and_swap(swap);
        self.points.pass("compare_and_swap", call).await
    }

    async fn append(&self, events: Vec<NewEvent>) -> Result<u64, StoreError> {
        let call = self.inner.append(events);
        self.points.pass("append", call).await
    }

    async fn register_sink(&self, sink: &SinkId) -> Result<(), StoreError> {
        self.inner.register_sink(sink).await
    }

    async fn events(&self, sink: &SinkId, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.inner.events(sink, limit).await
    }

    async fn acknowledge(&self, sink: &SinkId, number: u64) -> Result<(), StoreError> {
        self.inner.acknowledge(sink, number).await
    }

    async fn deliveries(&self, id: RequestId) -> Result<Arc<[Delivery]>, StoreError> {
        self.inner.deliveries(id).await
    }

    async fn note_delivery(&self, id: RequestId, delivery: Delivery) -> Result<(), StoreError> {
        let call = self.inner.note_delivery(id, delivery);
        self.points.pass("note_delivery", call).await
    }

    async fn due(&self, limit: usize) -> Result<Due, StoreError> {
        if self.flaw == Some(Flaw::NeverDue) {
            return Ok(Due::default());
        }
        self.points.pass("due", self.inner.due(limit)).await
    }

    async fn pending_with(&self, digest: Digest) -> Result<Vec<RequestId>, StoreError> {
        self.inner.pending_with(digest).await
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        self.inner.list(filter, after, limit).await
    }

    async fn freeze(&self) -> Result<Option<Freeze>, StoreError> {
        self.inner.freeze().await
    }

    async fn set_freeze(&self, freeze: Option<Freeze>, event: NewEvent) -> Result<(), StoreError> {
        self.inner.set_freeze(freeze, event).await
    }

    async fn heartbeat(&self, owner: OwnerId, lease: Duration) -> Result<(), StoreError> {
        self.inner.heartbeat(owner, lease).await
    }

    async fn archive(&self, finished_for: Duration) -> Result<u64, StoreError> {
        self.inner.archive(finished_for).await
    }

    fn hints(&self) -> &Arc<Hints> {
        self.inner.hints()
    }

    fn is_durable(&self) -> bool {
        self.inner.is_durable()
    }
}
