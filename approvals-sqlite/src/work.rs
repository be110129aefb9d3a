//! What is handed to the writer, and what it answers.

use std::time::Duration;

use approvals_core::audit::NewEvent;
use approvals_core::review::Opening;
use approvals_core::store::{Delivery, Duty, Freeze, Opened, StoreError, Swap, Swapped};
use approvals_core::{OwnerId, RequestId, SinkId, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::opening::Worded;
use crate::swapping::{Text, Written};

/// One change, carried out whole or not at all.
#[derive(Debug)]
pub(crate) enum Work {
    Open(Box<Opening>, Vec<Delivery>, Worded),
    Swap(Box<Swap>, Written),
    Append(Vec<NewEvent>),
    RegisterSink(SinkId),
    Acknowledge(SinkId, u64),
    NoteDelivery(RequestId, Delivery),
    SetFreeze(Option<Freeze>, Box<NewEvent>),
    Heartbeat(OwnerId, Duration),
    Lease(Duty, OwnerId, Duration),
    SwapSeal(SinkId, Option<String>, String),
    Archive(Selection),
}

/// Which finished requests are looked at in one step of archiving.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selection {
    /// Finished so long ago.
    pub(crate) finished_for: Duration,
    /// After this one, in order of the time at which they finished.
    pub(crate) after: Option<(Timestamp, RequestId)>,
    /// At most so many.
    pub(crate) limit: usize,
}

/// What came of one step of archiving.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Step {
    pub(crate) archived: u64,
    /// The last one that was looked at; none when there is no further one.
    pub(crate) last: Option<(Timestamp, RequestId)>,
}

/// What came of a [`Work`].
#[derive(Debug)]
pub(crate) enum Done {
    /// With the text of a record that was made.
    Opened(Opened, Option<Text>),
    Swapped(Swapped),
    Appended(u64),
    Archived(Step),
    Leased(bool),
    Sealed(bool),
    Nothing,
}

/// A change with whoever waits for its answer.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) work: Work,
    pub(crate) answer: oneshot::Sender<Result<Done, StoreError>>,
    /// Its place in the queue, which is not longer than it may be.
    pub(crate) _place: OwnedSemaphorePermit,
}
