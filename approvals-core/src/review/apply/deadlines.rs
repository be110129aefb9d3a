//! What takes effect because time has passed.

use std::sync::Arc;

use super::operators::in_doubt;
use super::votes::advance;
use crate::audit::What;
use crate::policy::OnTimeout;
use crate::review::record::Record;
use crate::review::refused::Refused;
use crate::review::state::{Phase, State};
use crate::time::Timestamp;

pub(super) fn due(record: &mut Record, now: Timestamp) -> Result<Vec<What>, Refused> {
    match record.state.clone() {
        State::Pending => due_while_pending(record, now),
        State::Approved { execute_by, .. } if execute_by <= now => Ok(lapse(record, now)),
        State::Claimed {
            claim,
            execute_by,
            approved_at,
        } if claim.lease_until.min(execute_by) <= now => {
            if execute_by <= now {
                return Ok(lapse(record, now));
            }
            record.state = State::Approved {
                at: approved_at,
                execute_by,
            };
            Ok(vec![What::LeaseLost { fence: claim.fence }])
        }
        // Invariant 7: started and silent is in doubt, never run again by itself.
        State::Executing { claim } if claim.lease_until <= now => {
            let why: Arc<str> = "its lease ran out while it was executing".into();
            Ok(in_doubt(record, &why, now))
        }
        State::Approved { .. } | State::Claimed { .. } | State::Executing { .. } => {
            Err(Refused::NothingDue)
        }
        State::Succeeded { .. }
        | State::Failed { .. }
        | State::InDoubt { .. }
        | State::Denied { .. }
        | State::Withdrawn { .. }
        | State::Expired { .. }
        | State::Revoked { .. }
        | State::Lapsed { .. } => Err(Refused::NothingDue),
    }
}

fn due_while_pending(record: &mut Record, now: Timestamp) -> Result<Vec<What>, Refused> {
    let asked = Arc::clone(&record.asked);
    let mut events = Vec::new();
    let mut expired = asked.expires_at <= now;
    for (track, (requirement, progress)) in
        asked.tracks.iter().zip(&mut record.progress).enumerate()
    {
        if expired || progress.met || progress.deadline > now {
            continue;
        }
        let open = usize::from(progress.open);
        let bit = 1_u16 << open.min(15);
        let stage = requirement.stages().nth(open);
        match stage.map(|stage| (stage.on_timeout(), stage.time())) {
            Some((OnTimeout::EscalateTo(_), time)) if progress.widened & bit == 0 => {
                progress.widened |= bit;
                progress.deadline = now.plus(time).min(asked.expires_at);
                progress.remind_at = requirement.reminders().first_at(now, progress.deadline);
                events.push(What::Widened {
                    track: u8::try_from(track).unwrap_or(u8::MAX),
                    stage: progress.open,
                });
            }
            Some((OnTimeout::EscalateTo(_) | OnTimeout::Deny, _)) | None => expired = true,
        }
    }
    if expired {
        record.state = State::Expired { at: now };
        events.push(What::Expired);
    }
    if !expired && !events.is_empty() {
        // Votes are kept: where a voter is of the widened audience as well, those that stand may
        // now fill every seat.
        advance(record, now, &mut events);
    }
    if record.state.phase() == Phase::Pending {
        remind(record, now, &mut events);
    }
    if events.is_empty() {
        return Err(Refused::NothingDue);
    }
    Ok(events)
}

/// Reminds whoever is still waited for, where that is due. However late it comes, it comes once.
fn remind(record: &mut Record, now: Timestamp, events: &mut Vec<What>) {
    let asked = Arc::clone(&record.asked);
    for (track, (requirement, progress)) in
        asked.tracks.iter().zip(&mut record.progress).enumerate()
    {
        if progress.met || progress.remind_at.is_none_or(|at| at > now) {
            continue;
        }
        progress.remind_at = requirement.reminders().next_at(now, progress.deadline);
        record.reminded = record.revision;
        events.push(What::Reminded {
            track: u8::try_from(track).unwrap_or(u8::MAX),
            stage: progress.open,
        });
    }
}

fn lapse(record: &mut Record, now: Timestamp) -> Vec<What> {
    record.state = State::Lapsed { at: now };
    vec![What::Lapsed]
}
