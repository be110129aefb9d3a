//! Capturing arguments, the first time and again just before the body runs.

use std::borrow::Cow;
use std::fmt::{Debug, Display, Write as _};
use std::sync::Arc;

use serde::Serialize;

use super::{Arguments, Bound, CallError, RedactionKey};
use crate::canonical::{self, CanonicalError, Limits};

/// The deepest value that serde_json reads back: a policy can look into whatever is carried.
const READABLE_DEPTH: usize = 127;

/// Collects arguments, and remembers the first error.
pub(crate) struct Capturing {
    arguments: Arguments,
    redaction: Option<Arc<RedactionKey>>,
    error: Option<CallError>,
}

impl Capturing {
    pub(crate) fn new(redaction: Option<Arc<RedactionKey>>) -> Self {
        Self {
            arguments: Arguments::default(),
            redaction,
            error: None,
        }
    }

    /// A second capture of arguments: with room for what there was the first time.
    pub(crate) fn again(redaction: Option<Arc<RedactionKey>>, first: &Arguments) -> Self {
        Self {
            arguments: Arguments::as_large_as(first),
            redaction,
            error: None,
        }
    }

    pub(super) fn set_redaction(&mut self, key: Arc<RedactionKey>) {
        self.redaction = Some(key);
    }

    /// The arguments so far.
    pub(super) const fn so_far(&self) -> &Arguments {
        &self.arguments
    }

    /// The arguments.
    ///
    /// # Errors
    /// The first [`CallError`] that was met.
    pub(crate) fn finish(self) -> Result<Arguments, CallError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.arguments),
        }
    }

    pub(super) const fn failed(&self) -> bool {
        self.error.is_some()
    }

    pub(super) fn fail(&mut self, error: CallError) {
        self.error.get_or_insert(error);
    }

    fn check(&mut self, sealed: Result<(), CallError>) {
        if let Err(error) = sealed {
            self.fail(error);
        }
    }

    /// Makes room for a new name.
    fn place(&mut self, name: &str) -> Option<&mut Arguments> {
        if self.error.is_some() {
            return None;
        }
        if self.arguments.has(name) {
            self.fail(CallError::Duplicate(name.to_owned()));
            return None;
        }
        Some(&mut self.arguments)
    }

    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, name: Cow<'static, str>, value: &T) {
        if let Some(arguments) = self.place(&name)
            && let Err(error) = append(arguments, name, value)
        {
            self.fail(error);
        }
    }

    pub(crate) fn redacted<T: Serialize + ?Sized>(&mut self, name: Cow<'static, str>, value: &T) {
        let Some(key) = self.redaction.clone() else {
            self.fail(CallError::NoRedactionKey(name.into_owned()));
            return;
        };
        let mut json = String::new();
        if let Err(cause) = canonical::write(value, &mut json, &LIMITS) {
            self.fail(CallError::Argument {
                argument: name.into_owned(),
                cause,
            });
            return;
        }
        let fingerprint = key.fingerprint(&name, &json);
        if let Some(arguments) = self.place(&name) {
            canonical::write_str(&fingerprint, arguments.buffer());
            let sealed = arguments.seal(&name, Bound::Redacted(key.id().into()), Vec::new());
            self.check(sealed);
        }
    }

    pub(crate) fn debug<T: Debug + ?Sized>(&mut self, name: &'static str, value: &T) {
        self.formatted(name.into(), format_args!("{value:?}"), Bound::Debug);
    }

    pub(crate) fn display<T: Display + ?Sized>(&mut self, name: &'static str, value: &T) {
        self.formatted(name.into(), format_args!("{value}"), Bound::Display);
    }

    fn formatted(&mut self, name: Cow<'static, str>, text: std::fmt::Arguments<'_>, bound: Bound) {
        let limit = LIMITS.bytes;
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
        if let Some(arguments) = self.place(&name) {
            canonical::write_str(&written.text, arguments.buffer());
            let sealed = arguments.seal(&name, bound, Vec::new());
            self.check(sealed);
        }
    }

    pub(crate) fn skipped(&mut self, name: &'static str) {
        if let Some(arguments) = self.place(name) {
            let sealed = arguments.seal(name, Bound::Skipped, Vec::new());
            self.check(sealed);
        }
    }
}

const LIMITS: Limits = Limits {
    bytes: Limits::DEFAULT.bytes,
    depth: READABLE_DEPTH,
};

/// Appends one value to arguments or extra fields.
pub(super) fn append<T: Serialize + ?Sized>(
    arguments: &mut Arguments,
    name: Cow<'static, str>,
    value: &T,
) -> Result<(), CallError> {
    match canonical::write(value, arguments.buffer(), &LIMITS) {
        Ok(integers) => arguments.seal(&name, Bound::Value, integers.into_vec()),
        Err(cause) => Err(CallError::Argument {
            argument: name.into_owned(),
            cause,
        }),
    }
}

/// A text that refuses to grow past a limit.
pub(super) struct Bounded {
    pub(super) text: String,
    limit: usize,
    full: bool,
}

impl Bounded {
    pub(super) const fn new(limit: usize) -> Self {
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
