//! Signed notes as C2SP specifies them: a text, and a line for each signature.

mod cosigner;
mod key;
mod signer;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

pub use self::cosigner::Cosigner;
pub use self::key::{KeyError, VerifierKey};
pub use self::signer::{Ed25519Signer, SignError, Signer, SigningKeyError};

/// How many signature lines a note may have: an attacker who adds more is refused.
const MOST_SIGNATURES: usize = 64;

/// How long a note may be, in bytes.
const LONGEST: usize = 1 << 20;

/// A text ends here, and its signatures begin.
const SEPARATOR: &str = "\n\n";

/// What a signature line begins with.
const DASH: &str = "\u{2014} ";

/// A text and who signed it. Nothing is verified until [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: String,
    /// The first bytes tell which key.
    key_id: [u8; 4],
    bytes: Vec<u8>,
}

/// A note that is none, or is not signed as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is not written as a signed note is.
    #[error("it is no signed note: {0}")]
    Malformed(&'static str),
    /// A known key did not make the signature that bears its name.
    #[error("the signature of `{0}` is not of this text: it was changed, or another key signed it")]
    Forged(String),
    /// None of the keys that are known signed it.
    #[error("no known key signed it: it is signed by {0}")]
    Unsigned(String),
}

impl Note {
    /// Signs a text.
    ///
    /// # Errors
    /// [`SignError`] when a signer cannot sign, or this text cannot be signed.
    pub fn signed<'a>(
        text: &str,
        signers: impl IntoIterator<Item = &'a dyn Signer>,
    ) -> Result<Self, SignError> {
        if !is_text(text) {
            return Err(SignError::Text);
        }
        let signatures = signers.into_iter().map(|signer| {
            let key = signer.key();
            Ok(Signature {
                name: key.name().to_owned(),
                key_id: key.id(),
                bytes: signer.sign(text.as_bytes())?,
            })
        });
        Ok(Self {
            text: text.to_owned(),
            signatures: signatures.collect::<Result<_, SignError>>()?,
        })
    }

    /// Reads a note, as it is written.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(note: &[u8]) -> Result<Self, NoteError> {
        if note.len() > LONGEST {
            return Err(NoteError::Malformed("it is longer than a mebibyte"));
        }
        let note = str::from_utf8(note).map_err(|_| NoteError::Malformed("it is not UTF-8"))?;
        let end = note
            .rfind(SEPARATOR)
            .ok_or(NoteError::Malformed("no empty line ends its text"))?;
        let (text, lines) = note.split_at(end + 1);
        if !is_text(text) {
            return Err(NoteError::Malformed("its text has control characters"));
        }
        let lines = lines
            .strip_prefix('\n')
            .and_then(|lines| lines.strip_suffix('\n'))
            .ok_or(NoteError::Malformed("its last line has no end"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == MOST_SIGNATURES {
                return Err(NoteError::Malformed("it has too many signatures"));
            }
            let signature = Signature::parse(line);
            signatures.push(signature.ok_or(NoteError::Malformed("a line is no signature"))?);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// The text, whoever signed it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Which of these keys signed it. Signatures of keys that are not among them are ignored.
    ///
    /// # Errors
    /// [`NoteError::Forged`] when a signature of one of the keys is wrong, whoever else signed; and
    /// [`NoteError::Unsigned`] when there is none of any of them.
    pub fn verify<'a>(&self, keys: &'a [VerifierKey]) -> Result<Vec<&'a VerifierKey>, NoteError> {
        let mut signed: Vec<&VerifierKey> = Vec::new();
        for signature in &self.signatures {
            let is_of =
                |key: &&VerifierKey| key.name() == signature.name && key.id() == signature.key_id;
            let Some(key) = keys.iter().find(is_of) else {
                continue;
            };
            if !key.verifies(self.text.as_bytes(), &signature.bytes) {
                return Err(NoteError::Forged(signature.name.clone()));
            }
            if !signed.contains(&key) {
                signed.push(key);
            }
        }
        if signed.is_empty() {
            let by: Vec<_> = self.signatures.iter().map(Signature::key).collect();
            return Err(NoteError::Unsigned(by.join(", ")));
        }
        Ok(signed)
    }

    /// Adds what witnesses have answered: signature lines of these keys, of this text. Lines of
    /// other keys are left out, and what a key signed before is replaced.
    ///
    /// # Errors
    /// [`NoteError`] when a line is none, or a known key did not make it.
    pub fn cosign(&mut self, lines: &str, keys: &[VerifierKey]) -> Result<(), NoteError> {
        for line in lines.split_inclusive('\n') {
            let line = line.strip_suffix('\n').unwrap_or(line);
            let signature = Signature::parse(line);
            let signature = signature.ok_or(NoteError::Malformed("a line is no signature"))?;
            let is_of =
                |key: &&VerifierKey| key.name() == signature.name && key.id() == signature.key_id;
            let Some(key) = keys.iter().find(is_of) else {
                continue;
            };
            if !key.verifies(self.text.as_bytes(), &signature.bytes) {
                return Err(NoteError::Forged(signature.name));
            }
            self.signatures
                .retain(|known| (known.key_id, &known.name) != (signature.key_id, &signature.name));
            if self.signatures.len() == MOST_SIGNATURES {
                return Err(NoteError::Malformed("it has too many signatures"));
            }
            self.signatures.push(signature);
        }
        Ok(())
    }

    /// The signature lines of these keys, each with its end: what a witness answers.
    #[must_use]
    pub fn lines_of(&self, keys: &[VerifierKey]) -> String {
        let is_of =
            |s: &&Signature, key: &VerifierKey| key.id() == s.key_id && key.name() == s.name;
        let known = |s: &&Signature| keys.iter().any(|key| is_of(s, key));
        self.signatures
            .iter()
            .filter(known)
            .map(Signature::line)
            .collect()
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|s| f.write_str(&s.line()))
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
        if !key::is_name(name) {
            return None;
        }
        let decoded = BASE64_STANDARD.decode(encoded).ok()?;
        let (key_id, bytes) = decoded.split_first_chunk()?;
        (!bytes.is_empty()).then(|| Self {
            name: name.to_owned(),
            key_id: *key_id,
            bytes: bytes.to_vec(),
        })
    }

    fn line(&self) -> String {
        let mut encoded = self.key_id.to_vec();
        encoded.extend_from_slice(&self.bytes);
        format!("{DASH}{} {}\n", self.name, BASE64_STANDARD.encode(encoded))
    }

    /// Which key made it, as error messages write it.
    fn key(&self) -> String {
        let id = u32::from_be_bytes(self.key_id);
        format!("{}+{id:08x}", self.name)
    }
}

/// A text that can be signed: it ends in a newline, and has no other control characters.
fn is_text(text: &str) -> bool {
    text.ends_with('\n') && !text.contains(|c: char| c.is_ascii_control() && c != '\n')
}
