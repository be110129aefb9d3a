//! The one place where a record changes: pure, total, no clock, no I/O.

mod deadlines;
mod operators;
mod running;
mod votes;

use std::sync::Arc;

use super::command::Command;
use super::record::{Record, SCHEMA, form};
use super::refused::Refused;
use super::state::{Phase, State};
use crate::audit::What;
use crate::time::Timestamp;

/// A record's next form, and what happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The record as it will be: its revision is one higher.
    pub record: Record,
    /// What the trail says about it, in order. Empty only for a renewed lease.
    pub events: Vec<What>,
}

/// Judges a command on a record at a time.
///
/// # Errors
/// [`Refused`] when the command may not take effect. The record stays as it is.
pub fn apply(record: &Record, command: &Command, now: Timestamp) -> Result<Transition, Refused> {
    if record.schema > SCHEMA {
        return Err(Refused::NewerSchema(record.schema));
    }
    // Invariant 9: time that runs backwards is a clock failure.
    if now < record.changed_at {
        return Err(Refused::ClockWentBack {
            changed: record.changed_at,
            now,
        });
    }
    let mut next = record.clone();
    next.schema = form(&next.asked);
    next.revision = record.revision.saturating_add(1);
    next.changed_at = now;
    let events = match command {
        Command::Vote(ballot) => votes::vote(&mut next, ballot, now)?,
        Command::Withdraw(by) => {
            needs(&next, Phase::Pending)?;
            let why: Arc<str> = by.why().into();
            next.state = State::Withdrawn {
                at: now,
                why: Arc::clone(&why),
            };
            vec![What::Withdrawn { why }]
        }
        Command::Revoke { by, reason } => operators::revoke(&mut next, by, reason, now)?,
        Command::Due => deadlines::due(&mut next, now)?,
        Command::Claim(claim) => running::claim(&mut next, claim, now)?,
        Command::ClaimAndStart(claim) => {
            let mut events = running::claim(&mut next, claim, now)?;
            let (fence, lease) = (next.fence, now.plus(claim.lease));
            events.extend(running::start(
                &mut next,
                fence,
                claim.owner,
                claim.frozen,
                lease,
                now,
            )?);
            events
        }
        Command::Release { fence } => {
            let (_, execute_by, approved_at) = running::claimed(&next, *fence)?;
            next.state = State::Approved {
                at: approved_at,
                execute_by,
            };
            vec![What::ClaimReleased { fence: *fence }]
        }
        Command::Start {
            fence,
            owner,
            frozen,
            lease,
        } => running::start(&mut next, *fence, *owner, *frozen, now.plus(*lease), now)?,
        Command::Renew { fence, lease } => {
            running::renew(&mut next, *fence, now.plus(*lease), now)?
        }
        Command::Finish {
            fence,
            succeeded,
            summary,
        } => {
            running::executing(&next, *fence)?;
            let summary = summary.clone();
            next.state = if *succeeded {
                State::Succeeded {
                    at: now,
                    summary: summary.clone(),
                }
            } else {
                State::Failed {
                    at: now,
                    summary: summary.clone(),
                }
            };
            vec![What::Finished {
                fence: *fence,
                succeeded: *succeeded,
                summary,
            }]
        }
        Command::Abandon { fence, why } => {
            running::executing(&next, *fence)?;
            operators::in_doubt(&mut next, why, now)
        }
        Command::Resolve {
            by,
            reason,
            succeeded,
        } => operators::resolve(&mut next, by, reason, *succeeded, now)?,
        Command::ReviewAfterwards {
            by,
            excluded,
            comment,
        } => operators::review_afterwards(&mut next, by, excluded, comment)?,
        Command::ShareDenial {
            of,
            by,
            comment,
            proposal,
        } => {
            needs(&next, Phase::Pending)?;
            next.state = State::Denied {
                at: now,
                by: by.clone(),
                comment: comment.clone(),
                proposal: proposal.clone(),
            };
            vec![What::DeniedWith { of: *of }]
        }
        Command::CloseGrant { why } => operators::close_grant(&mut next, why)?,
    };
    Ok(Transition {
        record: next,
        events,
    })
}

fn needs(record: &Record, needed: Phase) -> Result<(), Refused> {
    let found = record.state.phase();
    if found == needed {
        Ok(())
    } else if found.is_final() {
        Err(Refused::Settled(found))
    } else {
        Err(Refused::Phase { found, needed })
    }
}

fn said(text: &str) -> Result<(), Refused> {
    if text.trim().is_empty() {
        return Err(Refused::ReasonRequired);
    }
    Ok(())
}
