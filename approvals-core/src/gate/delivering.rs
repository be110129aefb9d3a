//! Trying again what channels failed to show.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::presenting::{Turn, delivery, note, present_on, run_or_spawn};
use super::shared::{Channel, Shared};
use super::updating::{update_again, update_copies};
use crate::approver::{ApproverError, Notice};
use crate::error::ApprovalError;
use crate::review::{Phase, Record};
use crate::store::{Delivery, DeliveryState, GRACE, Retry, StoreError};
use crate::time::Timestamp;

/// How long after the first failure something is tried again, at most.
const FIRST: Duration = Duration::from_secs(1);
/// How long between two attempts at most.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// How long after a request's last change a message that could not be updated is given up.
const LATEST: Duration = Duration::from_secs(24 * 3600);
/// How many copies of one channel are worked on at a time.
const DUE: usize = 64;
/// A store that takes long to say what is due is asked so much less often.
const SHARE: u32 = 100;
/// And at least so often, however long that took.
const RAREST: Duration = Duration::from_secs(60);

/// When to try again after so many attempts: twice as long each time, and a random part less, so
/// that what failed together does not come back together.
pub(super) fn retry(attempts: u32, now: Timestamp) -> Retry {
    let doubled = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    let longest = doubled.min(LONGEST);
    let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    let jitter = RandomState::new().hash_one(attempts) % (millis / 2).max(1);
    Retry {
        attempts,
        at: now.plus(Duration::from_millis(millis.saturating_sub(jitter))),
    }
}

/// What is noted of a copy that could not be posted, or not everywhere.
pub(super) fn failed(
    before: &DeliveryState,
    error: &ApproverError,
    now: Timestamp,
) -> DeliveryState {
    let why = error.to_string();
    let again = (!error.is_for_good()).then(|| retry(before.attempts().saturating_add(1), now));
    match (error.receipt().cloned(), again) {
        (Some(receipt), Some(retry)) => DeliveryState::Outdated {
            receipt,
            why,
            retry,
        },
        (Some(receipt), None) => DeliveryState::Delivered(receipt),
        (None, retry) => DeliveryState::Failed { why, retry },
    }
}

/// Of a copy that is not there for everybody yet, whatever stands is newer.
pub(super) const NOT_EVERYWHERE: u64 = 0;

/// When due copies are looked for again. Whoever has it locked is looking.
pub(super) type Pace = tokio::sync::Mutex<Option<Instant>>;

/// Works on every due copy of the channels that are this gate's. Does nothing while that is still
/// under way.
pub(super) async fn deliver(shared: Arc<Shared>) {
    let Ok(mut next) = shared.pace.try_lock() else {
        return;
    };
    let began = Instant::now();
    if next.is_some_and(|next| began < next) {
        return;
    }
    let mut asking = Duration::ZERO;
    for channel in &shared.channels {
        if !shared.minds(channel) {
            continue;
        }
        if let Err(error) = deliver_on(&shared, channel, &mut asking).await {
            tracing::error!(channel = %channel.id, %error, "what failed was not tried again yet");
        }
    }
    *next = Some(began + asking.saturating_mul(SHARE).min(RAREST));
}

/// Why what failed was not tried again.
#[derive(Debug, thiserror::Error)]
enum NotTried {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{error}", error = .0.detail().unwrap_or_default())]
    Sink(ApprovalError),
}

/// Adds how long the store took to say what is due: whatever else is waited for slows nothing down.
async fn deliver_on(
    shared: &Arc<Shared>,
    channel: &Channel,
    asking: &mut Duration,
) -> Result<(), NotTried> {
    let store = shared.store();
    let mut licensed = false;
    // A copy in another process is that one's to work on: what is due of those in this one is not
    // told by what the store has.
    let due = if channel.approver.is_local() {
        shared.local.some(&channel.id, DUE)
    } else {
        let asked = Instant::now();
        let due = store.copies_due(&channel.id, DUE).await;
        *asking = asking.saturating_add(asked.elapsed());
        due?
    };
    for request in due {
        // First, so that what is read stands: whoever posts it has the turn until that is noted.
        let Some(turn) = Turn::take(shared, request, channel) else {
            continue;
        };
        let Some(snapshot) = store.read(request).await? else {
            shared.local.forget(&channel.id, request);
            continue;
        };
        let Some(delivery) = delivery(shared, channel, request).await? else {
            shared.local.forget(&channel.id, request);
            continue;
        };
        let due = delivery.due(snapshot.record.asked.asked_at);
        if due.is_none_or(|due| due > snapshot.now) {
            if channel.approver.is_local() {
                mind_local(shared, channel, &snapshot.record, &delivery).await;
            }
            continue;
        }
        // Invariant 11: requested before presented, also by another process that died since.
        if !licensed && shared.sinks.any_required() {
            let number = store.append(Vec::new()).await?;
            let acknowledged = shared.sinks.acknowledged(store, number).await;
            acknowledged.map_err(NotTried::Sink)?;
        }
        licensed = true;
        work_on(turn, &snapshot.record, &delivery, snapshot.now).await;
    }
    Ok(())
}

