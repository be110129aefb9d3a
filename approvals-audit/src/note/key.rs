//! Keys that verify signatures.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// The type byte of Ed25519 over the text of a note.
pub(super) const ED25519: u8 = 0x01;

/// The type byte of a witness's Ed25519 cosignature, over a time and the text.
pub(super) const COSIGNATURE: u8 = 0x04;

/// A public key with its name: an Ed25519 key of a log or of a witness, written
/// `name+hash+base64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    kind: u8,
    name: String,
    key: VerifyingKey,
}

/// A text is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not written as one.
    #[error(
        "it is no public key: write it as `name+hash+base64`, as it was printed when the key was made"
    )]
    Malformed,
    /// Its name has a space or a plus sign, or is empty.
    #[error("`{0}` is no name of a key: use one without spaces, control characters and `+`")]
    Name(String),
    /// Its hash is another key's.
    #[error(
        "the hash in the public key of `{0}` is not the one of the key: it was mistyped or changed"
    )]
    Hash(String),
    /// It is a key of another kind.
    #[error("the public key of `{0}` is no Ed25519 key of a log or a witness")]
    Kind(String),
}

/// What a witness signs that has seen a checkpoint at this time, in seconds since 1970.
pub(super) fn cosigned(time: u64, checkpoint: &[u8]) -> Vec<u8> {
    let mut text = format!("cosignature/v1\ntime {time}\n").into_bytes();
    text.extend_from_slice(checkpoint);
    text
}

/// Whether this can be the name of a key.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// The first bytes of the hash over name, kind and key.
pub(super) fn key_id(name: &str, kind: u8, key: &[u8]) -> [u8; 4] {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind])
        .chain_update(key)
        .finalize();
    let [a, b, c, d, ..]: [u8; 32] = hash.into();
    [a, b, c, d]
}

impl VerifierKey {
    pub(super) fn of(kind: u8, name: &str, key: VerifyingKey) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name(name.to_owned()));
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
            key,
        })
    }

    /// Reads a public key as it is written.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(hash), Some(encoded)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(KeyError::Malformed);
        };
        let decoded = BASE64_STANDARD.decode(encoded);
        let decoded = decoded.map_err(|_| KeyError::Malformed)?;
        let [kind, key @ ..] = decoded.as_slice() else {
            return Err(KeyError::Malformed);
        };
        if !matches!(*kind, ED25519 | COSIGNATURE) {
            return Err(KeyError::Kind(name.to_owned()));
        }
        let bytes = key.try_into().map_err(|_| KeyError::Malformed)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Malformed)?;
        let key = Self::of(*kind, name, key)?;
        if hash != format!("{:08x}", u32::from_be_bytes(key.id())) {
            return Err(KeyError::Hash(name.to_owned()));
        }
        Ok(key)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The four bytes that signatures name it by.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        key_id(&self.name, self.kind, self.key.as_bytes())
    }

    /// Whether it is a witness's, whose signatures say when a log was seen, and not what it has.
    #[must_use]
    pub const fn is_witness(&self) -> bool {
        self.kind == COSIGNATURE
    }

    /// Whether it made this signature of this text.
    #[must_use]
    pub(crate) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        let (signature, signed) = if self.is_witness() {
            let Some((time, signature)) = signature.split_first_chunk() else {
                return false;
            };
            (signature, cosigned(u64::from_be_bytes(*time), text))
        } else {
            (signature, text.to_vec())
        };
        let signature = Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(&signed, &signature).is_ok())
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut encoded = vec![self.kind];
        encoded.extend_from_slice(self.key.as_bytes());
        let (id, key) = (
            u32::from_be_bytes(self.id()),
            BASE64_STANDARD.encode(encoded),
        );
        write!(f, "{}+{id:08x}+{key}", self.name)
    }
}

impl std::str::FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}
