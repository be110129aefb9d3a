//! The token of a callback: what makes it the Bot Framework's word.
//!
//! A JWT that is signed with RS256 by a key of the cloud's own list, for this bot, not too old, and
//! for the service that the activity names. Everything is required; nothing can be switched off.

use std::borrow::Cow;
use std::sync::Arc;

use approvals_core::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use ring::signature::RSA_PKCS1_2048_8192_SHA256;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::id::AppId;
use crate::keys::{Key, Keys, NoKey};
use crate::verified::{Fingerprint, Signed};

/// How far clocks may be apart, in seconds.
const SKEW: u64 = 300;
/// The longest token that is looked at.
const LONGEST: usize = 16 * 1024;

/// Why a callback is not taken for the Bot Framework's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSigned {
    #[error("no token")]
    Missing,
    #[error("a token in another form")]
    Malformed,
    #[error("a token that is signed in another way")]
    Algorithm,
    #[error("a token of another issuer")]
    Issuer,
    #[error("a token for somebody else")]
    Audience,
    #[error("a token that is not good at this time")]
    Time,
    #[error("a token of a key that nobody knows")]
    UnknownKey,
    #[error("a token with a wrong signature")]
    Signature,
    #[error("the keys are not known now: {0}")]
    NoKeys(String),
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    kid: String,
    crit: Option<IgnoredAny>,
}

/// What a token says. A claim that is there twice, or in another type, makes it none.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Claims {
    iss: String,
    aud: String,
    exp: u64,
    nbf: Option<u64>,
    serviceurl: String,
}

/// A token that is good, and what is still to be held against the activity.
#[derive(Debug)]
pub(crate) struct Vouched(Arc<Signed>);

impl Vouched {
    /// Whether it was made for this service.
    pub(crate) fn is_for_service(&self, url: &str) -> bool {
        let service = self.0.claims.serviceurl.as_str();
        service.strip_suffix('/').unwrap_or(service) == url.strip_suffix('/').unwrap_or(url)
    }

    /// Whether its key may sign for this channel.
    pub(crate) fn is_for_channel(&self, channel: &str) -> bool {
        self.0.key.endorses(channel)
    }
}

/// Judges the token of a callback.
pub(crate) async fn verify(
    headers: &HeaderMap,
    keys: &Keys,
    issuer: &str,
    app: &AppId,
    now: Timestamp,
) -> Result<Vouched, NotSigned> {
    let token = bearer(headers)?;
    let fingerprint = Fingerprint::of(token);
    if let Some(signed) = keys.verified.find(&fingerprint) {
        let key = key_of(&signed, keys, issuer, app, now).await;
        if key.as_ref().is_ok_and(|key| Arc::ptr_eq(key, &signed.key)) {
            return Ok(Vouched(signed));
        }
        keys.verified.forget(&fingerprint);
        // Where keys were fetched anew, whether this one signed it is to be found out again.
        key?;
    }
    let signed = Arc::new(verified(token, keys, issuer, app, now).await?);
    keys.verified.keep(fingerprint, Arc::clone(&signed));
    Ok(Vouched(signed))
}

/// The key of a token that was good before: what can have changed since is judged again.
async fn key_of(
    signed: &Signed,
    keys: &Keys,
    issuer: &str,
    app: &AppId,
    now: Timestamp,
) -> Result<Arc<Key>, NotSigned> {
    judge(&signed.claims, issuer, app, now)?;
    find(keys, &signed.kid).await
}

/// Judges all of a token.
async fn verified(
    token: &str,
    keys: &Keys,
    issuer: &str,
    app: &AppId,
    now: Timestamp,
) -> Result<Signed, NotSigned> {
    let parts = parts(token)?;
    let mut bytes = Vec::with_capacity(token.len());
    let header: Header<'_> = read(decoded(parts.header, &mut bytes)?)?;
    if header.alg != "RS256" || header.crit.is_some() {
        return Err(NotSigned::Algorithm);
    }
    let kid = header.kid;
    let claims: Claims = read(decoded(parts.claims, &mut bytes)?)?;
    // What is wrong anyhow is not worth a key.
    judge(&claims, issuer, app, now)?;
    let signature = decoded(parts.signature, &mut bytes)?;
    let key = find(keys, &kid).await?;
    key.rsa
        .verify(
            &RSA_PKCS1_2048_8192_SHA256,
            parts.signed.as_bytes(),
            signature,
        )
        .map_err(|_| NotSigned::Signature)?;
    Ok(Signed { claims, kid, key })
}

async fn find(keys: &Keys, kid: &str) -> Result<Arc<Key>, NotSigned> {
    keys.find(kid).await.map_err(|error| match error {
        NoKey::Unknown => NotSigned::UnknownKey,
        NoKey::NotSaid(why) => NotSigned::NoKeys(why),
    })
}

fn judge(claims: &Claims, issuer: &str, app: &AppId, now: Timestamp) -> Result<(), NotSigned> {
    if claims.iss != issuer {
        return Err(NotSigned::Issuer);
    }
    if claims.aud != app.as_str() {
        return Err(NotSigned::Audience);
    }
    let now = now.as_millis() / 1_000;
    let expired = now > claims.exp.saturating_add(SKEW);
    let early = claims.nbf.is_some_and(|nbf| now.saturating_add(SKEW) < nbf);
    if expired || early {
        return Err(NotSigned::Time);
    }
    Ok(())
}

/// The one token of the one header.
fn bearer(headers: &HeaderMap) -> Result<&str, NotSigned> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return Err(NotSigned::Missing);
    };
    let value = value.to_str().map_err(|_| NotSigned::Malformed)?;
    let (scheme, token) = value.split_once(' ').ok_or(NotSigned::Missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(NotSigned::Missing);
    }
    if token.len() > LONGEST {
        return Err(NotSigned::Malformed);
    }
    Ok(token)
}

struct Parts<'a> {
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
    /// What the signature is over.
    signed: &'a str,
}

fn parts(token: &str) -> Result<Parts<'_>, NotSigned> {
    let (signed, signature) = token.rsplit_once('.').ok_or(NotSigned::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(NotSigned::Malformed)?;
    if claims.contains('.') {
        return Err(NotSigned::Malformed);
    }
    Ok(Parts {
        header,
        claims,
        signature,
        signed,
    })
}

/// In place of what was decoded before.
fn decoded<'b>(text: &str, bytes: &'b mut Vec<u8>) -> Result<&'b [u8], NotSigned> {
    bytes.clear();
    let decoded = URL_SAFE_NO_PAD.decode_vec(text, bytes);
    decoded.map_err(|_| NotSigned::Malformed)?;
    Ok(bytes)
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, NotSigned> {
    // Once for all of it, and not for each text by itself.
    let json = str::from_utf8(json).map_err(|_| NotSigned::Malformed)?;
    serde_json::from_str(json).map_err(|_| NotSigned::Malformed)
}
