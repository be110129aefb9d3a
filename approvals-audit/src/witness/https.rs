//! Witnesses on a network.

use std::sync::Arc;
use std::time::Duration;

use approvals_channel::{Http, send_within};
use approvals_core::async_trait;
use bytes::Bytes;
use http::{Request, header};

use super::client::{ADD_CHECKPOINT, LONGEST};
use super::{Answer, Transport, TransportError, Witness, WitnessError};
use crate::endpoint::{self, EndpointError};
use crate::note::VerifierKey;

/// How long one request may take, from connecting to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A [`Transport`] over HTTPS, with the roots that the host trusts: 30 seconds for a request, at
/// most 64 KiB of an answer, no redirects, and in clear only on this machine itself. Witnesses may
/// share one.
#[derive(Debug, Clone)]
pub struct HttpsTransport {
    http: Arc<dyn Http>,
    patience: Duration,
}

impl HttpsTransport {
    /// With a client of its own.
    ///
    /// # Errors
    /// [`EndpointError::Client`] when the host trusts nobody.
    pub fn new() -> Result<Self, EndpointError> {
        Ok(Self::through(Arc::new(
            endpoint::client()?.at_most(LONGEST),
        )))
    }

    /// Through a client of one's own, which follows no redirects: by a proxy, or with other roots.
    #[must_use]
    pub fn through(http: Arc<dyn Http>) -> Self {
        Self {
            http,
            patience: PATIENCE,
        }
    }

    /// Gives a request so long instead of 30 seconds.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

impl Witness {
    /// The witness at this URL, to which `/add-checkpoint` is added, over HTTPS.
    ///
    /// ```no_run
    /// # async fn witnessed(log: &str, key: &str, witness: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// use approvals_audit::{HttpsTransport, Publisher, Witness};
    ///
    /// let transport = HttpsTransport::new()?;
    /// let witness = Witness::over_https("https://witness.example.org", witness.parse()?, &transport)?;
    /// let publisher = Publisher::of(log, [key.parse()?]).witness(witness);
    /// publisher.once().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`WitnessError::Kind`] when the key is one that a log signs with, and
    /// [`WitnessError::Endpoint`] when the address cannot be used.
    pub fn over_https(
        url: &str,
        key: VerifierKey,
        transport: &HttpsTransport,
    ) -> Result<Self, WitnessError> {
        let witness = Self::new(url, key, Arc::new(transport.clone()))?;
        let address = endpoint::address(witness.url())?;
        // Behind a query or a fragment it is no path.
        if address.query().is_some() || !address.path().ends_with(ADD_CHECKPOINT) {
            let why = "a witness's ends with its path, without `?` and `#`";
            return Err(EndpointError::Address(why.to_owned()).into());
        }
        Ok(witness)
    }
}

#[async_trait]
impl Transport for HttpsTransport {
    async fn post(&self, url: &str, body: Vec<u8>) -> Result<Answer, TransportError> {
        let failed = |error: &dyn std::fmt::Display| TransportError(error.to_string());
        let address = endpoint::address(url).map_err(|error| failed(&error))?;
        let request = Request::post(address)
            .header(header::USER_AGENT, endpoint::USER_AGENT)
            .body(Bytes::from(body))
            .map_err(|error| failed(&error))?;
        let answer = send_within(&*self.http, self.patience, request).await;
        let answer = answer.map_err(|error| TransportError(error.0))?;
        // A client of the host's own may have read more.
        if answer.body().len() > LONGEST {
            return Err(TransportError(format!(
                "its answer is longer than {LONGEST} bytes"
            )));
        }
        let content_type = answer.headers().get(header::CONTENT_TYPE);
        Ok(Answer {
            status: answer.status().as_u16(),
            content_type: content_type
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            body: answer.body().to_vec(),
        })
    }
}
