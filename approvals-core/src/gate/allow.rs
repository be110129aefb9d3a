//! What policy decides by itself is recorded too, without holding the call up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;

use super::Gate;
use crate::audit::{NewEvent, What};
use crate::call::Call;
use crate::error::{ApprovalError, Kind};
use crate::gate::builder::AllowRecording;
use crate::policy::Reasons;

/// How long a call waits for room in the buffer before it is refused.
const PATIENCE: Duration = Duration::from_secs(30);

/// An event on its way to the worker, which masks what looks like a secret before anything else
/// sees the event: the search takes longer than the rest of an allowed call.
#[derive(Debug)]
pub(super) struct Buffered {
    event: NewEvent,
    raw: bool,
}

impl Buffered {
    /// An event without a call, or whose call is masked.
    pub(super) const fn masked(event: NewEvent) -> Self {
        Self { event, raw: false }
    }

    /// An event whose call was not masked yet.
    const fn raw(event: NewEvent) -> Self {
        Self { event, raw: true }
    }

    /// The event as it may be stored.
    pub(super) fn into_event(self) -> NewEvent {
        let Self { mut event, raw } = self;
        if let What::Allowed { reasons, .. } = &mut event.what {
            *reasons = reasons.clone().masked();
        }
        if let What::Allowed { call, .. } | What::Refused { call, .. } = &mut event.what
            && raw
        {
            *call = call
                .take()
                .map(|call| Arc::new(Arc::unwrap_or_clone(call).into_masked()));
        }
        event
    }
}

impl Gate {
    /// Records an allowed call when that needs no waiting; gives the call back otherwise.
    pub(super) fn record_allowed_now(&self, call: Call, reasons: Reasons) -> Result<(), Blocked> {
        let blocked = |call, reasons| Box::new((call, reasons));
        if self.shared().allow != AllowRecording::Buffered {
            return Err(blocked(call, reasons));
        }
        // No room in the buffer, or nobody to empty it: the slow way pushes back, or says why not.
        let Ok(slot) = self.inner.allowed.try_reserve() else {
            return Err(blocked(call, reasons));
        };
        slot.send(Buffered::raw(NewEvent::new(self.allowed(call, reasons))));
        Ok(())
    }

    /// Records an allowed call, waiting as long as that takes.
    pub(super) async fn record_blocked(&self, blocked: Blocked) -> Result<(), ApprovalError> {
        let (call, reasons) = *blocked;
        self.record_allowed(self.allowed(call.into_masked(), reasons))
            .await
    }

    fn allowed(&self, call: Call, reasons: Reasons) -> What {
        What::Allowed {
            action: call.action().clone(),
            requester: call.requester().clone(),
            policy_version: self.policy_version(call.declaration().policy.as_str()),
            call: Some(Arc::new(call)),
            reasons,
        }
    }

    /// Records an allowed call as the gate is set to.
    pub(super) async fn record_allowed(&self, what: What) -> Result<(), ApprovalError> {
        let event = Buffered::masked(NewEvent::new(what));
        let shared = self.shared();
        match shared.allow {
            AllowRecording::Buffered => match self.inner.allowed.try_send(event) {
                Ok(()) => Ok(()),
                Err(TrySendError::Full(event)) => self.push_back(event).await,
                Err(TrySendError::Closed(_)) => Err(worker_gone()),
            },
            AllowRecording::Durable => {
                let number = shared
                    .store()
                    .append(vec![event.into_event()])
                    .await
                    .map_err(|e| ApprovalError::unavailable("the store", e))?;
                shared.sinks.acknowledged(shared.store(), number).await
            }
        }
    }

    async fn push_back(&self, event: Buffered) -> Result<(), ApprovalError> {
        match tokio::time::timeout(PATIENCE, self.inner.allowed.send(event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(worker_gone()),
            Err(_) => Err(ApprovalError::new(
                Kind::Unavailable,
                "the record of allowed calls is full and is not being written",
            )),
        }
    }

    /// Records that a call was refused. Never holds the refusal up: when the buffer is full, the
    /// event goes to the store directly.
    pub(super) async fn record_refused(&self, event: NewEvent) {
        let event = Buffered::masked(event);
        if let Err(error) = self.inner.allowed.try_send(event) {
            let event = match error {
                TrySendError::Full(event) | TrySendError::Closed(event) => event,
            };
            if let Err(error) = self.shared().store().append(vec![event.into_event()]).await {
                tracing::error!(%error, "a refusal could not be recorded");
            }
        }
    }
}

/// An allowed call that cannot be recorded without waiting.
pub(super) type Blocked = Box<(Call, Reasons)>;

pub(super) fn worker_gone() -> ApprovalError {
    ApprovalError::new(
        Kind::Unavailable,
        "the gate's worker is gone: the runtime it was built on was shut down",
    )
}
