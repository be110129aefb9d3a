use std::fmt;

/// Why a value has no canonical form.
///
/// Pointers are JSON pointers (RFC 6901) into the canonical form; the empty
/// pointer is the whole value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// A float that JSON cannot carry.
    #[error("the number at `{pointer}` is not finite; carry NaN and infinities as text or null")]
    NonFinite {
        /// Where.
        pointer: String,
    },
    /// Two members of one object have the same name.
    #[error("the object at `{pointer}` has the key `{key}` twice; give every key once")]
    DuplicateKey {
        /// Which object.
        pointer: String,
        /// The key.
        key: String,
    },
    /// The canonical form, or the pointers that belong to it, take too many bytes.
    #[error(
        "the value takes more than {limit} bytes; pass a reference to large content instead of the content"
    )]
    TooLarge {
        /// [`Limits::bytes`](super::Limits::bytes).
        limit: usize,
    },
    /// Objects, arrays or wrapping types are nested too deeply.
    #[error("the value is nested more than {limit} levels deep; flatten it")]
    TooDeep {
        /// [`Limits::depth`](super::Limits::depth).
        limit: usize,
    },
    /// A map key is neither text nor something with one obvious text.
    #[error(
        "a key of the map at `{pointer}` is not a string; use strings, characters, integers, booleans or unit variants as keys"
    )]
    KeyNotString {
        /// Which map.
        pointer: String,
    },
    /// Embedded JSON text (serde_json's `RawValue` or `Number`) is malformed.
    #[error("the embedded JSON at `{pointer}` is malformed; embed one valid JSON value")]
    MalformedJson {
        /// Where.
        pointer: String,
    },
    /// A `Serialize` implementation broke serde's protocol, for example by
    /// giving a map key without a value or by going on after an error.
    #[error("the `Serialize` implementation at `{pointer}` is wrong; {fix}")]
    Misused {
        /// Where.
        pointer: String,
        /// What the implementation has to do.
        fix: &'static str,
    },
    /// The value's own `Serialize` implementation failed.
    #[error("{0}")]
    Custom(String),
}

impl CanonicalError {
    fn pointer_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::NonFinite { pointer }
            | Self::DuplicateKey { pointer, .. }
            | Self::KeyNotString { pointer }
            | Self::MalformedJson { pointer }
            | Self::Misused { pointer, .. } => Some(pointer),
            Self::TooLarge { .. } | Self::TooDeep { .. } | Self::Custom(_) => None,
        }
    }
}

/// A [`CanonicalError`] on its way up. Boxed, so that the result of writing a
/// field fits in a register.
#[derive(Debug)]
pub(super) struct Fault(Box<CanonicalError>);

impl Fault {
    #[cold]
    pub(super) fn into_error(self) -> CanonicalError {
        *self.0
    }

    /// The same fault seen from the container that holds the value.
    #[cold]
    pub(super) fn within(mut self, segment: &str) -> Self {
        if let Some(pointer) = self.0.pointer_mut() {
            prepend_segment(pointer, segment);
        }
        self
    }
}

impl From<CanonicalError> for Fault {
    #[cold]
    fn from(error: CanonicalError) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl serde::ser::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        CanonicalError::Custom(message.to_string()).into()
    }
}

/// Makes a pointer relative to the parent: `/x` within `a/b` is `/a~1b/x`.
pub(super) fn prepend_segment(pointer: &mut String, segment: &str) {
    let escaped = segment.replace('~', "~0").replace('/', "~1");
    pointer.reserve(escaped.len() + 1);
    pointer.insert_str(0, &escaped);
    pointer.insert(0, '/');
}
