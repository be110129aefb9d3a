//! Feeding the trail to its sinks from the store's outbox.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, mpsc};

use crate::audit::Sink;
use crate::error::ApprovalError;
use crate::store::{RequestStore, StoreError};

/// How many events are handed to a sink at once.
const BATCH: usize = 1024;
/// How many events a sink may lag behind before allowed calls wait in the gate's own buffer.
const BACKLOG: u64 = 65_536;

/// The gate's sinks, each fed by one task at a time.
#[derive(Debug, Default)]
pub(crate) struct Sinks {
    sinks: Vec<Feed>,
    /// The number of the last event that this gate knows to be stored.
    stored: AtomicU64,
    /// The same when the gate was built: what a sink missed before is not held against it.
    base: AtomicU64,
    progress: Notify,
}

#[derive(Debug)]
struct Feed {
    sink: Sink,
    /// The number of the last event that it has acknowledged to this gate.
    acknowledged: AtomicU64,
    feeding: tokio::sync::Mutex<()>,
    wanted: Notify,
}

#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sink(#[from] crate::audit::AuditError),
}

impl Sinks {
    pub(super) fn new(sinks: Vec<Sink>) -> Self {
        let feed = |sink| Feed {
            sink,
            acknowledged: AtomicU64::new(0),
            feeding: tokio::sync::Mutex::default(),
            wanted: Notify::new(),
        };
        Self {
            sinks: sinks.into_iter().map(feed).collect(),
            ..Self::default()
        }
    }

    pub(super) async fn register(&self, store: &dyn RequestStore) -> Result<(), StoreError> {
        for feed in &self.sinks {
            store.register_sink(&feed.sink.id).await?;
        }
        let number = store.append(Vec::new()).await?;
        self.base.store(number, Ordering::Release);
        self.stored.store(number, Ordering::Release);
        Ok(())
    }

    pub(super) fn any_required(&self) -> bool {
        self.sinks.iter().any(|feed| feed.sink.required)
    }

    /// Invariant 11: returns when every required sink has acknowledged every event up to `number`.
    pub(super) async fn acknowledged(
        &self,
        store: &dyn RequestStore,
        number: u64,
    ) -> Result<(), ApprovalError> {
        for feed in self.sinks.iter().filter(|feed| feed.sink.required) {
            if let Err(error) = feed.up_to(store, number, &self.progress).await {
                tracing::error!(sink = %feed.sink.id, %error, "a required audit sink failed");
                let what = format!("the required audit sink `{}`", feed.sink.id);
                return Err(ApprovalError::unavailable(&what, error));
            }
        }
        Ok(())
    }

    pub(super) fn count(&self) -> usize {
        self.sinks.len()
    }

    /// Has every sink fed what it does not have yet, without waiting for any.
    pub(super) fn feed(&self) {
        for feed in &self.sinks {
            feed.wanted.notify_one();
        }
    }

    /// Takes note that events up to this number are stored.
    pub(super) fn stored(&self, number: u64) {
        self.stored.fetch_max(number, Ordering::AcqRel);
    }

    /// Whether a sink lags so far behind that calls are to be held up.
    pub(super) fn behind(&self) -> bool {
        let base = self.base.load(Ordering::Acquire);
        let stored = self.stored.load(Ordering::Acquire);
        self.sinks.iter().any(|feed| {
            let has = feed.acknowledged.load(Ordering::Acquire).max(base);
            stored.saturating_sub(has) >= BACKLOG
        })
    }

    /// Completes when a sink has taken something.
    pub(super) async fn progressed(&self) {
        self.progress.notified().await;
    }

    /// Feeds one sink whenever it is wanted, beside everything else: a slow sink holds up nobody
    /// but the calls that it would lose. Whoever flushes is let go when the sink has been fed. Ends
    /// when `flushes` is closed.
    pub(super) async fn keep_fed(
        &self,
        index: usize,
        store: &dyn RequestStore,
        mut flushes: mpsc::UnboundedReceiver<Flushing>,
    ) {
        let Some(feed) = self.sinks.get(index) else {
            return;
        };
        let mut open = true;
        while open {
            let mut flushing = None;
            tokio::select! {
                biased;
                received = flushes.recv() => match received {
                    Some(received) => flushing = Some(received),
                    None => open = false,
                },
                () = feed.wanted.notified() => {}
            }
            // A sink that fails is offered it again.
            if let Err(error) = feed.up_to(store, u64::MAX, &self.progress).await {
                tracing::error!(sink = %feed.sink.id, %error, "an audit sink failed");
            }
            drop(flushing);
        }
    }
}

/// Held while there is something to wait for.
pub(super) type Flushing = mpsc::Sender<()>;

impl Feed {
    /// Hands over events until the sink has `number`, or there are no more.
    async fn up_to(
        &self,
        store: &dyn RequestStore,
        number: u64,
        progress: &Notify,
    ) -> Result<(), FeedError> {
        if self.acknowledged.load(Ordering::Acquire) >= number {
            return Ok(());
        }
        // Whoever waited here finds that others' events went along with theirs.
        let _feeding = self.feeding.lock().await;
        while self.acknowledged.load(Ordering::Acquire) < number {
            let events = store.events(&self.sink.id, BATCH).await?;
            let Some(last) = events.last().map(|event| event.number) else {
                return Ok(());
            };
            self.sink.sink.record(&events).await?;
            store.acknowledge(&self.sink.id, last).await?;
            self.acknowledged.fetch_max(last, Ordering::Release);
            progress.notify_one();
            if number == u64::MAX && events.len() < BATCH {
                return Ok(());
            }
        }
        Ok(())
    }
}
