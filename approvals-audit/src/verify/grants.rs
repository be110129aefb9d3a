//! Grants: one yes that covers further runs, followed from the request that was approved with reuse
//! to each request that was born approved under it.

use std::collections::HashMap;

use approvals_core::{RequestId, Requirement, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// For how long a grant is followed whose terms its entry does not tell: no requirement is accepted
/// that grants longer than 30 days.
const LONGEST_MILLIS: u64 = 31 * 24 * 3600 * 1000;

/// What a request would have granted by its yes, or asks to run under a grant: as far as two entries
/// can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope {
    /// Of action, policy, environment, requester's chain and requirements, none of which is ever
    /// committed to.
    outline: [u8; 32],
    /// The digest of the call, unless the entry has a commitment in its place.
    digest: Option<[u8; 32]>,
}

impl Scope {
    /// Whether both may be of one call.
    fn covers(&self, other: &Self) -> bool {
        let same_digest = match (self.digest, other.digest) {
            (Some(one), Some(other)) => one == other,
            (None, _) | (_, None) => true,
        };
        self.outline == other.outline && same_digest
    }
}

/// What a yes to a request grants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How many runs, the first included.
    uses: u32,
    /// For how long after the yes.
    millis: u64,
    scope: Scope,
}

/// What a request's yes grants, as far as its entry tells.
#[derive(Debug, Clone)]
pub(super) enum Granted {
    /// Nothing.
    Nothing,
    /// This.
    Terms(Box<Terms>),
    /// The entry is abridged and does not say.
    Untold,
}

/// An entry that asks, as far as grants go.
#[derive(Debug, Deserialize)]
struct Asking {
    asked: Asked,
    #[serde(default)]
    committed: HashMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Asked {
    call: Call,
    digest: approvals_core::Digest,
    tracks: Vec<Requirement>,
}

#[derive(Debug, Deserialize)]
struct Call {
    declaration: Declaration,
    requester: Requester,
    environment: Option<Value>,
    arguments: Arguments,
}

#[derive(Debug, Deserialize)]
struct Declaration {
    action: String,
    policy: String,
}

#[derive(Debug, Deserialize)]
struct Requester {
    actor: Value,
    acting_for: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Arguments {
    slots: Vec<Slot>,
}

#[derive(Debug, Deserialize)]
struct Slot {
    bound: Value,
}

const UNREADABLE: &str = "what it asks cannot be read";

impl Asking {
    fn of(entry: &[u8]) -> Result<Self, &'static str> {
        serde_json::from_slice(entry).map_err(|_| UNREADABLE)
    }

    fn scope(&self) -> Result<Scope, &'static str> {
        let call = &self.asked.call;
        let outline = serde_json::to_vec(&(
            (&call.declaration.action, &call.declaration.policy),
            (&call.requester.actor, &call.requester.acting_for),
            &call.environment,
            // As this version writes them, whichever version wrote the entry.
            &self.asked.tracks,
        ));
        let is_clear = !self.committed.contains_key("/asked/digest");
        Ok(Scope {
            outline: Sha256::digest(outline.map_err(|_| UNREADABLE)?).into(),
            digest: is_clear.then(|| *self.asked.digest.as_bytes()),
        })
    }
}

/// What a request asks for.
pub(super) fn scope(entry: &[u8]) -> Result<Scope, &'static str> {
    Asking::of(entry)?.scope()
}

/// What a yes to a request grants, all of whose requirements offer it.
pub(super) fn terms(entry: &[u8]) -> Result<Granted, &'static str> {
    let asking = Asking::of(entry)?;
    let mut slots = asking.asked.call.arguments.slots.iter();
    if slots.any(|slot| slot.bound == "skipped") {
        return Ok(Granted::Nothing);
    }
    let tracks = asking.asked.tracks.iter();
    let offered: Option<Vec<_>> = tracks.map(Requirement::reuse_terms).collect();
    let offered = offered.unwrap_or_default();
    let uses = offered.iter().map(|reuse| reuse.uses).min();
    let within = offered.iter().map(|reuse| reuse.within).min();
    let (Some(uses), Some(within)) = (uses, within) else {
        return Ok(Granted::Nothing);
    };
    Ok(Granted::Terms(Box::new(Terms {
        uses,
        millis: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
        scope: asking.scope()?,
    })))
}

/// A grant that may still cover runs.
#[derive(Debug, Clone, Copy)]
struct Grant {
    /// How many are left, where that was told.
    uses_left: Option<u32>,
    /// From when on it covers nothing.
    until: u64,
    scope: Option<Scope>,
}

