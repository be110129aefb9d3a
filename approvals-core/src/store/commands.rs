//! Carrying a command out: read, judge, swap, and again when somebody else was first.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;

use super::{RequestStore, Snapshot, StoreError, Swap, Swapped};
use crate::audit::NewEvent;
use crate::id::RequestId;
use crate::observe;
use crate::review::{Command, Phase, Record, Refused, State, Transition, WithdrawnBy, apply};
use crate::time::Timestamp;

/// How often a command is judged anew after losing a race, before the store is called unreachable.
const ATTEMPTS: usize = 64;

/// What became of a command.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// It took effect.
    Done {
        /// The record after it.
        record: Arc<Record>,
        /// The number of its last event.
        last_event: u64,
        /// When the record that it was judged by was asked for; `None` where it was given.
        read_at: Option<Instant>,
    },
    /// It did not.
    Refused {
        /// Why.
        refused: Refused,
        /// The record that stands.
        record: Arc<Record>,
    },
    /// It could not be committed while what it was judged by held. Nothing was done.
    Stale,
    /// There is no such request.
    Unknown,
}

/// Carries out a command. `from` is a snapshot that was just read, to save a read.
///
/// Whatever is due takes effect before a vote or a claim: late is no, but a stage that widens now
/// may make room for the vote.
pub(crate) async fn carry_out(
    store: &dyn RequestStore,
    id: RequestId,
    command: &Command,
    from: Option<Snapshot>,
) -> Result<Outcome, StoreError> {
    let span = observe::command(id, command);
    until_done(store, id, command, from).instrument(span).await
}

async fn until_done(
    store: &dyn RequestStore,
    id: RequestId,
    command: &Command,
    mut from: Option<Snapshot>,
) -> Result<Outcome, StoreError> {
    let mut stale = false;
    let until = holds_for(command).map(|span| Instant::now() + span);
    for _ in 0..ATTEMPTS {
        let mut read_at = None;
        let snapshot = match from.take() {
            Some(snapshot) => snapshot,
            None => {
                let asked = Instant::now();
                stale |= until.is_some_and(|until| asked >= until);
                read_at = Some(asked);
                match store.read(id).await? {
                    Some(snapshot) => snapshot,
                    None => return Ok(Outcome::Unknown),
                }
            }
        };
        let Snapshot { record, now, .. } = snapshot;
        let Step { swap, due_first } = match step(&record, command, now) {
            Ok(step) => step,
            Err(refused) => return Ok(Outcome::Refused { refused, record }),
        };
        if stale && !due_first {
            return Ok(Outcome::Stale);
        }
        // A use in doubt closes its grant, also when a crash came before that: once it is resolved
        // nothing else would tell.
        if let (Command::Resolve { .. }, Some(grantor)) = (command, record.granted_by) {
            let why = "a use of it was in doubt".into();
            Box::pin(close_grant(store, grantor, why)).await?;
        }
        let before = record.state.phase();
        match store.compare_and_swap(swap).await? {
            Swapped::Done { record, last_event } => {
                observe::changed(before, &record);
                // The command has taken effect, whatever becomes of what follows from it.
                if concerns_others(&record.state)
                    && let Err(error) = Box::pin(afterwards(store, &record)).await
                {
                    tracing::error!(request = %id, %error, "what follows from a change was not done");
                }
                if !due_first {
                    return Ok(Outcome::Done {
                        record,
                        last_event,
                        read_at,
                    });
                }
            }
            Swapped::Frozen => {
                let refused = Refused::Frozen;
                return Ok(Outcome::Refused { refused, record });
            }
            Swapped::Fallen(refused) => return Ok(Outcome::Refused { refused, record }),
            Swapped::TooLate => stale = matches!(command, Command::ClaimAndStart(_)),
            Swapped::Conflict => {}
        }
    }
    Err(StoreError::Unreachable(format!(
        "{id} was changed by others {ATTEMPTS} times while a command waited"
    )))
}

/// How long a command is judged anew after others were first. What a start was judged by beside the
/// record (policy and voters) grows old meanwhile.
fn holds_for(command: &Command) -> Option<Duration> {
    match command {
        Command::ClaimAndStart(claim) => Some(claim.lease / 2),
        Command::Vote(_)
        | Command::Renew { .. }
        | Command::Claim(_)
        | Command::Start { .. }
        | Command::Withdraw(_)
        | Command::Revoke { .. }
        | Command::Due
        | Command::Release { .. }
        | Command::Finish { .. }
        | Command::Abandon { .. }
        | Command::Resolve { .. }
        | Command::ReviewAfterwards { .. }
        | Command::CloseGrant { .. }
        | Command::ShareDenial { .. } => None,
    }
}

/// What a command comes to on a record as it stands.
struct Step {
    swap: Swap,
    /// Something else was due: the command itself is judged after that.
    due_first: bool,
}

