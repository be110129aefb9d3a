//! What people do about a request beside voting: revoke, resolve, review afterwards.

use std::sync::Arc;

use super::votes::outsider;
use super::{needs, said};
use crate::audit::What;
use crate::id::PersonId;
use crate::review::record::Record;
use crate::review::refused::Refused;
use crate::review::state::{Phase, State};
use crate::review::vote::{Choice, Vote};
use crate::shared_set::People;
use crate::time::Timestamp;

pub(super) fn revoke(
    record: &mut Record,
    by: &PersonId,
    reason: &Arc<str>,
    now: Timestamp,
) -> Result<Vec<What>, Refused> {
    said(reason)?;
    let granted = record.grant.is_some_and(|grant| !grant.closed);
    let phase = record.state.phase();
    let takes_back = matches!(phase, Phase::Approved | Phase::Claimed);
    if !takes_back && !granted {
        needs(record, Phase::Approved)?;
    }
    if let Some(grant) = &mut record.grant {
        grant.closed = true;
    }
    if takes_back {
        record.state = State::Revoked {
            at: now,
            by: by.clone(),
            reason: Arc::clone(reason),
        };
    }
    Ok(vec![What::Revoked {
        by: by.clone(),
        reason: Arc::clone(reason),
    }])
}

pub(super) fn in_doubt(record: &mut Record, why: &Arc<str>, now: Timestamp) -> Vec<What> {
    if let Some(grant) = &mut record.grant {
        grant.closed = true;
    }
    record.state = State::InDoubt {
        at: now,
        why: Arc::clone(why),
    };
    vec![What::InDoubt {
        why: Arc::clone(why),
    }]
}

pub(super) fn resolve(
    record: &mut Record,
    by: &PersonId,
    reason: &Arc<str>,
    succeeded: bool,
    now: Timestamp,
) -> Result<Vec<What>, Refused> {
    needs(record, Phase::InDoubt)?;
    said(reason)?;
    let summary = Some(Arc::clone(reason));
    record.state = if succeeded {
        State::Succeeded { at: now, summary }
    } else {
        State::Failed { at: now, summary }
    };
    Ok(vec![What::Resolved {
        by: by.clone(),
        reason: Arc::clone(reason),
        succeeded,
    }])
}

pub(super) fn review_afterwards(
    record: &mut Record,
    by: &PersonId,
    excluded: &People,
    comment: &Arc<str>,
) -> Result<Vec<What>, Refused> {
    let Some(broke) = record.review_owed.clone() else {
        return Err(Refused::NothingOwed);
    };
    said(comment)?;
    record.excluded.unite(excluded);
    outsider(record, by)?;
    let broke_too = |vote: &Arc<Vote>| vote.person == *by && vote.choice == Choice::BreakGlass;
    if broke == *by || record.votes.iter().any(broke_too) {
        return Err(Refused::OwnRequest(by.clone()));
    }
    record.review_owed = None;
    Ok(vec![What::ReviewedAfterwards {
        by: by.clone(),
        comment: Arc::clone(comment),
    }])
}

pub(super) fn close_grant(record: &mut Record, why: &Arc<str>) -> Result<Vec<What>, Refused> {
    match &mut record.grant {
        Some(grant) if !grant.closed => {
            grant.closed = true;
            Ok(vec![What::GrantClosed {
                why: Arc::clone(why),
            }])
        }
        Some(_) | None => Err(Refused::NoGrant),
    }
}
