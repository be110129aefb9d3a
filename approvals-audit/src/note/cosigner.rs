//! The key of a witness.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};

use super::key::{COSIGNATURE, VerifierKey, cosigned};
use super::{Note, Signature, SigningKeyError};

/// A witness's key, which signs that it has seen a checkpoint, and when. A witness checks first
/// that the checkpoint goes on from the last one that it has signed.
pub struct Cosigner {
    signing: SigningKey,
    public: VerifierKey,
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.public)
    }
}

impl Cosigner {
    /// A new key of this name.
    ///
    /// # Errors
    /// [`SigningKeyError`] when the name is none, or the system gives no randomness.
    pub fn generate(name: &str) -> Result<Self, SigningKeyError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| SigningKeyError::Random(e.to_string()))?;
        let signing = SigningKey::from_bytes(&seed);
        let public = VerifierKey::of(COSIGNATURE, name, signing.verifying_key())?;
        Ok(Self { signing, public })
    }

    /// The public key.
    #[must_use]
    pub const fn key(&self) -> &VerifierKey {
        &self.public
    }

    /// The signature line, with its end, of a checkpoint that was seen at this time, in seconds
    /// since 1970.
    #[must_use]
    pub fn line(&self, checkpoint: &Note, time: u64) -> String {
        let signed = cosigned(time, checkpoint.text().as_bytes());
        let mut bytes = time.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.signing.sign(&signed).to_bytes());
        let signature = Signature {
            name: self.public.name().to_owned(),
            key_id: self.public.id(),
            bytes,
        };
        signature.line()
    }
}
