//! Handing requests to channels, without waiting for slow ones.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Waker};

use super::delivering::{failed, retry};
use super::shared::{Channel, Shared};
use super::unpanicked::{Panicked, Unpanicked};
use super::{Gate, Job};
use crate::approver::{Approver, ApproverError, Coverage, Notice, Receipt};
use crate::error::ApprovalError;
use crate::id::{ChannelId, RequestId};
use crate::presentation::Presentation;
use crate::review::Record;
use crate::store::{Delivery, DeliveryState, Snapshot, StoreError};
use crate::time::Timestamp;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a task right here when it has nothing to wait for, and on its own otherwise.
pub(super) fn run_or_spawn(mut task: Task) {
    let mut context = Context::from_waker(Waker::noop());
    if task.as_mut().poll(&mut context).is_pending() {
        // The new task polls it once more before anything else, with a waker of its own.
        tokio::spawn(task);
    }
}

/// What a channel's answer comes to: one that panicked has failed.
fn answer<T>(answer: Result<Result<T, ApproverError>, Panicked>) -> Result<T, ApproverError> {
    answer.unwrap_or_else(|Panicked| Err(ApproverError::for_good("the channel panicked")))
}

/// What a channel says that it will be able to show.
pub(super) fn coverage(approver: &dyn Approver, presentation: &Presentation<'_>) -> Coverage {
    catch_unwind(AssertUnwindSafe(|| approver.coverage(presentation))).unwrap_or_else(|_| {
        Coverage::Partial {
            why: "the channel panicked".to_owned(),
        }
    })
}

impl Gate {
    /// Puts a request before people on every channel.
    pub(super) fn present(&self, record: &Arc<Record>) {
        for channel in &self.shared().channels {
            if let Some(turn) = Turn::take(self.shared(), record.id(), channel) {
                let notice = Notice::new(Arc::clone(record));
                run_or_spawn(Box::pin(present_on(turn, notice)));
            }
        }
    }

