//! What becomes of a call that policy wants reviewed: ask, join, use a grant, or refuse.

use std::sync::Arc;
use std::time::Duration;

use super::Transition;
use super::record::{Asked, Record};
use super::refused::Refused;
use super::state::{Phase, State};
use super::vote::{Choice, Proposal};
use crate::audit::What;
use crate::call::{Argument, Bound, Call};
use crate::canonical;
use crate::digest::Digest;
use crate::id::{OwnerId, PersonId, RequestId};
use crate::policy::{RequirementError, checked};
use crate::presentation::Presentation;
use crate::shared_set::People;
use crate::time::Timestamp;

/// Limits that keep people from being worn down, per root principal, action and resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests that may be pending at once.
    pub pending: u32,
    /// Requests that may be made within an hour.
    pub asks_per_hour: u32,
    /// Denials within an hour after which asking pauses.
    pub denials: u32,
    /// How long asking pauses then.
    pub pause: Duration,
    /// How long a denial of the same digest stands without being asked again.
    pub denial_stands_for: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pending: 20,
            asks_per_hour: 60,
            denials: 3,
            pause: Duration::from_secs(15 * 60),
            denial_stands_for: Duration::from_secs(10 * 60),
        }
    }
}

impl Limits {
    /// Checks that no limit refuses everything and no time is absurd.
    ///
    /// # Errors
    /// [`RequirementError`] naming the field.
    pub fn checked(self) -> Result<Self, RequirementError> {
        for (what, limit) in [
            ("pending", self.pending),
            ("asks_per_hour", self.asks_per_hour),
            ("denials", self.denials),
        ] {
            if limit == 0 {
                return Err(RequirementError::ZeroLimit { what });
            }
        }
        checked("pause", self.pause)?;
        checked("denial_stands_for", self.denial_stands_for)?;
        Ok(self)
    }
}

/// A call that policy wants reviewed, as it is handed to the store.
#[derive(Debug, Clone)]
pub struct Opening {
    /// What will be asked, if anything is.
    pub asked: Arc<Asked>,
    /// The hash of requester chain, action and idempotency key.
    pub key: Option<Digest>,
    /// Who may not vote.
    pub excluded: People,
    /// The gate that waits, when dropping the call should withdraw the request.
    pub waiter: Option<OwnerId>,
    /// The limits that hold.
    pub limits: Limits,
}

/// What a store knows that decides about an opening. Looked up in the transaction that opens.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The record under the same key.
    pub keyed: Option<Arc<Record>>,
    /// Records of the same digest that are executing or in doubt, that were denied, or that have a
    /// grant.
    pub same_digest: Vec<Arc<Record>>,
    /// How busy the bucket of (root principal, action, resource) is.
    pub bucket: Bucket,
    /// Proposals of the last day to the same requester for the same action, with who made them.
    pub proposals: Vec<(PersonId, Arc<Proposal>)>,
}

/// How busy one (root principal, action, resource) is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Requests that are pending now.
    pub pending: u32,
    /// Requests of the last hour.
    pub asks: u32,
    /// Denials of the last hour.
    pub denials: u32,
    /// The latest denial.
    pub last_denial: Option<Timestamp>,
}

/// Why nobody is asked.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// The same call was denied a short while ago.
    DenialStands(Arc<Record>),
    /// The same call may have run already.
    InDoubt(Arc<Record>),
    /// The key names a call with another digest.
    KeyOfAnotherCall(Arc<Record>),
    /// Too many are pending.
    TooManyPending(u32),
    /// Too many were asked within the hour.
    TooManyAsks(u32),
    /// Asking pauses after repeated denials.
    Paused {
        /// Until then.
        until: Timestamp,
        /// After so many.
        denials: u32,
    },
}

/// What becomes of an opening.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Nobody is asked.
    Refuse(Refusal),
    /// The same logical call is under way, or over.
    Found(Arc<Record>),
    /// People are asked: store this record, with these events.
    Ask(Box<Transition>),
    /// A grant covers it: swap the grantor and store the new record, both in one commit.
    UseGrant {
        /// The grantor, one use poorer.
        grantor: Box<Transition>,
        /// The request, born approved.
        record: Box<Transition>,
    },
}

