//! Feeding the trail to its sinks from the store's outbox.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::duties::Duties;
use super::unpanicked::{Panicked, Unpanicked};
use crate::audit::{AuditError, Event, Sink};
use crate::error::ApprovalError;
use crate::store::{Duty, RequestStore, StoreError};

/// How many events are handed to a sink at once.
const BATCH: usize = 1024;
/// How many events a sink may lag behind before allowed calls wait in the gate's own buffer.
const BACKLOG: u64 = 65_536;

/// How often a sink is offered what it does not have yet, whether or not there is news.
const TICK: Duration = Duration::from_secs(1);
/// The same where other processes may have stored events, as long as some keep coming.
const SHARED_TICK: Duration = Duration::from_millis(100);
/// After so many looks in vain the slower tick is quick enough.
const QUIET: u32 = 100;
/// How long whoever does not feed a sink waits between two looks at how far it is: at first, and
/// at most.
const LOOKS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));
/// How long an effect waits for a required sink before the call is refused.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a sink takes what it was handed before another gate may feed it: short enough that
/// effects that wait for it go on when that one does.
const HANGS: Duration = Duration::from_secs(10);

/// The gate's sinks. Each has a task that feeds it, so that a slow one holds up nothing else.
///
/// One gate at a time feeds a sink, since a log that two wrote would fork. The others' effects wait
/// for its cursor in the store.
#[derive(Debug, Default)]
pub(crate) struct Sinks {
    sinks: Vec<Arc<Feed>>,
    /// The number of the last event that this gate knows to be stored.
    stored: Arc<AtomicU64>,
    /// The same when the gate was built: what a sink missed before is not held against it.
    base: AtomicU64,
    progress: Arc<Notify>,
}

