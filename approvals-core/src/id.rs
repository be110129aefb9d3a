//! Names and identifiers: validated once, cheap to copy, never a capability.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{self, AtomicU64};

use serde::{Deserialize, Serialize};

use crate::digest::{from_hex, hex_pair};
use crate::time::Timestamp;

/// The longest name that is accepted, in bytes.
pub const MAX_NAME: usize = 256;

/// A name that is not one, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The text is empty.
    #[error("{what} is empty: give it a name such as `{example}`")]
    Empty {
        /// What was to be named.
        what: &'static str,
        /// A well-formed name.
        example: &'static str,
    },
    /// The text is longer than [`MAX_NAME`].
    #[error("{what} has {length} bytes: at most {MAX_NAME} are allowed")]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// The text's length in bytes.
        length: usize,
    },
    /// The text has a character that names cannot have.
    #[error(
        "{what} {text:?} has the character {found:?}: use ASCII letters, digits and `{allowed}`, such as `{example}`"
    )]
    Character {
        /// What was to be named.
        what: &'static str,
        /// The text that was given.
        text: String,
        /// The first character that is not allowed.
        found: char,
        /// The punctuation that is allowed.
        allowed: &'static str,
        /// A well-formed name.
        example: &'static str,
    },
}

fn check(
    what: &'static str,
    example: &'static str,
    allowed: &'static str,
    text: &str,
) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what, example });
    }
    if text.len() > MAX_NAME {
        return Err(NameError::TooLong {
            what,
            length: text.len(),
        });
    }
    match text
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !allowed.contains(*c))
    {
        None => Ok(()),
        Some(found) => Err(NameError::Character {
            what,
            text: text.to_owned(),
            found,
            allowed,
            example,
        }),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $example:literal, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// [`NameError`] when it is empty, too long or has a character that names cannot have.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                let text = text.as_ref();
                check($what, $example, $allowed, text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;
            fn try_from(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for Arc<str> {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// The name of a kind of sensitive operation: `db.export`.
    ActionName, "the action name", "db.export", "_-.:/"
);
name!(
    /// The name under which a gate knows a policy: `prod-db`.
    PolicyName, "the policy name", "prod-db", "_-.:/"
);
name!(
    /// The id of a rule inside a policy, as the trail and reviewers see it.
    RuleId, "the rule id", "db-export-needs-review", "_-.:/@#"
);
name!(
    /// A person, as the directory names them: `alice` or `alice@example.com`.
    PersonId, "the person id", "alice", "_-.@+"
);
name!(
    /// A group of people, as the directory names it.
    GroupId, "the group id", "senior-engineers", "_-.@+/:"
);
name!(
    /// An approver channel: `slack`, `terminal`.
    ChannelId, "the channel id", "slack", "_-."
);
name!(
    /// An audit sink, as its cursor in the store is named.
    SinkId, "the sink id", "merkle-log", "_-./"
);
name!(
    /// One of the closed set of environments that the host declares: `production`.
    Environment, "the environment", "production", "_-."
);
name!(
    /// The host's name for one logical call: a run or step id. Never taken from a model.
    IdempotencyKey, "the idempotency key", "run-42/step-3", "_-.:/@#=+"
);

/// 80 bits that tell this process from every other one.
fn origin() -> u128 {
    static ORIGIN: OnceLock<u128> = OnceLock::new();
    *ORIGIN.get_or_init(|| {
        let mut bytes = [0_u8; 16];
        // Without an operating-system source of randomness the address of a fresh allocation and
        // the clock stand in: ids need to be unique, not secret, and a store refuses a duplicate.
        if getrandom::fill(&mut bytes).is_err() {
            let here = Box::new(0_u8);
            let address = (&raw const *here).addr() as u128;
            let time = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |d| d.as_nanos());
            return (address << 64) ^ time ^ (u128::from(std::process::id()) << 32);
        }
        u128::from_be_bytes(bytes)
    })
}

fn next_count() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, atomic::Ordering::Relaxed)
}

/// 80 bits that tell processes apart, 48 bits that count.
fn counted() -> u128 {
    (origin() << 48) | u128::from(next_count() & 0xffff_ffff_ffff)
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        // Bytes, not a number: a number of 16 bytes is aligned to as many, which doubles what an
        // optional one takes in a record and pads every key that has one.
        pub struct $name([u8; 16]);

        impl $name {
            /// The 16 bytes, big-endian.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0
            }

            /// The id with these 16 bytes, big-endian.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// What it prints as, in ASCII.
            pub(crate) fn text(self) -> [u8; $prefix.len() + 32] {
                let mut text = [0; $prefix.len() + 32];
                let (prefix, digits) = text.split_at_mut($prefix.len());
                prefix.copy_from_slice($prefix.as_bytes());
                for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(self.0) {
                    *pair = hex_pair(byte);
                }
                text
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                // As two numbers, which takes a fraction of comparing bytes.
                u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .and_then(from_hex)
                    .map(Self)
                    .ok_or_else(|| IdError { text: text.to_owned(), prefix: $prefix })
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

/// A text that is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an id: it is `{prefix}` followed by 32 hexadecimal digits")]
pub struct IdError {
    text: String,
    prefix: &'static str,
}

identifier!(
    /// One request. Ordered by time of creation; knowing one gives no right to anything.
    RequestId, "req_"
);
identifier!(
    /// One audit event. Sinks are idempotent by it.
    EventId, "evt_"
);
identifier!(
    /// One gate in one process: who holds a claim.
    OwnerId, "gate_"
);

impl RequestId {
    /// A new id: 48 bits of milliseconds, 24 bits that count, 56 bits that tell processes apart.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let time = u128::from(now.as_millis()) << 80;
        let count = u128::from(next_count() & 0x00ff_ffff) << 56;
        let number = time | count | (origin() & ((1 << 56) - 1));
        Self(number.to_be_bytes())
    }
}

impl RequestId {
    /// No request that was made at this time or later has a smaller id.
    pub(crate) const fn first_at(time: Timestamp) -> Self {
        let [a, b, c, d, e, f, g, h] = (time.as_millis() << 16).to_be_bytes();
        Self([a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0])
    }
}

impl EventId {
    /// A new id: 80 bits that tell processes apart, 48 bits that count.
    #[must_use]
    pub fn new() -> Self {
        Self(counted().to_be_bytes())
    }
}

impl Default for EventId {
    fn default() -> Self {
        Self::new()
    }
}

impl OwnerId {
    /// A new id.
    #[must_use]
    pub fn new() -> Self {
        Self(counted().to_be_bytes())
    }
}

impl Default for OwnerId {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_name_says_what_to_write() {
        let error = ActionName::new("db export").unwrap_err().to_string();
        assert_eq!(
            error,
            "the action name \"db export\" has the character ' ': use ASCII letters, digits and `_-.:/`, such as `db.export`"
        );
        assert_eq!(
            PolicyName::new("").unwrap_err().to_string(),
            "the policy name is empty: give it a name such as `prod-db`"
        );
        assert!(ActionName::new("a".repeat(257)).is_err());
    }

    #[test]
    fn ids_are_distinct_and_survive_text() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| RequestId::new(now)).collect();
        assert_eq!(ids.len(), 10_000);
        let id = RequestId::new(now);
        assert_eq!(id.to_string().parse::<RequestId>().unwrap(), id);
        assert!("req_xyz".parse::<RequestId>().is_err());
        assert!(format!("req_+{:031x}", 1).parse::<RequestId>().is_err());
    }
}
