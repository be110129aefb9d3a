//! Building a call: arguments in, the first error remembered, one immutable call out.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use super::capturing::{Bounded, Capturing, append};
use super::more::More;
use super::{Call, Declaration, RedactionKey};
use crate::canonical::CanonicalError;
use crate::id::{Environment, IdempotencyKey, NameError};
use crate::principal::Requester;

/// Why a call could not be captured. Nothing runs.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// An argument cannot be carried.
    #[error("argument `{argument}` cannot be shown to a reviewer: {cause}")]
    Argument {
        /// The argument's name.
        argument: String,
        /// What is wrong.
        cause: CanonicalError,
    },
    /// An argument's `Debug` or `Display` failed.
    #[error("argument `{argument}` cannot be shown to a reviewer: its formatting failed")]
    Formatting {
        /// The argument's name.
        argument: String,
    },
    /// Two arguments have one name.
    #[error("argument `{0}` is given twice: rename one of them")]
    Duplicate(String),
    /// Two labels have one name.
    #[error("label `{0}` is given twice: rename one of them")]
    DuplicateLabel(String),
    /// An argument is redacted and there is no key.
    #[error("argument `{0}` is redacted, and there is no redaction key: set one on the gate")]
    NoRedactionKey(String),
    /// The call was stored, and what looked like a secret was masked.
    #[error("the call was masked when it was stored ({0}): build it again from its arguments")]
    Masked(String),
    /// What is marked as sensitive is not there.
    #[error(
        "`{0}` is marked as sensitive, and no argument, field, label or text of this name is shown: correct the name, or remove the mark"
    )]
    Sensitive(String),
    /// The idempotency key or the environment is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The idempotency key would be stored and shown, and looks like a secret.
    #[error("the idempotency key looks like a secret ({0}): name the call by a run or step id")]
    SecretKey(&'static str),
    /// A template is too long.
    #[error("the {what} has more than {limit} bytes: shorten it")]
    TooLong {
        /// Which.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
}

/// The longest resource, justification, summary or label, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// Collects one call.
pub struct CallBuilder {
    declaration: Arc<Declaration>,
    requester: Requester,
    /// With the first error of the whole call.
    arguments: Capturing,
    more: Option<Box<More>>,
}

impl std::fmt::Debug for CallBuilder {
    /// Without the texts, which may hold secrets that are not masked yet.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallBuilder")
            .field("action", &self.declaration.action)
            .field("requester", &self.requester)
            .field("arguments", self.arguments.so_far())
            .field("fields", &self.known().fields)
            .finish_non_exhaustive()
    }
}

impl CallBuilder {
    pub(crate) fn new(
        declaration: Arc<Declaration>,
        requester: Requester,
        redaction: Option<Arc<RedactionKey>>,
    ) -> Self {
        Self {
            declaration,
            requester,
            arguments: Capturing::new(redaction),
            more: None,
        }
    }

    /// Fingerprints redacted arguments under this key.
    #[must_use]
    pub fn redaction_key(mut self, key: Arc<RedactionKey>) -> Self {
        self.arguments.set_redaction(key);
        self
    }

    /// Adds an argument that reviewers see.
    #[must_use]
    pub fn argument<T: Serialize + ?Sized>(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: &T,
    ) -> Self {
        let name = name.into();
        if self.is_free(&name) {
            self.arguments.value(name, value);
        }
        self
    }

    /// Adds an argument that enters as a keyed fingerprint.
    #[must_use]
    pub fn redacted<T: Serialize + ?Sized>(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: &T,
    ) -> Self {
        let name = name.into();
        if self.is_free(&name) {
            self.arguments.redacted(name, value);
        }
        self
    }

    /// Says what it is done to.
    #[must_use]
    pub fn resource(mut self, resource: impl Display) -> Self {
        self.capture_text("resource", &resource);
        self
    }

    /// Says where it is done.
    #[must_use]
    pub fn environment(mut self, environment: impl Display) -> Self {
        self.capture_environment(&environment);
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: &str, value: impl Display) -> Self {
        self.capture_label(name, &value);
        self
    }

    /// Says why, in the agent's words.
    #[must_use]
    pub fn justification(mut self, claim: impl Display) -> Self {
        self.capture_text("justification", &claim);
        self
    }

    /// Says in one line what will be done, in the author's words.
    #[must_use]
    pub fn summary(mut self, summary: impl Display) -> Self {
        self.capture_text("summary", &summary);
        self
    }

