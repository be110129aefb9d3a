//! Values that the author redacts enter as keyed fingerprints; what patterns find is masked.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;

/// The key under which redacted values are fingerprinted. Replicas that share a store share it.
pub struct RedactionKey {
    id: Box<str>,
    key: SecretBox<[u8]>,
}

/// A redaction key that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedactionKeyError {
    /// The id is empty or too long.
    #[error(
        "the redaction key's id is empty or longer than 64 bytes: name the key, such as `2026-05`"
    )]
    Id,
    /// The secret is too short.
    #[error("the redaction key has {0} bytes: use at least 32 random ones")]
    TooShort(usize),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness for a redaction key: {0}")]
    Randomness(String),
}

impl RedactionKey {
    /// A key with its id, which is recorded beside every fingerprint.
    ///
    /// # Errors
    /// [`RedactionKeyError`] when the id is empty or the secret shorter than 32 bytes.
    pub fn new(id: &str, secret: Vec<u8>) -> Result<Self, RedactionKeyError> {
        if id.is_empty() || id.len() > 64 {
            return Err(RedactionKeyError::Id);
        }
        if secret.len() < 32 {
            return Err(RedactionKeyError::TooShort(secret.len()));
        }
        Ok(Self {
            id: id.into(),
            key: SecretBox::new(secret.into_boxed_slice()),
        })
    }

    /// A key for this process only: fingerprints cannot be compared after a restart.
    ///
    /// # Errors
    /// [`RedactionKeyError::Randomness`] when the operating system gives none.
    pub fn random() -> Result<Self, RedactionKeyError> {
        let mut secret = vec![0; 32];
        getrandom::fill(&mut secret).map_err(|e| RedactionKeyError::Randomness(e.to_string()))?;
        Self::new("process", secret)
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// HMAC-SHA256 over the argument's name and its canonical JSON, in hexadecimal.
    pub(super) fn fingerprint(&self, name: &str, json: &str) -> String {
        let secret = self.key.expose_secret();
        // HMAC takes keys of any length, so this never fails.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
            return String::new();
        };
        mac.update(b"approvals/redacted/v1\0");
        mac.update(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(name.as_bytes());
        mac.update(json.as_bytes());
        let bytes: [u8; 32] = mac.finalize().into_bytes().into();
        crate::digest::Digest::from_bytes(bytes).to_string()
    }
}

impl fmt::Debug for RedactionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedactionKey({})", self.id)
    }
}

/// Masks what looks like a secret in `text`, and notes where and what it was.
pub(super) fn mask_text(place: &str, text: &mut Box<str>, found: &mut Vec<Box<str>>) {
    note(place, text, crate::secrets::mask(text), found);
}

/// The same for a value in canonical JSON, whose name may say what it is.
///
/// Canonical JSON stays JSON: patterns match no quote or backslash, and masks have none.
pub(super) fn mask_value(name: &str, json: &mut Box<str>, found: &mut Vec<Box<str>>) {
    note(name, json, crate::secrets::mask_member(name, json), found);
}

/// The same for a label, both of its parts: nobody reads `password = hunter2`.
pub(super) fn mask_label(name: &mut Box<str>, value: &mut Box<str>, found: &mut Vec<Box<str>>) {
    let mut json = String::with_capacity(value.len() + 2);
    crate::canonical::write_str(value, &mut json);
    let of_value = crate::secrets::mask_member(name, &json);
    let plain = of_value.map(|(json, kinds)| {
        let text = serde_json::from_str(&json).unwrap_or_else(|_| "[masked]".to_owned());
        (text, kinds)
    });
    note(name, value, plain, found);
    mask_text("a label's name", name, found);
}

fn note(
    place: &str,
    text: &mut Box<str>,
    masked: Option<(String, Vec<&'static str>)>,
    found: &mut Vec<Box<str>>,
) {
    if let Some((masked, kinds)) = masked {
        *text = masked.into_boxed_str();
        // The name itself may be one.
        let place =
            crate::secrets::mask(place).map_or_else(|| place.to_owned(), |(place, _)| place);
        found.extend(
            kinds
                .into_iter()
                .map(|kind| format!("`{place}`: {kind}").into_boxed_str()),
        );
    }
}
