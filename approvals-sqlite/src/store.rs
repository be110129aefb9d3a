//! The store: changes go to the writer, reads to the readers.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock, mpsc};
use std::time::Duration;

use approvals_core::audit::{Event, NewEvent};
use approvals_core::review::Opening;
use approvals_core::store::encoding;
use approvals_core::store::retention::FINISHED_IS_KEPT_FOR;
use approvals_core::store::{
    Delivery, Due, Duty, Filter, Freeze, Hints, Known, Opened, Seen, Snapshot, StoreError, Swap,
    Swapped,
};
use approvals_core::{
    ChannelId, Digest, OwnerId, Record, RequestId, RequestStore, SinkId, Timestamp, async_trait,
};
use tokio::sync::{Semaphore, oneshot};

use crate::builder::Builder;
use crate::clock::StoreClock;
use crate::decoded::Decoded;
use crate::error::OpenError;
use crate::head::{LATEST, latest_in};
use crate::opening::Worded;
use crate::readers::Readers;
use crate::rows::Row;
use crate::script::Script;
use crate::swapping::Written;
use crate::work::{Done, Queued, Selection, Step, Work};
use crate::{changing, copies, listing, opening, reading, rows, writer};

/// How many finished requests are looked at in one step of archiving: others wait meanwhile.
const ARCHIVED_AT_ONCE: usize = 64;

/// How many changes may wait for the writer.
const QUEUED: usize = 1024;

