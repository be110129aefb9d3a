//! Feeding the trail to its sinks from the store's outbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::unpanicked::{Panicked, Unpanicked};
use crate::audit::{AuditError, Sink};
use crate::error::ApprovalError;
use crate::store::{RequestStore, StoreError};

/// How many events are handed to a sink at once.
const BATCH: usize = 1024;
/// How many events a sink may lag behind before allowed calls wait in the gate's own buffer.
const BACKLOG: u64 = 65_536;

/// How often a sink is offered what it does not have yet, whether or not there is news.
const TICK: Duration = Duration::from_secs(1);
/// How long an effect waits for a required sink before the call is refused.
const PATIENCE: Duration = Duration::from_secs(30);

/// The gate's sinks. Each has a task that feeds it, so that a slow one holds up nothing else.
#[derive(Debug, Default)]
pub(crate) struct Sinks {
    sinks: Vec<Arc<Feed>>,
    /// The number of the last event that this gate knows to be stored.
    stored: AtomicU64,
    /// The same when the gate was built: what a sink missed before is not held against it.
    base: AtomicU64,
    progress: Arc<Notify>,
}

#[derive(Debug)]
struct Feed {
    sink: Sink,
    /// The number of the last event that it has acknowledged to this gate.
    acknowledged: AtomicU64,
    feeding: tokio::sync::Mutex<()>,
    news: Notify,
    closing: AtomicBool,
    progress: Arc<Notify>,
}

#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sink(#[from] AuditError),
    #[error("it did not answer within {PATIENCE:?}")]
    TooSlow,
}

impl Sinks {
    pub(super) fn new(sinks: Vec<Sink>) -> Self {
        let progress = Arc::new(Notify::new());
        let feed = |sink| Feed {
            sink,
            acknowledged: AtomicU64::new(0),
            feeding: tokio::sync::Mutex::default(),
            news: Notify::new(),
            closing: AtomicBool::new(false),
            progress: Arc::clone(&progress),
        };
        let sinks = sinks.into_iter().map(feed).map(Arc::new).collect();
        Self {
            sinks,
            stored: AtomicU64::new(0),
            base: AtomicU64::new(0),
            progress,
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

    /// Takes note that events up to this number are stored.
    pub(super) fn stored(&self, number: u64) {
        self.stored.fetch_max(number, Ordering::AcqRel);
    }

    /// Whether a sink lags so far behind that allowed calls are to be held up.
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
            let fed = tokio::time::timeout(PATIENCE, feed.up_to(store, number)).await;
            if let Err(error) = fed.unwrap_or(Err(FeedError::TooSlow)) {
                tracing::error!(sink = %feed.sink.id, %error, "a required audit sink failed");
                let what = format!("the required audit sink `{}`", feed.sink.id);
                return Err(ApprovalError::unavailable(&what, error));
            }
        }
        Ok(())
    }

    /// Starts the tasks that feed the sinks.
    pub(super) fn start(&self, store: &Arc<dyn RequestStore>) {
        for feed in &self.sinks {
            tokio::spawn(Arc::clone(feed).run(Arc::clone(store)));
        }
    }

    /// Tells the feeding tasks that there are new events.
    pub(super) fn news(&self) {
        for feed in &self.sinks {
            feed.news.notify_one();
        }
    }

    /// Has the feeding tasks end when they have handed over what there is.
    pub(super) fn close(&self) {
        for feed in &self.sinks {
            feed.closing.store(true, Ordering::Release);
            feed.news.notify_one();
        }
    }

    /// Feeds every sink what it does not have yet. A sink that fails is offered it again.
    pub(super) async fn feed(&self, store: &dyn RequestStore) {
        for feed in &self.sinks {
            if let Err(error) = feed.up_to(store, u64::MAX).await {
                tracing::error!(sink = %feed.sink.id, %error, "an audit sink failed");
            }
        }
    }
}

impl Feed {
    async fn run(self: Arc<Self>, store: Arc<dyn RequestStore>) {
        while !self.closing.load(Ordering::Acquire) {
            // A tick without news is no error: what failed before is offered again.
            let _ = tokio::time::timeout(TICK, self.news.notified()).await;
            if let Err(error) = self.up_to(store.as_ref(), u64::MAX).await {
                tracing::error!(sink = %self.sink.id, %error, "an audit sink failed");
            }
        }
    }

    /// Hands over events until the sink has `number`, or there are no more.
    async fn up_to(&self, store: &dyn RequestStore, number: u64) -> Result<(), FeedError> {
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
            let recorded = Unpanicked(self.sink.sink.record(&events)).await;
            recorded.unwrap_or_else(|Panicked| Err(AuditError("it panicked".to_owned())))?;
            store.acknowledge(&self.sink.id, last).await?;
            self.acknowledged.fetch_max(last, Ordering::Release);
            self.progress.notify_one();
            if number == u64::MAX && events.len() < BATCH {
                return Ok(());
            }
        }
        Ok(())
    }
}