/// Judges an opening. Pure: the store looks up `standing` and carries out the answer in one commit.
#[must_use]
pub fn admit(opening: &Opening, standing: &Standing, now: Timestamp) -> Admission {
    let asked = &opening.asked;
    match keyed(&asked.call, standing, now) {
        Some(Ok(record)) => return Admission::Found(record),
        Some(Err(refusal)) => return Admission::Refuse(refusal),
        None => {}
    }
    let in_doubt = in_doubt(standing, now);
    if let Some(record) = in_doubt.filter(|_| !asked.call.declaration().idempotent) {
        return Admission::Refuse(Refusal::InDoubt(Arc::clone(record)));
    }
    let mut excluded = opening.excluded.clone();
    excluded.extend(proposers(asked, standing));
    let denied = latest_denial(standing);
    if let Some((record, at)) = denied
        && now < at.plus(opening.limits.denial_stands_for)
    {
        return Admission::Refuse(Refusal::DenialStands(Arc::clone(record)));
    }
    if in_doubt.is_none()
        && let Some(grantor) =
            open_grant(opening, standing, &excluded, denied.map(|(_, at)| at), now)
    {
        return use_grant(opening, excluded, grantor, now);
    }
    if let Some(refusal) = limited(opening, &standing.bucket, now) {
        return Admission::Refuse(refusal);
    }
    let asked = match in_doubt {
        None => Arc::clone(asked),
        Some(earlier) => may_have_run(asked, earlier.id()),
    };
    let record = Record::pending(Arc::clone(&asked), excluded, opening.waiter);
    Admission::Ask(Box::new(Transition {
        events: vec![What::Requested { asked }],
        record,
    }))
}

/// What a call with a key finds under it: the request of the same logical call, or why it may not
/// have it. `None` where the key names nothing yet. Of what stands only the record under the key
/// and those of the same digest count.
#[must_use]
pub fn keyed(
    call: &Call,
    standing: &Standing,
    now: Timestamp,
) -> Option<Result<Arc<Record>, Refusal>> {
    let record = standing.keyed.as_ref()?;
    if record.asked.digest != call.digest() {
        return Some(Err(Refusal::KeyOfAnotherCall(Arc::clone(record))));
    }
    // Invariant 7: what is over is told; what could still run would be the second time.
    let twice = !record.state.phase().is_final() && !call.declaration().idempotent;
    let earlier = in_doubt(standing, now).filter(|_| twice);
    Some(match earlier {
        Some(earlier) => Err(Refusal::InDoubt(Arc::clone(earlier))),
        None => Ok(Arc::clone(record)),
    })
}

/// Invariant 7: what may have run is not run again, unless its author says that it may be.
fn in_doubt(standing: &Standing, now: Timestamp) -> Option<&Arc<Record>> {
    let mut equal = standing.same_digest.iter();
    equal.find(|record| is_in_doubt(record, now))
}

/// Whether a request may still lead to a run, given what else a store knows in the commit that
/// claims or starts it: the records of the same digest that [`Standing::same_digest`] lists, and
/// the request whose grant it uses.
///
/// # Errors
/// [`Refused`] when an equal call may have run meanwhile (invariant 7), when one was denied while this
/// one was pending, or at all since this one was opened under a grant, or when the grant is closed or
/// another run on it is in doubt.
pub fn stands(
    record: &Record,
    same_digest: &[Arc<Record>],
    grantor: Option<&Record>,
    now: Timestamp,
) -> Result<(), Refused> {
    let doubtful = same_digest
        .iter()
        .filter(|other| other.id() != record.id() && is_in_doubt(other, now));
    for other in doubtful {
        if !record.asked.call.declaration().idempotent {
            return Err(Refused::EqualInDoubt(other.id()));
        }
        // A use in doubt closes its grant; a crash between the two leaves that undone.
        let grantor = record.granted_by;
        if grantor.is_some() && (other.granted_by == grantor || Some(other.id()) == grantor) {
            return Err(Refused::GrantClosed);
        }
    }
    // Whoever said no shared it with every equal request that was pending; this one may have been
    // missed, by a crash between the two.
    let agreed_at = agreed_at(record);
    let denied = same_digest.iter().find(|other| {
        matches!(other.state, State::Denied { at, .. } if at >= record.asked.asked_at && agreed_at.is_none_or(|agreed| at <= agreed))
    });
    if let Some(other) = denied {
        return Err(Refused::EqualDenied(other.id()));
    }
    let open = |grantor: &Record| grantor.grant.is_some_and(|grant| !grant.closed);
    if record.granted_by.is_some() && !grantor.is_some_and(open) {
        return Err(Refused::GrantClosed);
    }
    Ok(())
}

/// When the last of those who agreed did; `None` under a grant, where nobody was asked: the votes that
/// came along were said to the request that granted it.
fn agreed_at(record: &Record) -> Option<Timestamp> {
    if record.granted_by.is_some() {
        return None;
    }
    let agreed = record.votes.iter().filter(|vote| match vote.choice {
        Choice::Approve | Choice::Confirm | Choice::BreakGlass => true,
        Choice::Deny | Choice::Withdrawn => false,
    });
    agreed.map(|vote| vote.at).max()
}

/// Whether a record may have run, and nobody knows: also when its lease has run out and nobody has
/// noted it yet.
fn is_in_doubt(record: &Record, now: Timestamp) -> bool {
    record.state.phase() == Phase::InDoubt
        || matches!(&record.state, State::Executing { claim } if claim.lease_until <= now)
}

/// Invariant 7: reviewers see that the call may have run, so what they are shown is another
/// presentation.
fn may_have_run(asked: &Asked, earlier: RequestId) -> Arc<Asked> {
    let mut asked = asked.clone();
    asked.may_have_run = Some(earlier);
    asked.shown = Presentation::of(&asked).hash();
    Arc::new(asked)
}

