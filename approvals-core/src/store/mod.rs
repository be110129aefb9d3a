//! Where requests live: one record each, changed by compare-and-swap, with the trail's outbox in
//! the same commit.

mod commands;
mod delivering;
pub mod encoding;
mod hints;
pub mod lookup;
pub mod retention;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use delivering::{Duty, Retry};
pub use hints::{Hints, Watch};

pub(crate) use commands::{Outcome, carry_out};
pub(crate) use delivering::GRACE;

use crate::approver::{Coverage, Receipt};
use crate::audit::{Event, NewEvent};
use crate::digest::Digest;
use crate::id::{ActionName, ChannelId, OwnerId, PersonId, RequestId, SinkId};
use crate::review::{Opening, Phase, Record, Refusal, Refused, Standing};
use crate::time::{ClockError, Timestamp};

/// The store could not do what was asked. Nothing is released.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The clock cannot be trusted.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The store cannot be reached, or did not answer. What was asked may have been done.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// What was asked does not fit what is stored. Nothing was done.
    #[error("the store refuses: {0}")]
    Invalid(String),
    /// The store is full. Nothing was done.
    #[error("the store is full: {0}")]
    Full(String),
}

/// A record and the store's time, read together.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The record.
    pub record: Arc<Record>,
    /// The store's time.
    pub now: Timestamp,
    /// Whether an operator has frozen the gate.
    pub frozen: bool,
}

/// A record as it was read, with its copies.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The record and the store's time.
    pub snapshot: Snapshot,
    /// The copies of the request; none of what is archived.
    pub deliveries: Arc<[Delivery]>,
}

/// What a store knows that decides about a call with a key, with the store's time.
#[derive(Debug, Clone)]
pub struct Known {
    /// The store's time.
    pub now: Timestamp,
    /// The record under the key, and those of the same digest that are executing or in doubt, for
    /// [`review::keyed`](crate::review::keyed). Nothing of the rest.
    pub standing: Standing,
    /// The copies of the request under the key.
    pub deliveries: Arc<[Delivery]>,
}

/// A change of one record, with what the trail says about it.
#[derive(Debug, Clone)]
pub struct Swap {
    /// The record's next form.
    pub record: Arc<Record>,
    /// The revision that it replaces.
    pub expected: u64,
    /// What happened: stored in the same commit.
    pub events: Vec<NewEvent>,
    /// Judged inside the commit: from this time on nothing is done.
    pub not_after: Option<Timestamp>,
    /// Judged inside the commit: nothing is done while frozen.
    pub unfrozen: bool,
    /// Judged inside the commit by [`review::stands`](crate::review::stands): nothing is done when
    /// an equal call may have run meanwhile, or when the grant that the request uses is closed.
    pub stands: bool,
}

/// What became of a [`Swap`].
#[derive(Debug, Clone)]
pub enum Swapped {
    /// It is committed, with its events up to this number.
    Done {
        /// The record as stored.
        record: Arc<Record>,
        /// The number of its last event; of the store's last event when it had none.
        last_event: u64,
    },
    /// Another revision stands. Nothing was done.
    Conflict,
    /// The time has passed. Nothing was done.
    TooLate,
    /// The gate is frozen. Nothing was done.
    Frozen,
    /// What the request leans on no longer stands. Nothing was done.
    Fallen(Refused),
}

/// What became of an [`Opening`].
#[derive(Debug, Clone)]
pub enum Opened {
    /// A request was made: people are to be asked.
    Asked {
        /// The record as stored.
        record: Arc<Record>,
        /// The number of its last event.
        last_event: u64,
    },
    /// A request was made that uses a grant: it is approved.
    Granted {
        /// The record as stored.
        record: Arc<Record>,
        /// The number of its last event.
        last_event: u64,
    },
    /// The same logical call has a request already.
    Found(Arc<Record>),
    /// Nobody is asked.
    Refused(Refusal),
}

/// A channel's copy of a request. Its intent is committed before anything is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The channel.
    pub channel: ChannelId,
    /// Whether the channel shows everything.
    pub coverage: Coverage,
    /// How far it came.
    pub state: DeliveryState,
    /// The revision that the copy shows.
    pub revision: u64,
}

