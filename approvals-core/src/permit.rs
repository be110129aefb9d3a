//! The permit: proof that this call may run now. Only the gate makes one.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::audit::{NewEvent, What};
use crate::error::ApprovalError;
use crate::gate::Gate;
use crate::id::RequestId;
use crate::review::{Command, Record};
use crate::store::{Outcome, Snapshot, carry_out};
use crate::time::Timestamp;

/// Proof that one call may run now. It cannot be made, copied or kept: only a gate makes it, for
/// one execution.
///
/// Dropped without an outcome (a panic, a dropped future), the execution is in doubt.
#[must_use = "the call runs under its permit"]
pub struct Permit(Option<Box<Started>>);

struct Started {
    gate: Gate,
    record: Arc<Record>,
    now: Timestamp,
    /// When that was the time, or a moment later.
    since: Instant,
    summary: Mutex<Option<Arc<str>>>,
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("request", &self.request_id())
            .finish_non_exhaustive()
    }
}

impl Permit {
    pub(crate) const fn allowed() -> Self {
        Self(None)
    }

    pub(crate) fn started(gate: Gate, record: &Arc<Record>, now: Timestamp) -> Self {
        gate.holds(record.id(), record.fence);
        Self(Some(Box::new(Started {
            gate,
            record: Arc::clone(record),
            now,
            since: Instant::now(),
            summary: Mutex::default(),
        })))
    }

    /// The request that people agreed to; `None` when policy allowed the call.
    #[must_use]
    pub fn request_id(&self) -> Option<RequestId> {
        self.0.as_ref().map(|started| started.record.id())
    }

    /// The fence under which the body runs, to be handed to whatever the body changes: what takes
    /// nothing with a lower fence than it has seen cannot be changed by an execution that was given
    /// up. `None` when policy allowed the call.
    #[must_use]
    pub fn fence(&self) -> Option<u64> {
        self.0.as_ref().map(|started| started.record.fence)
    }

    /// Has a line about the outcome recorded with it: `exported 512 rows`. What looks like a secret is masked.
    pub fn summarise(&self, summary: impl fmt::Display) {
        if let Some(started) = &self.0 {
            let text = crate::secrets::masked(&summary.to_string());
            *started.summary.lock().unwrap_or_else(|e| e.into_inner()) = Some(text);
        }
    }

    /// Records how the body ended.
    pub async fn finish(mut self, succeeded: bool) {
        if let Some(started) = self.0.take() {
            let said = started
                .summary
                .lock()
                .unwrap_or_else(|e| e.into_inner())
                .take();
            started.finish(succeeded, said).await;
        }
    }

    /// What would run under it is not what people agreed to.
    pub(crate) async fn changed(self) -> Option<ApprovalError> {
        let started = self.0.as_ref()?;
        let (gate, record) = (started.gate.clone(), Arc::clone(&started.record));
        self.not_run("its arguments changed while it was started")
            .await;
        Some(gate.changed(&record).await)
    }

    /// The gate knows that the body was not run.
    pub(crate) async fn not_run(mut self, why: &str) {
        if let Some(started) = self.0.take() {
            started
                .finish(false, Some(format!("not run: {why}").into()))
                .await;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(started) = self.0.take() {
            let why = if std::thread::panicking() {
                "the body panicked"
            } else {
                "the body was dropped before it ended"
            };
            started
                .gate
                .abandoned(started.record.id(), started.record.fence, why);
        }
    }
}

/// A body that took less than this ended when it was started, as far as anybody cares.
const BRIEF: Duration = Duration::from_secs(1);

impl Started {
    /// The store's time, which is asked for where it is likely to be another than at the start.
    async fn ended_at(&self) -> Timestamp {
        if self.since.elapsed() < BRIEF {
            return self.now;
        }
        match self.gate.store().now().await {
            Ok(now) => now.max(self.now),
            // An outcome with the time of the start is better than none.
            Err(error) => {
                tracing::warn!(request = %self.record.id(), %error, "the time of an outcome is that of its start");
                self.now
            }
        }
    }

    async fn finish(self: Box<Self>, succeeded: bool, summary: Option<Arc<str>>) {
        let (request, fence) = (self.record.id(), self.record.fence);
        self.gate.no_longer_holds(request);
        let finish = Command::Finish {
            fence,
            succeeded,
            summary,
        };
        let store = self.gate.store();
        let from = Snapshot {
            record: Arc::clone(&self.record),
            now: self.ended_at().await,
            frozen: false,
        };
        match carry_out(store, request, &finish, Some(from)).await {
            Ok(Outcome::Done { .. }) => {}
            Ok(Outcome::Refused { refused, .. }) => {
                // Nothing changes by a late word, but it is kept as evidence.
                tracing::error!(%request, %refused, "an execution ended after its claim was over");
                let what = What::FinishedLate { fence, succeeded };
                let event = NewEvent::about(request, self.record.revision, what);
                if let Err(error) = store.append(vec![event]).await {
                    tracing::error!(%request, %error, "a late outcome was not recorded");
                }
            }
            Ok(Outcome::Stale | Outcome::Unknown) => {
                tracing::error!(%request, "the store has lost an executing request");
            }
            // The lease runs out and the request is in doubt, for a person to resolve.
            Err(error) => tracing::error!(%request, %error, "an outcome was not recorded"),
        }
    }
}
