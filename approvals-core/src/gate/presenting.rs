//! Handing requests to channels, without waiting for slow ones.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use super::delivering::{NOT_EVERYWHERE, all_failed, failed};
use super::local::LocalCopy;
use super::shared::{Channel, Shared};
use super::unpanicked::{Panicked, Unpanicked};
use super::updating::update_copies;
use super::{Gate, Job};
use crate::approver::{Approver, ApproverError, Coverage, Notice, Receipt};
use crate::error::ApprovalError;
use crate::id::{ChannelId, RequestId};
use crate::presentation::Presentation;
use crate::review::{Command, Phase, Record, WithdrawnBy};
use crate::store::{Delivery, DeliveryState, StoreError, carry_out};
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
pub(super) fn answer<T>(
    answer: Result<Result<T, ApproverError>, Panicked>,
) -> Result<T, ApproverError> {
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
    /// Puts a request before people on every channel, as it was intended just now.
    pub(super) fn present(&self, record: &Arc<Record>, intended: Vec<Delivery>) {
        for known in intended {
            let mut channels = self.shared().channels.iter();
            if let Some(channel) = channels.find(|channel| channel.id == known.channel)
                && let Some(turn) = Turn::take(self.shared(), record.id(), channel)
            {
                if channel.approver.is_local() {
                    self.shared().local.intend(&channel.id, record.id());
                }
                let notice = Notice::new(Arc::clone(record));
                run_or_spawn(Box::pin(present_on(turn, notice, known)));
            }
        }
    }

    /// Puts a keyed request before people on every channel where that has not happened yet. Several
    /// callers may have it, and whoever opened it may have died before it did this. Says whether it
    /// was missing anywhere.
    ///
    /// `known` is what was noted of its copies a moment ago: what was posted by then is not missing.
    pub(super) async fn present_where_missing(
        &self,
        record: &Arc<Record>,
        known: Option<&[Delivery]>,
    ) -> Result<bool, ApprovalError> {
        let shared = self.shared();
        let posted =
            |row: &Delivery| row.state != DeliveryState::Intended && !shared.is_local(&row.channel);
        if known.is_some_and(|known| known.iter().all(posted)) {
            return Ok(false);
        }
        let unavailable = |e| ApprovalError::unavailable("the store", e).request(record.id());
        let turns: Vec<Turn> = shared
            .channels
            .iter()
            .filter_map(|channel| Turn::take(shared, record.id(), channel))
            .collect();
        let deliveries = shared.store().deliveries(record.id()).await;
        let deliveries = deliveries.map_err(unavailable)?;
        let missing = |turn: Turn| {
            let mut rows = deliveries.iter();
            let row = rows.find(|row| row.channel == turn.channel.id)?;
            let missing = turn.is_missing(record, row);
            let known = here(shared, &turn.channel, record.id(), row);
            known.filter(|_| missing).map(|known| (turn, known))
        };
        let turns: Vec<(Turn, Delivery)> = turns.into_iter().filter_map(missing).collect();
        if turns.is_empty() {
            return Ok(false);
        }
        // Invariant 11: requested before presented, also by another process that died since.
        if shared.sinks.any_required() {
            let number = shared.store().append(Vec::new()).await;
            let number = number.map_err(unavailable)?;
            shared.sinks.acknowledged(shared.store(), number).await?;
        }
        for (turn, known) in turns {
            let notice = Notice::new(Arc::clone(record));
            run_or_spawn(Box::pin(present_on(turn, notice, known)));
        }
        Ok(true)
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

impl Turn {
    /// Whether this process has yet to show a request here. A copy that people at another process
    /// see is not seen at this one.
    fn is_missing(&self, record: &Record, row: &Delivery) -> bool {
        let approver = self.channel.approver.as_ref();
        if !approver.is_local() {
            return row.state == DeliveryState::Intended;
        }
        // Invariant 4: votes from here count as the row says, which another process wrote.
        let shows_less = row.coverage == Coverage::Whole
            && coverage(approver, &Presentation::of(&record.asked)) != Coverage::Whole;
        if shows_less {
            tracing::warn!(
                request = %self.request, channel = %self.channel.id,
                "the request is not shown here: this process cannot show the whole call"
            );
            return false;
        }
        self.shared.local.intend(&self.channel.id, self.request)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let over = (self.request, self.channel.id.clone());
        self.shared.presenting().remove(&over);
    }
}

/// Puts a request before people on one channel, and notes how that went. `known` is what is noted
/// of that copy, which whoever has the turn alone changes.
pub(super) async fn present_on(turn: Turn, notice: Notice, known: Delivery) {
    let (shared, channel) = (&turn.shared, &turn.channel);
    let request = notice.asked().id;
    let presented = answer(Unpanicked(channel.approver.present(&notice)).await);
    let for_good = presented.as_ref().is_err_and(ApproverError::is_for_good);
    if let Err(error) = &presented {
        tracing::error!(%request, channel = %channel.id, %error, "a channel failed");
    }
    // What cannot be noted is due again a while after it was asked or tried.
    if let Err(error) = note_presented(shared, &notice, known, presented).await {
        tracing::error!(%request, channel = %channel.id, %error, "a delivery was not noted");
    }
    // A vote may have come while the channel was still at it: the copy shows less than what stands,
    // and whoever updates messages found none.
    match shared.store().read(request).await {
        Ok(Some(now)) if now.record.revision > notice.revision() => {
            update_copies(shared, request, |on| on.id == channel.id).await;
        }
        Ok(_) => {}
        Err(error) => tracing::error!(%request, %error, "messages were not updated"),
    }
    if for_good {
        given_up(shared, request).await;
    }
}

/// What follows where a channel failed for good.
pub(super) async fn given_up(shared: &Shared, request: RequestId) {
    // Whoever waits finds out whether any channel is left.
    shared.store().hints().changed(request);
    // And where nobody waits, nobody would.
    if let Err(error) = refuse_if_unseen(shared, request).await {
        tracing::error!(%request, %error, "a request that nobody sees was not withdrawn");
    }
}

/// Invariant 2: a request that every channel failed to show for good is over.
async fn refuse_if_unseen(shared: &Shared, request: RequestId) -> Result<(), StoreError> {
    let deliveries = shared.store().deliveries(request).await?;
    if all_failed(&deliveries, false).is_some() {
        let unseen = Command::Withdraw(WithdrawnBy::Unseen);
        carry_out(shared.store(), request, &unseen, None).await?;
    }
    Ok(())
}

async fn note_presented(
    shared: &Shared,
    notice: &Notice,
    known: Delivery,
    presented: Result<Receipt, ApproverError>,
) -> Result<(), StoreError> {
    let request = notice.asked().id;
    // A channel that came too late posted nothing: what it failed with before stays the reason.
    let posted = match &presented {
        Ok(receipt) => receipt.as_str().is_some(),
        Err(error) => error.receipt().is_some(),
    };
    if matches!(known.state, DeliveryState::Failed { .. })
        && !posted
        && let Some(now) = shared.store().read(request).await?
        && now.record.state.phase() != Phase::Pending
    {
        return Ok(());
    }
    let state = match presented {
        Ok(receipt) => DeliveryState::Delivered(receipt),
        Err(error) => failed(&known.state, &error, shared.store().now().await?),
    };
    let revision = match &state {
        DeliveryState::Outdated { .. } => NOT_EVERYWHERE,
        DeliveryState::Intended | DeliveryState::Failed { .. } | DeliveryState::Delivered(_) => {
            notice.revision()
        }
    };
    note(shared, request, known, revision, state).await;
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
    if shared.is_local(&channel) {
        let copy = LocalCopy {
            state: state.clone(),
            revision,
        };
        shared.local.note(&channel, request, copy);
        match row(shared, &channel, request).await {
            // People see it, here or at another process.
            Ok(Some(row)) if row.state.receipt().is_some() => return true,
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%request, %channel, %error, "a delivery was not noted");
                return false;
            }
        }
    }
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

/// What is known of a channel's copy of a request: of this process's own, where the channel is
/// local.
pub(super) async fn delivery(
    shared: &Shared,
    channel: &Channel,
    request: RequestId,
) -> Result<Option<Delivery>, StoreError> {
    let row = row(shared, &channel.id, request).await?;
    Ok(row.and_then(|row| here(shared, channel, request, &row)))
}

/// The same where the row was read; `None` where this process has no copy of its own.
pub(super) fn here(
    shared: &Shared,
    channel: &Channel,
    request: RequestId,
    row: &Delivery,
) -> Option<Delivery> {
    if !channel.approver.is_local() {
        return Some(row.clone());
    }
    let LocalCopy { state, revision } = shared.local.of(&channel.id, request)?;
    Some(Delivery {
        channel: row.channel.clone(),
        coverage: row.coverage.clone(),
        state,
        revision,
    })
}

async fn row(
    shared: &Shared,
    channel: &ChannelId,
    request: RequestId,
) -> Result<Option<Delivery>, StoreError> {
    let deliveries = shared.store().deliveries(request).await?;
    let mut here = deliveries.iter().filter(|d| d.channel == *channel);
    Ok(here.next().cloned())
}