/// How far a delivery came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be posted, or being posted: people may see it.
    Intended,
    /// Posted.
    Delivered(Receipt),
    /// Posting failed; people may see it all the same.
    Failed {
        /// In words.
        why: String,
        /// When it is tried again; `None` when that is pointless.
        #[serde(default)]
        retry: Option<Retry>,
    },
    /// Posted, and it still shows what the request was: updating it failed.
    Outdated {
        /// Of what was posted.
        receipt: Receipt,
        /// In words.
        why: String,
        /// When it is tried again.
        retry: Retry,
    },
}

/// Whether an operator has stopped everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Who.
    pub by: PersonId,
    /// In their words.
    pub reason: Arc<str>,
    /// Since when.
    pub since: Timestamp,
}

/// What is due, and when to look again.
#[derive(Debug, Clone, Default)]
pub struct Due {
    /// Requests with something due, the most overdue first.
    pub requests: Vec<RequestId>,
    /// Pending requests whose waiter is gone.
    pub abandoned: Vec<RequestId>,
    /// When the next thing is due, if anything is.
    pub next: Option<Timestamp>,
}

/// Which requests to list; everything that is `None` or empty matches.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those in one of these phases.
    pub phases: Vec<Phase>,
    /// Only this action.
    pub action: Option<ActionName>,
    /// Only those with this actor, principal or root.
    pub requester: Option<crate::principal::PrincipalId>,
    /// Only those that owe a review after the fact.
    pub review_owed: bool,
    /// Only those that anything has become of since they were asked: most that wait have not
    /// changed.
    pub changed: bool,
}

impl Filter {
    /// Whether a record is wanted.
    #[must_use]
    pub fn wants(&self, record: &Record) -> bool {
        let call = &record.asked.call;
        (self.phases.is_empty() || self.phases.contains(&record.state.phase()))
            && self.action.as_ref().is_none_or(|a| a == call.action())
            && self
                .requester
                .as_ref()
                .is_none_or(|wanted| call.requester().chain().any(|p| p == wanted))
            && (!self.review_owed || record.review_owed.is_some())
            && (!self.changed || record.revision > 1)
    }
}

/// Keeps requests, the trail's outbox, deliveries and the freeze flag, under one clock.
///
/// Every method is atomic: a crash before it returns leaves either nothing of it or all of it. The
/// documentation of each says what its caller then finds. In-memory, SQL and third-party stores
/// all pass the conformance suite of `approvals-testing`.
///
/// After every commit that changed a record, a store calls [`Hints::changed`].
#[async_trait]
pub trait RequestStore: fmt::Debug + Send + Sync {
    /// The store's time. It never decreases, and there is no other clock.
    ///
    /// # Errors
    /// [`StoreError::Clock`] when the time cannot be trusted.
    async fn now(&self) -> Result<Timestamp, StoreError>;

    /// Judges an opening by [`review::admit`](crate::review::admit) over what the store knows, and
    /// carries the answer out: record, intended deliveries and events in one commit. A request
    /// under a grant asks nobody and has no deliveries.
    ///
    /// After a crash a keyed request is found again under its key; an unkeyed one is withdrawn when
    /// its waiter's heartbeat has run out.
    ///
    /// # Errors
    /// [`StoreError`]; nobody may be asked then.
    async fn open(&self, opening: Opening, deliveries: Vec<Delivery>)
    -> Result<Opened, StoreError>;

    /// What decides about a call with this key and digest, before it is opened: a call that comes
    /// back finds its request without anything being made ready that only a new one needs.
    /// Changes nothing.
    ///
    /// As provided it tells the time and knows nothing, which is right: [`open`](Self::open) finds
    /// under the key what there is. Whoever wraps a store passes this on.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot say.
    async fn known(&self, key: Digest, digest: Digest) -> Result<Known, StoreError> {
        let (_, _) = (key, digest);
        Ok(Known {
            now: self.now().await?,
            standing: Standing::default(),
            deliveries: Arc::from([]),
        })
    }

