//! From a call to the right to start its body.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::Gate;
use super::agreed::Comparison;
use super::current::is_detached;
use super::detached::still_pending;
use super::errors::of_chain;
use super::review::{Asker, Ticket};
use super::run::{Agreement, Approved};
use super::shared::Named;
use crate::audit::{NewEvent, What};
use crate::call::Call;
use crate::digest::Digest;
use crate::directory::{memberships, people_behind};
use crate::error::{ApprovalError, Kind};
use crate::id::{Environment, GroupId};
use crate::observe;
use crate::permit::Permit;
use crate::policy::{Facts, Reasons, Verdict};
use crate::principal::{PrincipalKind, Requester};
use crate::store::Known;
use crate::time::Timestamp;

/// A call that may run: policy allows it, or people agreed to it. Dropping it gives back whatever
/// was claimed for it.
///
/// What people agreed to was judged once more. Where a required sink has to be told, it is claimed
/// as well; where none does, claim and start are one commit, and only [`start`](Self::start) says
/// what has changed since: a freeze, a policy that denies by now, a reviewer who left, or somebody
/// else who runs the same logical call.
#[derive(Debug)]
#[must_use = "nothing runs until it is started"]
pub struct Admitted(pub(super) Ready);

#[derive(Debug)]
pub(super) enum Ready {
    /// What was allowed, where whoever starts it says again what it is.
    Allowed(Option<Box<(Gate, Digest)>>),
    Approved(Box<Approved>),
}

/// What came of a call without waiting.
#[derive(Debug)]
pub(crate) enum AtOnce {
    /// It may run.
    Admitted(Admitted),
    /// Something has to be waited for; with what policy has said, if it has.
    Later(Call, Option<Verdict>),
}

/// How far a call has come: what is asked of people outlives everything that was needed to ask.
#[derive(Debug)]
pub(crate) enum Step {
    /// It may run.
    Admitted(Admitted),
    /// People are asked.
    Asked(Ticket),
}

impl Admitted {
    /// Whether people agreed, so that what runs is compared with what they saw.
    #[must_use]
    pub fn was_reviewed(&self) -> bool {
        match &self.0 {
            Ready::Allowed(_) => false,
            Ready::Approved(_) => true,
        }
    }

    /// Starts: `again` is the same call, captured once more just before its body runs.
    ///
    /// Where somebody else who runs the same logical call was first, this waits for the outcome and
    /// tells it, as [`Gate::authorize`] does; after [`Gate::resume`] it does not wait.
    ///
    /// # Errors
    /// [`ApprovalError`] when it is not the call that was allowed or approved, or it may not run any
    /// more.
    pub async fn start(self, again: &Call) -> Result<Permit, ApprovalError> {
        // Invariant 3: the same arguments for something else are another call.
        let unchanged = match &self.0 {
            Ready::Allowed(None) => true,
            Ready::Allowed(Some(allowed)) => {
                let (gate, digest) = &**allowed;
                let anew = again.clone().judged_anew();
                if !anew.is_ok_and(|again| again.digest() == *digest) {
                    let error = ApprovalError::new(
                        Kind::Changed,
                        "what is started is not the call that was allowed",
                    );
                    gate.refused(again.clone(), &error).await;
                    return Err(error.action(again.action()));
                }
                true
            }
            Ready::Approved(approved) => {
                approved.is_for(again) && approved.comparison.is_with(again.arguments())
            }
        };
        self.start_with(unchanged).await
    }

    /// The permit of a call that policy allowed: there is nothing to wait for.
    pub(crate) fn start_now(self) -> Result<Permit, Self> {
        match self.0 {
            Ready::Allowed(_) => Ok(Permit::allowed()),
            Ready::Approved(_) => Err(self),
        }
    }

    /// What its arguments are compared by; `None` where nobody was asked.
    pub(crate) fn comparison(&self) -> Option<&Comparison> {
        match &self.0 {
            Ready::Allowed(_) => None,
            Ready::Approved(approved) => Some(&approved.comparison),
        }
    }

    pub(crate) async fn start_with(self, unchanged: bool) -> Result<Permit, ApprovalError> {
        match self.0 {
            Ready::Allowed(_) => Ok(Permit::allowed()),
            Ready::Approved(approved) => approved.start(unchanged).await,
        }
    }
}

impl Ticket {
    /// Waits until people agree, and claims. Parked calls are in here by the thousand, so it holds
    /// little: no argument twice, and nothing of what is done while it does not wait.
    pub(crate) fn when_agreed(
        self,
    ) -> impl Future<Output = Result<Admitted, ApprovalError>> + Send + use<> {
        let (gate, mut ticket) = (self.gate().clone(), self);
        let detached = is_detached();
        async move {
            if let Some(watch) = ticket.watch_what_is_new() {
                watch.changed().await;
            }
            loop {
                match Box::pin(gate.claim_if_agreed(&mut ticket)).await? {
                    Agreement::Reached(approved) => {
                        return Ok(Admitted(Ready::Approved(approved)));
                    }
                    Agreement::NotYet(record) if detached => return Err(still_pending(&record)),
                    // Nothing of it is kept while it waits.
                    Agreement::NotYet(_) => {}
                }
                ticket.watch().changed().await;
            }
        }
    }
}