/// Keeps requests in a SQLite file. See the [crate's documentation](crate) for what is promised.
pub struct SqliteStore {
    /// None once it is closed.
    queue: RwLock<Option<mpsc::Sender<Queued>>>,
    /// Places in the queue: whoever comes when there is none waits for one.
    places: Arc<Semaphore>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
    decoded: Decoded,
    readers: Readers,
    clock: Arc<StoreClock>,
    hints: Arc<Hints>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.readers.path())
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the store in this file, on the host's clock. The file is made where it does not exist.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder(path).open().await
    }

    /// Settings for a store in this file.
    pub fn builder(path: impl AsRef<Path>) -> Builder {
        Builder::new(path.as_ref())
    }

    pub(crate) async fn start(builder: Builder) -> Result<Self, OpenError> {
        let clock = Arc::new(StoreClock::new(builder.clock));
        let hints = Arc::<Hints>::default();
        let setup = writer::Setup {
            file: builder.file.clone(),
            look_every: builder.look_every,
            clock: Arc::clone(&clock),
            hints: Arc::clone(&hints),
        };
        let (queue, ended) = writer::start(setup).await?;
        Ok(Self {
            queue: RwLock::new(Some(queue)),
            places: Arc::new(Semaphore::new(QUEUED)),
            ended: Mutex::new(Some(ended)),
            decoded: Decoded::default(),
            readers: Readers::new(builder.file, builder.readers),
            clock,
            hints,
        })
    }

    /// Closes the store: what was asked before is carried out and answered, whatever comes later is
    /// refused, and the file is closed when this returns. A store that is dropped instead closes
    /// its file a little later.
    pub async fn close(&self) {
        drop(self.queue.write().unwrap_or_else(|e| e.into_inner()).take());
        let ended = self.ended.lock().unwrap_or_else(|e| e.into_inner()).take();
        self.readers.close();
        if let Some(ended) = ended {
            // It has ended also when it could not say so.
            let _ = ended.await;
        }
    }

    /// Archives requests that finished so long ago, at least a day, and decide about nothing any
    /// more: their records go, and how many did is returned. What is left of a request with a key
    /// is its outcome, which is still found under the key and read under its id. The trail has the
    /// rest.
    ///
    /// Kept are denials that close a grant, open grants, and whatever owes a review or is in doubt.
    ///
    /// After a crash some are archived and others are not; archiving again goes on.
    ///
    /// # Errors
    /// [`StoreError`]; what was archived before stays archived.
    async fn archive_all(&self, finished_for: Duration) -> Result<u64, StoreError> {
        let finished_for = finished_for.max(FINISHED_IS_KEPT_FOR);
        let mut archived = 0_u64;
        let mut after = None;
        loop {
            let step = Work::Archive(Selection {
                finished_for,
                after,
                limit: ARCHIVED_AT_ONCE,
            });
            let Step {
                archived: more,
                last,
            } = match self.change(step).await? {
                Done::Archived(step) => step,
                other => return Err(unexpected(&other)),
            };
            archived = archived.saturating_add(more);
            if last.is_none() {
                return Ok(archived);
            }
            after = last;
        }
    }

    /// What a row says of a request, if it is there: its record is read by this.
    fn snapshot(
        &self,
        row: &Row,
        read: impl FnOnce(&str) -> Result<Arc<Record>, StoreError>,
    ) -> Result<Option<Snapshot>, StoreError> {
        let now = self.clock.now(latest_in(row, "latest")?)?;
        let frozen = rows::value(row, "is_frozen")?;
        let text: Option<&str> = rows::value(row, "record")?;
        let record = text.map(read).transpose()?;
        Ok(record.map(|record| Snapshot {
            record,
            now,
            frozen,
        }))
    }

    /// Hands a change to the writer and waits until it is committed.
    async fn change(&self, work: Work) -> Result<Done, StoreError> {
        let closed = || StoreError::Unreachable("the store is closed".to_owned());
        let place = Arc::clone(&self.places).acquire_owned().await;
        let (answer, answered) = oneshot::channel();
        let queued = Queued {
            work,
            answer,
            _place: place.map_err(|_| closed())?,
        };
        match &*self.queue.read().unwrap_or_else(|e| e.into_inner()) {
            Some(queue) => queue.send(queued).map_err(|_| closed())?,
            None => return Err(closed()),
        }
        answered.await.map_err(|_| {
            StoreError::Unreachable(
                "the store's writer ended over it: it may stand all the same".to_owned(),
            )
        })?
    }

    async fn change_silently(&self, work: Work) -> Result<(), StoreError> {
        match self.change(work).await? {
            Done::Nothing => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

/// Every change has an answer of its own kind.
fn unexpected(done: &Done) -> StoreError {
    StoreError::Invalid(format!("the writer answered something else: {done:?}"))
}

#[async_trait]
impl RequestStore for SqliteStore {
    async fn now(&self) -> Result<Timestamp, StoreError> {
        let row = self.readers.row(Script::new(LATEST));
        let committed = latest_in(&row.await?, "latest")?;
        self.clock.now(committed)
    }

    async fn open(
        &self,
        opening: Opening,
        deliveries: Vec<Delivery>,
    ) -> Result<Opened, StoreError> {
        // Callers that come back with their keys are told without waiting for the writer.
        if let Some(key) = opening.key {
            let known = self.known(key, opening.asked.digest).await?;
            if let Some(record) = opening::found(&opening, &known) {
                return Ok(Opened::Found(record));
            }
        }
        let worded = Worded::of(&opening)?;
        let work = Work::Open(Box::new(opening), deliveries, worded);
        match self.change(work).await? {
            Done::Opened(opened, text) => {
                if let Opened::Asked { record, .. } | Opened::Granted { record, .. } = &opened
                    && let Some(text) = text
                {
                    self.decoded.remember(text, record);
                }
                Ok(opened)
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn known(&self, key: Digest, digest: Digest) -> Result<Known, StoreError> {
        let rows = self.readers.few(opening::keyed(key, digest)).await?;
        opening::told(&rows, &self.clock, &self.decoded)
    }

    async fn read(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError> {
        let row = self.readers.row(reading::of(reading::RECORD, id)).await?;
        self.snapshot(&row, |text| self.decoded.record(id, text))
    }

    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        let known = self.decoded.text(&swap.record);
        let mut written = Written::of(&swap.record, known.as_ref())?;
        let events = swap.events.iter();
        written.events = events
            .map(|event| encoding::encode_event(&event.what))
            .collect::<Result<_, _>>()?;
        let text = written.text.clone();
        match self.change(Work::Swap(Box::new(swap), written)).await? {
            Done::Swapped(swapped) => {
                if let Swapped::Done { record, .. } = &swapped {
                    self.decoded.remember(text, record);
                }
                Ok(swapped)
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn append(&self, events: Vec<NewEvent>) -> Result<u64, StoreError> {
        match self.change(Work::Append(events)).await? {
            Done::Appended(number) => Ok(number),
            other => Err(unexpected(&other)),
        }
    }

    async fn register_sink(&self, sink: &SinkId) -> Result<(), StoreError> {
        self.change_silently(Work::RegisterSink(sink.clone())).await
    }

    async fn events(&self, sink: &SinkId, limit: usize) -> Result<Vec<Event>, StoreError> {
        let mut script = Script::new(reading::EVENTS);
        script
            .bind(sink.as_str().to_owned())
            // Whether it is registered is told by a row.
            .bind(i64::try_from(limit.max(1)).unwrap_or(i64::MAX));
        let rows = self.readers.rows(script).await?;
        if rows.is_empty() {
            return Err(changing::unregistered(sink));
        }
        rows.iter()
            .take(limit)
            .filter_map(|row| reading::event(row).transpose())
            .collect()
    }

    async fn acknowledge(&self, sink: &SinkId, number: u64) -> Result<(), StoreError> {
        self.change_silently(Work::Acknowledge(sink.clone(), number))
            .await
    }

    async fn seal(&self, sink: &SinkId) -> Result<Option<String>, StoreError> {
        let mut script = Script::new(changing::SEAL);
        script.bind(sink.as_str().to_owned());
        match self.readers.rows(script).await?.first() {
            Some(row) => rows::value::<&str>(row, "seal").map(|seal| Some(seal.to_owned())),
            None => Ok(None),
        }
    }

    async fn swap_seal(
        &self,
        sink: &SinkId,
        expected: Option<&str>,
        seal: &str,
    ) -> Result<bool, StoreError> {
        let expected = expected.map(str::to_owned);
        let work = Work::SwapSeal(sink.clone(), expected, seal.to_owned());
        match self.change(work).await? {
            Done::Sealed(done) => Ok(done),
            other => Err(unexpected(&other)),
        }
    }

    async fn deliveries(&self, id: RequestId) -> Result<Arc<[Delivery]>, StoreError> {
        let mut script =
            Script::new("SELECT copies FROM requests INDEXED BY requests_by_id WHERE id = ?");
        script.bind(id.to_bytes().to_vec());
        match self.readers.few(script).await?.first() {
            Some(row) => rows::copies(row).map(Arc::from),
            None => Ok(Arc::from([])),
        }
    }

    async fn read_with_deliveries(&self, id: RequestId) -> Result<Option<Seen>, StoreError> {
        let question = reading::of(reading::RECORD_AND_COPIES, id);
        let row = self.readers.row(question).await?;
        let read = |text: &str| self.decoded.record_once(id, text);
        let Some(snapshot) = self.snapshot(&row, read)? else {
            return Ok(None);
        };
        Ok(Some(Seen {
            snapshot,
            deliveries: rows::copies(&row)?.into(),
        }))
    }

    async fn note_delivery(&self, id: RequestId, delivery: Delivery) -> Result<(), StoreError> {
        self.change_silently(Work::NoteDelivery(id, delivery)).await
    }

    async fn copies_due(
        &self,
        channel: &ChannelId,
        limit: usize,
    ) -> Result<Vec<RequestId>, StoreError> {
        let now = self.clock.guess()?;
        let mut due = Vec::new();
        for row in self.readers.rows(copies::due(channel, now, limit)).await? {
            match rows::value::<&str>(&row, "kind")? {
                "due" => due.push(rows::id(&row, "id")?),
                // A clock that is behind would call nothing due.
                _ => drop(self.clock.now(latest_in(&row, "at")?)?),
            }
        }
        Ok(due)
    }

    async fn lease(
        &self,
        duty: &Duty,
        owner: OwnerId,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        match self.change(Work::Lease(duty.clone(), owner, lease)).await? {
            Done::Leased(has) => Ok(has),
            other => Err(unexpected(&other)),
        }
    }

    async fn due(&self, limit: usize) -> Result<Due, StoreError> {
        let now = self.clock.guess()?;
        let mut due = Due::default();
        for row in self.readers.rows(reading::due(now, limit)).await? {
            match rows::value::<&str>(&row, "kind")? {
                "due" => due.requests.push(rows::id(&row, "id")?),
                "abandoned" => due.abandoned.push(rows::id(&row, "id")?),
                "next" => due.next = Some(rows::time(&row, "at")?),
                // A clock that is behind would call nothing due.
                _ => drop(self.clock.now(latest_in(&row, "at")?)?),
            }
        }
        Ok(due)
    }

    async fn pending_with(&self, digest: Digest) -> Result<Vec<RequestId>, StoreError> {
        let mut script = Script::new(reading::PENDING_WITH);
        script.bind(digest.as_bytes().to_vec());
        let rows = self.readers.rows(script).await?;
        rows.iter().map(|row| rows::id(row, "id")).collect()
    }

    async fn list(
        &self,
        filter: &Filter,
        after: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        let rows = self
            .readers
            .rows(listing::page(filter, after, limit))
            .await?;
        rows.iter()
            .filter_map(|row| rows::record(row, "record").transpose())
            .map(|record| record.map(Arc::new))
            .collect()
    }

    async fn freeze(&self) -> Result<Option<Freeze>, StoreError> {
        let row = self.readers.row(Script::new("SELECT frozen FROM meta"));
        rows::freeze(&row.await?, "frozen")
    }

    async fn set_freeze(&self, freeze: Option<Freeze>, event: NewEvent) -> Result<(), StoreError> {
        self.change_silently(Work::SetFreeze(freeze, Box::new(event)))
            .await
    }

    async fn heartbeat(&self, owner: OwnerId, lease: Duration) -> Result<(), StoreError> {
        self.change_silently(Work::Heartbeat(owner, lease)).await
    }

    async fn archive(&self, finished_for: Duration) -> Result<u64, StoreError> {
        self.archive_all(finished_for).await
    }

    fn hints(&self) -> &Arc<Hints> {
        &self.hints
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn is_durable(&self) -> bool {
        true
    }
}
