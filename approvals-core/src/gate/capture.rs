//! What the macro's expansion asks of a gate.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Gate;
use super::allow::Buffered;
use super::authorize::{Admitted, Ready, denied_by_policy, needs_owner};
use super::builder::AllowRecording;
use super::shared::Named;
use crate::audit::{NewEvent, What};
use crate::call::{Call, CallBuilder, CallError, Declaration};
use crate::error::{ApprovalError, Kind};
use crate::id::ActionName;
use crate::observe;
use crate::policy::{Reasons, Verdict};
use crate::principal::Requester;
use crate::registry::GuardedAction;

/// No gate was found for a call.
pub(crate) fn no_gate() -> ApprovalError {
    ApprovalError::new(
        Kind::Invalid,
        "no gate is installed: call `Gate::install`, run it in `Gate::scope`, or name one with `gate = …`; a task started with `tokio::spawn` loses the scope, one started with `approvals_core::spawn` keeps it",
    )
}

/// What policy said about an action, carried out or still to be.
pub(crate) enum Decided {
    Now(Admitted),
    Later(Later),
}

/// Something has to be waited for.
pub(crate) struct Later {
    declared: &'static GuardedAction,
    requester: Requester,
    verdict: Verdict,
}

impl Gate {
    /// The requester of a gate that serves one only.
    pub(crate) fn only_requester(&self) -> Option<Requester> {
        self.shared().single_requester.clone()
    }

    /// What policy says about every call of an action. A policy that panics has said nothing good.
    pub(crate) fn by_action(
        &self,
        named: &Named,
        action: &ActionName,
    ) -> Result<Option<Verdict>, ApprovalError> {
        catch_unwind(AssertUnwindSafe(|| named.policy.by_action(action))).map_err(|_| {
            ApprovalError::new(Kind::Unavailable, "the policy panicked while judging it")
        })
    }

    pub(crate) fn start_capture(
        &self,
        declared: &'static GuardedAction,
        requester: &Requester,
    ) -> Option<CallBuilder> {
        let declaration = Arc::clone(declared.declaration().ok()?);
        let redaction = Some(Arc::clone(&self.shared().redaction));
        Some(CallBuilder::new(declaration, requester.clone(), redaction))
    }

    /// The captured call, or why it cannot be carried.
    pub(crate) fn finish_capture(&self, mut builder: CallBuilder) -> Result<Call, CallError> {
        if !builder.has_environment()
            && let Some(environment) = &self.shared().environment
        {
            builder.capture_environment(environment);
        }
        builder.build()
    }

    /// Records that a call cannot be carried. Nothing runs.
    pub(crate) async fn refuse_capture(
        &self,
        declared: &'static GuardedAction,
        requester: Requester,
        error: CallError,
    ) -> ApprovalError {
        match declared.declaration() {
            Ok(declaration) => {
                let error = ApprovalError::invalid(error).action(&declaration.action);
                self.refuse(declaration, requester, error).await
            }
            Err(error) => ApprovalError::invalid(error),
        }
    }

    /// Carries out what policy said about an action, as far as nothing has to be waited for.
    pub(crate) fn decide_now(
        &self,
        declared: &'static GuardedAction,
        requester: Requester,
        verdict: Verdict,
    ) -> Decided {
        let later = |requester, verdict| Later {
            declared,
            requester,
            verdict,
        };
        let Verdict::Allow(reasons) = verdict else {
            return Decided::Later(later(requester, verdict));
        };
        let thawed = self.shared().freeze.fresh() == Some(false);
        let (true, false, Ok(declaration)) = (
            thawed && self.shared().allow == AllowRecording::Buffered,
            needs_owner(&requester),
            declared.declaration(),
        ) else {
            return Decided::Later(later(requester, Verdict::Allow(reasons)));
        };
        // No room in the buffer, or nobody to empty it: the slow way pushes back, or says why not.
        let Ok(slot) = self.inner.allowed.try_reserve() else {
            return Decided::Later(later(requester, Verdict::Allow(reasons)));
        };
        slot.send(Buffered::masked(NewEvent::new(What::Allowed {
            action: declaration.action.clone(),
            requester,
            call: None,
            reasons,
            policy_version: self.policy_version(declaration.policy.as_str()),
        })));
        observe::allowed();
        Decided::Now(Admitted(Ready::Allowed(None)))
    }

    /// Carries out what policy said about an action.
    pub(crate) async fn decide(&self, later: Later) -> Result<Admitted, ApprovalError> {
        let Later {
            declared,
            requester,
            verdict,
        } = later;
        let declaration = declared.declaration().map_err(ApprovalError::invalid)?;
        let action = declaration.action.clone();
        match verdict {
            Verdict::Allow(reasons) => match self.allow(declaration, requester, reasons).await {
                Ok(admitted) => Ok(admitted),
                Err(error) => Err(error.action(&action)),
            },
            Verdict::Deny(reasons) | Verdict::Review(_, reasons) => {
                let error = denied_by_policy(reasons).action(&action);
                Err(self.refuse(declaration, requester, error).await)
            }
        }
    }

    async fn allow(
        &self,
        declaration: &Declaration,
        requester: Requester,
        reasons: Reasons,
    ) -> Result<Admitted, ApprovalError> {
        self.shared().refuse_if_frozen().await?;
        if let Err(error) = self.check_requester(&requester).await {
            return Err(self.refuse(declaration, requester, error).await);
        }
        self.record_allowed(What::Allowed {
            action: declaration.action.clone(),
            requester,
            call: None,
            reasons,
            policy_version: self.policy_version(declaration.policy.as_str()),
        })
        .await?;
        // Recording may have taken a while.
        self.shared().refuse_if_frozen().await?;
        observe::allowed();
        Ok(Admitted(Ready::Allowed(None)))
    }

    async fn refuse(
        &self,
        declaration: &Declaration,
        requester: Requester,
        error: ApprovalError,
    ) -> ApprovalError {
        observe::refused(error.kind());
        self.record_refused(NewEvent::new(What::Refused {
            action: declaration.action.clone(),
            policy_version: self.policy_version(declaration.policy.as_str()),
            requester: Some(requester),
            call: None,
            kind: error.kind(),
            why: error.to_string().into(),
            reasons: error.reasons(),
        }))
        .await;
        error
    }
}
