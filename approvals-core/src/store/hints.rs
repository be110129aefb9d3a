//! Change hints: wake whoever waits for a request in this process.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::sync::broadcast;

use crate::id::RequestId;
use crate::packed::Packed;

/// How many changes a slow listener may lag behind before it looks at everything again.
const LAG: usize = 4096;

/// Tells waiters that a record changed. A store has one and calls [`Hints::changed`] after every
/// commit; a hint says nothing about what changed.
#[derive(Debug)]
pub struct Hints {
    /// By request, and by the waiter's token: almost every request has one waiter.
    waiting: Mutex<Waiting>,
    changes: broadcast::Sender<RequestId>,
}

type Waiting = Packed<(RequestId, u32), Slot>;

#[derive(Debug)]
struct Slot {
    changed: bool,
    waker: Option<Waker>,
}

impl Slot {
    /// Notes the change. Whoever is to be woken is woken when the lock is free: another thread may
    /// have them look before this one goes on.
    fn change(&mut self) -> Option<Waker> {
        self.changed = true;
        self.waker.take()
    }
}

impl Default for Hints {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            changes: broadcast::Sender::new(LAG),
        }
    }
}

impl Hints {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Wakes whoever waits for this request.
    pub fn changed(&self, id: RequestId) {
        if self.changes.receiver_count() > 0 {
            // Nobody listening any more is no error.
            let _ = self.changes.send(id);
        }
        // Last, so that a scheduler that runs next what was woken last takes the caller that
        // waits, and not whoever shows the change on the channels.
        let (mut first, mut others) = (None, Vec::new());
        let mut waiting = self.waiting();
        let of_request = waiting.starting_at_mut((id, 0));
        for (_, slot) in of_request.take_while(|((of, _), _)| *of == id) {
            match slot.change() {
                Some(waker) if first.is_none() => first = Some(waker),
                waker => others.extend(waker),
            }
        }
        drop(waiting);
        others.into_iter().chain(first).for_each(Waker::wake);
    }

    /// Starts to watch a request: a change from now on completes [`Watch::changed`].
    #[must_use]
    pub fn watch(self: &Arc<Self>, id: RequestId) -> Watch {
        let mut waiting = self.waiting();
        let token = watching(&waiting, id)
            .last()
            .map_or(0, |token| token.saturating_add(1));
        let slot = Slot {
            changed: false,
            waker: None,
        };
        waiting.insert((id, token), slot);
        drop(waiting);
        Watch {
            hints: Arc::clone(self),
            id,
            token,
        }
    }

    /// How many waiters for requests there are in this process.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.waiting().len()
    }

    /// Whether anybody in this process waits for this request.
    pub(crate) fn is_watched(&self, id: RequestId) -> bool {
        watching(&self.waiting(), id).next().is_some()
    }

    /// Wakes everybody: after hints may have been lost.
    pub fn all_changed(&self) {
        let wakers: Vec<Waker> = self
            .waiting()
            .iter_mut()
            .filter_map(|(_, slot)| slot.change())
            .collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Wakes an eighth of those who wait, another one at every turn: hints may have been lost where
    /// another process made the change, and a store should not have to answer everybody at once.
    pub(crate) fn some_may_have_changed(&self, turn: u8) {
        let its_turn = |id: RequestId| {
            // The lowest byte of what counts the ids of one process.
            let [_, _, _, _, _, _, _, _, count, ..] = id.to_bytes();
            count % 8 == turn % 8
        };
        let mut waiting = self.waiting();
        let slots = waiting.iter_mut().filter(|((id, _), _)| its_turn(*id));
        let wakers: Vec<Waker> = slots.filter_map(|(_, slot)| slot.change()).collect();
        drop(waiting);
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<RequestId> {
        self.changes.subscribe()
    }
}

/// The tokens of those who wait for a request.
fn watching(waiting: &Waiting, id: RequestId) -> impl Iterator<Item = u32> {
    let of_request = waiting.starting_at((id, 0)).map(|(key, _)| *key);
    of_request
        .take_while(move |(of, _)| *of == id)
        .map(|(_, token)| token)
}

/// One waiter for one request.
#[derive(Debug)]
pub struct Watch {
    hints: Arc<Hints>,
    id: RequestId,
    token: u32,
}

impl Watch {
    /// Completes when the request changed since the watch began or this last completed.
    pub fn changed(&mut self) -> Changed<'_> {
        Changed { watch: self }
    }
}

/// See [`Watch::changed`].
#[derive(Debug)]
pub struct Changed<'a> {
    watch: &'a Watch,
}

impl Future for Changed<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let watch = self.watch;
        let mut waiting = watch.hints.waiting();
        let slot = waiting.get_mut(&(watch.id, watch.token));
        match slot {
            // A watch keeps its slot while it lives.
            None => Poll::Ready(()),
            Some(slot) if slot.changed => {
                slot.changed = false;
                slot.waker = None;
                Poll::Ready(())
            }
            Some(slot) => {
                match &mut slot.waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    waker @ None => *waker = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hints.waiting().remove(&(self.id, self.token));
    }
}
