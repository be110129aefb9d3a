//! The canonical form of a value: JSON as RFC 8785 (JCS) prescribes it, written
//! straight from [`Serialize`].
//!
//! Two equal values have the same canonical form whatever order their maps
//! iterate in, and nothing is lost on the way without an error:
//!
//! - Object members are sorted by the UTF-16 code units of their keys; a key
//!   that occurs twice is refused.
//! - Integers outside ±(2^53 − 1), which JSON readers may round, are carried as
//!   decimal strings. [`BigIntegers`] says which strings those are, so that the
//!   number and the string of the same digits stay distinct.
//! - Floats are written as ECMAScript writes them; NaN and infinities are refused.
//! - With serde_json's `arbitrary_precision`, decimals that a 64-bit float
//!   would round are carried like large integers, as `DIGITSeEXPONENT`.
//! - serde_json's `RawValue` is parsed and written canonically.
//!
//! Enums are represented as serde_json represents them. Map keys may be what
//! serde_json accepts, except floats.

mod decimal;
mod error;
mod object;
mod order;
mod raw;
mod serializer;
mod string;
#[cfg(test)]
mod tests;
mod text;
mod writer;

use serde::Serialize;

pub use self::error::CanonicalError;
pub(crate) use self::string::write_escaped;
pub use self::string::write_str;
use self::writer::Writer;
pub(crate) use self::writer::{MAX_SAFE, write_unsigned};

/// How large a canonical form may become. Judged while writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the canonical form, and, counted apart, bytes of all its
    /// [`BigIntegers`] pointers.
    pub bytes: usize,
    /// Objects and arrays inside each other. `1` allows `[]` but not `[[]]`.
    pub depth: usize,
}

impl Limits {
    /// 4 MiB and 128 levels.
    pub(crate) const DEFAULT: Self = Self {
        bytes: 4 << 20,
        depth: 128,
    };
}

impl Default for Limits {
    /// 4 MiB and 128 levels.
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// JSON pointers (RFC 6901) of the numbers that are carried as decimal strings,
/// sorted by their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BigIntegers(Vec<String>);

impl BigIntegers {
    /// Whether every number is carried as a number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_vec(self) -> Vec<String> {
        self.0
    }

    /// The pointers in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The room for a value that is made before it is known how long it is, in bytes.
pub(crate) const ROOM: usize = 128;

/// Appends the canonical form of `value` to `out`.
///
/// ```
/// use approvals_core::canonical::{Limits, write};
///
/// let mut out = String::new();
/// let big = write(&serde_json::json!({"b": 1.0, "a": u64::MAX}), &mut out, &Limits::default())?;
/// assert_eq!(out, r#"{"a":"18446744073709551615","b":1}"#);
/// assert_eq!(big.iter().collect::<Vec<_>>(), ["/a"]);
/// # Ok::<(), approvals_core::canonical::CanonicalError>(())
/// ```
///
/// # Errors
///
/// [`CanonicalError`] when the value has no canonical form within `limits`. Then
/// `out` has its former content.
pub fn write<T: Serialize + ?Sized>(
    value: &T,
    out: &mut String,
    limits: &Limits,
) -> Result<BigIntegers, CanonicalError> {
    let former_length = out.len();
    out.reserve(limits.bytes.min(ROOM));
    let mut writer = Writer::new(out, limits);
    let written = value.serialize(&mut writer).and_then(|()| writer.finish());
    written.map_err(|fault| {
        out.truncate(former_length);
        fault.into_error()
    })
}
