//! Changes that are to be shown, as the worker takes them up.

use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::shared::Shared;
use crate::id::RequestId;

/// How long changes gather, after some were shown, before further ones are: a caller whose yes
/// leads to claim, start and finish within the same moment is not slowed down by being watched.
const GATHER: Duration = Duration::from_millis(2);
/// The same before the first ones are shown, where each of them is several ways over a network:
/// whoever waits for the yes, here or in another process, has the store to itself meanwhile.
const GATHER_REMOTE: Duration = Duration::from_millis(10);

/// The changes of the store's records that this process was told of.
pub(super) struct Changes {
    receiver: broadcast::Receiver<RequestId>,
    /// The first of those that gather.
    first: Option<Change>,
}

pub(super) type Change = Result<RequestId, RecvError>;

impl Changes {
    pub(super) const fn of(receiver: broadcast::Receiver<RequestId>) -> Self {
        Self {
            receiver,
            first: None,
        }
    }

    /// Waits for the next one. Nothing is lost when it is given up.
    pub(super) async fn next(&mut self) -> Change {
        match self.first.take() {
            Some(first) => first,
            None => self.receiver.recv().await,
        }
    }

    /// Has a change wait with those that come.
    pub(super) fn put_back(&mut self, change: Change) {
        self.first = Some(change);
    }

    pub(super) fn next_now(&mut self) -> Result<RequestId, TryRecvError> {
        match self.first.take() {
            Some(Ok(request)) => Ok(request),
            Some(Err(RecvError::Lagged(missed))) => Err(TryRecvError::Lagged(missed)),
            Some(Err(RecvError::Closed)) => Err(TryRecvError::Closed),
            None => self.receiver.try_recv(),
        }
    }

    /// How many there are at least.
    pub(super) fn len(&self) -> usize {
        self.receiver.len()
    }
}

/// How long changes gather.
pub(super) fn gather(shared: &Shared) -> Duration {
    if shared.store().is_remote() {
        GATHER_REMOTE
    } else {
        GATHER
    }
}
