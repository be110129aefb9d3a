//! Delivery to an HTTP endpoint, in batches, again and again until they are taken.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::async_trait;

use super::{Batch, DeliveryError, Destination, Refused};

/// Sends a batch to an endpoint. It knows the address, and what proves who sends.
///
/// ```
/// use approvals_audit::export::{Answer, Transport, TransportError};
/// use approvals_core::async_trait;
///
/// /// Takes everything.
/// #[derive(Debug)]
/// struct Nowhere;
///
/// #[async_trait]
/// impl Transport for Nowhere {
///     async fn post(&self, _kind: &str, _body: &str) -> Result<Answer, TransportError> {
///         Ok(Answer { status: 204, retry_after: None, text: String::new() })
///     }
/// }
/// ```
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends a body of this content type. It gives up by itself after some time.
    ///
    /// # Errors
    /// [`TransportError`] when no whole answer came. The events may have arrived all the same.
    async fn post(&self, content_type: &str, body: &str) -> Result<Answer, TransportError>;
}

const _: fn(&dyn Transport) = |_| {};

#[async_trait]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    async fn post(&self, content_type: &str, body: &str) -> Result<Answer, TransportError> {
        (**self).post(content_type, body).await
    }
}

/// What an endpoint said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The beginning of its text, for whoever has to find out why it refused.
    pub text: String,
}

/// No answer came. Says why, without the endpoint's credentials.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);

/// How long delivery is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often a batch is sent before the run ends with an error.
    pub attempts: u32,
    /// How long to wait after the first failure; twice as long after each further one, up to half
    /// less at random.
    pub first_wait: Duration,
    /// The longest wait, also where the endpoint asks for a longer one.
    pub longest_wait: Duration,
}

impl Default for Patience {
    /// Eight attempts over about two minutes; at most five minutes where the endpoint asks for it.
    fn default() -> Self {
        Self {
            attempts: 8,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(300),
        }
    }
}

/// An HTTP endpoint.
///
/// What it refuses as too long or malformed is sent again in halves, until the events are known that
/// it will never take.
#[derive(Debug)]
pub struct HttpDestination<T> {
    transport: T,
    patience: Patience,
}

/// What an answer means for a batch.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Taken,
    /// Later it may be taken.
    Later(Option<Duration>),
    /// Something in it will never be taken.
    Refused,
    /// Nothing will be taken until somebody changes something.
    Misconfigured,
}

const fn meaning(answer: &Answer) -> Meaning {
    match answer.status {
        200..=299 => Meaning::Taken,
        408 | 425 | 429 | 500..=599 => Meaning::Later(answer.retry_after),
        // What was sent is malformed, too long or not understood.
        400 | 413 | 422 => Meaning::Refused,
        // The address, the credentials, the content type: as wrong for every other event.
        _ => Meaning::Misconfigured,
    }
}

impl<T: Transport> HttpDestination<T> {
    /// Sends through this transport.
    #[must_use]
    pub fn through(transport: T) -> Self {
        Self {
            transport,
            patience: Patience::default(),
        }
    }

    /// Tries for so long.
    #[must_use]
    pub const fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Sends a batch until the endpoint says what becomes of it: taken, or refused with this reason.
    async fn send(&self, batch: &Batch) -> Result<Option<String>, DeliveryError> {
        let (kind, body) = batch.body();
        let mut wait = self.patience.first_wait;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (asked, why) = match self.transport.post(kind, &body).await {
                Ok(answer) => match meaning(&answer) {
                    Meaning::Taken => return Ok(None),
                    Meaning::Refused => return Ok(Some(said(&answer))),
                    Meaning::Misconfigured => {
                        return Err(DeliveryError::Misconfigured(said(&answer)));
                    }
                    Meaning::Later(asked) => (asked, said(&answer)),
                },
                Err(error) => (None, error.to_string()),
            };
            if attempts >= self.patience.attempts {
                return Err(DeliveryError::Unreachable { attempts, why });
            }
            let pause = asked.unwrap_or_else(|| shortened(wait));
            let pause = pause.min(self.patience.longest_wait);
            tracing::warn!(%why, ?pause, attempts, "events were not taken; they are sent again");
            tokio::time::sleep(pause).await;
            wait = wait.saturating_mul(2).min(self.patience.longest_wait);
        }
    }
}

/// What an answer says, short enough for a message and without control characters.
fn said(answer: &Answer) -> String {
    let text: String = answer.text.chars().take(200).collect();
    let text = approvals_core::text::escape(&text, approvals_core::text::Lines::Escape);
    let between = if text.is_empty() { "" } else { ": " };
    format!("status {}{between}{text}", answer.status)
}

/// Up to half less at random, so that exports that failed together do not come back together.
fn shortened(wait: Duration) -> Duration {
    let mut random = [0; 2];
    // Without randomness it is the whole time.
    let _ = getrandom::fill(&mut random);
    wait - wait.mul_f64(f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX) / 2.0)
}

#[async_trait]
impl<T: Transport> Destination for HttpDestination<T> {
    async fn deliver(&mut self, batch: &Batch) -> Result<Vec<Refused>, DeliveryError> {
        let mut refused = Vec::new();
        // In order: what comes first is at the end.
        let mut left = vec![batch.clone()];
        while let Some(batch) = left.pop() {
            let Some(why) = self.send(&batch).await? else {
                continue;
            };
            match batch.items.as_slice() {
                [] => {}
                [item] => refused.push(Refused {
                    item: item.clone(),
                    why,
                }),
                [_, _, ..] => {
                    let (first, second) = batch.halves();
                    left.push(second);
                    left.push(first);
                }
            }
        }
        Ok(refused)
    }
}
