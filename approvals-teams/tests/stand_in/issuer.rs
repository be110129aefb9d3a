//! The Bot Framework's tokens: who signs callbacks, and with which keys.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};

use super::{APP, test_keys};

/// A key that signs, under a name.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) kid: String,
    pair: KeyPair,
    endorsements: Vec<&'static str>,
}

impl Signer {
    /// The key that every stand-in has.
    pub(crate) fn good() -> Self {
        Self::of("k1", test_keys::GOOD, &["msteams", "emulator"])
    }

    /// Another one.
    pub(crate) fn other(kid: &str, endorsements: &[&'static str]) -> Self {
        Self::of(kid, test_keys::OTHER, endorsements)
    }

    fn of(kid: &str, key: &str, endorsements: &[&'static str]) -> Self {
        let der = STANDARD.decode(key).unwrap();
        Self {
            kid: kid.to_owned(),
            pair: KeyPair::from_der(&der).unwrap(),
            endorsements: endorsements.to_vec(),
        }
    }

    /// As it stands among the keys.
    pub(crate) fn jwk(&self) -> Value {
        let public: PublicKeyComponents<Vec<u8>> = self.pair.public().into();
        json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid,
            "n": encoded(&public.n), "e": encoded(&public.e), "endorsements": self.endorsements
        })
    }

    /// A token with this header and these claims.
    pub(crate) fn signed(&self, header: &Value, claims: &Value) -> String {
        self.signed_bytes(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// The same of whatever stands in place of both.
    pub(crate) fn signed_bytes(&self, header: &[u8], claims: &[u8]) -> String {
        let text = format!("{}.{}", encoded(header), encoded(claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let random = SystemRandom::new();
        self.pair
            .sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
            .unwrap();
        format!("{text}.{}", encoded(&signature))
    }

    /// A token with these claims in place of the usual ones.
    pub(crate) fn token(&self, service: &str, other: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": self.kid});
        self.signed(&header, &claims(service, other))
    }
}

/// The claims of a good token, with others in their place; `null` takes one away.
pub(crate) fn claims(service: &str, other: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://api.botframework.com", "aud": APP, "serviceurl": service,
        "nbf": now() - 10, "exp": now() + 3_600
    });
    for (name, value) in other.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, v| !v.is_null());
    claims
}

/// The seconds since 1970, now.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

pub(crate) fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
