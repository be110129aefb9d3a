//! Which gate and which requester a call finds: the task's, then the process's gate, then none.

use std::future::Future;
use std::sync::OnceLock;

use super::Gate;
use crate::principal::Requester;
use crate::registry::RegistryError;

#[derive(Clone, Default)]
struct Scope {
    gate: Option<Gate>,
    requester: Option<Requester>,
    /// Whether calls that people decide about are not to wait for them.
    detached: bool,
}

tokio::task_local! {
    static SCOPE: Scope;
}

static DEFAULT: OnceLock<Gate> = OnceLock::new();

/// Why a gate could not become the process's default.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// There is a default gate already.
    #[error("the process has a default gate already: scope this one with `Gate::scope` instead")]
    Installed,
    /// The code's guarded actions and the gate's policies do not fit.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

fn scope() -> Scope {
    SCOPE.try_with(Clone::clone).unwrap_or_default()
}

/// The gate that a call without `gate = …` goes through.
pub(crate) fn current_gate() -> Option<Gate> {
    SCOPE
        .try_with(|scope| scope.gate.clone())
        .ok()
        .flatten()
        .or_else(|| DEFAULT.get().cloned())
}

/// The requester of a call without `requester = …`. There is no process default.
pub(crate) fn current_requester() -> Option<Requester> {
    SCOPE
        .try_with(|scope| scope.requester.clone())
        .ok()
        .flatten()
}

/// Whether calls are not to wait for people.
pub(super) fn is_detached() -> bool {
    SCOPE.try_with(|scope| scope.detached).unwrap_or(false)
}

/// Runs a future whose calls do not wait for people.
pub(super) async fn scope_detached<F: Future>(future: F) -> F::Output {
    let scope = Scope {
        detached: true,
        ..scope()
    };
    SCOPE.scope(scope, future).await
}

impl Gate {
    /// Makes this gate the one that calls go through in the whole process, unless they are in the
    /// scope of another.
    ///
    /// # Errors
    /// [`InstallError`] when there is one already, or when the code names a policy that this gate
    /// lacks or two functions share an action.
    pub fn install(&self) -> Result<(), InstallError> {
        self.check_registry()?;
        DEFAULT
            .set(self.clone())
            .map_err(|_| InstallError::Installed)
    }

    /// Runs a future whose calls go through this gate. Tasks that it spawns with `tokio::spawn` are
    /// outside: use [`spawn`].
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        let scope = Scope {
            gate: Some(self.clone()),
            ..scope()
        };
        SCOPE.scope(scope, future).await
    }
}

impl Requester {
    /// Runs a future whose calls are this requester's. Tasks that it spawns with `tokio::spawn` are
    /// outside: use [`spawn`].
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        let scope = Scope {
            requester: Some(self.clone()),
            ..scope()
        };
        SCOPE.scope(scope, future).await
    }
}

/// Spawns a task that keeps the gate and the requester of this one, and whether it is
/// [`detached`](crate::detached). A plain `tokio::spawn` loses
/// them, and guarded calls inside are refused.
pub fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(SCOPE.scope(scope(), future))
}
