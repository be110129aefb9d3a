//! An endpoint on the network.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use approvals_channel::{Http, retry_after, send_within};
use approvals_core::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri, header};

use super::{Answer, Transport, TransportError};
use crate::endpoint::{self, EndpointError};

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

impl HttpsTransport {
    /// To this address. It is spoken to in clear only on this machine itself.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn to(address: &str) -> Result<Self, EndpointError> {
        Self::through(Arc::new(endpoint::client()?), address)
    }

    /// To this address through a client of one's own.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn through(http: Arc<dyn Http>, address: &str) -> Result<Self, EndpointError> {
        Ok(Self {
            http,
            address: endpoint::address(address)?,
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
            .header(header::USER_AGENT, endpoint::USER_AGENT);
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
