//! A thin client of Slack's Web API: one call, one answer, and what a failure means.

use std::sync::Arc;
use std::time::Duration;

use approvals_channel::{Http, Rank, Schedule, retry_after, send_within};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::endpoints::Endpoints;
use crate::error::{ApiError, Class};
use crate::method::Method;
use crate::pace::{Line, WebApi};

/// How often one call is made that Slack finds too early. Then whoever made it decides.
pub(crate) const AGAIN: usize = 5;

#[derive(Debug)]
pub(crate) struct Api {
    http: Arc<dyn Http>,
    endpoints: Endpoints,
    token: SecretString,
    schedule: Schedule<WebApi>,
}

impl Api {
    pub(crate) fn new(
        http: Arc<dyn Http>,
        endpoints: Endpoints,
        token: SecretString,
        posts_per_minute: usize,
    ) -> Self {
        Self {
            http,
            endpoints,
            token,
            schedule: Schedule::new(WebApi { posts_per_minute }),
        }
    }

    /// The same under another token, with a schedule of its own.
    #[cfg(feature = "socket-mode")]
    pub(crate) fn with_token(&self, token: SecretString) -> Self {
        Self::new(Arc::clone(&self.http), self.endpoints.clone(), token, 1)
    }

    pub(crate) const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Waits until a call may be made. For callers that look once more before they make it.
    pub(crate) async fn turn(&self, method: Method, at: Option<&str>, rank: Rank) {
        let line = Line::of(method, at);
        self.schedule.turn(line, rank).await;
    }

    /// Makes a call when its turn has come; again where Slack says that it was too early.
    pub(crate) async fn call<A: DeserializeOwned>(
        &self,
        method: Method,
        rank: Rank,
        arguments: &(impl Serialize + Sync),
    ) -> Result<A, ApiError> {
        let mut tries = 0;
        loop {
            self.turn(method, None, rank).await;
            tries += 1;
            match self.call_now(method, arguments).await {
                Err(error) if error.is_too_early() && tries < AGAIN => {}
                done => return done,
            }
        }
    }

    /// Makes a call whose turn has come.
    pub(crate) async fn call_now<A: DeserializeOwned>(
        &self,
        method: Method,
        arguments: &(impl Serialize + Sync),
    ) -> Result<A, ApiError> {
        let answer = self.exchange(method, arguments).await;
        if let Err(ApiError {
            class: Class::Limited(pause),
            ..
        }) = &answer
        {
            tracing::warn!(method = method.name(), ?pause, "Slack asks for a pause");
            self.schedule.pause(method, *pause);
        }
        answer
    }

    async fn exchange<A: DeserializeOwned>(
        &self,
        method: Method,
        arguments: &impl Serialize,
    ) -> Result<A, ApiError> {
        let failed = |class, why: String| ApiError { method, class, why };
        let refused = |error: &dyn std::fmt::Display| failed(Class::Refused, error.to_string());
        let address = self.endpoints.method(method.name());
        let bearer = format!("Bearer {}", self.token.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|error| refused(&error))?;
        // Not to be printed by whatever carries the request.
        bearer.set_sensitive(true);
        let request = if method.is_query() {
            let query = query(arguments).map_err(|error| refused(&error))?;
            Request::get(format!("{address}?{query}"))
                .header(header::AUTHORIZATION, bearer)
                .body(Bytes::new())
        } else {
            let body = serde_json::to_vec(arguments).map_err(|error| refused(&error))?;
            Request::post(address)
                .header(header::AUTHORIZATION, bearer)
                .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
                .body(Bytes::from(body))
        };
        let request = request.map_err(|error| refused(&error))?;
        let sent = send_within(self.http.as_ref(), method.patience(), request).await;
        let answer = sent.map_err(|error| failed(Class::Later, error.to_string()))?;
        read(method, &answer)
    }

    /// Answers whoever clicked, at the address that came with the click. Where that is not Slack's,
    /// nothing is sent.
    pub(crate) async fn answer(&self, address: &Uri, body: &impl Serialize) -> Result<(), String> {
        let body = serde_json::to_vec(body).map_err(|error| error.to_string())?;
        let request = Request::post(address)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(Bytes::from(body))
            .map_err(|error| error.to_string())?;
        let sent = send_within(self.http.as_ref(), Duration::from_secs(10), request).await;
        let answer = sent.map_err(|error| error.to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("status {status}")),
        }
    }
}

/// A flat list of arguments in an address.
fn query(arguments: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Value::Object(members) = serde_json::to_value(arguments)? {
        for (name, value) in &members {
            if let Some(text) = value.as_str() {
                query.append_pair(name, text);
            }
        }
    }
    Ok(query.finish())
}

/// What an answer says. A status of 200 alone is no success.
fn read<A: DeserializeOwned>(method: Method, answer: &Response<Bytes>) -> Result<A, ApiError> {
    let failed = |class, why: String| ApiError { method, class, why };
    let status = answer.status();
    let pause = retry_after(answer.headers());
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(too_often(method, pause));
    }
    let later = status.is_server_error();
    let Ok(value) = serde_json::from_slice::<Value>(answer.body()) else {
        // Something between Slack and here answered, or half of an answer came.
        let why = format!("status {status} and no JSON");
        return Err(failed(Class::Later, why));
    };
    if value.get("ok") != Some(&Value::Bool(true)) {
        let code = value
            .get("error")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let class = match Class::of(code) {
            // With such a status nobody knows what was done, whatever is said of it.
            Class::Refused | Class::Undone if later => Class::Later,
            Class::Limited(_) => return Err(too_often(method, pause)),
            class => class,
        };
        return Err(failed(class, explained(code, &value)));
    }
    serde_json::from_value(value)
        .map_err(|error| failed(Class::Later, format!("an answer in another form: {error}")))
}

/// Slack found a call too early: it did nothing.
fn too_often(method: Method, pause: Option<u64>) -> ApiError {
    let pause = Class::pause(pause);
    ApiError {
        method,
        class: Class::Limited(pause),
        why: format!("too often: Slack asks to wait {} s", pause.as_secs()),
    }
}

/// An error's code with what Slack says about it.
fn explained(code: &str, answer: &Value) -> String {
    let mut text = if code.is_empty() {
        "no reason".to_owned()
    } else {
        code.to_owned()
    };
    let messages = answer.pointer("/response_metadata/messages");
    let messages = messages.and_then(Value::as_array).into_iter().flatten();
    let needed = answer.get("needed").into_iter();
    for detail in messages.chain(needed).filter_map(Value::as_str).take(5) {
        text.push_str("; ");
        text.extend(detail.chars().take(300));
    }
    text
}