/// A local copy with which nothing went wrong: it may show less than what stands, where another
/// process made the change and no hint of it came.
async fn mind_local(
    shared: &Arc<Shared>,
    channel: &Channel,
    record: &Arc<Record>,
    delivery: &Delivery,
) {
    let shown = matches!(delivery.state, DeliveryState::Delivered(_));
    if shown && delivery.revision < record.revision {
        update_copies(shared, record.id(), |on| on.id == channel.id).await;
    } else if record.state.phase().is_final() {
        shared.local.forget(&channel.id, record.id());
    }
}

/// Posts or updates one copy, or gives it up where that has become pointless.
async fn work_on(turn: Turn, record: &Arc<Record>, delivery: &Delivery, now: Timestamp) {
    let (shared, channel) = (&turn.shared, &turn.channel);
    let request = record.id();
    let known = delivery.clone();
    match &delivery.state {
        DeliveryState::Intended | DeliveryState::Failed { .. } => {
            let over = record.state.phase() != Phase::Pending;
            let state = attempted(&delivery.state, over, now);
            // Noted before posting: another process does not post it as well.
            let noted = Delivery {
                state: state.clone(),
                ..known.clone()
            };
            if !note(shared, request, known, delivery.revision, state).await || over {
                return;
            }
            tracing::info!(%request, channel = %channel.id, "a request is put before people again");
            let notice = Notice::new(Arc::clone(record));
            run_or_spawn(Box::pin(present_on(turn, notice, noted)));
        }
        DeliveryState::Outdated { receipt, .. } => {
            if delivery.revision >= record.revision || now >= record.changed_at.plus(LATEST) {
                let state = DeliveryState::Delivered(receipt.clone());
                // A copy that is looked at again and again here is given up.
                let revision = if channel.approver.is_local() {
                    record.revision
                } else {
                    delivery.revision
                };
                note(shared, request, known, revision, state).await;
            } else {
                update_again(shared, channel, request);
            }
        }
        DeliveryState::Delivered(_) => {}
    }
}

/// A copy that is about to be posted, or that nobody needs any more.
fn attempted(before: &DeliveryState, over: bool, now: Timestamp) -> DeliveryState {
    let why = match before {
        DeliveryState::Failed { why, .. } => why.clone(),
        DeliveryState::Intended | DeliveryState::Delivered(_) | DeliveryState::Outdated { .. } => {
            "whoever was to post it did not say how that went".to_owned()
        }
    };
    let retry = Retry {
        attempts: before.attempts(),
        at: now.plus(GRACE),
    };
    DeliveryState::Failed {
        why,
        retry: (!over).then_some(retry),
    }
}

/// What every channel failed with; `None` while one of them works or is tried again, unless
/// nobody can decide any more.
pub(super) fn all_failed(deliveries: &[Delivery], over: bool) -> Option<String> {
    let whys: Vec<String> = deliveries
        .iter()
        .map_while(|delivery| match &delivery.state {
            DeliveryState::Failed { why, retry } if over || retry.is_none() => {
                Some(format!("{}: {why}", delivery.channel))
            }
            DeliveryState::Failed { .. }
            | DeliveryState::Intended
            | DeliveryState::Delivered(_)
            | DeliveryState::Outdated { .. } => None,
        })
        .collect();
    let all = whys.len() == deliveries.len() && !(over && whys.is_empty());
    all.then(|| whys.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_twice_as_late_each_time_and_never_all_at_once() {
        let now = Timestamp::from_millis(1_000_000);
        for (attempts, longest) in [(1, 1_000), (2, 2_000), (5, 16_000), (40, 300_000)] {
            let waits: Vec<_> = (0..50)
                .map(|_| retry(attempts, now).at.since(now).as_millis())
                .collect();
            assert!(
                waits
                    .iter()
                    .all(|wait| *wait <= longest && *wait > longest / 2)
            );
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
        }
    }
}