/// A use that was taken for a request.
#[derive(Debug, Clone, Copy)]
struct Use {
    of: RequestId,
    has_begun: bool,
}

/// The grants of a trail that are open, and the requests under them that have not started.
#[derive(Debug, Clone, Default)]
pub(super) struct Grants {
    open: HashMap<RequestId, Grant>,
    uses: HashMap<RequestId, Use>,
}

impl Grants {
    /// How much is followed.
    pub(super) fn len(&self) -> usize {
        self.open.len() + self.uses.len()
    }

    /// Forgets the grants of other requests than these, and the uses of them.
    pub(super) fn retain(&mut self, keeps: impl Fn(&RequestId) -> bool) {
        self.open.retain(|id, _| keeps(id));
        self.uses.retain(|_, taken| keeps(&taken.of));
        self.open.shrink_to_fit();
        self.uses.shrink_to_fit();
    }

    /// Forgets the grants that are past their time: they cover nothing, whoever asks.
    pub(super) fn forget_past(&mut self, now: Timestamp) {
        self.open.retain(|_, grant| now.as_millis() < grant.until);
    }

    /// A yes was given to a request.
    pub(super) fn give(&mut self, request: RequestId, granted: &Granted, at: Timestamp) {
        let until = |millis| at.as_millis().saturating_add(millis);
        let grant = match granted {
            Granted::Nothing => return,
            Granted::Terms(terms) => Grant {
                uses_left: Some(terms.uses.saturating_sub(1)),
                until: until(terms.millis),
                scope: Some(terms.scope),
            },
            Granted::Untold => Grant {
                uses_left: None,
                until: until(LONGEST_MILLIS),
                scope: None,
            },
        };
        self.open.insert(request, grant);
    }

    /// Nothing more runs under the grant of this request.
    pub(super) fn close(&mut self, request: RequestId) {
        self.open.remove(&request);
    }

    /// A use was taken of a grant.
    pub(super) fn take(
        &mut self,
        of: RequestId,
        by: RequestId,
        uses_left: u32,
        at: Timestamp,
    ) -> Result<(), &'static str> {
        let Some(grant) = self.open.get_mut(&of) else {
            return Err(
                "a use was taken of a grant that is not open: its request was not approved with reuse, or the grant was closed or past its time",
            );
        };
        if at.as_millis() >= grant.until {
            return Err("a use was taken of a grant that was past its time");
        }
        let expected = grant.uses_left.map(|left| left.checked_sub(1));
        if expected.is_some_and(|expected| expected != Some(uses_left)) {
            return Err("a use was taken that the grant did not have");
        }
        grant.uses_left = Some(uses_left);
        let has_begun = false;
        match self.uses.insert(by, Use { of, has_begun }) {
            None => Ok(()),
            Some(_) => Err("two uses were taken for one request"),
        }
    }

    /// Whether the grant of this request is open.
    pub(super) fn is_open(&self, request: RequestId) -> bool {
        self.open.contains_key(&request)
    }

    /// Whether a use was taken for this request.
    pub(super) fn has_use(&self, request: RequestId) -> bool {
        self.uses.contains_key(&request)
    }

    /// A request was born approved under this grant, asking for this. Where the entry does not say
    /// which grant, it is the one of which a use was taken for it.
    pub(super) fn begin(
        &mut self,
        request: RequestId,
        of: Option<RequestId>,
        scope: Option<&Scope>,
    ) -> Result<(), &'static str> {
        let taken = self.uses.get_mut(&request);
        let taken = taken.filter(|taken| !taken.has_begun && of.is_none_or(|of| of == taken.of));
        let taken =
            taken.ok_or("it was born approved, and no use of that grant was taken for it")?;
        taken.has_begun = true;
        let granted = self.open.get(&taken.of).and_then(|grant| grant.scope);
        match (granted, scope) {
            (Some(granted), Some(scope)) if !granted.covers(scope) => {
                Err("it was born approved, and asks for something else than what was granted")
            }
            _ => Ok(()),
        }
    }

    /// A request goes on towards its body: while that is ahead, its grant has to be open.
    pub(super) fn run(
        &mut self,
        request: RequestId,
        what: &str,
        at: Timestamp,
    ) -> Result<(), &'static str> {
        let Some(taken) = self.uses.get(&request) else {
            return Ok(());
        };
        if matches!(what, "claimed" | "started") {
            let open = self.open.get(&taken.of);
            if open.is_none_or(|grant| at.as_millis() >= grant.until) {
                return Err("the grant that it runs under was closed, or past its time");
            }
        }
        if matches!(what, "started" | "lapsed" | "revoked") {
            self.uses.remove(&request);
        }
        Ok(())
    }
}
