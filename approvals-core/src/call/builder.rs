//! Building a call: arguments in, the first error remembered, one immutable call out.

use std::borrow::Cow;
use std::fmt::{Debug, Display, Write as _};
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use super::more::More;
use super::{Arguments, Bound, Call, Declaration, RedactionKey};
use crate::canonical::{self, CanonicalError, Limits};
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
    /// The idempotency key or the environment is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
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

/// The deepest value that serde_json reads back: a policy can look into whatever is carried.
const READABLE_DEPTH: usize = 127;

/// Collects one call.
pub struct CallBuilder {
    declaration: Arc<Declaration>,
    requester: Requester,
    redaction: Option<Arc<RedactionKey>>,
    limits: Limits,
    arguments: Arguments,
    more: More,
    error: Option<CallError>,
}

impl std::fmt::Debug for CallBuilder {
    /// Without the texts, which may hold secrets that are not masked yet.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallBuilder")
            .field("action", &self.declaration.action)
            .field("requester", &self.requester)
            .field("arguments", &self.arguments)
            .field("fields", &self.more.fields)
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
            redaction,
            limits: Limits {
                depth: READABLE_DEPTH,
                ..Limits::default()
            },
            arguments: Arguments::default(),
            more: More::default(),
            error: None,
        }
    }

    /// Fingerprints redacted arguments under this key.
    #[must_use]
    pub fn redaction_key(mut self, key: Arc<RedactionKey>) -> Self {
        self.redaction = Some(key);
        self
    }

    /// Adds an argument that reviewers see.
    #[must_use]
    pub fn argument<T: Serialize + ?Sized>(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: &T,
    ) -> Self {
        self.capture_value(name.into(), value, false);
        self
    }

    /// Adds an argument that enters as a keyed fingerprint.
    #[must_use]
    pub fn redacted<T: Serialize + ?Sized>(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: &T,
    ) -> Self {
        self.capture_redacted(name.into(), value);
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
        if let Some(error) = self.error {
            return Err(error);
        }
        self.more.labels.sort_unstable();
        Ok(Call {
            declaration: self.declaration,
            requester: self.requester,
            arguments: self.arguments,
            digest: OnceLock::new(),
            more: self.more.boxed(),
        })
    }

    pub(crate) const fn has_environment(&self) -> bool {
        self.more.environment.is_some()
    }

    fn fail(&mut self, error: CallError) {
        self.error.get_or_insert(error);
    }

    fn check(&mut self, sealed: Result<(), CallError>) {
        if let Err(error) = sealed {
            self.fail(error);
        }
    }

    /// Makes room for a new name in the arguments or the extra fields.
    fn place(&mut self, name: &str, field: bool) -> Option<&mut Arguments> {
        if self.error.is_some() {
            return None;
        }
        if self.arguments.get(name).is_some() || self.more.fields.get(name).is_some() {
            self.fail(CallError::Duplicate(name.to_owned()));
            return None;
        }
        Some(if field {
            &mut self.more.fields
        } else {
            &mut self.arguments
        })
    }

    pub(crate) fn capture_value<T: Serialize + ?Sized>(
        &mut self,
        name: Cow<'static, str>,
        value: &T,
        field: bool,
    ) {
        let limits = self.limits.clone();
        let Some(arguments) = self.place(&name, field) else {
            return;
        };
        match canonical::write(value, arguments.buffer(), &limits) {
            Ok(integers) => {
                let integers = integers.iter().map(str::to_owned).collect();
                let sealed = arguments.seal(&name, Bound::Value, integers);
                self.check(sealed);
            }
            Err(cause) => self.fail(CallError::Argument {
                argument: name.into_owned(),
                cause,
            }),
        }
    }

    pub(crate) fn capture_redacted<T: Serialize + ?Sized>(
        &mut self,
        name: Cow<'static, str>,
        value: &T,
    ) {
        let Some(key) = self.redaction.clone() else {
            self.fail(CallError::NoRedactionKey(name.into_owned()));
            return;
        };
        let mut json = String::new();
        if let Err(cause) = canonical::write(value, &mut json, &self.limits) {
            self.fail(CallError::Argument {
                argument: name.into_owned(),
                cause,
            });
            return;
        }
        let fingerprint = key.fingerprint(&name, &json);
        if let Some(arguments) = self.place(&name, false) {
            canonical::write_str(&fingerprint, arguments.buffer());
            let sealed = arguments.seal(&name, Bound::Redacted(key.id().into()), Vec::new());
            self.check(sealed);
        }
    }

    pub(crate) fn capture_formatted(
        &mut self,
        name: Cow<'static, str>,
        text: std::fmt::Arguments<'_>,
        bound: Bound,
    ) {
        let limit = self.limits.bytes;
        let mut written = Bounded::new(limit);
        if written.write_fmt(text).is_err() {
            let argument = name.into_owned();
            self.fail(if written.full {
                CallError::Argument {
                    argument,
                    cause: CanonicalError::TooLarge { limit },
                }
            } else {
                CallError::Formatting { argument }
            });
            return;
        }
        if let Some(arguments) = self.place(&name, false) {
            canonical::write_str(&written.text, arguments.buffer());
            let sealed = arguments.seal(&name, bound, Vec::new());
            self.check(sealed);
        }
    }

    pub(crate) fn capture_debug<T: Debug + ?Sized>(&mut self, name: &'static str, value: &T) {
        self.capture_formatted(name.into(), format_args!("{value:?}"), Bound::Debug);
    }

    pub(crate) fn capture_display<T: Display + ?Sized>(&mut self, name: &'static str, value: &T) {
        self.capture_formatted(name.into(), format_args!("{value}"), Bound::Display);
    }

    pub(crate) fn capture_skipped(&mut self, name: &'static str) {
        if let Some(arguments) = self.place(name, false) {
            let sealed = arguments.seal(name, Bound::Skipped, Vec::new());
            self.check(sealed);
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
            "resource" => self.more.resource = text,
            "justification" => self.more.justification = text,
            _ => self.more.summary = text,
        }
    }

    pub(crate) fn capture_label(&mut self, name: &str, value: &dyn Display) {
        if self.more.labels.iter().any(|(known, _)| &**known == name) {
            self.fail(CallError::DuplicateLabel(name.to_owned()));
        } else if let Some(text) = self.text("label", value) {
            self.more.labels.push((name.into(), text));
        }
    }

    pub(crate) fn capture_environment(&mut self, value: &dyn Display) {
        if let Some(text) = self.text("environment", value) {
            match Environment::new(&text) {
                Ok(environment) => self.more.environment = Some(environment),
                Err(error) => self.fail(error.into()),
            }
        }
    }

    pub(crate) fn capture_key(&mut self, value: &dyn Display) {
        if let Some(text) = self.text("key", value) {
            match IdempotencyKey::new(&text) {
                Ok(key) => self.more.key = Some(key),
                Err(error) => self.fail(error.into()),
            }
        }
    }
}

/// A text that refuses to grow past a limit.
struct Bounded {
    text: String,
    limit: usize,
    full: bool,
}

impl Bounded {
    const fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            limit,
            full: false,
        }
    }
}

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        if self.text.len().saturating_add(part.len()) > self.limit {
            self.full = true;
            return Err(std::fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}
