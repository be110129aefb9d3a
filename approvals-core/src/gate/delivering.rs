//! Trying again what channels failed to show.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::presenting::{Turn, note, present_on, run_or_spawn, update_again};
use super::shared::{Channel, Shared};
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
/// And at least so often, whatever a look had to wait for.
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

/// What is noted of a copy that could not be posted.
pub(super) fn failed(
    before: &DeliveryState,
    error: &ApproverError,
    now: Timestamp,
) -> DeliveryState {
    DeliveryState::Failed {
        why: error.to_string(),
        retry: (!error.is_for_good()).then(|| retry(before.attempts().saturating_add(1), now)),
    }
}

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
    for channel in &shared.channels {
        if !shared.minds(channel) {
            continue;
        }
        if let Err(error) = deliver_on(&shared, channel).await {
            tracing::error!(channel = %channel.id, %error, "what failed was not tried again yet");
        }
    }
    *next = Some(began + began.elapsed().saturating_mul(SHARE).min(RAREST));
}

/// Why what failed was not tried again.
#[derive(Debug, thiserror::Error)]
enum NotTried {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{error}", error = .0.detail().unwrap_or_default())]
    Sink(ApprovalError),
}

async fn deliver_on(shared: &Arc<Shared>, channel: &Channel) -> Result<(), NotTried> {
    let store = shared.store();
    let mut licensed = false;
    for request in store.copies_due(&channel.id, DUE).await? {
        // A copy in another process is that one's to work on: people are at this one here only
        // for those who wait here.
        if channel.approver.is_local() && !store.hints().is_watched(request) {
            continue;
        }
        // First, so that what is read stands: whoever posts it has the turn until that is noted.
        let Some(turn) = Turn::take(shared, request, channel) else {
            continue;
        };
        let Some(snapshot) = store.read(request).await? else {
            continue;
        };
        let deliveries = store.deliveries(request).await?;
        let Some(delivery) = deliveries.iter().find(|d| d.channel == channel.id) else {
            continue;
        };
        let due = delivery.due(snapshot.record.asked.asked_at);
        if due.is_none_or(|due| due > snapshot.now) {
            continue;
        }
        // Invariant 11: requested before presented, also by another process that died since.
        if !licensed && shared.sinks.any_required() {
            let number = store.append(Vec::new()).await?;
            let acknowledged = shared.sinks.acknowledged(store, number).await;
            acknowledged.map_err(NotTried::Sink)?;
        }
        licensed = true;
        work_on(turn, &snapshot.record, delivery, snapshot.now).await;
    }
    Ok(())
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
            if !note(shared, request, known, delivery.revision, state).await || over {
                return;
            }
            tracing::info!(%request, channel = %channel.id, "a request is put before people again");
            let notice = Notice::new(Arc::clone(record));
            run_or_spawn(Box::pin(present_on(turn, notice)));
        }
        DeliveryState::Outdated { receipt, .. } => {
            if delivery.revision >= record.revision || now >= record.changed_at.plus(LATEST) {
                let state = DeliveryState::Delivered(receipt.clone());
                note(shared, request, known, delivery.revision, state).await;
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
