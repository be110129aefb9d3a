//! What policy decides by itself is recorded too, without holding the call up.

use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;

use super::Gate;
use crate::audit::{NewEvent, What};
use crate::error::{ApprovalError, Kind};
use crate::gate::builder::AllowRecording;

/// How long a call waits for room in the buffer before it is refused.
const PATIENCE: Duration = Duration::from_secs(30);

impl Gate {
    /// Records an allowed call as the gate is set to.
    pub(super) async fn record_allowed(&self, what: What) -> Result<(), ApprovalError> {
        let event = NewEvent::new(what);
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
                    .append(vec![event])
                    .await
                    .map_err(|e| ApprovalError::unavailable("the store", e))?;
                shared.sinks.acknowledged(shared.store(), number).await
            }
        }
    }

    async fn push_back(&self, event: NewEvent) -> Result<(), ApprovalError> {
        match tokio::time::timeout(PATIENCE, self.inner.allowed.send(event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(worker_gone()),
            Err(_) => Err(ApprovalError::new(
                Kind::Unavailable,
                "the record of allowed calls is full and is not being written",
            )),
        }
    }

    /// Records that a call was refused before anybody was asked. Never holds the refusal up: when
    /// the buffer is full, the event goes to the store directly.
    pub(super) async fn record_refused(&self, what: What) {
        let event = NewEvent::new(what);
        if let Err(error) = self.inner.allowed.try_send(event) {
            let event = match error {
                TrySendError::Full(event) | TrySendError::Closed(event) => event,
            };
            if let Err(error) = self.shared().store().append(vec![event]).await {
                tracing::error!(%error, "a refusal could not be recorded");
            }
        }
    }
}

pub(super) fn worker_gone() -> ApprovalError {
    ApprovalError::new(
        Kind::Unavailable,
        "the gate's worker is gone: the runtime it was built on was shut down",
    )
}