    /// Marks an argument, an extra field or a label as sensitive, or one of the texts `resource`,
    /// `justification`, `summary` and `key`: reviewers see it as ever, and an audit log that can
    /// keeps it as a salted commitment only.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use approvals_core::{Call, Declaration, Requester, Risk};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let declaration = Arc::new(Declaration {
    /// #     action: "mail.send".parse()?, policy: "mail".parse()?, signature: "".into(),
    /// #     version: 1, risk: Risk::Low, idempotent: false, origin: "a pipeline".into(),
    /// # });
    /// # let requester = Requester::agent("mailer")?.acting_for("person:alice")?;
    /// let call = Call::of(declaration, requester)
    ///     .argument("to", "jane.doe@example.org")
    ///     .resource("mail/jane.doe@example.org")
    ///     .sensitive("to")
    ///     .sensitive("resource")
    ///     .build()?;
    /// assert!(call.sensitive().eq(["resource", "to"]));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sensitive(mut self, name: &str) -> Self {
        self.capture_sensitive(name);
        self
    }

    /// Names the logical call, so that a repeat finds it.
    #[must_use]
    pub fn key(mut self, key: impl Display) -> Self {
        self.capture_key(&key);
        self
    }

    /// The call.
    ///
    /// # Errors
    /// The first [`CallError`] that was met.
    pub fn build(mut self) -> Result<Call, CallError> {
        let arguments = self.arguments.finish()?;
        if let Some(more) = &mut self.more {
            more.labels.sort_unstable();
            more.sensitive.sort_unstable();
            more.sensitive.dedup();
            if let Some(unknown) = more
                .sensitive
                .iter()
                .find(|name| !more.shows(name, &arguments))
            {
                return Err(CallError::Sensitive(unknown.to_string()));
            }
        }
        Ok(Call {
            declaration: self.declaration,
            requester: self.requester,
            arguments,
            digest: OnceLock::new(),
            more: self.more,
        })
    }

    pub(crate) fn has_environment(&self) -> bool {
        self.known().environment.is_some()
    }

    fn known(&self) -> &More {
        More::of(self.more.as_deref())
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    fn fail(&mut self, error: CallError) {
        self.arguments.fail(error);
    }

    /// Whether neither an argument nor an extra field has this name.
    fn is_free(&mut self, name: &str) -> bool {
        let free = !self.arguments.so_far().has(name) && !self.known().fields.has(name);
        if !free {
            self.fail(CallError::Duplicate(name.to_owned()));
        }
        free
    }

    /// Where the macro's arguments go. They are captured before any extra field.
    pub(crate) const fn arguments(&mut self) -> &mut Capturing {
        &mut self.arguments
    }

    pub(crate) fn capture_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        if self.arguments.failed() || !self.is_free(name) {
            return;
        }
        if let Err(error) = append(&mut self.more().fields, name.into(), value) {
            self.fail(error);
        }
    }

    fn text(&mut self, what: &'static str, value: &dyn Display) -> Option<Box<str>> {
        let mut written = Bounded::new(MAX_TEXT);
        if write!(written, "{value}").is_err() {
            self.fail(CallError::TooLong {
                what,
                limit: MAX_TEXT,
            });
            return None;
        }
        Some(written.text.into_boxed_str())
    }

    /// `what` is `resource`, `justification` or `summary`.
    pub(crate) fn capture_text(&mut self, what: &'static str, value: &dyn Display) {
        let text = self.text(what, value);
        match what {
            "resource" => self.more().resource = text,
            "justification" => self.more().justification = text,
            _ => self.more().summary = text,
        }
    }

    pub(crate) fn capture_label(&mut self, name: &str, value: &dyn Display) {
        if self
            .known()
            .labels
            .iter()
            .any(|(known, _)| &**known == name)
        {
            self.fail(CallError::DuplicateLabel(name.to_owned()));
        } else if let Some(text) = self.text("label", value) {
            self.more().labels.push((name.into(), text));
        }
    }

    pub(crate) fn capture_sensitive(&mut self, name: &str) {
        self.more().sensitive.push(name.into());
    }

    pub(crate) fn capture_environment(&mut self, value: &dyn Display) {
        if let Some(text) = self.text("environment", value) {
            match Environment::new(&text) {
                Ok(environment) => self.more().environment = Some(environment),
                Err(error) => self.fail(error.into()),
            }
        }
    }

    pub(crate) fn capture_key(&mut self, value: &dyn Display) {
        if let Some(text) = self.text("key", value) {
            // A key that was masked would name another call.
            if let Some(found) = crate::secrets::find(&text).first() {
                return self.fail(CallError::SecretKey(found.kind));
            }
            match IdempotencyKey::new(&text) {
                Ok(key) => self.more().key = Some(key),
                Err(error) => self.fail(error.into()),
            }
        }
    }
}
