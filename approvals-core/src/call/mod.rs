//! A call: one attempt to perform an action, with everything that decides about it.

mod arguments;
mod builder;
mod capturing;
mod entry;
mod more;
mod preimage;
mod redaction;
mod slots;

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

pub use arguments::{Argument, Arguments, Bound};
pub use builder::{CallBuilder, CallError};
pub(crate) use capturing::Capturing;
pub use redaction::{RedactionKey, RedactionKeyError};

use self::more::More;
use crate::digest::{Digest, Domain};
use crate::id::{ActionName, Environment, IdempotencyKey, PolicyName};
use crate::principal::Requester;

/// How much harm a call can do. An author's hint may only raise what policy says.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Little harm, easily undone.
    #[default]
    Low,
    /// Some harm.
    Medium,
    /// Great harm, or hard to undo.
    High,
    /// Great harm that cannot be undone: reviewers type the digest's short code.
    Critical,
}

impl Risk {
    /// `low`, `medium`, `high` or `critical`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl std::fmt::Display for Risk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the author declared about an action, once per annotated function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// The action.
    pub action: ActionName,
    /// The policy that judges it.
    pub policy: PolicyName,
    /// The function's signature, with how each argument is captured. Part of the digest.
    pub signature: Box<str>,
    /// The author's version of what the action does. Part of the digest.
    pub version: u32,
    /// The author's hint.
    pub risk: Risk,
    /// Whether running twice does what running once does.
    pub idempotent: bool,
    /// The function's path and place in the source: `reports::export (src/reports.rs:12)`.
    pub origin: Box<str>,
}

/// One attempt to perform an action.
///
/// Made by the macro, or with [`Call::of`]. Immutable: what was judged is what is shown and run.
/// `Debug` masks what looks like a secret.
#[derive(Clone)]
pub struct Call {
    declaration: Arc<Declaration>,
    requester: Requester,
    arguments: Arguments,
    digest: OnceLock<Digest>,
    more: Option<Box<More>>,
}

impl Call {
    /// Starts a call that no macro captured: a pipeline's, or a test's.
    #[must_use]
    pub fn of(declaration: Arc<Declaration>, requester: Requester) -> CallBuilder {
        CallBuilder::new(declaration, requester, None)
    }

    /// What the author declared.
    #[must_use]
    pub const fn declaration(&self) -> &Arc<Declaration> {
        &self.declaration
    }

    /// The action.
    #[must_use]
    pub fn action(&self) -> &ActionName {
        &self.declaration.action
    }

    /// Who attempts it.
    #[must_use]
    pub const fn requester(&self) -> &Requester {
        &self.requester
    }

    /// The arguments in declared order.
    #[must_use]
    pub const fn arguments(&self) -> &Arguments {
        &self.arguments
    }

    /// Extra fields that the author bound to the call, such as what of `self` matters.
    #[must_use]
    pub fn fields(&self) -> &Arguments {
        &self.more().fields
    }

    /// The argument or extra field of this name.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<Argument<'_>> {
        self.arguments.get(name).or_else(|| self.fields().get(name))
    }

    /// What it is done to.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.more().resource.as_deref()
    }

    /// Where it is done: one of the environments that the host declared.
    #[must_use]
    pub fn environment(&self) -> Option<&Environment> {
        self.more().environment.as_ref()
    }

    /// The labels, sorted by name.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.more().labels.iter();
        labels.map(|(name, value)| (&**name, &**value))
    }

    /// The label of this name.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels()
            .find_map(|(found, value)| (found == name).then_some(value))
    }

    /// The author's hint of the risk.
    #[must_use]
    pub fn risk(&self) -> Risk {
        self.declaration.risk
    }

    /// Why the agent says it wants this: a claim, shown as one.
    #[must_use]
    pub fn justification(&self) -> Option<&str> {
        self.more().justification.as_deref()
    }

    /// One line that the author wrote over the arguments.
    #[must_use]
    pub fn summary(&self) -> Option<&str> {
        self.more().summary.as_deref()
    }

    /// The host's name for this logical call.
    #[must_use]
    pub fn key(&self) -> Option<&IdempotencyKey> {
        self.more().key.as_ref()
    }

    /// What the author marked as sensitive, sorted: names of arguments, extra fields and labels,
    /// and the texts `resource`, `justification`, `summary` and `key`. Reviewers see all of it; an
    /// audit log that can keeps it as commitments only. Part of the digest.
    pub fn sensitive(&self) -> impl Iterator<Item = &str> {
        self.more().sensitive.iter().map(|name| &**name)
    }

    /// The digest over everything that decides. Computed once.
    #[must_use]
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| {
            let mut text = String::with_capacity(512 + self.arguments.bytes());
            preimage::write(self, &mut text);
            Digest::of(Domain::Call, text.as_bytes())
        })
    }

    /// The call with its digest taken from what it holds, whatever was said about it where it comes
    /// from.
    ///
    /// # Errors
    /// [`CallError::Masked`] when it is a stored call whose secrets were masked: what would run is
    /// not in it.
    pub(crate) fn judged_anew(mut self) -> Result<Self, CallError> {
        if let Some(place) = self.more().masked.first() {
            return Err(CallError::Masked(place.to_string()));
        }
        self.digest = OnceLock::new();
        Ok(self)
    }

    /// Where patterns found secrets that the author did not redact: `` `query`: GitHub token ``.
    pub fn masked(&self) -> impl Iterator<Item = &str> {
        self.more().masked.iter().map(|place| &**place)
    }

    /// The call without what was only needed to judge, show and run it: its digest stays.
    pub(crate) fn without_content(mut self) -> Self {
        let _ = self.digest();
        self.arguments = Arguments::default();
        if let Some(more) = &mut self.more {
            more.fields = Arguments::default();
            more.labels = Vec::new();
            more.justification = None;
            more.summary = None;
        }
        self
    }

    /// The call as it may be stored, shown and recorded: what looks like a secret is masked in
    /// every text, after the digest was taken over what will run.
    #[must_use]
    pub fn into_masked(self) -> Self {
        self.mask().0
    }

    /// The same, with the hash of the arguments as they were where they had to be masked.
    pub(crate) fn mask(mut self) -> (Self, Option<Digest>) {
        let _ = self.digest();
        let mut masked = Vec::new();
        let mut unmasked = None;
        if self.arguments.may_hold_secrets() {
            unmasked = Some(self.arguments.digest());
            self.arguments.mask(&mut masked);
        }
        if let Some(more) = &mut self.more {
            more.mask(&mut masked);
        }
        if !masked.is_empty() {
            self.more.get_or_insert_default().masked.extend(masked);
        }
        // What is stored may be stored for long.
        self.arguments.shrink();
        (self, unmasked)
    }

    fn more(&self) -> &More {
        More::of(self.more.as_deref())
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = self.clone().into_masked();
        f.debug_struct("Call")
            .field("action", &call.declaration.action)
            .field("policy", &call.declaration.policy)
            .field("requester", &call.requester)
            .field("arguments", &call.arguments)
            .field("fields", call.fields())
            .field("resource", &call.resource())
            .field("environment", &call.environment())
            .field("labels", &call.more().labels)
            .field("justification", &call.justification())
            .field("summary", &call.summary())
            .field("key", &call.key())
            .field("digest", &call.digest())
            .field("masked", &call.more().masked)
            .field("sensitive", &call.more().sensitive)
            .finish()
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
            && self.justification() == other.justification()
            && self.summary() == other.summary()
            && self.key() == other.key()
            && self.requester == other.requester
    }
}