#[derive(Debug)]
struct Feed {
    sink: Sink,
    duty: Duty,
    duties: Arc<Duties>,
    /// The number of the last event that this gate knows it to have acknowledged.
    acknowledged: AtomicU64,
    /// See [`Sinks::stored`].
    stored: Arc<AtomicU64>,
    feeding: tokio::sync::Mutex<()>,
    /// Whether it has not answered this gate for so long that another one may feed it.
    hangs: AtomicBool,
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
    pub(super) fn new(sinks: Vec<Sink>, duties: &Arc<Duties>) -> Self {
        let progress = Arc::new(Notify::new());
        let stored = Arc::new(AtomicU64::new(0));
        let feed = |sink: Sink| Feed {
            duty: Duty::Sink(sink.id.clone()),
            duties: Arc::clone(duties),
            sink,
            acknowledged: AtomicU64::new(0),
            stored: Arc::clone(&stored),
            feeding: tokio::sync::Mutex::default(),
            hangs: AtomicBool::new(false),
            news: Notify::new(),
            closing: AtomicBool::new(false),
            progress: Arc::clone(&progress),
        };
        let sinks = sinks.into_iter().map(feed).map(Arc::new).collect();
        Self {
            sinks,
            stored,
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

    /// Returns when every sink has what is stored now, or has failed. A sink that fails is offered
    /// it again.
    pub(super) async fn feed(&self, store: &dyn RequestStore) {
        if self.sinks.is_empty() {
            return;
        }
        let number = match store.append(Vec::new()).await {
            Ok(number) => number,
            Err(error) => {
                tracing::error!(%error, "what audit sinks lack cannot be read");
                return;
            }
        };
        for feed in &self.sinks {
            let fed = tokio::time::timeout(PATIENCE, feed.up_to(store, number)).await;
            if let Err(error) = fed.unwrap_or(Err(FeedError::TooSlow)) {
                tracing::error!(sink = %feed.sink.id, %error, "an audit sink failed");
            }
        }
    }

    /// Takes the sinks that nobody feeds, and keeps those that this gate feeds.
    pub(super) async fn take_duties(&self, store: &dyn RequestStore) {
        for feed in &self.sinks {
            feed.take_duty(store).await;
        }
    }
}

/// A call that a sink hangs in, until it ends or is given up.
struct Hanging<'a>(&'a AtomicBool);

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Feed {
    /// Takes the sink when nobody feeds it. Not while it hangs here: others may do better.
    async fn take_duty(&self, store: &dyn RequestStore) {
        if !self.hangs.load(Ordering::Acquire) {
            self.duties.take(store, &self.duty).await;
        }
    }

    async fn run(self: Arc<Self>, store: Arc<dyn RequestStore>) {
        let mut quiet = 0;
        let mut closing = false;
        while !closing {
            let tick = if store.is_durable() && quiet < QUIET {
                SHARED_TICK
            } else {
                TICK
            };
            // A tick without news is no error: what failed before is offered again.
            let _ = tokio::time::timeout(tick, self.news.notified()).await;
            // Read before feeding: what was stored before the gate closed is handed over still.
            closing = self.closing.load(Ordering::Acquire);
            self.take_duty(store.as_ref()).await;
            let before = self.acknowledged.load(Ordering::Acquire);
            if let Err(error) = self.up_to(store.as_ref(), u64::MAX).await {
                tracing::error!(sink = %self.sink.id, %error, "an audit sink failed");
            }
            let now = self.acknowledged.load(Ordering::Acquire);
            quiet = if now > before {
                0
            } else {
                quiet.saturating_add(1)
            };
        }
        self.duties.give_up(store.as_ref(), &self.duty).await;
    }

    /// Hands over events until the sink has `number`, or there are no more.
    async fn up_to(&self, store: &dyn RequestStore, number: u64) -> Result<(), FeedError> {
        let (mut pause, longest) = LOOKS;
        while self.acknowledged.load(Ordering::Acquire) < number {
            if self.duties.has(&self.duty) {
                if self.hand_over(store, number).await? {
                    return Ok(());
                }
                continue;
            }
            if self.look(store, number).await? || number == u64::MAX {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(longest);
            if pause == longest {
                // Whoever fed it may have ended.
                self.take_duty(store).await;
            }
        }
        Ok(())
    }

    /// Hands over events as long as that is this gate's duty. Says whether the sink has `number`.
    async fn hand_over(&self, store: &dyn RequestStore, number: u64) -> Result<bool, FeedError> {
        // Whoever waited here finds that others' events went along with theirs, or that the sink
        // hangs in their hands.
        let _feeding = loop {
            if let Ok(feeding) = self.feeding.try_lock() {
                break feeding;
            }
            match tokio::time::timeout(LOOKS.1, self.feeding.lock()).await {
                Ok(feeding) => break feeding,
                Err(_) if self.duties.has(&self.duty) => {}
                Err(_) => return Ok(false),
            }
        };
        while self.acknowledged.load(Ordering::Acquire) < number {
            if !self.duties.has(&self.duty) {
                return Ok(false);
            }
            let known = self.stored.load(Ordering::Acquire);
            let events = store.events(&self.sink.id, BATCH).await?;
            let Some(last) = events.last().map(|event| event.number) else {
                self.has_up_to(known);
                return Ok(true);
            };
            if !self.record(store, &events, number).await? {
                return Ok(true);
            }
            store.acknowledge(&self.sink.id, last).await?;
            self.has_up_to(last);
            if number == u64::MAX && events.len() < BATCH {
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// Has the sink take events. One that hangs is left to other gates meanwhile; says whether it
    /// took them, and not that another gate got it to take everything up to `number`.
    async fn record(
        &self,
        store: &dyn RequestStore,
        events: &[Event],
        number: u64,
    ) -> Result<bool, FeedError> {
        let mut recording = pin!(Unpanicked(self.sink.sink.record(events)));
        let mut recorded = tokio::time::timeout(HANGS, &mut recording).await.ok();
        if recorded.is_none() {
            tracing::error!(sink = %self.sink.id, "an audit sink hangs: another process may feed it");
            let _hanging = Hanging(&self.hangs);
            self.hangs.store(true, Ordering::Release);
            self.duties.give_up(store, &self.duty).await;
            while recorded.is_none() {
                recorded = tokio::time::timeout(LOOKS.1, &mut recording).await.ok();
                if recorded.is_none()
                    && let Ok(true) = self.look(store, number).await
                    && number < u64::MAX
                {
                    return Ok(false);
                }
            }
        }
        match recorded {
            Some(Ok(recorded)) => recorded?,
            Some(Err(Panicked)) | None => Err(AuditError("it panicked".to_owned()))?,
        }
        Ok(true)
    }

    /// Looks how far another gate has fed the sink. Says whether it has `number`.
    async fn look(&self, store: &dyn RequestStore, number: u64) -> Result<bool, FeedError> {
        let known = self.stored.load(Ordering::Acquire);
        let events = store.events(&self.sink.id, 1).await?;
        match events.first() {
            Some(next) => {
                self.has_up_to(next.number.saturating_sub(1));
                Ok(next.number > number)
            }
            None => {
                // What was stored before it was asked, the sink has.
                let all = if number < u64::MAX { number } else { 0 };
                self.has_up_to(all.max(known));
                Ok(true)
            }
        }
    }

    fn has_up_to(&self, number: u64) {
        self.acknowledged.fetch_max(number, Ordering::AcqRel);
        self.progress.notify_one();
    }
}
