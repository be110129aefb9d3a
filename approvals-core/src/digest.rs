//! Domain-separated SHA-256 and the short code that people compare.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// What is hashed. Each has its own prefix, so that a hash of one is never a hash of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// Everything that decides about a call.
    Call,
    /// The arguments of a call, as they are captured again before it runs.
    Arguments,
    /// The whole presentation that a reviewer sees.
    Presentation,
    /// The key under which repeats of one logical call are found.
    Key,
    /// The key under which a store counts how busy (root principal, action, resource) is.
    Bucket,
    /// The key under which a store remembers proposals to a requester chain for an action.
    Proposals,
}

impl Domain {
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Call => b"approvals/call/v1\0",
            Self::Arguments => b"approvals/arguments/v1\0",
            Self::Presentation => b"approvals/presentation/v1\0",
            Self::Key => b"approvals/key/v1\0",
            Self::Bucket => b"approvals/bucket/v1\0",
            Self::Proposals => b"approvals/proposals/v1\0",
        }
    }
}

impl Domain {
    /// Exactly what is hashed of this text.
    pub(crate) fn before(self, text: &str) -> Vec<u8> {
        [self.prefix(), text.as_bytes()].concat()
    }
}

impl Digest {
    /// The hash of `bytes` in a domain.
    pub(crate) fn of(domain: Domain, bytes: &[u8]) -> Self {
        let mut hashing = Hashing::of(domain);
        hashing.update(bytes);
        hashing.finish()
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash with these 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The first 32 bits as `1a2b-3c4d`: for people to compare, never to decide by.
    #[must_use]
    pub fn short_code(&self) -> String {
        let [a, b, c, d, ..] = self.0;
        let [[a, b], [c, d], [e, f], [g, h]] = [a, b, c, d].map(hex_pair);
        let code = [a, b, c, d, b'-', e, f, g, h];
        str::from_utf8(&code).unwrap_or_default().to_owned()
    }
}

impl Digest {
    /// Its 64 digits in ASCII.
    fn digits(&self) -> [u8; 64] {
        let mut digits = [0; 64];
        for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(self.0) {
            *pair = hex_pair(byte);
        }
        digits
    }

    /// Appends what it prints as.
    pub(crate) fn write(&self, out: &mut String) {
        out.push_str(std::str::from_utf8(&self.digits()).unwrap_or_default());
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One piece of text: a formatted write for each byte takes longer than the hash itself.
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

/// The two digits of a byte in ASCII.
pub(crate) const fn hex_pair(byte: u8) -> [u8; 2] {
    const fn digit(nibble: u8) -> u8 {
        match nibble {
            0..=9 => b'0' + nibble,
            _ => b'a' + (nibble & 15) - 10,
        }
    }
    [digit(byte >> 4), digit(byte & 15)]
}

/// The bytes of so many pairs of digits, in either case.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    // What is no digit is above all of them, so that one look at the end is enough.
    const fn digit(digit: u8) -> u8 {
        match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => 0x80,
        }
    }
    let (pairs, []) = text.as_bytes().as_chunks() else {
        return None;
    };
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok()?;
    let (mut bytes, mut all) = ([0; N], 0);
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (digit(*high), digit(*low));
        all |= high | low;
        *byte = high << 4 | low;
    }
    (all < 16).then_some(bytes)
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A hash that is being taken.
pub(crate) struct Hashing(Sha256);

impl Hashing {
    /// Of nothing yet, in a domain.
    pub(crate) fn of(domain: Domain) -> Self {
        let mut hash = Sha256::new();
        hash.update(domain.prefix());
        Self(hash)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// A text that is no SHA-256 hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a SHA-256 hash: it has 64 hexadecimal digits")]
pub struct DigestError(String);

impl std::str::FromStr for Digest {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let bytes = from_hex(text).ok_or_else(|| DigestError(text.to_owned()))?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;
    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        let mut text = String::with_capacity(64);
        digest.write(&mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_never_share_a_hash() {
        let call = Digest::of(Domain::Call, b"x");
        assert_ne!(call, Digest::of(Domain::Presentation, b"x"));
        assert_eq!(call.to_string().parse::<Digest>().unwrap(), call);
        let counting = std::array::from_fn(|index| u8::try_from(index * 7).unwrap());
        assert_eq!(
            Digest::from_bytes(counting).to_string(),
            "00070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9"
        );
        assert_eq!(Digest::from_bytes(counting).short_code(), "0007-0e15");
        let text = call.to_string();
        assert_eq!(text.to_uppercase().parse::<Digest>().unwrap(), call);
        for place in 0..64 {
            for wrong in ["g", "/", ":", "@", "G", "`", "+", " "] {
                let mut other = text.clone();
                other.replace_range(place..=place, wrong);
                assert!(other.parse::<Digest>().is_err(), "{other}");
            }
        }
        for other in [
            "",
            "zz",
            &text[1..],
            &text[2..],
            &format!("{text}00"),
            &"é".repeat(32),
        ] {
            assert!(other.parse::<Digest>().is_err(), "{other}");
        }
    }
}
