//! Handing requests to channels, without waiting for slow ones.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::shared::{Channel, Shared};
use super::{Gate, Job};
use crate::approver::{ApproverError, Notice, Receipt};
use crate::review::Record;
use crate::store::{Delivery, DeliveryState};
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
    pub(super) fn present(&self, record: &Arc<Record>, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            let mut channels = self.shared().channels.iter();
            let Some(channel) = channels.find(|channel| channel.id == delivery.channel) else {
                continue;
            };
            let (shared, channel) = (Arc::clone(self.shared()), channel.clone());
            let notice = Notice::new(Arc::clone(record));
            run_or_spawn(Box::pin(present_on(shared, channel, notice, delivery)));
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

async fn present_on(shared: Arc<Shared>, channel: Channel, notice: Notice, delivery: Delivery) {
    let request = notice.asked().id;
    let present = async { channel.approver.present(&notice).await };
    let presented = Unpanicked(Box::pin(present)).await;
    let state = match presented {
        Ok(receipt) => DeliveryState::Delivered(receipt),
        Err(error) => {
            tracing::error!(%request, channel = %channel.id, %error, "a channel failed");
            let why = error.to_string();
            DeliveryState::Failed { why }
        }
    };
    let failed = matches!(state, DeliveryState::Failed { .. });
    note(&shared, &notice, delivery, state).await;
    if failed {
        // Whoever waits finds out whether any channel is left.
        shared.store().hints().changed(request);
    }
}

/// Notes how far a channel's copy came, keeping what was committed of what it shows.
async fn note(shared: &Shared, notice: &Notice, known: Delivery, state: DeliveryState) {
    let request = notice.asked().id;
    let delivery = Delivery {
        state,
        revision: notice.revision(),
        ..known
    };
    let channel = delivery.channel.clone();
    if let Err(error) = shared.store().note_delivery(request, delivery).await {
        tracing::error!(%request, %channel, %error, "a delivery was not noted");
    }
}

/// Has every copy of a request show what it has become.
pub(super) async fn update_copies(shared: &Arc<Shared>, record: &Arc<Record>) {
    let deliveries = match shared.store().deliveries(record.id()).await {
        Ok(deliveries) => deliveries,
        Err(error) => {
            tracing::error!(request = %record.id(), %error, "messages were not updated");
            return;
        }
    };
    for delivery in deliveries {
        let channel = shared.channels.iter().find(|c| c.id == delivery.channel);
        if let (Some(channel), Some(receipt)) = (channel, delivery.state.receipt().cloned())
            && delivery.revision < record.revision
        {
            let (shared, channel) = (Arc::clone(shared), channel.clone());
            let notice = Notice::new(Arc::clone(record));
            run_or_spawn(Box::pin(update_on(
                shared, channel, notice, delivery, receipt,
            )));
        }
    }
}

async fn update_on(
    shared: Arc<Shared>,
    channel: Channel,
    notice: Notice,
    delivery: Delivery,
    receipt: Receipt,
) {
    let update = async { channel.approver.update(&notice, &receipt).await };
    let updated = Unpanicked(Box::pin(update)).await;
    match updated {
        Ok(()) => {
            let state = DeliveryState::Delivered(receipt);
            note(&shared, &notice, delivery, state).await;
        }
        Err(error) => {
            let request = notice.asked().id;
            tracing::error!(%request, channel = %channel.id, %error, "a message was not updated");
        }
    }
}
