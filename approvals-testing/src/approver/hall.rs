//! A gate around a channel: requests are put before people there, and the suite looks at what
//! becomes of them.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::review::Record;
use approvals_core::store::{Delivery, DeliveryState};
use approvals_core::{
    Approver, ApproverError, ChannelDesk, ChannelId, ChannelIdentity, Coverage, Desk, Event, Gate,
    Notice, Presentation, Receipt, RequestId, RequestStore, Requirement, SinkId, async_trait,
};

use super::Driver;
use super::altered::{Altered, Mirror};
use crate::report::Found;
use crate::sample::{REVIEWERS, Sample, known};
use crate::wrapping::Wrapping;

/// How long the suite waits for a channel, in steps of [`STEP`].
const STEPS: usize = 200;
const STEP: Duration = Duration::from_millis(25);

/// What a channel was handed.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) presented: Vec<(RequestId, u64)>,
    pub(super) updated: Vec<(RequestId, u64, Receipt)>,
    pub(super) errors: Vec<String>,
    /// Updates are kept from the channel: its messages stay as they are.
    pub(super) silent: bool,
}

/// Passes on, and notes.
#[derive(Debug)]
struct Noted {
    inner: Arc<dyn Approver>,
    log: Arc<Mutex<Log>>,
}

impl Noted {
    fn log(&self, note: impl FnOnce(&mut Log)) {
        note(&mut self.log.lock().unwrap_or_else(|e| e.into_inner()));
    }
}

#[async_trait]
impl Approver for Noted {
    fn coverage(&self, presentation: &Presentation<'_>) -> Coverage {
        self.inner.coverage(presentation)
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        self.log(|log| log.presented.push((notice.asked().id, notice.revision())));
        let presented = self.inner.present(notice).await;
        if let Err(error) = &presented {
            self.log(|log| log.errors.push(error.to_string()));
        }
        presented
    }

    async fn update(&self, notice: &Notice, receipt: &Receipt) -> Result<(), ApproverError> {
        self.follow(notice, receipt).await.map(drop)
    }

    async fn follow(
        &self,
        notice: &Notice,
        receipt: &Receipt,
    ) -> Result<Option<Receipt>, ApproverError> {
        let mut silent = false;
        self.log(|log| silent = log.silent);
        if silent {
            return Ok(None);
        }
        let updated = self.inner.follow(notice, receipt).await;
        self.log(|log| match &updated {
            Ok(_) => {
                let update = (notice.asked().id, notice.revision(), receipt.clone());
                log.updated.push(update);
            }
            Err(error) => log.errors.push(error.to_string()),
        });
        updated
    }
}

/// Somewhere else where everything is shown and nobody is seen to click.
#[derive(Debug)]
struct Elsewhere;

