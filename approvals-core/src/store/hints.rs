//! Change hints: wake whoever waits for a request in this process.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::sync::broadcast;

use crate::id::RequestId;

/// How many changes a slow listener may lag behind before it looks at everything again.
const LAG: usize = 4096;

/// Tells waiters that a record changed. A store has one and calls [`Hints::changed`] after every
/// commit; a hint says nothing about what changed.
#[derive(Debug)]
pub struct Hints {
    waiting: Mutex<HashMap<RequestId, Vec<Slot>>>,
    changes: broadcast::Sender<RequestId>,
}

#[derive(Debug)]
struct Slot {
    token: usize,
    changed: bool,
    waker: Option<Waker>,
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
    fn waiting(&self) -> MutexGuard<'_, HashMap<RequestId, Vec<Slot>>> {
        self.waiting.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Wakes whoever waits for this request.
    pub fn changed(&self, id: RequestId) {
        if let Some(slots) = self.waiting().get_mut(&id) {
            for slot in slots {
                slot.changed = true;
                if let Some(waker) = slot.waker.take() {
                    waker.wake();
                }
            }
        }
        if self.changes.receiver_count() > 0 {
            // Nobody listening any more is no error.
            let _ = self.changes.send(id);
        }
    }

    /// Starts to watch a request: a change from now on completes [`Watch::changed`].
    #[must_use]
    pub fn watch(self: &Arc<Self>, id: RequestId) -> Watch {
        let mut waiting = self.waiting();
        let slots = waiting.entry(id).or_default();
        let token = slots.iter().map(|slot| slot.token + 1).max().unwrap_or(0);
        // Almost every request has one waiter.
        slots.reserve_exact(1);
        slots.push(Slot {
            token,
            changed: false,
            waker: None,
        });
        drop(waiting);
        Watch {
            hints: Arc::clone(self),
            id,
            token,
        }
    }

    /// How many requests are waited for in this process.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.waiting().len()
    }

    /// Whether anybody in this process waits for this request.
    pub(crate) fn is_watched(&self, id: RequestId) -> bool {
        self.waiting().contains_key(&id)
    }

    /// Wakes everybody: after hints may have been lost.
    pub fn all_changed(&self) {
        for slot in self.waiting().values_mut().flatten() {
            slot.changed = true;
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<RequestId> {
        self.changes.subscribe()
    }
}

/// One waiter for one request.
#[derive(Debug)]
pub struct Watch {
    hints: Arc<Hints>,
    id: RequestId,
    token: usize,
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
        let slot = waiting
            .get_mut(&watch.id)
            .and_then(|slots| slots.iter_mut().find(|slot| slot.token == watch.token));
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
        let mut waiting = self.hints.waiting();
        if let Some(slots) = waiting.get_mut(&self.id) {
            slots.retain(|slot| slot.token != self.token);
            if slots.is_empty() {
                waiting.remove(&self.id);
                // A burst of waiters should not leave its table behind.
                if waiting.capacity() > 1024 && waiting.len() * 8 < waiting.capacity() {
                    let room = waiting.len() * 2;
                    waiting.shrink_to(room);
                }
            }
        }
    }
}
