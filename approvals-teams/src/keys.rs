//! The keys of whoever signs callbacks: fetched, kept for a day, and fetched anew when a key is not
//! known, but not often.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use approvals_channel::{Http, send_within};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Uri};
use ring::signature::RsaPublicKeyComponents;
use serde::Deserialize;
use tokio::time::Instant;

use crate::cloud::Cloud;
use crate::verified::Verified;

/// How long keys are kept without being asked for again.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an unknown key starts no new look: anybody can name one.
const UNKNOWN: Duration = Duration::from_secs(10 * 60);
/// How long a failure starts no new look.
const FAILED: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(3);
/// More keys than anybody has.
const MOST: usize = 1_000;

/// One key, and which channels it may sign for.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) rsa: RsaPublicKeyComponents<Vec<u8>>,
    endorsements: Vec<String>,
}

impl Key {
    #[cfg(test)]
    pub(crate) const fn that_signs_nothing() -> Self {
        Self {
            rsa: RsaPublicKeyComponents {
                n: Vec::new(),
                e: Vec::new(),
            },
            endorsements: Vec::new(),
        }
    }

    pub(crate) fn endorses(&self, channel: &str) -> bool {
        self.endorsements.iter().any(|own| own == channel)
    }
}

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// Nobody has it.
    Unknown,
    /// It could not be found out.
    NotSaid(String),
}

#[derive(Debug)]
pub(crate) struct Keys {
    http: Arc<dyn Http>,
    metadata: String,
    issuer: &'static str,
    known: RwLock<Arc<Known>>,
    fetching: tokio::sync::Mutex<()>,
    /// Tokens that one of them signed.
    pub(crate) verified: Verified,
}

#[derive(Debug, Default)]
struct Known {
    keys: HashMap<String, Arc<Key>>,
    /// When they were fetched.
    fetched: Option<Instant>,
    /// When fetching them failed, if it did last.
    failed: Option<(Instant, String)>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Listed {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    n: String,
    e: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    #[serde(default)]
    endorsements: Vec<String>,
}

impl Keys {
    pub(crate) fn new(http: Arc<dyn Http>, cloud: &Cloud) -> Self {
        Self {
            http,
            metadata: cloud.metadata_address().to_owned(),
            issuer: cloud.issuer(),
            known: RwLock::default(),
            fetching: tokio::sync::Mutex::new(()),
            verified: Verified::default(),
        }
    }

    /// The key of this name. Asks for keys where they are old, or where it is not among them.
    pub(crate) async fn find(&self, kid: &str) -> Result<Arc<Key>, NoKey> {
        if let Some(found) = self.known().found(kid) {
            return found;
        }
        let _one = self.fetching.lock().await;
        // Somebody may have fetched them meanwhile.
        if let Some(found) = self.known().found(kid) {
            return found;
        }
        let before = self.known();
        let now = Instant::now();
        let after = match self.fetch().await {
            Ok(keys) => Known {
                keys,
                fetched: Some(now),
                failed: None,
            },
            Err(why) => {
                tracing::error!(why, "the keys of the Bot Framework could not be fetched");
                Known {
                    // What was good stays good.
                    keys: before.keys.clone(),
                    fetched: before.fetched,
                    failed: Some((now, why)),
                }
            }
        };
        let answer = after.answer(kid);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(after);
        answer
    }

    fn known(&self) -> Arc<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&known)
    }

    async fn fetch(&self) -> Result<HashMap<String, Arc<Key>>, String> {
        let metadata: Metadata = self.document(&self.metadata).await?;
        if metadata.issuer != self.issuer {
            return Err(format!("the metadata is of {:?}", metadata.issuer));
        }
        if !same_origin(&self.metadata, &metadata.jwks_uri) {
            return Err(format!("keys are said to be at {:?}", metadata.jwks_uri));
        }
        let listed: Listed = self.document(&metadata.jwks_uri).await?;
        let keys = listed.keys.into_iter().take(MOST).filter_map(key);
        let keys: HashMap<_, _> = keys.collect();
        if keys.is_empty() {
            return Err("there is no key among them".to_owned());
        }
        Ok(keys)
    }

    async fn document<T: serde::de::DeserializeOwned>(&self, address: &str) -> Result<T, String> {
        let request = Request::get(address).body(Bytes::new());
        let request = request.map_err(|error| error.to_string())?;
        let answer = send_within(self.http.as_ref(), PATIENCE, request).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("status {} from {address}", answer.status()));
        }
        serde_json::from_slice(answer.body()).map_err(|error| error.to_string())
    }
}

impl Known {
    /// What can be said without asking anybody.
    fn found(&self, kid: &str) -> Option<Result<Arc<Key>, NoKey>> {
        let now = Instant::now();
        let within = |at: &Instant, time| now.duration_since(*at) < time;
        let failed = self.failed.as_ref().filter(|(at, _)| within(at, FAILED));
        let fresh = self.fetched.as_ref().is_some_and(|at| within(at, FRESH));
        let just = self.fetched.as_ref().is_some_and(|at| within(at, UNKNOWN));
        match self.keys.get(kid) {
            Some(key) if fresh || failed.is_some() => Some(Ok(Arc::clone(key))),
            None if just || failed.is_some() => Some(self.answer(kid)),
            Some(_) | None => None,
        }
    }

    fn answer(&self, kid: &str) -> Result<Arc<Key>, NoKey> {
        match (self.keys.get(kid), &self.failed) {
            (Some(key), _) => Ok(Arc::clone(key)),
            (None, Some((_, why))) => Err(NoKey::NotSaid(why.clone())),
            (None, None) => Err(NoKey::Unknown),
        }
    }
}

/// A key that can be used, and nothing where it is for something else.
fn key(value: serde_json::Value) -> Option<(String, Arc<Key>)> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let signs = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
    let right = jwk.alg.as_deref().is_none_or(|alg| alg == "RS256");
    if jwk.kty != "RSA" || !signs || !right {
        return None;
    }
    let number = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        // Without leading zeros, as whoever verifies wants it.
        let start = bytes.iter().position(|byte| *byte != 0)?;
        bytes.get(start..).map(<[u8]>::to_vec)
    };
    let key = Key {
        rsa: RsaPublicKeyComponents {
            n: number(&jwk.n)?,
            e: number(&jwk.e)?,
        },
        endorsements: jwk.endorsements,
    };
    Some((jwk.kid, Arc::new(key)))
}

/// Whether what one document names stands where it does itself.
fn same_origin(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (one.parse::<Uri>(), other.parse::<Uri>()) else {
        return false;
    };
    one.scheme() == other.scheme()
        && one.authority() == other.authority()
        && one.authority().is_some()
}
