//! A store that says of itself that its requests outlive the process.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::digest::Digest;
use approvals_core::memory::MemoryStore;
use approvals_core::review::{Opening, Record};
use approvals_core::store::{
    Delivery, Due, Filter, Freeze, Hints, Opened, Snapshot, Swap, Swapped,
};
use approvals_core::{
    Event, NewEvent, OwnerId, RequestId, RequestStore, SinkId, StoreError, Timestamp, async_trait,
};

type Answer<T> = Result<T, StoreError>;

#[derive(Debug, Default)]
pub(super) struct OnDisk(MemoryStore);

#[async_trait]
impl RequestStore for OnDisk {
    async fn now(&self) -> Answer<Timestamp> {
        self.0.now().await
    }
    async fn open(&self, opening: Opening, deliveries: Vec<Delivery>) -> Answer<Opened> {
        self.0.open(opening, deliveries).await
    }
    async fn read(&self, id: RequestId) -> Answer<Option<Snapshot>> {
        self.0.read(id).await
    }
    async fn compare_and_swap(&self, swap: Swap) -> Answer<Swapped> {
        self.0.compare_and_swap(swap).await
    }
    async fn append(&self, events: Vec<NewEvent>) -> Answer<u64> {
        self.0.append(events).await
    }
    async fn register_sink(&self, sink: &SinkId) -> Answer<()> {
        self.0.register_sink(sink).await
    }
    async fn events(&self, sink: &SinkId, limit: usize) -> Answer<Vec<Event>> {
        self.0.events(sink, limit).await
    }
    async fn acknowledge(&self, sink: &SinkId, number: u64) -> Answer<()> {
        self.0.acknowledge(sink, number).await
    }
    async fn deliveries(&self, id: RequestId) -> Answer<Arc<[Delivery]>> {
        self.0.deliveries(id).await
    }
    async fn note_delivery(&self, id: RequestId, delivery: Delivery) -> Answer<()> {
        self.0.note_delivery(id, delivery).await
    }
    async fn due(&self, limit: usize) -> Answer<Due> {
        self.0.due(limit).await
    }
    async fn pending_with(&self, digest: Digest) -> Answer<Vec<RequestId>> {
        self.0.pending_with(digest).await
    }
    async fn list(
        &self,
        filter: &Filter,
        after: Option<RequestId>,
        limit: usize,
    ) -> Answer<Vec<Arc<Record>>> {
        self.0.list(filter, after, limit).await
    }
    async fn freeze(&self) -> Answer<Option<Freeze>> {
        self.0.freeze().await
    }
    async fn set_freeze(&self, freeze: Option<Freeze>, event: NewEvent) -> Answer<()> {
        self.0.set_freeze(freeze, event).await
    }
    async fn heartbeat(&self, owner: OwnerId, lease: Duration) -> Answer<()> {
        self.0.heartbeat(owner, lease).await
    }
    fn hints(&self) -> &Arc<Hints> {
        self.0.hints()
    }
    fn is_durable(&self) -> bool {
        true
    }
}