impl Gate {
    /// Decides about a call: returns when it may run, or the reason why not.
    ///
    /// Dropping the future of a call with an idempotency key detaches from its request; without one
    /// it withdraws the request.
    ///
    /// # Errors
    /// [`ApprovalError`] when the call may not run.
    pub async fn authorize(&self, call: Call) -> Result<Admitted, ApprovalError> {
        let action = call.action().clone();
        let authorized = async {
            let call = call.judged_anew().map_err(ApprovalError::invalid)?;
            let digest = call.digest();
            match self.decide_or_ask(call, None).await? {
                Step::Admitted(Admitted(Ready::Allowed(_))) => {
                    let allowed = Box::new((self.clone(), digest));
                    Ok(Admitted(Ready::Allowed(Some(allowed))))
                }
                Step::Admitted(admitted) => Ok(admitted),
                Step::Asked(ticket) => ticket.when_agreed().await,
            }
        };
        authorized.await.map_err(|error| error.action(&action))
    }

    /// Decides about a call as far as nothing has to be waited for: what policy allows costs no
    /// future of its own. Whatever is not plain takes the slow way, and is judged there.
    pub(crate) fn decide_at_once(&self, call: Call) -> AtOnce {
        match self.judge_at_once(&call) {
            Some(Verdict::Allow(reasons)) => match self.record_allowed_now(call, reasons) {
                Ok(()) => {
                    observe::allowed();
                    AtOnce::Admitted(Admitted(Ready::Allowed(None)))
                }
                Err(blocked) => {
                    let (call, reasons) = *blocked;
                    AtOnce::Later(call, Some(Verdict::Allow(reasons)))
                }
            },
            verdict => AtOnce::Later(call, verdict),
        }
    }

