//! Sensitive values: the log has a salted hash of each, and the value lies beside it until somebody
//! destroys it.
//!
//! A disclosure has the form of RFC 9901: `base64url([salt, name, value])`. The log has the SHA-256
//! of that text. Whoever has the disclosure proves what the value was; without it the hash says
//! nothing, however few values there may be.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{LogError, hex};

/// What stands in an entry where the value was.
const MARK: &str = "committed:";

/// A value with its salt: what proves that an entry's commitment is of this value.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosure {
    text: String,
    name: String,
    value: Value,
}

impl std::fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Disclosure({})", self.name)
    }
}

/// What does not disclose anything of an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// It is not written as one.
    #[error("it is no disclosure: it has to be the base64url text of `[salt, name, value]`")]
    Malformed,
    /// The entry is none.
    #[error("it is no entry of a log")]
    Entry,
    /// The entry has no commitment to it.
    #[error("the entry has no commitment to this value")]
    Other,
}

impl Disclosure {
    /// Of a value, with a salt that nobody knows.
    pub(super) fn new(name: &str, value: Value) -> Result<Self, LogError> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|error| LogError::Random(error.to_string()))?;
        let salt = BASE64_URL_SAFE_NO_PAD.encode(salt);
        let all = Value::from(vec![Value::from(salt), Value::from(name), value.clone()]);
        Ok(Self {
            text: BASE64_URL_SAFE_NO_PAD.encode(all.to_string()),
            name: name.to_owned(),
            value,
        })
    }

    /// Reads one as it is written.
    ///
    /// # Errors
    /// [`DisclosureError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, DisclosureError> {
        let malformed = |()| DisclosureError::Malformed;
        let text = text.trim_end();
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(drop);
        let parts = serde_json::from_slice(&json.map_err(malformed)?).map_err(drop);
        let (_salt, name, value): (String, String, Value) = parts.map_err(malformed)?;
        Ok(Self {
            text: text.to_owned(),
            name,
            value,
        })
    }

    /// Its text, as it is handed on.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it is the value of: a place in the entry as a JSON pointer, or `digest` or `shown`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// The commitment to it, as entries write it.
    #[must_use]
    pub fn commitment(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.hash())
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.text).into()
    }

    /// Where in this entry the value stood. That the entry is in the log is for its proof to show.
    ///
    /// # Errors
    /// [`DisclosureError`] when the entry has no commitment to it.
    pub fn verify(&self, entry: &[u8]) -> Result<Vec<String>, DisclosureError> {
        let entry: Value = serde_json::from_slice(entry).map_err(|_| DisclosureError::Entry)?;
        let committed = entry.get("committed").and_then(Value::as_object);
        let own = self.commitment();
        let places = committed.into_iter().flatten();
        let places = places.filter(|(_, commitment)| commitment.as_str() == Some(&own));
        let places: Vec<String> = places.map(|(place, _)| place.clone()).collect();
        if places.is_empty() {
            return Err(DisclosureError::Other);
        }
        Ok(places)
    }

    /// What stands in the value's place.
    pub(super) fn mark(&self) -> Value {
        match self.name.as_str() {
            // What is read as a digest stays one.
            "digest" | "shown" => Value::from(hex(&self.hash())),
            _ => Value::from(format!("{MARK}{}", self.commitment())),
        }
    }
}
