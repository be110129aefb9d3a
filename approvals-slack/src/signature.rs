//! Slack's signature: what makes a callback Slack's word.
//!
//! HMAC-SHA256 under the signing secret over `v0:`, the timestamp, `:` and the bytes of the body as
//! they came, compared in constant time, at most five minutes from now in either direction.

use std::fmt;

use approvals_core::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// How far a timestamp may be from now, in seconds.
const WINDOW: u64 = 300;
/// A secret that is shorter than this cannot be Slack's.
const SHORTEST: usize = 16;

/// Signing secrets that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There is none.
    #[error("there is no signing secret: copy it from the app's Basic Information page")]
    Missing,
    /// One of them is too short to be one.
    #[error(
        "signing secret {0} of the list is empty or too short: copy it from the app's Basic Information page"
    )]
    Short(usize),
}

/// The app's signing secrets: one, or for as long as one is replaced by another, both.
///
/// Slack swaps the secret at once when it is regenerated, so the new one is added here as soon as
/// it is known, and the old one is taken out a few minutes later.
#[derive(Clone)]
pub struct SigningSecrets(Vec<Hmac<Sha256>>);

impl fmt::Debug for SigningSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningSecrets({})", self.0.len())
    }
}

/// Why a callback is not taken for Slack's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsigned {
    /// The timestamp is no number of seconds.
    Timestamp,
    /// It is too far from now.
    Window,
    /// The signature is not in the form of one, or not that of this body.
    Signature,
}

/// The signature of a callback that is Slack's: no other callback has it.
pub(crate) type Tag = [u8; 32];

impl SigningSecrets {
    /// One secret.
    ///
    /// # Errors
    /// [`SecretError`] when it is empty or too short to be Slack's.
    pub fn new(secret: &SecretString) -> Result<Self, SecretError> {
        Self::any_of([secret])
    }

    /// Several, while one replaces another.
    ///
    /// # Errors
    /// [`SecretError`] when there is none, or one is empty or too short to be Slack's.
    pub fn any_of<'a>(
        secrets: impl IntoIterator<Item = &'a SecretString>,
    ) -> Result<Self, SecretError> {
        let mut keys = Vec::new();
        for (index, secret) in secrets.into_iter().enumerate() {
            let secret = secret.expose_secret().as_bytes();
            if secret.len() < SHORTEST {
                return Err(SecretError::Short(index + 1));
            }
            let key = Hmac::<Sha256>::new_from_slice(secret);
            keys.push(key.map_err(|_| SecretError::Short(index + 1))?);
        }
        if keys.is_empty() {
            return Err(SecretError::Missing);
        }
        Ok(Self(keys))
    }

    /// Judges a callback by its headers and the bytes of its body.
    pub(crate) fn verify(
        &self,
        now: Timestamp,
        timestamp: &str,
        signature: &str,
        body: &[u8],
    ) -> Result<Tag, Unsigned> {
        // Twelve digits reach past the year 30,000.
        let digits = (1..=12).contains(&timestamp.len());
        if !digits || !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Unsigned::Timestamp);
        }
        let seconds: u64 = timestamp.parse().map_err(|_| Unsigned::Timestamp)?;
        if (now.as_millis() / 1_000).abs_diff(seconds) > WINDOW {
            return Err(Unsigned::Window);
        }
        let tag = signature.strip_prefix("v0=").and_then(unhex);
        let tag = tag.ok_or(Unsigned::Signature)?;
        let mut signed = false;
        for key in &self.0 {
            let mut mac = key.clone();
            mac.update(b"v0:");
            mac.update(timestamp.as_bytes());
            mac.update(b":");
            mac.update(body);
            signed |= mac.verify_slice(&tag).is_ok();
        }
        if signed {
            Ok(tag)
        } else {
            Err(Unsigned::Signature)
        }
    }
}