    /// Puts a keyed request before people on every channel where that has not happened yet. Several
    /// callers may have it, and whoever opened it may have died before it did this.
    pub(super) async fn present_where_missing(
        &self,
        record: &Arc<Record>,
    ) -> Result<(), ApprovalError> {
        let shared = self.shared();
        let unavailable = |e| ApprovalError::unavailable("the store", e).request(record.id());
        let turns: Vec<Turn> = shared
            .channels
            .iter()
            .filter_map(|channel| Turn::take(shared, record.id(), channel))
            .collect();
        let deliveries = shared.store().deliveries(record.id()).await;
        let deliveries = deliveries.map_err(unavailable)?;
        let missing = |turn: &Turn| {
            deliveries.iter().any(|delivery| {
                delivery.channel == turn.channel.id && delivery.state == DeliveryState::Intended
            })
        };
        let turns: Vec<Turn> = turns.into_iter().filter(missing).collect();
        if turns.is_empty() {
            return Ok(());
        }
        // Invariant 11: requested before presented, also by another process that died since.
        if shared.sinks.any_required() {
            let number = shared.store().append(Vec::new()).await;
            let number = number.map_err(unavailable)?;
            shared.sinks.acknowledged(shared.store(), number).await?;
        }
        for turn in turns {
            let notice = Notice::new(Arc::clone(record));
            run_or_spawn(Box::pin(present_on(turn, notice)));
        }
        Ok(())
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

/// The right to put one request before people on one channel, so that two callers in one process
/// do not post it twice.
pub(super) struct Turn {
    pub(super) shared: Arc<Shared>,
    request: RequestId,
    pub(super) channel: Channel,
}

impl Turn {
    pub(super) fn take(
        shared: &Arc<Shared>,
        request: RequestId,
        channel: &Channel,
    ) -> Option<Self> {
        let free = shared.presenting().insert((request, channel.id.clone()));
        free.then(|| Self {
            shared: Arc::clone(shared),
            request,
            channel: channel.clone(),
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let over = (self.request, self.channel.id.clone());
        self.shared.presenting().remove(&over);
    }
}

/// The copies that a task of this gate is updating. One task at a time has a copy in
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

    /// Takes a copy in hand that no task has.
    fn take_free(&self, request: RequestId, channel: &ChannelId) -> bool {
        match self.in_hand().entry((request, channel.clone())) {
            Entry::Occupied(_) => false,
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

/// Puts a request before people on one channel, and notes how that went.
pub(super) async fn present_on(turn: Turn, notice: Notice) {
    let (shared, channel) = (&turn.shared, &turn.channel);
    let request = notice.asked().id;
    let presented = answer(Unpanicked(channel.approver.present(&notice)).await);
    let for_good = presented.as_ref().is_err_and(ApproverError::is_for_good);
    if let Err(error) = &presented {
        tracing::error!(%request, channel = %channel.id, %error, "a channel failed");
    }
    // What cannot be noted is due again a while after it was asked or tried.
    if let Err(error) = note_presented(shared, channel, &notice, presented).await {
        tracing::error!(%request, channel = %channel.id, %error, "a delivery was not noted");
    }
    // A vote may have come while the channel was still at it: the copy shows less than what stands,
    // and whoever updates messages found none.
    match shared.store().read(request).await {
        Ok(Some(now)) if now.record.revision > notice.revision() => {
            update_copies(shared, &now.record, |on| on.id == channel.id).await;
        }
        Ok(_) => {}
        Err(error) => tracing::error!(%request, %error, "messages were not updated"),
    }
    if for_good {
        // Whoever waits finds out whether any channel is left.
        shared.store().hints().changed(request);
    }
}

async fn note_presented(
    shared: &Shared,
    channel: &Channel,
    notice: &Notice,
    presented: Result<Receipt, ApproverError>,
) -> Result<(), StoreError> {
    let request = notice.asked().id;
    let Some(known) = delivery(shared, channel, request).await? else {
        return Ok(());
    };
    let state = match presented {
        Ok(receipt) => DeliveryState::Delivered(receipt),
        Err(error) => failed(&known.state, &error, shared.store().now().await?),
    };
    note(shared, request, known, notice.revision(), state).await;
    Ok(())
}

/// Notes how far a channel's copy came, keeping what was committed of what it shows.
///
/// Says whether it is noted.
pub(super) async fn note(
    shared: &Shared,
    request: RequestId,
    known: Delivery,
    revision: u64,
    state: DeliveryState,
) -> bool {
    let channel = known.channel.clone();
    let delivery = Delivery {
        state,
        revision,
        ..known
    };
    let noted = shared.store().note_delivery(request, delivery).await;
    if let Err(error) = &noted {
        tracing::error!(%request, %channel, %error, "a delivery was not noted");
    }
    noted.is_ok()
}

/// Has the copies of a request on these channels show what it has become.
pub(super) async fn update_copies(
    shared: &Arc<Shared>,
    record: &Arc<Record>,
    on: impl Fn(&Channel) -> bool,
) {
    let deliveries = match shared.store().deliveries(record.id()).await {
        Ok(deliveries) => deliveries,
        Err(error) => {
            tracing::error!(request = %record.id(), %error, "messages were not updated");
            return;
        }
    };
    for delivery in deliveries.iter() {
        let channel = shared.channels.iter().find(|c| c.id == delivery.channel);
        if let (Some(channel), Some(_)) = (channel, delivery.state.receipt())
            && delivery.revision < record.revision
            && on(channel)
            && shared.copies.take(record.id(), &channel.id)
        {
            let (shared, channel) = (Arc::clone(shared), channel.clone());
            run_or_spawn(Box::pin(update_on(shared, channel, record.id())));
        }
    }
}

/// Tries again to have one copy show what its request has become.
pub(super) fn update_again(shared: &Arc<Shared>, channel: &Channel, request: RequestId) {
    if shared.copies.take_free(request, &channel.id) {
        let (shared, channel) = (Arc::clone(shared), channel.clone());
        run_or_spawn(Box::pin(update_on(shared, channel, request)));
    }
}

/// Has one copy, which is in hand, show what its request has become.
async fn update_on(shared: Arc<Shared>, channel: Channel, request: RequestId) {
    loop {
        if let Err(error) = update_copy(&shared, &channel, request).await {
            tracing::error!(%request, channel = %channel.id, %error, "a message was not updated");
        }
        if shared.copies.let_go(request, &channel.id) {
            return;
        }
    }
}

async fn delivery(
    shared: &Shared,
    channel: &Channel,
    request: RequestId,
) -> Result<Option<Delivery>, StoreError> {
    let deliveries = shared.store().deliveries(request).await?;
    let mut here = deliveries.iter().filter(|d| d.channel == channel.id);
    Ok(here.next().cloned())
}

/// Why a copy still shows what a request was.
#[derive(Debug, thiserror::Error)]
enum NotUpdated {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Channel(#[from] ApproverError),
}

async fn update_copy(
    shared: &Shared,
    channel: &Channel,
    request: RequestId,
) -> Result<(), NotUpdated> {
    // The copy is in hand, so what is read of it now stands until it is noted.
    let Some(delivery) = delivery(shared, channel, request).await? else {
        return Ok(());
    };
    let Some(Snapshot { record, .. }) = shared.store().read(request).await? else {
        return Ok(());
    };
    let Some(receipt) = delivery.state.receipt().cloned() else {
        return Ok(());
    };
    if delivery.revision >= record.revision {
        return Ok(());
    }
    let notice = Notice::new(record);
    let followed = answer(Unpanicked(channel.approver.follow(&notice, &receipt)).await);
    let receipt = match followed {
        Ok(further) => further.unwrap_or(receipt),
        Err(error) => {
            let state = if error.is_for_good() {
                // Not due any more; the next change of the request tries once more.
                DeliveryState::Delivered(receipt)
            } else {
                let attempts = delivery.state.attempts().saturating_add(1);
                DeliveryState::Outdated {
                    receipt,
                    why: error.to_string(),
                    retry: retry(attempts, shared.store().now().await?),
                }
            };
            let revision = delivery.revision;
            note(shared, request, delivery, revision, state).await;
            return Err(NotUpdated::Channel(error));
        }
    };
    let state = DeliveryState::Delivered(receipt);
    note(shared, request, delivery, notice.revision(), state).await;
    Ok(())
}
