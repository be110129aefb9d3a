//! A store that says something else than what a channel has shown, for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use approvals_core::memory::MemoryStore;
use approvals_core::review::Record;
use approvals_core::store::{Seen, Snapshot};
use approvals_core::{Digest, RequestId, RequestStore, StoreError};

use crate::wrapping::WrapsStore;

/// What is otherwise than it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Altered {
    Nothing,
    /// Another call.
    Digest,
    /// Another presentation of it.
    Shown,
}

/// The store that a channel looks at: what it reads there is altered while that is switched on.
#[derive(Debug)]
pub(super) struct Mirror {
    store: Arc<MemoryStore>,
    altered: AtomicU8,
}

impl Mirror {
    pub(super) const fn of(store: Arc<MemoryStore>) -> Self {
        Self {
            store,
            altered: AtomicU8::new(Altered::Nothing as u8),
        }
    }

    pub(super) fn alter(&self, what: Altered) {
        self.altered.store(what as u8, Ordering::SeqCst);
    }

    fn record(&self, record: Arc<Record>) -> Arc<Record> {
        let altered = self.altered.load(Ordering::SeqCst);
        if altered == Altered::Nothing as u8 {
            return record;
        }
        let mut asked = (*record.asked).clone();
        let other = Digest::from_bytes([0xa1; 32]);
        if altered == Altered::Digest as u8 {
            asked.digest = other;
        } else {
            asked.shown = other;
        }
        Arc::new(Record {
            asked: Arc::new(asked),
            ..(*record).clone()
        })
    }
}

impl WrapsStore for Mirror {
    fn inner(&self) -> &dyn RequestStore {
        self.store.as_ref()
    }

    async fn read(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError> {
        let read = self.store.read(id).await?;
        Ok(read.map(|snapshot| Snapshot {
            record: self.record(snapshot.record),
            ..snapshot
        }))
    }

    async fn read_with_deliveries(&self, id: RequestId) -> Result<Option<Seen>, StoreError> {
        let read = self.store.read_with_deliveries(id).await?;
        Ok(read.map(|seen| Seen {
            snapshot: Snapshot {
                record: self.record(seen.snapshot.record),
                ..seen.snapshot
            },
            ..seen
        }))
    }
}
