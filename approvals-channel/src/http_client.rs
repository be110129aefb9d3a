//! The way out: one small trait, and what it is over the network.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// The most that is read of an answer, unless it is said otherwise.
const MOST_BYTES: usize = 1024 * 1024;

/// Nothing came back. Whoever was asked may have acted all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no answer: {0}")]
pub struct HttpError(pub String);

/// Sends one request and returns what was answered, whatever its status. Follows no redirect.
///
/// [`Https`] is this over the network; tests put a stand-in here.
#[async_trait]
pub trait Http: fmt::Debug + Send + Sync {
    /// Sends it. Time limits are the caller's.
    ///
    /// # Errors
    /// [`HttpError`] when no whole answer came back.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError>;
}

/// HTTP/1.1 over TLS by rustls, with the roots that the host trusts.
pub struct Https {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    most: usize,
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Https")
    }
}

impl Https {
    /// A client with a pool of connections of its own.
    ///
    /// # Errors
    /// [`HttpError`] when the host trusts no root.
    pub fn new() -> Result<Self, HttpError> {
        let provider = rustls::crypto::ring::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(|error| HttpError(format!("no trusted roots: {error}")))?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self {
            client,
            most: MOST_BYTES,
        })
    }

    /// Reads no more than so many bytes of an answer's body; a longer one is an error. A mebibyte
    /// where this is not said.
    #[must_use]
    pub const fn at_most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }
}

#[async_trait]
impl Http for Https {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.client.request(request.map(Full::new)).await;
        let response = sent.map_err(|error| HttpError(chain(&error)))?;
        let (parts, body) = response.into_parts();
        let read = Limited::new(body, self.most).collect().await;
        let body = read.map_err(|error| {
            if error.is::<LengthLimitError>() {
                HttpError(format!("its body is longer than {} bytes", self.most))
            } else {
                HttpError(chain(&*error))
            }
        })?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    }
}

/// Sends it and waits this long for the whole answer.
///
/// # Errors
/// [`HttpError`] when no whole answer came back in time.
pub async fn send_within(
    http: &dyn Http,
    patience: Duration,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    match tokio::time::timeout(patience, http.send(request)).await {
        Ok(answer) => answer,
        Err(_) => Err(HttpError("no answer in time".to_owned())),
    }
}

/// How many seconds the service asks to wait; `None` where it says nothing that is a number.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok()
}

/// An error with what caused it, which is where the reason stands.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
