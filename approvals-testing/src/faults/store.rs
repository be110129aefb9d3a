//! A store that fails by script.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::audit::{Event, NewEvent};
use approvals_core::review::{Opening, Record};
use approvals_core::store::{
    Delivery, Due, Duty, Filter, Freeze, Hints, Opened, RequestStore, Snapshot, StoreError, Swap,
    Swapped,
};
use approvals_core::{ChannelId, Digest, OwnerId, RequestId, SinkId, Timestamp, async_trait};

use super::script::{Hinting, Method, Script};

/// Passes every call on to another store, and fails by script. Its hints are its own: changes that
/// are made through the other store are changes made by another process.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn RequestStore>,
    script: Arc<Script>,
    hints: Arc<Hints>,
    durable: bool,
}

impl FaultyStore {
    /// A store that fails as the script says.
    #[must_use]
    pub fn new(inner: Arc<dyn RequestStore>, script: Arc<Script>) -> Self {
        Self {
            durable: inner.is_durable(),
            inner,
            script,
            hints: Arc::default(),
        }
    }

    /// Says of itself that requests outlive the process, whatever the inner store says: others may
    /// change them.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    fn hint(&self, id: RequestId) {
        let times = match self.script.hinting() {
            Hinting::Faithful => 1,
            Hinting::Dropped => 0,
            Hinting::Doubled => 2,
        };
        for _ in 0..times {
            self.hints.changed(id);
        }
    }
}

#[async_trait]
impl RequestStore for FaultyStore {
    async fn now(&self) -> Result<Timestamp, StoreError> {
        let call = self.inner.now();
        self.script
            .carry(Method::Now, call, StoreError::Unreachable)
            .await
    }

    async fn open(
        &self,
        opening: Opening,
        deliveries: Vec<Delivery>,
    ) -> Result<Opened, StoreError> {
        let call = async {
            let opened = self.inner.open(opening, deliveries).await?;
            match &opened {
                Opened::Asked { record, .. } => self.hint(record.id()),
                Opened::Granted { record, .. } => {
                    self.hint(record.id());
                    record.granted_by.into_iter().for_each(|id| self.hint(id));
                }
                Opened::Found(_) | Opened::Refused(_) => {}
            }
            Ok(opened)
        };
        self.script
            .carry(Method::Open, call, StoreError::Unreachable)
            .await
    }

    async fn read(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError> {
        let call = self.inner.read(id);
        self.script
            .carry(Method::Read, call, StoreError::Unreachable)
            .await
    }

    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        let id = swap.record.id();
        let call = async {
            let swapped = self.inner.compare_and_swap(swap).await?;
            match swapped {
                Swapped::Done { .. } => self.hint(id),
                Swapped::Conflict | Swapped::TooLate | Swapped::Frozen | Swapped::Fallen(_) => {}
            }
            Ok(swapped)
        };
        self.script
            .carry(Method::CompareAndSwap, call, StoreError::Unreachable)
            .await
    }

    async fn append(&self, events: Vec<NewEvent>) -> Result<u64, StoreError> {
        let call = self.inner.append(events);
        self.script
            .carry(Method::Append, call, StoreError::Unreachable)
            .await
    }

    async fn register_sink(&self, sink: &SinkId) -> Result<(), StoreError> {
        let call = self.inner.register_sink(sink);
        self.script
            .carry(Method::RegisterSink, call, StoreError::Unreachable)
            .await
    }

    async fn events(&self, sink: &SinkId, limit: usize) -> Result<Vec<Event>, StoreError> {
        let call = self.inner.events(sink, limit);
        self.script
            .carry(Method::Events, call, StoreError::Unreachable)
            .await
    }

    async fn acknowledge(&self, sink: &SinkId, number: u64) -> Result<(), StoreError> {
        let call = self.inner.acknowledge(sink, number);
        self.script
            .carry(Method::Acknowledge, call, StoreError::Unreachable)
            .await
    }

    async fn deliveries(&self, id: RequestId) -> Result<Arc<[Delivery]>, StoreError> {
        let call = self.inner.deliveries(id);
        self.script
            .carry(Method::Deliveries, call, StoreError::Unreachable)
            .await
    }

    async fn note_delivery(&self, id: RequestId, delivery: Delivery) -> Result<(), StoreError> {
        let call = self.inner.note_delivery(id, delivery);
        self.script
            .carry(Method::NoteDelivery, call, StoreError::Unreachable)
            .await
    }

    async fn copies_due(
        &self,
        channel: &ChannelId,
        limit: usize,
    ) -> Result<Vec<RequestId>, StoreError> {
        let call = self.inner.copies_due(channel, limit);
        self.script
            .carry(Method::CopiesDue, call, StoreError::Unreachable)
            .await
    }

    async fn lease(
        &self,
        duty: &Duty,
        owner: OwnerId,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let call = self.inner.lease(duty, owner, lease);
        self.script
            .carry(Method::Lease, call, StoreError::Unreachable)
            .await
    }

    async fn due(&self, limit: usize) -> Result<Due, StoreError> {
        let call = self.inner.due(limit);
        self.script
            .carry(Method::Due, call, StoreError::Unreachable)
            .await
    }

    async fn pending_with(&self, digest: Digest) -> Result<Vec<RequestId>, StoreError> {
        let call = self.inner.pending_with(digest);
        self.script
            .carry(Method::PendingWith, call, StoreError::Unreachable)
            .await
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        let call = self.inner.list(filter, after, limit);
        self.script
            .carry(Method::List, call, StoreError::Unreachable)
            .await
    }

    async fn freeze(&self) -> Result<Option<Freeze>, StoreError> {
        let call = self.inner.freeze();
        self.script
            .carry(Method::Freeze, call, StoreError::Unreachable)
            .await
    }

    async fn set_freeze(&self, freeze: Option<Freeze>, event: NewEvent) -> Result<(), StoreError> {
        let call = self.inner.set_freeze(freeze, event);
        self.script
            .carry(Method::SetFreeze, call, StoreError::Unreachable)
            .await
    }

    async fn heartbeat(&self, owner: OwnerId, lease: Duration) -> Result<(), StoreError> {
        let call = self.inner.heartbeat(owner, lease);
        self.script
            .carry(Method::Heartbeat, call, StoreError::Unreachable)
            .await
    }

    async fn archive(&self, finished_for: Duration) -> Result<u64, StoreError> {
        let call = self.inner.archive(finished_for);
        self.script
            .carry(Method::Archive, call, StoreError::Unreachable)
            .await
    }

    fn hints(&self) -> &Arc<Hints> {
        &self.hints
    }

    fn is_durable(&self) -> bool {
        self.durable
    }
}