    /// A record with the store's time; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot say.
    async fn read(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError>;

    /// Replaces a record if it still has the expected revision, together with its events. Time and
    /// freeze are judged inside the commit.
    ///
    /// After a crash, reading tells which: the revision is the old one or the new one. A store
    /// refuses to replace a record whose `schema` is newer than it knows.
    ///
    /// # Errors
    /// [`StoreError`]; after `Unreachable` it may have been committed.
    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError>;

    /// Stores events that belong to no change of a record, and returns the last one's number. After a
    /// crash all of them are there or none is.
    ///
    /// # Errors
    /// [`StoreError`]; the caller keeps the events and tries again.
    async fn append(&self, events: Vec<NewEvent>) -> Result<u64, StoreError>;

    /// Makes a sink's cursor known, so that no event is dropped before the sink has it. Starts at
    /// the oldest event that is still there. A cursor that is known stays where it is, so it is done
    /// again after a crash.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be stored.
    async fn register_sink(&self, sink: &SinkId) -> Result<(), StoreError>;

    /// Up to `limit` events that a sink has not acknowledged, in the order of their numbers.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read, or the sink is not registered.
    async fn events(&self, sink: &SinkId, limit: usize) -> Result<Vec<Event>, StoreError>;

    /// Moves a sink's cursor: it has every event up to this number. Never moves it back while the
    /// store lives.
    ///
    /// After a crash the cursor may stand where it stood before, also where this had returned: the
    /// events since are offered again, and a sink knows by their ids what it has. A store need not
    /// wait for its disk here.
    ///
    /// # Errors
    /// [`StoreError`]; the events are offered again.
    async fn acknowledge(&self, sink: &SinkId, number: u64) -> Result<(), StoreError>;

    /// What a sink has noted of itself with [`swap_seal`](Self::swap_seal); `None` before the first
    /// time.
    ///
    /// As provided no seals are kept, and a sink that needs them is refused. Whoever wraps a store
    /// passes both on.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read, or the store keeps none.
    async fn seal(&self, sink: &SinkId) -> Result<Option<String>, StoreError> {
        Err(no_seals(sink))
    }

    /// Replaces what a sink has noted of itself, if that still is `expected`; says whether it was.
    /// By this a log that several processes write in turn is one log: each of them notes how far it
    /// is before it says so itself, and nobody goes on from anything else.
    ///
    /// When this returns it survives a crash, as a swap does. A seal is at most 256 bytes long.
    ///
    /// # Errors
    /// [`StoreError`]; after `Unreachable` it may have been replaced, and reading tells.
    async fn swap_seal(
        &self,
        sink: &SinkId,
        expected: Option<&str>,
        seal: &str,
    ) -> Result<bool, StoreError> {
        let (_, _) = (expected, seal);
        Err(no_seals(sink))
    }

    /// The copies of a request.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    async fn deliveries(&self, id: RequestId) -> Result<Arc<[Delivery]>, StoreError>;

    /// A record with the store's time, and its copies. Most who ask for one need the other.
    ///
    /// As provided it asks twice, which is right and slow: a store to which every question is a way
    /// over a network answers both at once. Copies that are noted between two questions are in the
    /// answer or not, as they are where somebody asks for them alone.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot say.
    async fn read_with_deliveries(&self, id: RequestId) -> Result<Option<Seen>, StoreError> {
        let Some(snapshot) = self.read(id).await? else {
            return Ok(None);
        };
        let deliveries = self.deliveries(id).await?;
        Ok(Some(Seen {
            snapshot,
            deliveries,
        }))
    }

    /// Notes how far a delivery came, in place of what was noted for that channel.
    ///
    /// A store need not wait for its disk where nothing but the revision that a copy shows is
    /// another: after a crash the copy is updated once more.
    ///
    /// # Errors
    /// [`StoreError`]; the delivery may be repeated.
    async fn note_delivery(&self, id: RequestId, delivery: Delivery) -> Result<(), StoreError>;

    /// Up to `limit` requests with a copy on this channel that is [due](Delivery::due), the most
    /// overdue first: posting or updating it failed, or whoever was to post it died. Both halves
    /// are told by the delivery alone, so that a swap of the record changes nothing here.
    ///
    /// As provided it reads every request, which is right and slow: a store that keeps many has
    /// an index by channel and time, written with the delivery.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot say.
    async fn copies_due(
        &self,
        channel: &ChannelId,
        limit: usize,
    ) -> Result<Vec<RequestId>, StoreError> {
        delivering::scan(self, channel, limit).await
    }

    /// Takes a duty, or keeps it, for so long; says whether this gate has it now. It has it unless
    /// another one took it and its time has not passed by the store's clock. With a lease of zero
    /// it is given up, if it was this gate's. A crash leaves the duty to others when the time has
    /// passed.
    ///
    /// As provided everybody has every duty, which is right where one process alone uses the store.
    /// A store that several share keeps (duty, owner, until) in a row, and changes it only under
    /// that condition, in one commit: `UPDATE … WHERE owner = ? OR until <= now`. Whoever wraps a
    /// store passes this on.
    ///
    /// # Errors
    /// [`StoreError`]; the gate does not have the duty then.
    async fn lease(
        &self,
        duty: &Duty,
        owner: OwnerId,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let (_, _) = (duty, owner);
        Ok(lease > Duration::ZERO)
    }

    /// Up to `limit` requests with something due now.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot say.
    async fn due(&self, limit: usize) -> Result<Due, StoreError>;

    /// Other pending requests with this digest.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot say.
    async fn pending_with(&self, digest: Digest) -> Result<Vec<RequestId>, StoreError>;

    /// Up to `limit` records that the filter wants, by id, after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot say.
    async fn list(
        &self,
        filter: &Filter,
        after: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError>;

    /// Who froze the gate, if anybody did.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot say: whoever asked treats it as frozen.
    async fn freeze(&self) -> Result<Option<Freeze>, StoreError>;

    /// Freezes or thaws, together with the event that says so: after a crash both are there or neither
    /// is, and reading tells.
    ///
    /// # Errors
    /// [`StoreError`]; it may have been committed.
    async fn set_freeze(&self, freeze: Option<Freeze>, event: NewEvent) -> Result<(), StoreError>;

    /// Notes that a gate is alive for so long. Requests that only it waits for are listed as
    /// abandoned when that has passed, and while nothing is known of the gate. A beat that a crash
    /// loses is made up for by the next.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be noted.
    async fn heartbeat(&self, owner: OwnerId, lease: Duration) -> Result<(), StoreError>;

    /// Archives requests that finished so long ago and decide about nothing any more (see
    /// [`retention`]), and returns how many. They are listed no more. Under the key of one that had
    /// a key its [tombstone](retention::tombstone) is found for good, and read under its id; the
    /// others are gone. A store may keep some longer than it is asked to. No event goes that a
    /// registered sink has not acknowledged.
    ///
    /// It goes in small steps, so that whatever else the store is asked is answered meanwhile. A
    /// crash leaves some archived and others as they were; asking again goes on.
    ///
    /// As provided nothing is archived, which is right for a store that keeps little. Whoever wraps
    /// a store passes this on.
    ///
    /// # Errors
    /// [`StoreError`]; what was archived before stays archived.
    async fn archive(&self, finished_for: Duration) -> Result<u64, StoreError> {
        let _ = finished_for;
        Ok(0)
    }

    /// Tells waiters in this process that a record changed. Hints may be lost where the change was
    /// made by another process; a gate looks again from time to time.
    fn hints(&self) -> &Arc<Hints>;

    /// Whether [`now`](Self::now) is asked of somebody who takes a while to answer, such as a server.
    /// Where it is not, a gate asks without waiting, and gives the question up when the answer is
    /// not there at once; to give up what is on its way over a connection would cost the connection.
    fn is_remote(&self) -> bool {
        true
    }

    /// Whether requests outlive the process. A gate on a durable store wants a redaction key.
    fn is_durable(&self) -> bool;
}

fn no_seals(sink: &SinkId) -> StoreError {
    StoreError::Invalid(format!(
        "this store keeps nothing of the sink `{sink}` beside its cursor: use one that does"
    ))
}

const _: fn(&dyn RequestStore) = |_| {};
