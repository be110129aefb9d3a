//! The guarded actions of the whole program, found without calling anything.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::call::{Declaration, Risk};
use crate::gate::Gate;
use crate::id::{ActionName, NameError, PolicyName};

/// One annotated function, as its author declared it.
#[derive(Debug)]
pub struct GuardedAction {
    policy: &'static str,
    action: &'static str,
    function: &'static str,
    file: &'static str,
    line: u32,
    risk: Risk,
    version: u32,
    idempotent: bool,
    signature: &'static str,
    declaration: OnceLock<Result<Arc<Declaration>, NameError>>,
}

impl GuardedAction {
    /// A function's declaration. Made by the macro.
    #[must_use]
    pub const fn new(
        policy: &'static str,
        action: &'static str,
        function: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self {
            policy,
            action,
            function,
            file,
            line,
            risk: Risk::Low,
            version: 1,
            idempotent: false,
            signature: "",
            declaration: OnceLock::new(),
        }
    }

    /// The author's hint of the risk.
    #[must_use]
    pub const fn risk(mut self, risk: Risk) -> Self {
        self.risk = risk;
        self
    }

    /// The author's version of what the action does.
    #[must_use]
    pub const fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Running twice does what running once does.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// The function's signature, with how each argument is captured.
    #[must_use]
    pub const fn signature(mut self, signature: &'static str) -> Self {
        self.signature = signature;
        self
    }

    /// The action's name.
    #[must_use]
    pub const fn action_name(&self) -> &'static str {
        self.action
    }

    /// The name of the policy that judges it.
    #[must_use]
    pub const fn policy_name(&self) -> &'static str {
        self.policy
    }

    /// The function's path.
    #[must_use]
    pub const fn function(&self) -> &'static str {
        self.function
    }

    /// The file and line of the annotation.
    #[must_use]
    pub const fn location(&self) -> (&'static str, u32) {
        (self.file, self.line)
    }

    pub(crate) fn declaration(&self) -> Result<&Arc<Declaration>, NameError> {
        let made = self.declaration.get_or_init(|| {
            Ok(Arc::new(Declaration {
                action: ActionName::new(self.action)?,
                policy: PolicyName::new(self.policy)?,
                signature: self.signature.into(),
                version: self.version,
                risk: self.risk,
                idempotent: self.idempotent,
                origin: format!("{} ({}:{})", self.function, self.file, self.line).into(),
            }))
        });
        made.as_ref().map_err(Clone::clone)
    }
}

impl std::fmt::Display for GuardedAction {
    /// `db.export  policy prod-db  reports::export  src/reports.rs:12`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}  policy {}  {}  {}:{}",
            self.action, self.policy, self.function, self.file, self.line
        )
    }
}

/// What the macro submits.
#[derive(Debug)]
pub struct Registered(pub &'static GuardedAction);

inventory::collect!(Registered);

/// Every guarded action of the program, libraries included, by action and place.
#[must_use]
pub fn guarded_actions() -> Vec<&'static GuardedAction> {
    let mut all: Vec<_> = inventory::iter::<Registered>
        .into_iter()
        .map(|registered| registered.0)
        .collect();
    all.sort_unstable_by_key(|guarded| (guarded.action, guarded.file, guarded.line));
    all
}

/// The code and the gate do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A function names a policy that the gate lacks.
    #[error(
        "{function} ({file}:{line}) names the policy `{policy}`, which the gate lacks: add it with `policy(\"{policy}\", …)`"
    )]
    UnknownPolicy {
        /// The function's path.
        function: &'static str,
        /// Its file.
        file: &'static str,
        /// Its line.
        line: u32,
        /// The policy's name.
        policy: &'static str,
    },
    /// Two functions have one action.
    #[error(
        "{first} and {second} both guard the action `{action}`: give one of them another `action = …`"
    )]
    SharedAction {
        /// The action.
        action: &'static str,
        /// One of them, with its place.
        first: String,
        /// The other.
        second: String,
    },
    /// A name is malformed.
    #[error("{function} ({file}:{line}): {cause}")]
    Name {
        /// The function's path.
        function: &'static str,
        /// Its file.
        file: &'static str,
        /// Its line.
        line: u32,
        /// What is wrong.
        cause: NameError,
    },
}

impl Gate {
    /// Checks that this gate has every policy that the program's guarded functions name, and that
    /// no two functions share an action.
    ///
    /// # Errors
    /// [`RegistryError`] names the function, its file and line, and the fix.
    pub fn check_registry(&self) -> Result<(), RegistryError> {
        let mut seen: BTreeMap<&str, &GuardedAction> = BTreeMap::new();
        for guarded in guarded_actions() {
            let GuardedAction {
                function,
                file,
                line,
                policy,
                action,
                ..
            } = *guarded;
            guarded.declaration().map_err(|cause| RegistryError::Name {
                function,
                file,
                line,
                cause,
            })?;
            if self.policy_named(policy).is_err() {
                return Err(RegistryError::UnknownPolicy {
                    function,
                    file,
                    line,
                    policy,
                });
            }
            if let Some(first) = seen.insert(action, guarded)
                && !std::ptr::eq(first, guarded)
            {
                let place = |g: &GuardedAction| format!("{} ({}:{})", g.function, g.file, g.line);
                return Err(RegistryError::SharedAction {
                    action,
                    first: place(first),
                    second: place(guarded),
                });
            }
        }
        Ok(())
    }
}
