//! One-time codes: shown once, kept only as their hash.

use std::fmt;

use approvals_core::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Crockford's base 32: no letter that is easily read as another.
const ALPHABET: [u8; 32] = *b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 130 bits.
const LENGTH: usize = 26;
/// Characters between two hyphens.
const GROUP: usize = 5;
/// The longest text in which a code is looked for, in bytes.
const MAX_TYPED: usize = 128;

/// A one-time code, for the person who is to be linked and for nobody else.
///
/// It has 130 random bits, so that it cannot be guessed however often somebody tries. `Debug` does
/// not show it.
#[derive(Clone)]
pub struct LinkCode {
    code: SecretString,
    expires: Timestamp,
}

impl LinkCode {
    /// The code, to be shown once to the person: `7K2QX-…`.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.code.expose_secret()
    }

    /// From when on it is too late.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// A new code, and its hash.
    pub(crate) fn new(expires: Timestamp) -> Result<(Self, CodeHash), getrandom::Error> {
        let mut random = [0_u8; LENGTH];
        getrandom::fill(&mut random)?;
        let mut text = String::with_capacity(LENGTH + LENGTH / GROUP);
        let mut hashing = CodeHash::begin();
        for (place, byte) in random.iter().enumerate() {
            if place > 0 && place % GROUP == 0 {
                text.push('-');
            }
            // 256 is a multiple of 32: every letter is as likely.
            let letter = ALPHABET
                .get(usize::from(byte % 32))
                .copied()
                .unwrap_or(b'0');
            text.push(char::from(letter));
            hashing.update([letter]);
        }
        let code = Self {
            code: text.into(),
            expires,
        };
        Ok((code, CodeHash(hashing.finalize().into())))
    }
}

impl fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkCode(expires {})", self.expires)
    }
}

/// What is kept of a code: enough to know it again. A code that cannot be guessed needs no slow
/// hash and no salt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeHash([u8; 32]);

impl CodeHash {
    fn begin() -> Sha256 {
        Sha256::new_with_prefix(b"approvals-directory/link-code/1\0")
    }

    /// The hash of what somebody typed; nothing when it cannot be a code. Spaces, hyphens and lower
    /// case do not matter, and neither do letters that are read for others.
    pub(crate) fn of_typed(typed: &str) -> Option<Self> {
        if typed.len() > MAX_TYPED {
            return None;
        }
        let mut hashing = Self::begin();
        let mut length = 0;
        for letter in typed.bytes() {
            let letter = match letter.to_ascii_uppercase() {
                b' ' | b'-' | b'\t' | b'\r' | b'\n' => continue,
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            if !ALPHABET.contains(&letter) {
                return None;
            }
            hashing.update([letter]);
            length += 1;
        }
        (length == LENGTH).then(|| Self(hashing.finalize().into()))
    }

    /// Whether both are of one code, in a time that does not tell how alike they are.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// From 64 hexadecimal digits.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut hash = [0; 32];
        for (place, byte) in hash.iter_mut().enumerate() {
            let pair = text.get(2 * place..2 * place + 2)?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}
