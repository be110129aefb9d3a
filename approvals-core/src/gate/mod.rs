//! The gate: calls in, permits out. One gate decides; everything else observes or carries.

mod agreed;
mod allow;
mod archiving;
mod authorize;
mod builder;
mod capture;
mod changes;
mod current;
mod delivering;
mod detached;
mod duties;
mod errors;
mod freeze;
mod local;
mod operate;
mod overdue;
mod presenting;
mod review;
mod run;
mod shared;
mod sinks;
mod unpanicked;
mod updating;
mod worker;

use std::fmt;
use std::sync::Arc;

pub(crate) use agreed::Comparison;
use allow::Buffered;
pub use authorize::Admitted;
pub(crate) use authorize::{AtOnce, Step};
pub use builder::{AllowRecording, GateBuilder, GateError};
pub(crate) use capture::{Decided, no_gate};
pub use current::{InstallError, spawn};
pub(crate) use current::{current_gate, current_requester};
pub use detached::detached;
pub(crate) use review::Asker;
pub(crate) use shared::Shared;

use crate::id::RequestId;
use tokio::sync::{mpsc, oneshot};

/// Decides whether a call may run. Cheap to clone; all clones are one gate.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use approvals_core::{Gate, Requirement};
/// use approvals_core::memory::{InMemoryApprover, InMemoryDirectory, MemoryStore};
///
/// let directory = Arc::new(InMemoryDirectory::new());
/// directory.person("alice", ["senior-engineers"])?;
/// let approver = InMemoryApprover::new();
/// let gate = Gate::builder(Arc::new(MemoryStore::new()), directory)
///     .policy("prod-db", Requirement::one_of("senior-engineers")?)
///     .approver("test", approver.connect())
///     .build()
///     .await?;
/// # let _ = gate;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    jobs: mpsc::UnboundedSender<Job>,
    allowed: mpsc::Sender<Buffered>,
}

/// What a gate leaves to its worker, without waiting.
#[derive(Debug)]
enum Job {
    /// Nobody waits for the request any more.
    Cancelled(RequestId),
    /// A started body will not report.
    Abandoned {
        request: RequestId,
        fence: u64,
        why: &'static str,
    },
    /// A claim was given up before it started.
    Released { request: RequestId, fence: u64 },
    /// Something is due earlier than what the worker waits for.
    LookAgain,
    /// Say when everything that was handed over before is done.
    Flush(oneshot::Sender<()>),
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("owner", &self.inner.shared.owner)
            .field("policies", &self.inner.shared.policies.keys())
            .finish_non_exhaustive()
    }
}

impl Gate {
    fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// Hands a job to the worker. Never blocks; when the worker is gone, leases and heartbeats do
    /// what it would have done.
    fn leave(&self, job: Job) {
        if self.inner.jobs.send(job).is_err() {
            tracing::error!("the gate's worker is gone: its runtime was shut down");
        }
    }

    /// Waits until everything that was handed over is recorded: buffered allowed calls, cancelled
    /// requests, abandoned executions; and has every sink fed. Call it before the process ends.
    pub async fn flush(&self) {
        let (done, finished) = oneshot::channel();
        self.leave(Job::Flush(done));
        // An error says that the worker is gone, and with it what there was to wait for.
        let _ = finished.await;
    }
}
