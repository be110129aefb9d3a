//! How records are found: what every store that keeps them in rows stores beside them.

use std::sync::Arc;
use std::time::Duration;

use crate::digest::{Digest, Domain};
use crate::id::{ActionName, OwnerId, PersonId, RequestId};
use crate::principal::PrincipalId;
use crate::review::{Asked, Choice, Phase, Proposal, Record, State};
use crate::time::Timestamp;

/// How long an ask and a denial count towards the limits.
pub const TRAFFIC_COUNTS_FOR: Duration = Duration::from_secs(3600);

/// How long a proposal keeps its author from voting on the values.
pub const PROPOSAL_COUNTS_FOR: Duration = Duration::from_secs(24 * 3600);

/// Why a record is found by its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Found {
    /// It is pending: it shares a denial of another one.
    Pending,
    /// It says something about later calls: it was denied, is executing or in doubt, or has a
    /// grant. [`Standing::same_digest`](crate::review::Standing::same_digest) lists these.
    Decides,
}

impl Found {
    /// As what a record is found by its digest, if as anything.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        let phase = record.state.phase();
        // What is executing may be in doubt before anybody has noted it.
        let decides = matches!(phase, Phase::Executing | Phase::InDoubt | Phase::Denied);
        if record.grant.is_some() || decides {
            Some(Self::Decides)
        } else {
            (phase == Phase::Pending).then_some(Self::Pending)
        }
    }

    /// As it stands in a column.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Decides => "decides",
        }
    }
}

/// What a record is found by. A store keeps these beside the record, in columns with indices, and
/// writes them anew with every change of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The request.
    pub id: RequestId,
    /// What a swap expects.
    pub revision: u64,
    /// The version of the record's form: known also where the record cannot be decoded.
    pub schema: u16,
    /// Where it is in its life; `as_str` is stable.
    pub phase: Phase,
    /// When something is due, if anything is.
    pub due_at: Option<Timestamp>,
    /// The digest of the call.
    pub digest: Digest,
    /// Why it is found by the digest, if it is.
    pub found: Option<Found>,
    /// See [`bucket`].
    pub bucket: Digest,
    /// The gate without which nobody waits for it; none once it is no longer pending.
    pub waiter: Option<OwnerId>,
    /// Whether a review after the fact is owed.
    pub review_owed: bool,
    /// The action.
    pub action: ActionName,
    /// The actor, everybody it acts for and the root, each once: whom a list can be filtered by.
    pub principals: Vec<PrincipalId>,
}

impl Columns {
    /// What this record is found by.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self::in_bucket(record, bucket(&record.asked))
    }

    /// What this record is found by, where its [`bucket`] is known.
    #[must_use]
    pub fn in_bucket(record: &Record, bucket: Digest) -> Self {
        let asked = &record.asked;
        let phase = record.state.phase();
        let mut principals: Vec<_> = asked.call.requester().chain().cloned().collect();
        principals.sort_unstable();
        principals.dedup();
        Self {
            id: asked.id,
            revision: record.revision,
            schema: record.schema,
            phase,
            due_at: record.due_at(),
            digest: asked.digest,
            found: Found::of(record),
            bucket,
            waiter: record.waiter.filter(|_| phase == Phase::Pending),
            review_owed: record.review_owed.is_some(),
            action: asked.call.action().clone(),
            principals,
        }
    }
}

/// The key of the (root principal, action, resource) that limits count for. Stable: it may be
/// stored, and processes agree about it.
#[must_use]
pub fn bucket(asked: &Asked) -> Digest {
    let root = asked.root.to_string();
    key(
        Domain::Bucket,
        [
            Some(root.as_str()),
            Some(asked.call.action().as_str()),
            asked.call.resource(),
        ],
    )
}

/// The key of the (requester chain, action) that proposals are remembered for. Stable: it may be
/// stored, and processes agree about it.
#[must_use]
pub fn proposals(asked: &Asked) -> Digest {
    let chain: Vec<String> = asked
        .call
        .requester()
        .chain()
        .map(ToString::to_string)
        .collect();
    let action = asked.call.action().as_str();
    let parts = std::iter::once(action).chain(chain.iter().map(String::as_str));
    key(Domain::Proposals, parts.map(Some))
}

/// The hash of parts that cannot run into each other: each has its length before it, and a part
/// that is missing is not an empty one.
fn key<'a>(domain: Domain, parts: impl IntoIterator<Item = Option<&'a str>>) -> Digest {
    let mut bytes = Vec::with_capacity(256);
    for part in parts {
        match part {
            None => bytes.push(0),
            Some(part) => {
                bytes.push(1);
                bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    Digest::of(domain, &bytes)
}

/// A denial that was said on the record itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Who said it.
    pub by: PersonId,
    /// Other values that they would agree to.
    pub proposal: Option<Arc<Proposal>>,
}

/// The denial that a change of a record made, as the limits count it and its proposal is
/// remembered. A denial that is shared with equal requests was said once.
#[must_use]
pub fn denial(before: &Record, after: &Record) -> Option<Said> {
    if before.state.phase() != Phase::Pending {
        return None;
    }
    let State::Denied { by, proposal, .. } = &after.state else {
        return None;
    };
    let mut votes = after.votes.iter();
    let said_here = votes.any(|vote| vote.person == *by && vote.choice == Choice::Deny);
    said_here.then(|| Said {
        by: by.clone(),
        proposal: proposal.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_key_never_run_into_each_other() {
        let keys = [
            key(Domain::Bucket, [Some("a"), Some("bc")]),
            key(Domain::Bucket, [Some("ab"), Some("c")]),
            key(Domain::Bucket, [Some("abc")]),
            key(Domain::Bucket, [Some("abc"), None]),
            key(Domain::Bucket, [Some("abc"), Some("")]),
            key(Domain::Proposals, [Some("abc")]),
        ];
        for (place, one) in keys.iter().enumerate() {
            assert!(!keys.iter().skip(place + 1).any(|other| other == one));
        }
    }

    #[test]
    fn a_key_is_the_same_in_every_process_and_version() {
        let key = key(
            Domain::Bucket,
            [Some("person:bob"), Some("db.export"), None],
        );
        assert_eq!(
            key.to_string(),
            "4308cefb41c04051b00277e442ecde79c6ef145fb19a9f98eef663ad7f2ca876"
        );
    }
}
