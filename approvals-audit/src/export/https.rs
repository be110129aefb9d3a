//! An endpoint on the network.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use approvals_channel::{Http, Https, retry_after, send_within};
use approvals_core::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri, header};

use super::{Answer, Transport, TransportError};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of an answer is kept for messages, in bytes.
const KEPT: usize = 1024;

/// A [`Transport`] over HTTPS, with the roots that the host trusts. It follows no redirects.
pub struct HttpsTransport {
    http: Arc<dyn Http>,
    address: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl fmt::Debug for HttpsTransport {
    /// Without path, query and headers, which may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "HttpsTransport({})",
            self.address.host().unwrap_or_default()
        )
    }
}

/// An endpoint's address or headers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is no address of an endpoint.
    #[error("an endpoint's address is `https://host/path`: {0}")]
    Address(String),
    /// Events, and what proves who sends them, would be readable on the way.
    #[error("`{0}` is reached over a network in clear: use https")]
    InClear(String),
    /// It is no header.
    #[error("`{0}` is no header of HTTP, or its value cannot be sent")]
    Header(String),
    /// The host trusts nobody.
    #[error("no HTTPS client: {0}")]
    Client(String),
}

impl HttpsTransport {
    /// To this address. It is spoken to in clear only on this machine itself.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn to(address: &str) -> Result<Self, EndpointError> {
        let http = Https::new().map_err(|error| EndpointError::Client(error.to_string()))?;
        Self::through(Arc::new(http), address)
    }

    /// To this address through a client of one's own.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn through(http: Arc<dyn Http>, address: &str) -> Result<Self, EndpointError> {
        let uri: Uri = address
            .parse()
            .map_err(|error: http::uri::InvalidUri| EndpointError::Address(error.to_string()))?;
        let host = uri.host().unwrap_or_default().to_owned();
        if host.is_empty() {
            return Err(EndpointError::Address("it names no host".to_owned()));
        }
        let here = ["localhost", "127.0.0.1", "[::1]"].contains(&&*host);
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if here => {}
            Some("http") => return Err(EndpointError::InClear(host)),
            Some(_) | None => {
                return Err(EndpointError::Address("it is not of https".to_owned()));
            }
        }
        Ok(Self {
            http,
            address: uri,
            headers: Vec::new(),
        })
    }

    /// Sends this header too: `authorization`, with what proves who sends.
    ///
    /// # Errors
    /// [`EndpointError::Header`].
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError::Header(name.to_owned());
        let header = HeaderName::try_from(name).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        self.headers.push((header, value));
        Ok(self)
    }
}

#[async_trait]
impl Transport for HttpsTransport {
    async fn post(&self, content_type: &str, body: &str) -> Result<Answer, TransportError> {
        let mut request = Request::post(self.address.clone())
            .header(header::CONTENT_TYPE, content_type)
            .header(
                header::USER_AGENT,
                concat!("approvals/", env!("CARGO_PKG_VERSION")),
            );
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Bytes::copy_from_slice(body.as_bytes()));
        let request = request.map_err(|error| TransportError(error.to_string()))?;
        let answer = send_within(&*self.http, PATIENCE, request).await;
        let answer = answer.map_err(|error| TransportError(error.to_string()))?;
        let text = answer.body().get(..KEPT).unwrap_or(answer.body());
        Ok(Answer {
            status: answer.status().as_u16(),
            retry_after: retry_after(answer.headers()).map(Duration::from_secs),
            text: String::from_utf8_lossy(text).into_owned(),
        })
    }
}