/// 64 lower-case hexadecimal digits.
fn unhex(text: &str) -> Option<Tag> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let mut tag = Tag::default();
    if pairs.len() != tag.len() {
        return None;
    }
    for (byte, [high, low]) in tag.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(tag)
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const TIME: &str = "1531420618";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn secrets(all: &[&str]) -> SigningSecrets {
        let all: Vec<SecretString> = all.iter().map(|secret| (*secret).into()).collect();
        SigningSecrets::any_of(&all).unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000 + 999)
    }

    #[test]
    fn the_examples_of_slacks_own_documentation_are_accepted() {
        let secrets = secrets(&[SECRET]);
        let now = at(1_531_420_618);
        assert!(
            secrets
                .verify(now, TIME, SIGNATURE, BODY.as_bytes())
                .is_ok()
        );
        let body = "payload=%7B%22type%22%3A%22block_actions%22%2C%22user%22%3A%7B%22id%22%3A%22U01%22%7D%2C%22team%22%3A%7B%22id%22%3A%22T01%22%7D%2C%22actions%22%3A%5B%7B%22action_id%22%3A%22approve%22%2C%22value%22%3A%22req_01%22%7D%5D%7D";
        let signature = "v0=75f5a1501377a33c1ed2137de645bcdfc755759b5332d19ad8b3b8359800b6cd";
        let now = at(1_700_000_005);
        assert!(
            secrets
                .verify(now, "1700000005", signature, body.as_bytes())
                .is_ok()
        );
    }

    #[test]
    fn any_other_byte_secret_or_form_of_the_signature_is_refused() {
        let (secrets, now) = (secrets(&[SECRET]), at(1_531_420_618));
        let refused = |time: &str, signature: &str, body: &[u8]| {
            secrets.verify(now, time, signature, body).unwrap_err()
        };
        let mut other = BODY.as_bytes().to_vec();
        other[0] ^= 1;
        assert_eq!(refused(TIME, SIGNATURE, &other), Unsigned::Signature);
        assert_eq!(
            refused("1531420619", SIGNATURE, BODY.as_bytes()),
            Unsigned::Signature
        );
        let upper = format!("v0={}", SIGNATURE[3..].to_uppercase());
        for signature in [
            "",
            "v0=",
            "v1=a2",
            &SIGNATURE[3..],
            &upper,
            &SIGNATURE[..66],
        ] {
            assert_eq!(
                refused(TIME, signature, BODY.as_bytes()),
                Unsigned::Signature
            );
        }
        for time in [
            "",
            "soon",
            "-1",
            "+1531420618",
            " 1531420618",
            "1531420618.0",
            "9999999999999",
        ] {
            assert_eq!(
                refused(time, SIGNATURE, BODY.as_bytes()),
                Unsigned::Timestamp,
                "{time}"
            );
        }
        let other = self::secrets(&["another secret of the app"]);
        assert_eq!(
            other.verify(now, TIME, SIGNATURE, BODY.as_bytes()),
            Err(Unsigned::Signature)
        );
    }

    #[test]
    fn a_timestamp_five_minutes_off_is_accepted_and_a_second_more_is_not_in_both_directions() {
        let secrets = secrets(&[SECRET]);
        let verify = |now| secrets.verify(at(now), TIME, SIGNATURE, BODY.as_bytes());
        for now in [1_531_420_318, 1_531_420_918] {
            assert!(verify(now).is_ok());
        }
        for now in [
            1_531_420_317,
            1_531_420_919,
            1_531_424_218,
            1_531_417_018,
            0,
        ] {
            assert_eq!(verify(now), Err(Unsigned::Window));
        }
    }

    #[test]
    fn while_a_secret_is_replaced_both_are_good_and_none_is_empty() {
        let now = at(1_531_420_618);
        let both = secrets(&["the secret that comes next", SECRET]);
        assert!(both.verify(now, TIME, SIGNATURE, BODY.as_bytes()).is_ok());
        let none: [&SecretString; 0] = [];
        assert_eq!(
            SigningSecrets::any_of(none).unwrap_err(),
            SecretError::Missing
        );
        let (good, empty) = (SecretString::from(SECRET), SecretString::from(""));
        assert_eq!(
            SigningSecrets::any_of([&good, &empty]).unwrap_err(),
            SecretError::Short(2)
        );
        assert_eq!(
            SigningSecrets::new(&empty).unwrap_err(),
            SecretError::Short(1)
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", secrets(&[SECRET]));
        assert_eq!(shown, "SigningSecrets(1)");
    }
}
