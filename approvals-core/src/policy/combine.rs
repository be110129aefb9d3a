//! Several policies as one: the strictest wins.

use std::sync::Arc;

use super::{Facts, FiredRule, Mentions, Policy, Reasons, Verdict};
use crate::call::Call;
use crate::id::ActionName;
use crate::non_empty::NonEmpty;
use crate::policy::Requirement;

/// Asks every policy: one `Deny` denies; otherwise every requirement that any of them asks must be
/// met, each on a track of its own; only when all allow, the call is allowed.
#[derive(Debug)]
pub struct Strictest {
    policies: NonEmpty<Box<dyn Policy>>,
    /// See [`Policy::version`]: those of all, in their order.
    version: Option<String>,
}

impl Strictest {
    /// Starts with this policy.
    pub fn of(policy: impl Policy + 'static) -> Self {
        Self {
            version: policy.version().map(str::to_owned),
            policies: NonEmpty::of(Box::new(policy)),
        }
    }

    /// Adds a policy.
    #[must_use]
    pub fn and(mut self, policy: impl Policy + 'static) -> Self {
        self.policies = self.policies.and(Box::new(policy));
        let versions: Vec<_> = self.policies.iter().map(|each| each.version()).collect();
        let any = versions.iter().any(Option::is_some);
        // What has no version keeps its place: two of three are not the first two.
        let named = versions.into_iter().map(|version| version.unwrap_or("-"));
        self.version = any.then(|| named.collect::<Vec<_>>().join(" + "));
        self
    }
}

/// The strictest of these verdicts; `None` when there are none.
pub(super) fn strictest(verdicts: impl IntoIterator<Item = Verdict>) -> Option<Verdict> {
    let mut verdicts = verdicts.into_iter();
    let first = verdicts.next()?;
    let Some(second) = verdicts.next() else {
        // One alone stands as it is: its reasons are shared by every call that it judges.
        return Some(first);
    };
    let mut allowed: Vec<FiredRule> = Vec::new();
    let mut denied: Vec<FiredRule> = Vec::new();
    let mut asked: Vec<FiredRule> = Vec::new();
    let mut tracks: Vec<Arc<Requirement>> = Vec::new();
    for verdict in [first, second].into_iter().chain(verdicts) {
        match verdict {
            Verdict::Allow(reasons) => allowed.extend(reasons.iter().cloned()),
            Verdict::Deny(reasons) => {
                denied.extend(reasons.iter().cloned());
                // A deny without a reason denies all the same.
                if denied.is_empty() {
                    return Some(Verdict::Deny(reasons));
                }
            }
            Verdict::Review(requirements, reasons) => {
                asked.extend(reasons.iter().cloned());
                for requirement in requirements.iter() {
                    if !tracks.contains(requirement) {
                        tracks.push(Arc::clone(requirement));
                    }
                }
            }
        }
    }
    if !denied.is_empty() {
        return Some(Verdict::Deny(Reasons::all(denied)));
    }
    Some(match NonEmpty::try_from(tracks) {
        Ok(tracks) => Verdict::Review(tracks, Reasons::all(asked)),
        Err(_) => Verdict::Allow(Reasons::all(allowed)),
    })
}

impl Policy for Strictest {
    fn evaluate(&self, call: &Call, facts: &Facts) -> Verdict {
        let verdicts = self
            .policies
            .iter()
            .map(|policy| policy.evaluate(call, facts));
        // There is at least one policy, so there is a verdict.
        strictest(verdicts).unwrap_or_else(|| Verdict::Deny(Reasons::all([])))
    }

    fn by_action(&self, action: &ActionName) -> Option<Verdict> {
        let verdicts: Vec<_> = self.policies.iter().map(|p| p.by_action(action)).collect();
        let denied = verdicts
            .iter()
            .flatten()
            .find(|verdict| matches!(verdict, Verdict::Deny(_)));
        if let Some(denied) = denied {
            return Some(denied.clone());
        }
        strictest(verdicts.into_iter().collect::<Option<Vec<_>>>()?)
    }

    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn mentions(&self) -> Mentions {
        let mut all = Mentions::default();
        for policy in self.policies.iter() {
            all.extend(policy.mentions());
        }
        all
    }
}
