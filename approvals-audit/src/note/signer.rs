//! Keys that sign: from a file, from the environment, or somebody else's service.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};

use super::key::{self, ED25519, KeyError, VerifierKey};

/// What a private key begins with.
const PREFIX: &str = "PRIVATE+KEY";

/// Signs the log's checkpoints. Called on a thread of its own, which may wait for a key service.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The public key, by which the signatures are verified.
    fn key(&self) -> &VerifierKey;

    /// The bare signature of these bytes, without the key's id.
    ///
    /// # Errors
    /// [`SignError`] when it cannot be made. Nothing is acknowledged then.
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// A text was not signed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignError {
    /// The text is none that can be signed.
    #[error("a text that is signed ends in a newline and has no control characters")]
    Text,
    /// The key, or the service that keeps it, did not answer.
    #[error("the signing key could not be used: {0}")]
    Key(String),
}

/// A private key could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// It is not written as one.
    #[error("it is no private key: it has to be one line `PRIVATE+KEY+name+hash+base64`")]
    Malformed,
    /// Its name or hash is wrong.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file cannot be read.
    #[error("the key's file {} cannot be read: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// Others than its owner could read it.
    #[error("the key's file {} can be read by others than its owner (mode {mode:03o}): `chmod 600` it, and make a new key if others may have read it", path.display())]
    Permissions {
        /// Which.
        path: PathBuf,
        /// Who may do what with it.
        mode: u32,
    },
    /// The variable is not set.
    #[error(
        "the environment variable `{0}` does not hold a private key: set it, or name the key's file"
    )]
    Variable(String),
    /// The operating system gave no randomness.
    #[error("no randomness for a new key: {0}")]
    Random(String),
}

/// An Ed25519 key in this process.
pub struct Ed25519Signer {
    signing: SigningKey,
    public: VerifierKey,
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Signer({})", self.public)
    }
}

impl Ed25519Signer {
    /// A new key of this name.
    ///
    /// # Errors
    /// [`SigningKeyError`] when the name is none, or the system gives no randomness.
    pub fn generate(name: &str) -> Result<Self, SigningKeyError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| SigningKeyError::Random(e.to_string()))?;
        Self::from_seed(name, seed)
    }

    fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, SigningKeyError> {
        let signing = SigningKey::from_bytes(&seed);
        let public = VerifierKey::of(ED25519, name, signing.verifying_key())?;
        Ok(Self { signing, public })
    }

    /// Reads a private key as [`private`](Self::private) writes it.
    ///
    /// # Errors
    /// [`SigningKeyError`].
    pub fn parse(text: &str) -> Result<Self, SigningKeyError> {
        let malformed = || SigningKeyError::Malformed;
        let rest = text.trim().strip_prefix(PREFIX).ok_or_else(malformed)?;
        let mut parts = rest.strip_prefix('+').ok_or_else(malformed)?.splitn(3, '+');
        let (Some(name), Some(hash), Some(encoded)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed());
        };
        let decoded = BASE64_STANDARD.decode(encoded).map_err(|_| malformed())?;
        let [ED25519, seed @ ..] = decoded.as_slice() else {
            return Err(malformed());
        };
        let key = Self::from_seed(name, seed.try_into().map_err(|_| malformed())?)?;
        if hash != format!("{:08x}", u32::from_be_bytes(key.public.id())) {
            return Err(KeyError::Hash(name.to_owned()).into());
        }
        Ok(key)
    }

    /// Reads a key from a file that only its owner can read.
    ///
    /// # Errors
    /// [`SigningKeyError`]; on Unix also when others could read it.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SigningKeyError> {
        let path = path.as_ref();
        let unreadable = |error| SigningKeyError::File {
            path: path.to_owned(),
            error,
        };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
            if mode & 0o077 != 0 {
                let path = path.to_owned();
                return Err(SigningKeyError::Permissions { path, mode });
            }
        }
        Self::parse(&std::io::read_to_string(file).map_err(unreadable)?)
    }

    /// Reads a key from an environment variable.
    ///
    /// # Errors
    /// [`SigningKeyError`].
    pub fn from_environment(variable: &str) -> Result<Self, SigningKeyError> {
        let unset = |_| SigningKeyError::Variable(variable.to_owned());
        Self::parse(&std::env::var(variable).map_err(unset)?)
    }

    /// The private key as text. Whoever has it can write a log of this name.
    #[must_use]
    pub fn private(&self) -> String {
        let mut encoded = vec![ED25519];
        encoded.extend_from_slice(self.signing.as_bytes());
        let (name, key) = (self.public.name(), BASE64_STANDARD.encode(encoded));
        let id = u32::from_be_bytes(key::key_id(
            name,
            ED25519,
            self.signing.verifying_key().as_bytes(),
        ));
        format!("{PREFIX}+{name}+{id:08x}+{key}")
    }
}

impl Signer for Ed25519Signer {
    fn key(&self) -> &VerifierKey {
        &self.public
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.signing.sign(text).to_bytes().to_vec())
    }
}