#[async_trait]
impl Approver for Elsewhere {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }

    async fn present(&self, _: &Notice) -> Result<Receipt, ApproverError> {
        Ok(Receipt::none())
    }

    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Hall {
    driver: Arc<dyn Driver>,
    pub(super) store: Arc<MemoryStore>,
    desk: Desk,
    /// What the channel reads of the store.
    mirror: Arc<Wrapping<Mirror>>,
    directory: Arc<InMemoryDirectory>,
    observer: SinkId,
    requirement: Requirement,
    log: Arc<Mutex<Log>>,
    asking: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

pub(super) fn channel() -> ChannelId {
    known(ChannelId::new("judged"))
}

impl Hall {
    /// `count` of the reviewers must agree.
    pub(super) async fn new(driver: Arc<dyn Driver>, count: u8) -> Result<Self, Found> {
        let directory = InMemoryDirectory::new();
        for name in ["alice", "carol"] {
            directory.person(name, [REVIEWERS])?;
        }
        directory.person("bob", ["others"])?;
        for name in ["alice", "carol", "bob"] {
            let (tenant, user) = driver.user(name);
            directory.link(ChannelIdentity::new(channel(), &tenant, &user), name)?;
        }
        let store = Arc::new(MemoryStore::on_tokio_time());
        let observer = SinkId::new("observer")?;
        store.register_sink(&observer).await?;
        let directory = Arc::new(directory);
        Ok(Self {
            desk: Desk::new(store.clone(), directory.clone()),
            mirror: Arc::new(Wrapping(Mirror::of(store.clone()))),
            directory,
            requirement: Requirement::some_of(count, REVIEWERS)?,
            driver,
            store,
            observer,
            log: Arc::default(),
            asking: Mutex::default(),
        })
    }

    /// Starts a process: the channel, and a gate that asks there and elsewhere.
    pub(super) async fn start(&self) -> Result<Gate, Found> {
        let desk = Desk::new(self.mirror.clone(), self.directory.clone());
        let inner = self.driver.connect(desk.channel(channel())).await;
        let log = Arc::clone(&self.log);
        let gate = Gate::with_desk(self.desk.clone())
            .policy("sample", self.requirement.clone())
            .approver(channel().as_str(), |_| Arc::new(Noted { inner, log }))
            .approver("elsewhere", |_| Arc::new(Elsewhere))
            .build()
            .await?;
        Ok(gate)
    }

    fn asking(&self) -> MutexGuard<'_, Vec<tokio::task::JoinHandle<()>>> {
        self.asking.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Ends a process: its calls detach, and nobody there hears of changes any more.
    pub(super) async fn stop(&self, gate: Gate) {
        for task in self.asking().drain(..) {
            task.abort();
        }
        drop(gate);
        tokio::time::sleep(STEP).await;
    }

    /// A vote's way in from somewhere else.
    pub(super) fn elsewhere(&self) -> ChannelDesk {
        self.desk.channel(known(ChannelId::new("elsewhere")))
    }

    pub(super) fn log<T>(&self, look: impl FnOnce(&mut Log) -> T) -> T {
        look(&mut self.log.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// Has a gate ask, and returns when the channel has shown the request. The call waits on in a
    /// task of its own; it is keyed, so that it outlives the gate.
    pub(super) async fn ask(&self, gate: &Gate, table: &str) -> Result<Arc<Record>, Found> {
        let before = self.log(|log| log.presented.len());
        self.call(gate, table, before).await?;
        self.until(|| self.log(|log| log.presented.len()) > before)
            .await?;
        let presented = self.log(|log| log.presented.last().copied());
        let (id, _) = presented.ok_or_else(|| Found("nothing was presented".to_owned()))?;
        let mut last = "`present` does not return".to_owned();
        for _ in 0..STEPS {
            let delivery = self.delivery(id).await?;
            match delivery.state {
                DeliveryState::Delivered(_) | DeliveryState::Outdated { .. } => {
                    return self.record(id).await;
                }
                DeliveryState::Failed { why, retry } => {
                    last = format!("`present` fails: {why}");
                    if retry.is_none() {
                        break;
                    }
                }
                DeliveryState::Intended => {}
            }
            tokio::time::sleep(STEP).await;
        }
        Err(Found(last))
    }

    /// Has a gate make the call that was made when so many requests had been presented, or makes it.
    pub(super) async fn call(&self, gate: &Gate, table: &str, nth: usize) -> Result<(), Found> {
        let key = format!("ask-{nth}");
        let sample = Sample::at(self.store.now().await?).table(table).key(&key);
        let asking = gate.clone();
        let call = sample.call();
        let task = tokio::spawn(async move {
            // What becomes of the call is seen in the store.
            let _ = asking.authorize(call).await;
        });
        self.asking().push(task);
        Ok(())
    }

    /// Has the store say something else to the channel than it has shown, or again what it has.
    pub(super) fn alter(&self, what: Altered) {
        self.mirror.alter(what);
    }

    /// Gives a channel time for what it does without being asked.
    pub(super) async fn a_while(&self) {
        tokio::time::sleep(STEP * 120).await;
    }

    pub(super) async fn delivery(&self, id: RequestId) -> Result<Delivery, Found> {
        let deliveries = self.store.deliveries(id).await?;
        let here = deliveries.iter().find(|d| d.channel == channel());
        here.cloned()
            .ok_or_else(|| Found("the request has no delivery here".to_owned()))
    }

    pub(super) async fn record(&self, id: RequestId) -> Result<Arc<Record>, Found> {
        let read = self.store.read(id).await?;
        let snapshot = read.ok_or_else(|| Found(format!("{id} cannot be read")))?;
        Ok(snapshot.record)
    }

    pub(super) async fn trail(&self) -> Result<Vec<Event>, Found> {
        Ok(self.store.events(&self.observer, 10_000).await?)
    }

    /// Waits until something holds.
    pub(super) async fn until(&self, holds: impl Fn() -> bool) -> Result<(), Found> {
        for _ in 0..STEPS {
            if holds() {
                return Ok(());
            }
            tokio::time::sleep(STEP).await;
        }
        Err(Found("the channel was waited for in vain".to_owned()))
    }

    /// Waits until a request has been changed, or the time is over.
    pub(super) async fn settled(&self, id: RequestId, than: u64) -> Result<Arc<Record>, Found> {
        for _ in 0..STEPS / 4 {
            let record = self.record(id).await?;
            if record.revision > than {
                return Ok(record);
            }
            tokio::time::sleep(STEP).await;
        }
        self.record(id).await
    }
}
