//! The port, method by method.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::audit::{Event, NewEvent};
use approvals_core::digest::Digest;
use approvals_core::review::{Opening, Record};
use approvals_core::store::{
    Delivery, Due, Duty, Filter, Freeze, Hints, Known, Opened, Seen, Snapshot, Swap, Swapped,
};
use approvals_core::{ChannelId, OwnerId, RequestId, RequestStore, SinkId, StoreError, Timestamp};
use async_trait::async_trait;

use crate::PostgresStore;

#[async_trait]
impl RequestStore for PostgresStore {
    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.time_now().await
    }

    async fn open(
        &self,
        opening: Opening,
        deliveries: Vec<Delivery>,
    ) -> Result<Opened, StoreError> {
        self.opened(&opening, &deliveries).await
    }

    async fn known(&self, key: Digest, digest: Digest) -> Result<Known, StoreError> {
        self.known_under(key, digest).await
    }

    async fn read(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError> {
        self.snapshot(id).await
    }

    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        self.swap(swap).await
    }

    async fn append(&self, events: Vec<NewEvent>) -> Result<u64, StoreError> {
        self.appended(&events).await
    }

    async fn register_sink(&self, sink: &SinkId) -> Result<(), StoreError> {
        self.registered(sink).await
    }

    async fn events(&self, sink: &SinkId, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.offered(sink, limit).await
    }

    async fn acknowledge(&self, sink: &SinkId, number: u64) -> Result<(), StoreError> {
        self.acknowledged(sink, number).await
    }

    async fn deliveries(&self, id: RequestId) -> Result<Arc<[Delivery]>, StoreError> {
        self.copies(id).await
    }

    async fn read_with_deliveries(&self, id: RequestId) -> Result<Option<Seen>, StoreError> {
        self.seen(id).await
    }

    async fn note_delivery(&self, id: RequestId, delivery: Delivery) -> Result<(), StoreError> {
        self.note_copy(id, &delivery).await
    }

    async fn copies_due(
        &self,
        channel: &ChannelId,
        limit: usize,
    ) -> Result<Vec<RequestId>, StoreError> {
        self.due_copies(channel, limit).await
    }

    async fn seal(&self, sink: &SinkId) -> Result<Option<String>, StoreError> {
        self.sealed(sink).await
    }

    async fn swap_seal(
        &self,
        sink: &SinkId,
        expected: Option<&str>,
        seal: &str,
    ) -> Result<bool, StoreError> {
        self.seal_swapped(sink, expected, seal).await
    }

    async fn lease(
        &self,
        duty: &Duty,
        owner: OwnerId,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        self.leased(duty, owner, lease).await
    }

    async fn due(&self, limit: usize) -> Result<Due, StoreError> {
        self.what_is_due(limit).await
    }

    async fn pending_with(&self, digest: Digest) -> Result<Vec<RequestId>, StoreError> {
        self.pending_equal(digest).await
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        self.page(filter, after, limit).await
    }

    async fn freeze(&self) -> Result<Option<Freeze>, StoreError> {
        self.frozen_by().await
    }

    async fn set_freeze(&self, freeze: Option<Freeze>, event: NewEvent) -> Result<(), StoreError> {
        self.freeze_set(freeze.as_ref(), event).await
    }

    async fn heartbeat(&self, owner: OwnerId, lease: Duration) -> Result<(), StoreError> {
        self.beat(owner, lease).await
    }

    async fn archive(&self, finished_for: Duration) -> Result<u64, StoreError> {
        self.archive_all(finished_for).await
    }

    fn hints(&self) -> &Arc<Hints> {
        &self.hints
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn is_durable(&self) -> bool {
        true
    }
}
