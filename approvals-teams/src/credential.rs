//! The bot's own token: asked for once, kept until shortly before it ends.

use std::time::Duration;

use approvals_channel::{Http, retry_after, send_within};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use crate::cloud::Cloud;
use crate::error::{ApiError, Class};
use crate::id::{AppId, TenantId};

/// How long before its end a token is replaced.
const EARLY: Duration = Duration::from_secs(5 * 60);
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Credential {
    app: AppId,
    secret: SecretString,
    address: String,
    scope: &'static str,
    kept: tokio::sync::Mutex<Option<Token>>,
}

/// A token, and which it is: whoever finds it bad says so of this one and no other.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) bearer: SecretString,
    until: Instant,
    number: u64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
    error_description: String,
}

impl Credential {
    pub(crate) fn new(app: AppId, secret: SecretString, tenant: &TenantId, cloud: &Cloud) -> Self {
        Self {
            app,
            secret,
            address: cloud.token_address(tenant.as_str()),
            scope: cloud.scope(),
            kept: tokio::sync::Mutex::new(None),
        }
    }

    /// A token that is good for a while; not `bad`, which was refused. Whoever comes while it is
    /// asked for waits for the same one.
    pub(crate) async fn token(
        &self,
        http: &dyn Http,
        bad: Option<&Token>,
    ) -> Result<Token, ApiError> {
        let mut kept = self.kept.lock().await;
        let number = kept.as_ref().map_or(0, |token| token.number);
        let is_bad = |token: &Token| bad.is_some_and(|bad| bad.number == token.number);
        if let Some(token) = kept.as_ref()
            && Instant::now() < token.until
            && !is_bad(token)
        {
            return Ok(token.clone());
        }
        let granted = self.ask(http).await?;
        let life = Duration::from_secs(granted.expires_in.min(24 * 60 * 60));
        // One that is shorter is used for half of its life.
        let life = life.saturating_sub(EARLY).max(life / 2);
        let token = Token {
            bearer: granted.access_token.into(),
            until: Instant::now() + life,
            number: number + 1,
        };
        *kept = Some(token.clone());
        Ok(token)
    }

    async fn ask(&self, http: &dyn Http) -> Result<Granted, ApiError> {
        let what = "asking for the bot's token";
        let failed = |class, why: String| ApiError { what, class, why };
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", self.app.as_str())
            .append_pair("client_secret", self.secret.expose_secret())
            .append_pair("scope", self.scope)
            .finish();
        let request = Request::post(&self.address)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .map_err(|error| failed(Class::Refused, error.to_string()))?;
        let answer = send_within(http, PATIENCE, request).await;
        let answer = answer.map_err(|error| failed(Class::Later, error.to_string()))?;
        let status = answer.status();
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            let pause = retry_after(answer.headers());
            let class = match status {
                StatusCode::TOO_MANY_REQUESTS => Class::of(429, "", pause),
                _ => Class::Later,
            };
            return Err(failed(class, format!("status {status}")));
        }
        if !status.is_success() {
            let refusal: Refusal = serde_json::from_slice(answer.body()).unwrap_or_default();
            let said: String = refusal.error_description.chars().take(300).collect();
            let why = format!("status {status}: {} {said}", refusal.error);
            return Err(failed(Class::Credential, why));
        }
        serde_json::from_slice(answer.body())
            // What came is a secret, or half of one.
            .map_err(|_| failed(Class::Later, "an answer in another form".to_owned()))
    }
}
