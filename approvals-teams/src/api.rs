//! A thin client of the Connector: one call, one answer, and what a failure means.

use std::sync::Arc;
use std::time::Duration;

use approvals_channel::{Http, Rank, Schedule, retry_after, send_within};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cloud::Cloud;
use crate::credential::{Credential, Token};
use crate::error::{ApiError, Class};
use crate::pace::{Connector, Line};

/// How often one call is made again that Teams found too early. Then whoever made it decides.
pub(crate) const AGAIN: usize = 5;

#[derive(Debug)]
pub(crate) struct Api {
    http: Arc<dyn Http>,
    cloud: Cloud,
    credential: Credential,
    schedule: Schedule<Connector>,
}

/// A call of the Connector.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// What it does, for errors.
    pub(crate) what: &'static str,
    pub(crate) method: Method,
    /// Which service, as Teams said; where it is none that is known, nothing is sent.
    pub(crate) service: &'a str,
    /// The address there, its parts encoded with [`segment`].
    pub(crate) path: String,
    /// How long the answer is waited for.
    pub(crate) patience: Duration,
}

impl Api {
    pub(crate) fn new(
        http: Arc<dyn Http>,
        cloud: Cloud,
        credential: Credential,
        calls_per_second: usize,
    ) -> Self {
        Self {
            http,
            cloud,
            credential,
            schedule: Schedule::new(Connector { calls_per_second }),
        }
    }

    pub(crate) const fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// Waits until a call may be made. For callers that look once more before they make it.
    pub(crate) async fn turn(&self, line: &Line, rank: Rank) {
        self.schedule.turn(line.clone(), rank).await;
    }

    /// Whether the bot gets a token.
    pub(crate) async fn has_token(&self) -> Result<(), ApiError> {
        let token = self.credential.token(self.http.as_ref(), None).await;
        token.map(drop)
    }

    /// Makes a call when its turn has come; again where Teams says that it was too early.
    pub(crate) async fn call<A: DeserializeOwned>(
        &self,
        line: &Line,
        rank: Rank,
        call: &Call<'_>,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<A, ApiError> {
        let mut tries = 0;
        loop {
            self.turn(line, rank).await;
            tries += 1;
            match self.call_now(line, call, body).await {
                Err(error) if matches!(error.class, Class::Limited(_)) && tries < AGAIN => {}
                done => return done,
            }
        }
    }

    /// Makes a call whose turn has come; once more where the token was not good any more.
    pub(crate) async fn call_now<A: DeserializeOwned>(
        &self,
        line: &Line,
        call: &Call<'_>,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<A, ApiError> {
        let token = self.credential.token(self.http.as_ref(), None).await?;
        let mut answer = self.exchange(call, body, &token).await;
        if matches!(&answer, Err(error) if error.class == Class::Token) {
            let token = self
                .credential
                .token(self.http.as_ref(), Some(&token))
                .await?;
            answer = self.exchange(call, body, &token).await;
        }
        if let Err(error) = &answer
            && let Class::Limited(pause) = error.class
        {
            tracing::warn!(what = call.what, ?pause, "Teams asks for a pause");
            self.schedule.pause(line.clone(), pause);
        }
        answer
    }

    async fn exchange<A: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        body: Option<&impl Serialize>,
        token: &Token,
    ) -> Result<A, ApiError> {
        let what = call.what;
        let failed = |class, why: String| ApiError { what, class, why };
        let refused = |error: &dyn std::fmt::Display| failed(Class::Refused, error.to_string());
        let service = self.cloud.allowed(call.service);
        let service = service.ok_or_else(|| {
            let why = format!("the service {:?} is not one that is known", call.service);
            failed(Class::Destination, why)
        })?;
        let json = body.map(serde_json::to_vec).transpose();
        let json = json.map_err(|error| refused(&error))?.unwrap_or_default();
        let bearer = format!("Bearer {}", token.bearer.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|error| refused(&error))?;
        // Not to be printed by whatever carries the request.
        bearer.set_sensitive(true);
        let request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{service}{}", call.path))
            .header(header::AUTHORIZATION, bearer)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(Bytes::from(json))
            .map_err(|error| refused(&error))?;
        let answer = send_within(self.http.as_ref(), call.patience, request).await;
        let answer = answer.map_err(|error| failed(Class::Later, error.to_string()))?;
        read(what, &answer)
    }
}

/// What an answer says.
fn read<A: DeserializeOwned>(what: &'static str, answer: &Response<Bytes>) -> Result<A, ApiError> {
    let failed = |class, why: String| ApiError { what, class, why };
    let status = answer.status();
    if status.is_success() {
        let empty = answer.body().is_empty();
        let body = if empty { b"{}" } else { answer.body().as_ref() };
        return serde_json::from_slice(body)
            .map_err(|error| failed(Class::Later, format!("an answer in another form: {error}")));
    }
    let said: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let text = |name: &str| {
        let text = said.pointer(name).and_then(Value::as_str);
        text.unwrap_or_default()
            .chars()
            .take(300)
            .collect::<String>()
    };
    let (code, message) = (text("/error/code"), text("/error/message"));
    let class = Class::of(status.as_u16(), &code, retry_after(answer.headers()));
    let correlated = answer.headers().get("x-correlating-operationid");
    let correlated = correlated.and_then(|value| value.to_str().ok());
    tracing::debug!(what, %status, code, correlated, "the Connector refused a call");
    Err(failed(class, format!("status {status}: {code} {message}")))
}

/// A part of an address: what is not plainly a part of a name is encoded.
pub(crate) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            // Dots too, so that no part is `..`.
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
