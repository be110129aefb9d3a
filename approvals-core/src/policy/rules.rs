//! A policy of rules, written in code.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use super::combine::strictest;
use super::{Facts, Mentions, Policy, Reasons, Requirement, Verdict};
use crate::call::Call;
use crate::id::{ActionName, GroupId, NameError, RuleId};

type Condition = Arc<dyn Fn(&Call, &Facts) -> bool + Send + Sync>;

/// Rules by action. Every rule of the action whose condition holds takes part and the strictest
/// wins; a call that no rule matches is denied.
///
/// ```
/// use approvals_core::{Requirement, Rules};
/// let policy = Rules::new()
///     .allow("db.read", "reads")?
///     .review("db.export", "exports", Requirement::one_of("senior-engineers")?)?
///     .deny_when("db.drop_table", "no-drops-in-production", |call, _| {
///         call.environment().is_none_or(|e| e.as_str() == "production")
///     })?;
/// # let _ = policy;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Rules {
    by_action: HashMap<ActionName, Vec<Rule>>,
    requester_groups: BTreeSet<GroupId>,
    version: Option<String>,
}

struct Rule {
    verdict: Verdict,
    condition: Option<Condition>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("verdict", &self.verdict)
            .field("conditional", &self.condition.is_some())
            .finish()
    }
}

impl Rules {
    /// No rules: every call is denied.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn rule(
        mut self,
        action: &str,
        verdict: Verdict,
        condition: Option<Condition>,
    ) -> Result<Self, NameError> {
        self.by_action
            .entry(ActionName::new(action)?)
            .or_default()
            .push(Rule { verdict, condition });
        Ok(self)
    }

    /// Allows every call of an action.
    ///
    /// # Errors
    /// [`NameError`] when the action or the rule's id is malformed.
    pub fn allow(self, action: &str, rule: &str) -> Result<Self, NameError> {
        let verdict = Verdict::Allow(reasons(rule, action, "is allowed")?);
        self.rule(action, verdict, None)
    }

    /// Allows the calls of an action for which `condition` holds.
    ///
    /// # Errors
    /// [`NameError`] when the action or the rule's id is malformed.
    pub fn allow_when(
        self,
        action: &str,
        rule: &str,
        condition: impl Fn(&Call, &Facts) -> bool + Send + Sync + 'static,
    ) -> Result<Self, NameError> {
        let verdict = Verdict::Allow(reasons(rule, action, "is allowed here")?);
        self.rule(action, verdict, Some(Arc::new(condition)))
    }

    /// Has every call of an action reviewed.
    ///
    /// # Errors
    /// [`NameError`] when the action or the rule's id is malformed.
    pub fn review(
        self,
        action: &str,
        rule: &str,
        requirement: Requirement,
    ) -> Result<Self, NameError> {
        let verdict = Verdict::review(requirement, reasons(rule, action, "is reviewed")?);
        self.rule(action, verdict, None)
    }

    /// Has the calls of an action reviewed for which `condition` holds.
    ///
    /// # Errors
    /// [`NameError`] when the action or the rule's id is malformed.
    pub fn review_when(
        self,
        action: &str,
        rule: &str,
        requirement: Requirement,
        condition: impl Fn(&Call, &Facts) -> bool + Send + Sync + 'static,
    ) -> Result<Self, NameError> {
        let verdict = Verdict::review(requirement, reasons(rule, action, "is reviewed here")?);
        self.rule(action, verdict, Some(Arc::new(condition)))
    }

    /// Denies every call of an action.
    ///
    /// # Errors
    /// [`NameError`] when the action or the rule's id is malformed.
    pub fn deny(self, action: &str, rule: &str) -> Result<Self, NameError> {
        let verdict = Verdict::Deny(reasons(rule, action, "is never allowed")?);
        self.rule(action, verdict, None)
    }

    /// Denies the calls of an action for which `condition` holds.
    ///
    /// # Errors
    /// [`NameError`] when the action or the rule's id is malformed.
    pub fn deny_when(
        self,
        action: &str,
        rule: &str,
        condition: impl Fn(&Call, &Facts) -> bool + Send + Sync + 'static,
    ) -> Result<Self, NameError> {
        let verdict = Verdict::Deny(reasons(rule, action, "is not allowed here")?);
        self.rule(action, verdict, Some(Arc::new(condition)))
    }

    /// Lets conditions look at whether the requester is in a group.
    ///
    /// # Errors
    /// [`NameError`] when the group's name is malformed.
    pub fn looks_at(mut self, requester_group: &str) -> Result<Self, NameError> {
        self.requester_groups.insert(GroupId::new(requester_group)?);
        Ok(self)
    }

    /// Names this version of the rules, recorded beside every verdict.
    #[must_use]
    pub fn versioned(mut self, version: &str) -> Self {
        self.version = Some(version.to_owned());
        self
    }
}

fn reasons(rule: &str, action: &str, why: &str) -> Result<Reasons, NameError> {
    Ok(Reasons::of(
        RuleId::new(rule)?,
        &format!("`{action}` {why}"),
    ))
}

fn unmatched(action: &ActionName) -> Verdict {
    let why = format!("no rule allows `{action}`: add one to the policy");
    Verdict::Deny(match RuleId::new("no-rule") {
        Ok(id) => Reasons::of(id, &why),
        Err(_) => Reasons::all([]),
    })
}

impl Policy for Rules {
    fn evaluate(&self, call: &Call, facts: &Facts) -> Verdict {
        let rules = self.by_action.get(call.action()).map_or(&[][..], |r| r);
        let matching = rules
            .iter()
            .filter(|rule| {
                rule.condition
                    .as_ref()
                    .is_none_or(|holds| holds(call, facts))
            })
            .map(|rule| rule.verdict.clone());
        strictest(matching).unwrap_or_else(|| unmatched(call.action()))
    }

    fn by_action(&self, action: &ActionName) -> Option<Verdict> {
        let Some(rules) = self.by_action.get(action) else {
            return Some(unmatched(action));
        };
        match rules.as_slice() {
            // The common case, without collecting anything.
            [rule] if rule.condition.is_none() => Some(rule.verdict.clone()),
            rules if rules.iter().all(|rule| rule.condition.is_none()) => {
                strictest(rules.iter().map(|rule| rule.verdict.clone()))
            }
            _ => None,
        }
    }

    fn mentions(&self) -> Mentions {
        let mut all = Mentions {
            reviewer_groups: BTreeSet::new(),
            requester_groups: self.requester_groups.clone(),
        };
        for rule in self.by_action.values().flatten() {
            if let Verdict::Review(requirements, _) = &rule.verdict {
                let groups = requirements.iter().flat_map(|r| r.groups());
                all.reviewer_groups.extend(groups.cloned());
            }
        }
        all
    }

    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}
