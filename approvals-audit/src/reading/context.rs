//! What was asked, for the events of a request that do not repeat it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use approvals_core::digest::Digest;
use approvals_core::policy::Reasons;
use approvals_core::review::Asked;
use approvals_core::{Presentation, RequestId, Requester, Risk, Timestamp, What};

use super::{Recorded, SignedLog, Told};
use crate::log::LogError;

/// How many requests are remembered. What else is needed is looked up.
const REMEMBERED: usize = 4096;

/// What was asked, without what only reviewers need.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Context {
    /// The place of the entry that asked.
    pub(crate) entry: u64,
    pub(crate) action: String,
    pub(crate) policy: String,
    pub(crate) policy_version: Option<Arc<str>>,
    pub(crate) requester: Requester,
    pub(crate) resource: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) risk: Risk,
    pub(crate) reasons: Reasons,
    pub(crate) requirements: Vec<String>,
    pub(crate) digest: Digest,
    pub(crate) shown: Digest,
}

impl Context {
    pub(crate) fn of(asked: &Asked, entry: u64) -> Self {
        let call = &asked.call;
        let presentation = Presentation::of(asked);
        let requirements = presentation.requirements.iter();
        Self {
            entry,
            action: call.action().as_str().to_owned(),
            policy: call.declaration().policy.as_str().to_owned(),
            policy_version: asked.policy_version.clone(),
            requester: call.requester().clone(),
            resource: call.resource().map(str::to_owned),
            environment: call.environment().map(|e| e.as_str().to_owned()),
            risk: asked.risk,
            reasons: asked.reasons.clone(),
            requirements: requirements.map(ToString::to_string).collect(),
            digest: asked.digest,
            shown: asked.shown,
        }
    }
}

/// The requests whose events were read of late.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    known: HashMap<RequestId, Option<Arc<Context>>>,
    in_order: VecDeque<RequestId>,
}

impl Contexts {
    /// What an event says was asked, if it does.
    pub(crate) fn asked(told: &Told) -> Option<&Asked> {
        match told {
            Told::Whole(event) => match &event.what {
                What::Requested { asked } | What::RequestedUnderGrant { asked, .. } => Some(asked),
                _ => None,
            },
            Told::Destroyed { .. } | Told::Repeats { .. } => None,
        }
    }

    /// What was asked by a request, where the log tells it before this place.
    pub(crate) fn of(
        &mut self,
        log: &SignedLog,
        request: RequestId,
        before: u64,
    ) -> Result<Option<Arc<Context>>, LogError> {
        if let Some(known) = self.known.get(&request) {
            return Ok(known.clone());
        }
        let found = search(log, request, before)?;
        self.remember(request, found.clone());
        Ok(found)
    }

    /// Remembers what this event asks, if it asks.
    pub(crate) fn learn(&mut self, recorded: &Recorded) {
        if let Some(asked) = Self::asked(&recorded.told) {
            let context = Context::of(asked, recorded.index);
            self.remember(asked.id, Some(Arc::new(context)));
        }
    }

    fn remember(&mut self, request: RequestId, context: Option<Arc<Context>>) {
        if self.known.insert(request, context).is_none() {
            self.in_order.push_back(request);
        }
        if self.in_order.len() > REMEMBERED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// A request's id begins with the time at which it was made, and entries are in the order of time:
/// the one that asked is not far behind.
fn search(
    log: &SignedLog,
    request: RequestId,
    before: u64,
) -> Result<Option<Arc<Context>>, LogError> {
    let [a, b, c, d, e, f, ..] = request.to_bytes();
    let made = Timestamp::from_millis(u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
    for bundle in log.bundles(log.about(made)?) {
        for raw in bundle?.entries() {
            if raw.index >= before {
                return Ok(None);
            }
            // Reading all of an event takes long; most are another's.
            let named = std::str::from_utf8(raw.bytes);
            if !named.is_ok_and(|text| text.contains(&request.to_string())) {
                continue;
            }
            let recorded = log.recorded(&raw)?;
            if let Some(asked) = Contexts::asked(&recorded.told)
                && asked.id == request
            {
                return Ok(Some(Arc::new(Context::of(asked, raw.index))));
            }
        }
    }
    Ok(None)
}
