//! Handing requests to channels, without waiting for slow ones.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use super::shared::{Channel, Shared};
use super::{Gate, Job};
use crate::approver::{ApproverError, Notice};
use crate::id::{ChannelId, RequestId};
use crate::review::Record;
use crate::store::{Delivery, DeliveryState, StoreError};
use crate::time::Timestamp;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a task right here when it has nothing to wait for, and on its own otherwise.
fn run_or_spawn(mut task: Task) {
    let mut context = Context::from_waker(Waker::noop());
    if task.as_mut().poll(&mut context).is_pending() {
        // The new task polls it once more before anything else, with a waker of its own.
        tokio::spawn(task);
    }
}

/// A future whose panic is an error: a channel that panics has failed, and nothing else has.
struct Unpanicked<F>(Pin<Box<F>>);

impl<T, F: Future<Output = Result<T, ApproverError>>> Future for Unpanicked<F> {
    type Output = Result<T, ApproverError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context)))
            .unwrap_or_else(|_| Poll::Ready(Err(ApproverError("the channel panicked".to_owned()))))
    }
}

impl Gate {
    /// Puts a request before people on every channel.
    pub(super) async fn present(&self, record: &Arc<Record>) {
        for channel in &self.shared().channels {
            let (shared, channel) = (Arc::clone(self.shared()), channel.clone());
            let notice = Notice::new(Arc::clone(record));
            run_or_spawn(Box::pin(present_on(shared, channel, notice)));
        }
    }

    /// Has the worker look no later than this.
    pub(super) fn look_by(&self, due: Option<Timestamp>) {
        let looks_at = &self.shared().looks_at;
        if let Some(due) = due
            && due.as_millis() < looks_at.load(std::sync::atomic::Ordering::Acquire)
        {
            self.leave(Job::LookAgain);
        }
    }
}

/// The copies that a task of this gate is posting or updating. One task at a time has a copy in
/// hand, so that an older form never arrives after a newer one.
#[derive(Debug, Default)]
pub(super) struct Copies(Mutex<HashMap<(RequestId, ChannelId), Again>>);

/// Whether the request changed while its copy was in hand.
type Again = bool;

impl Copies {
    fn in_hand(&self) -> MutexGuard<'_, HashMap<(RequestId, ChannelId), Again>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Takes a copy in hand; when another task has it, tells that one to look again.
    fn take(&self, request: RequestId, channel: &ChannelId) -> bool {
        match self.in_hand().entry((request, channel.clone())) {
            Entry::Occupied(mut again) => {
                again.insert(true);
                false
            }
            Entry::Vacant(free) => {
                free.insert(false);
                true
            }
        }
    }

    /// Lets go of a copy, unless its request changed meanwhile.
    fn let_go(&self, request: RequestId, channel: &ChannelId) -> bool {
        match self.in_hand().entry((request, channel.clone())) {
            Entry::Occupied(mut again) if *again.get() => {
                again.insert(false);
                false
            }
            Entry::Occupied(done) => {
                done.remove();
                true
            }
            Entry::Vacant(_) => true,
        }
    }
}

async fn present_on(shared: Arc<Shared>, channel: Channel, notice: Notice) {
    let request = notice.asked().id;
    shared.copies.take(request, &channel.id);
    let presented = Unpanicked(Box::pin(channel.approver.present(&notice))).await;
    let state = match presented {
        Ok(receipt) => DeliveryState::Delivered(receipt),
        Err(error) => {
            tracing::error!(%request, channel = %channel.id, %error, "a channel failed");
            let why = error.to_string();
            DeliveryState::Failed { why }
        }
    };
    let failed = matches!(state, DeliveryState::Failed { .. });
    note(&shared, &channel, &notice, state).await;
    if failed {
        // Whoever waits finds out whether any channel is left.
        shared.store().hints().changed(request);
    }
    // What changed while it was being posted is shown now.
    while !shared.copies.let_go(request, &channel.id) {
        update_copy(&shared, &channel, request).await;
    }
}

/// Notes how far a channel's copy came, keeping what was committed of what it shows.
async fn note(shared: &Shared, channel: &Channel, notice: &Notice, state: DeliveryState) {
    let request = notice.asked().id;
    let noted = async {
        let Some(known) = delivery(shared, channel, request).await? else {
            return Ok(());
        };
        let delivery = Delivery {
            state,
            revision: notice.revision(),
            ..known
        };
        shared.store().note_delivery(request, delivery).await
    };
    let noted: Result<(), StoreError> = noted.await;
    if let Err(error) = noted {
        tracing::error!(%request, channel = %channel.id, %error, "a delivery was not noted");
    }
}

async fn delivery(
    shared: &Shared,
    channel: &Channel,
    request: RequestId,
) -> Result<Option<Delivery>, StoreError> {
    let deliveries = shared.store().deliveries(request).await?;
    Ok(deliveries.into_iter().find(|d| d.channel == channel.id))
}

/// Has every copy of a request show what it has become.
pub(super) async fn update_copies(shared: &Arc<Shared>, record: &Arc<Record>) {
    let request = record.id();
    let deliveries = match shared.store().deliveries(request).await {
        Ok(deliveries) => deliveries,
        Err(error) => {
            tracing::error!(%request, %error, "messages were not updated");
            return;
        }
    };
    for delivery in deliveries {
        let channel = shared.channels.iter().find(|c| c.id == delivery.channel);
        if let Some(channel) = channel
            && delivery.revision < record.revision
            && shared.copies.take(request, &channel.id)
        {
            run_or_spawn(Box::pin(update_on(
                Arc::clone(shared),
                channel.clone(),
                request,
            )));
        }
    }
}

/// Has one copy, which is in hand, show what its request has become.
async fn update_on(shared: Arc<Shared>, channel: Channel, request: RequestId) {
    loop {
        update_copy(&shared, &channel, request).await;
        if shared.copies.let_go(request, &channel.id) {
            return;
        }
    }
}

async fn update_copy(shared: &Shared, channel: &Channel, request: RequestId) {
    let current = async {
        let delivery = delivery(shared, channel, request).await?;
        Ok((delivery, shared.store().read(request).await?))
    };
    let current: Result<_, StoreError> = current.await;
    let (delivery, record) = match current {
        Ok((Some(delivery), Some(snapshot))) => (delivery, snapshot.record),
        Ok(_) => return,
        Err(error) => {
            tracing::error!(%request, channel = %channel.id, %error, "a message was not updated");
            return;
        }
    };
    let Some(receipt) = delivery.state.receipt().cloned() else {
        return;
    };
    if delivery.revision >= record.revision {
        return;
    }
    let notice = Notice::new(record);
    let updated = Unpanicked(Box::pin(channel.approver.update(&notice, &receipt))).await;
    match updated {
        Ok(()) => note(shared, channel, &notice, DeliveryState::Delivered(receipt)).await,
        Err(error) => {
            tracing::error!(%request, channel = %channel.id, %error, "a message was not updated");
        }
    }
}