    /// What policy says, if everything it needs is at hand and nothing is frozen.
    fn judge_at_once(&self, call: &Call) -> Option<Verdict> {
        let shared = self.shared();
        let at_once = !shared.store().is_remote() && shared.freeze.fresh() == Some(false);
        // Of a call with a key the store is asked once, for the time and for what the key names.
        if !at_once || call.key().is_some() || needs_owner(call.requester()) {
            return None;
        }
        let named = self.policy_named(call.declaration().policy.as_str()).ok()?;
        self.check_environment(call).ok()?;
        if !named.requester_groups.is_empty() {
            return None;
        }
        // Asking for the time changes nothing, and costs nobody a connection here, so that it may be
        // given up when it takes a while.
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(now)) = shared.store().now().as_mut().poll(&mut context) else {
            return None;
        };
        let facts = Facts {
            now,
            requester_groups: BTreeSet::new(),
        };
        evaluate(named, call, &facts).ok()
    }

    /// Decides about a call as far as policy can, and asks people where it cannot. `verdict` is
    /// what policy has said just now, if it has.
    pub(crate) async fn decide_or_ask(
        &self,
        call: Call,
        verdict: Option<Verdict>,
    ) -> Result<Step, ApprovalError> {
        let (call, verdict, known) = match verdict {
            Some(verdict) => (call, verdict, None),
            None => {
                self.shared().refuse_if_frozen().await?;
                let (call, known) = Box::pin(self.known_or_refuse(call)).await?;
                let judged = Box::pin(self.judge_or_refuse(call, known.now));
                let (call, verdict) = judged.await?;
                (call, verdict, Some(known))
            }
        };
        match verdict {
            Verdict::Allow(reasons) => {
                if let Err(blocked) = self.record_allowed_now(call, reasons) {
                    Box::pin(self.record_blocked(blocked)).await?;
                    // Recording may have taken a while.
                    self.shared().refuse_if_frozen().await?;
                }
                observe::allowed();
                Ok(Step::Admitted(Admitted(Ready::Allowed(None))))
            }
            Verdict::Deny(reasons) => {
                let error = denied_by_policy(reasons);
                Box::pin(self.refused(call, &error)).await;
                Err(error)
            }
            Verdict::Review(tracks, reasons) => {
                let gate = self.clone();
                let asking = gate.ask_people(call, tracks, reasons, Asker::Stays, known);
                Box::pin(asking).await
            }
        }
    }

    /// The store's time and what the call's key names. That the store cannot say is recorded.
    pub(super) async fn known_or_refuse(&self, call: Call) -> Result<(Call, Known), ApprovalError> {
        match self.known(&call).await {
            Ok(known) => Ok((call, known)),
            Err(error) => {
                self.refused(call, &error).await;
                Err(error)
            }
        }
    }

    /// What policy says at this time. That it cannot say is recorded.
    pub(super) async fn judge_or_refuse(
        &self,
        call: Call,
        now: Timestamp,
    ) -> Result<(Call, Verdict), ApprovalError> {
        match self.judge(&call, now).await {
            Ok(verdict) => Ok((call, verdict)),
            Err(error) => {
                self.refused(call, &error).await;
                Err(error)
            }
        }
    }

    pub(super) async fn refused(&self, call: Call, error: &ApprovalError) {
        observe::refused(error.kind());
        let what = What::Refused {
            policy_version: self.policy_version(call.declaration().policy.as_str()),
            action: call.action().clone(),
            requester: Some(call.requester().clone()),
            kind: error.kind(),
            why: error.to_string().into(),
            reasons: error.reasons(),
            call: Some(Arc::new(call.into_masked())),
        };
        self.record_refused(NewEvent::new(what)).await;
    }

    /// What policy says about a call at this time.
    pub(super) async fn judge(
        &self,
        call: &Call,
        now: Timestamp,
    ) -> Result<Verdict, ApprovalError> {
        let named = self.policy_named(call.declaration().policy.as_str())?;
        self.check_environment(call)?;
        self.check_requester(call.requester()).await?;
        let facts = Facts {
            now,
            requester_groups: self
                .groups_of(call.requester(), &named.requester_groups)
                .await?,
        };
        evaluate(named, call, &facts)
    }

    pub(crate) fn policy_named(&self, name: &str) -> Result<&Arc<Named>, ApprovalError> {
        let policies = &self.shared().policies;
        policies.get(name).ok_or_else(|| {
            let mut known: Vec<_> = policies.keys().map(|name| name.as_str()).collect();
            known.sort_unstable();
            ApprovalError::new(Kind::Invalid, format!("the gate has no policy `{name}`"))
                .detailed(format!("the gate's policies are: {}", known.join(", ")))
        })
    }

    /// Which version of a policy judges now, where there is one that says.
    pub(super) fn policy_version(&self, name: &str) -> Option<Arc<str>> {
        self.shared().policies.get(name)?.version()
    }

    fn check_environment(&self, call: &Call) -> Result<(), ApprovalError> {
        let declared = &self.shared().environments;
        match call.environment() {
            None if declared.is_empty() => Ok(()),
            None => Err(ApprovalError::new(
                Kind::Invalid,
                "the call has no environment: set one on the gate, or name the argument that holds it with `environment = …`",
            )),
            Some(environment) if declared.contains(environment) => Ok(()),
            Some(environment) => Err(ApprovalError::new(
                Kind::Invalid,
                format!(
                    "`{environment}` is none of the environments that the gate knows: {}",
                    known(declared)
                ),
            )),
        }
    }

    /// An agent that acts for nobody and that nobody owns is refused.
    pub(crate) async fn check_requester(&self, requester: &Requester) -> Result<(), ApprovalError> {
        if !needs_owner(requester) {
            return Ok(());
        }
        let owners = people_behind(self.shared().directory(), requester)
            .await
            .map_err(|e| ApprovalError::unavailable("the directory", e))?;
        if owners.is_empty() {
            return Err(ApprovalError::new(
                Kind::Invalid,
                format!(
                    "`{}` acts for nobody and has no owner: say whom it acts for, or give it an owner in the directory",
                    requester.actor()
                ),
            ));
        }
        Ok(())
    }

    async fn groups_of(
        &self,
        requester: &Requester,
        groups: &[GroupId],
    ) -> Result<BTreeSet<GroupId>, ApprovalError> {
        let mut found = BTreeSet::new();
        if groups.is_empty() {
            return Ok(found);
        }
        let directory = self.shared().directory();
        let unavailable = |e| ApprovalError::unavailable("the directory", e);
        let groups: Vec<&GroupId> = groups.iter().collect();
        let people = people_behind(directory, requester).await;
        for person in &people.map_err(of_chain)? {
            let of_person = memberships(directory, person, &groups).await;
            found.extend(of_person.map_err(unavailable)?.iter().cloned());
        }
        Ok(found)
    }
}

/// What to write instead of an environment that the gate does not know.
fn known(environments: &BTreeSet<Environment>) -> String {
    if environments.is_empty() {
        return "declare it with `environments(…)`".to_owned();
    }
    let names: Vec<String> = environments.iter().map(|e| format!("`{e}`")).collect();
    format!("use one of {}", names.join(", "))
}

/// Invariant 2: a policy that panics has not allowed anything.
fn evaluate(named: &Named, call: &Call, facts: &Facts) -> Result<Verdict, ApprovalError> {
    catch_unwind(AssertUnwindSafe(|| named.policy.evaluate(call, facts))).map_err(|_| {
        ApprovalError::new(Kind::Unavailable, "the policy panicked while judging it")
            .detailed(format!("policy `{}`", call.declaration().policy))
    })
}

/// Whether nobody is known yet on whose behalf this is.
pub(super) fn needs_owner(requester: &Requester) -> bool {
    match requester.actor().kind() {
        PrincipalKind::Person | PrincipalKind::Service => false,
        // An agent that acts for agents still acts for nobody.
        PrincipalKind::Agent => requester
            .principals()
            .iter()
            .all(|principal| principal.kind() == PrincipalKind::Agent),
    }
}

pub(super) fn denied_by_policy(reasons: Reasons) -> ApprovalError {
    let why = format!("policy denies it: {reasons}");
    ApprovalError::new(Kind::DeniedByPolicy, why).fired(reasons)
}