fn step(record: &Record, command: &Command, now: Timestamp) -> Result<Step, Refused> {
    let (transition, due_first) = match apply(record, command, now) {
        Ok(transition) => (transition, false),
        Err(refused @ Refused::Late(_)) => match apply(record, &Command::Due, now) {
            Ok(transition) => (transition, true),
            Err(_) => return Err(refused),
        },
        Err(refused) => return Err(refused),
    };
    let effective = if due_first { &Command::Due } else { command };
    let (not_after, unfrozen) = guards(effective, record, now);
    let Transition {
        record: next,
        events,
    } = transition;
    let about = |what| NewEvent::about(record.id(), next.revision, what);
    let swap = Swap {
        expected: record.revision,
        events: events.into_iter().map(about).collect(),
        record: Arc::new(next),
        not_after,
        unfrozen,
        // Whatever leads to a run is judged for freeze and for what it leans on.
        stands: unfrozen,
    };
    Ok(Step { swap, due_first })
}

/// What the store judges once more inside the commit: invariant 9 for whatever a deadline ends,
/// and freeze for whatever leads to a run.
fn guards(command: &Command, record: &Record, now: Timestamp) -> (Option<Timestamp>, bool) {
    match command {
        Command::Vote(_) | Command::Renew { .. } => (record.late_from(), false),
        Command::Claim(_) | Command::Start { .. } => (record.late_from(), true),
        // The lease begins to run when it is judged, and what runs under it begins in its first half.
        Command::ClaimAndStart(claim) => {
            let until = now.plus(claim.lease / 2);
            (
                Some(record.late_from().map_or(until, |due| due.min(until))),
                true,
            )
        }
        Command::Withdraw(_)
        | Command::Revoke { .. }
        | Command::Due
        | Command::Release { .. }
        | Command::Finish { .. }
        | Command::Abandon { .. }
        | Command::Resolve { .. }
        | Command::ReviewAfterwards { .. }
        | Command::CloseGrant { .. }
        | Command::ShareDenial { .. } => (None, false),
    }
}

/// Whether something follows from a state for other records.
const fn concerns_others(state: &State) -> bool {
    match state {
        State::InDoubt { .. } | State::Denied { .. } => true,
        State::Pending
        | State::Approved { .. }
        | State::Claimed { .. }
        | State::Executing { .. }
        | State::Succeeded { .. }
        | State::Failed { .. }
        | State::Withdrawn { .. }
        | State::Expired { .. }
        | State::Revoked { .. }
        | State::Lapsed { .. } => false,
    }
}

async fn close_grant(
    store: &dyn RequestStore,
    grantor: RequestId,
    why: Arc<str>,
) -> Result<(), StoreError> {
    let close = Command::CloseGrant { why };
    carry_out(store, grantor, &close, None).await.map(drop)
}

/// What follows from a change of one record for others. Each is a command of its own: a crash
/// before it leaves the others as they were, and [`admit`](crate::review::admit) judges by the
/// record that changed.
async fn afterwards(store: &dyn RequestStore, record: &Arc<Record>) -> Result<(), StoreError> {
    if let State::InDoubt { why, .. } = &record.state {
        if let Some(grantor) = record.granted_by {
            close_grant(store, grantor, Arc::clone(why)).await?;
        }
        // Invariant 7: an equal call that is asked already is refused like a later one.
        if !record.asked.call.declaration().idempotent {
            let withdraw = Command::Withdraw(WithdrawnBy::EqualInDoubt);
            for id in store.pending_with(record.asked.digest).await? {
                carry_out(store, id, &withdraw, None).await?;
            }
        }
    }
    if let State::Denied {
        by,
        comment,
        proposal,
        ..
    } = &record.state
    {
        // Identical pending calls share a denial, never a yes.
        for id in store.pending_with(record.asked.digest).await? {
            let share = Command::ShareDenial {
                of: record.id(),
                by: by.clone(),
                comment: comment.clone(),
                proposal: proposal.clone(),
            };
            let pending = store.read(id).await?;
            if pending.is_some_and(|p| p.record.state.phase() == Phase::Pending) {
                share_denial(store, id, &share).await?;
            }
        }
    }
    Ok(())
}

/// Denies one identical request, without looking for further ones.
async fn share_denial(
    store: &dyn RequestStore,
    id: RequestId,
    share: &Command,
) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS {
        let Some(Snapshot { record, now, .. }) = store.read(id).await? else {
            return Ok(());
        };
        let Ok(Step { swap, .. }) = step(&record, share, now) else {
            return Ok(());
        };
        let before = record.state.phase();
        if let Swapped::Done { record, .. } = store.compare_and_swap(swap).await? {
            observe::changed(before, &record);
            return Ok(());
        }
    }
    Ok(())
}