fn latest_denial(standing: &Standing) -> Option<(&Arc<Record>, Timestamp)> {
    standing
        .same_digest
        .iter()
        .filter_map(|record| {
            if let State::Denied { at, .. } = &record.state {
                return Some((record, *at));
            }
            None
        })
        .max_by_key(|(_, at)| *at)
}

/// A grant covers only what is asked in the same way: another requirement asks people again. So
/// does a yes of somebody who has come to have a part in the request.
fn open_grant<'a>(
    opening: &Opening,
    standing: &'a Standing,
    excluded: &People,
    denied_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<&'a Arc<Record>> {
    standing.same_digest.iter().find(|record| {
        record.asked.tracks == opening.asked.tracks
            && !record
                .votes
                .iter()
                .any(|vote| vote.choice == Choice::Approve && excluded.contains(&vote.person))
            && record.grant.is_some_and(|grant| {
                !grant.closed && grant.uses_left > 0 && now < grant.until
                // A later denial of the same digest closes it.
                && denied_at.is_none_or(|denied| denied < record.asked.asked_at)
            })
    })
}

fn use_grant(
    opening: &Opening,
    excluded: People,
    grantor: &Arc<Record>,
    now: Timestamp,
) -> Admission {
    let id = opening.asked.id;
    let mut poorer = Record::clone(grantor);
    poorer.revision = poorer.revision.saturating_add(1);
    poorer.changed_at = now.max(poorer.changed_at);
    let mut until = opening.asked.expires_at;
    let mut uses_left = 0;
    if let Some(grant) = &mut poorer.grant {
        grant.uses_left = grant.uses_left.saturating_sub(1);
        uses_left = grant.uses_left;
        until = until.min(grant.until);
    }
    let mut record = Record::pending(Arc::clone(&opening.asked), excluded, opening.waiter);
    record.excluded.unite(&grantor.excluded);
    record.granted_by = Some(grantor.id());
    // The votes come along, so that the claim judges their voters again.
    record.votes.clone_from(&grantor.votes);
    record.progress.clone_from(&grantor.progress);
    record.state = State::Approved {
        at: now,
        execute_by: now.plus(opening.asked.execute_within()).min(until),
    };
    Admission::UseGrant {
        grantor: Box::new(Transition {
            record: poorer,
            events: vec![What::GrantUsed { by: id, uses_left }],
        }),
        record: Box::new(Transition {
            record,
            events: vec![
                What::RequestedUnderGrant {
                    asked: Arc::clone(&opening.asked),
                    granted_by: grantor.id(),
                },
                What::Approved,
            ],
        }),
    }
}

fn limited(opening: &Opening, bucket: &Bucket, now: Timestamp) -> Option<Refusal> {
    let limits = opening.limits;
    if bucket.denials >= limits.denials
        && let Some(last) = bucket.last_denial
        && now < last.plus(limits.pause)
    {
        return Some(Refusal::Paused {
            until: last.plus(limits.pause),
            denials: bucket.denials,
        });
    }
    if bucket.pending >= limits.pending {
        return Some(Refusal::TooManyPending(bucket.pending));
    }
    if bucket.asks >= limits.asks_per_hour {
        return Some(Refusal::TooManyAsks(bucket.asks));
    }
    None
}

/// Whoever proposed a value that the call now has cannot vote on it.
fn proposers(asked: &Asked, standing: &Standing) -> impl Iterator<Item = PersonId> {
    standing.proposals.iter().filter_map(|(person, proposal)| {
        let taken = proposal.iter().any(|(name, value)| {
            let argument = asked.call.arguments().get(name);
            argument.is_some_and(|argument| may_be(&argument, value))
        });
        taken.then(|| person.clone())
    })
}

/// Whether an argument may have a proposed value. Two plain values of one kind are told apart in
/// canonical form, in which `10.0` is `10`. How an author writes anything else (a number as text, a
/// member that is left out) cannot be told, and neither can a value that is not kept: it may be.
fn may_be(argument: &Argument<'_>, value: &serde_json::Value) -> bool {
    let plain = |v: &serde_json::Value| !v.is_array() && !v.is_object();
    match argument.bound {
        Bound::Value => {
            let Some(has) = argument.value() else {
                return true;
            };
            let comparable = plain(&has)
                && plain(value)
                && std::mem::discriminant(&has) == std::mem::discriminant(value);
            let mut canonical = String::new();
            let written = canonical::write(value, &mut canonical, &canonical::Limits::default());
            !comparable || written.is_err() || canonical == argument.json
        }
        Bound::Debug | Bound::Display | Bound::Redacted(_) | Bound::Skipped => true,
    }
}

/// The request that an opening found or made.
impl Admission {
    /// The id of the request, if there is one.
    #[must_use]
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Self::Refuse(_) => None,
            Self::Found(record) => Some(record.id()),
            Self::Ask(transition) => Some(transition.record.id()),
            Self::UseGrant { record, .. } => Some(record.record.id()),
        }
    }
}
