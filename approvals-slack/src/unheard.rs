//! Messages of which nobody heard what became of them. Slack takes no key by which it would know a
//! message again: a second one is a copy.
//!
//! So one is posted again only where Slack answers at all, which a call that changes nothing finds
//! out, and not without end where it goes on answering everything else.

use std::sync::Arc;
use std::time::Duration;

use approvals_channel::{Copies, Rank};
use approvals_core::{Record, RequestId};
use serde::Deserialize;
use tokio::time::Instant;

use crate::channel::Inner;
use crate::error::{ApiError, Class};
use crate::method::Method;

/// Where messages of one request go: a conversation, or whoever is written to directly.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place(RequestId, Arc<str>);

impl Place {
    pub(crate) fn of(record: &Record, to: &str) -> Self {
        Self(record.id(), to.into())
    }
}

/// How long an answer counts for others.
const ANSWERED: Duration = Duration::from_secs(2);
/// How long nobody asks again after none came.
const AWAY: Duration = Duration::from_millis(500);

/// When Slack was asked whether it answers, and what it said.
pub(crate) type Answered = tokio::sync::Mutex<Option<(Instant, Result<(), ApiError>)>>;

/// Any answer: it is not looked at.
#[derive(Deserialize)]
struct Anything {}

impl Inner {
    /// Whether another message may be posted, where one before it may be there unheard of.
    pub(crate) async fn may_post(&self, place: &Place, rank: Rank) -> Result<(), ApiError> {
        match self.unheard.at(place) {
            Copies::None => return Ok(()),
            Copies::Few => {}
            Copies::TooMany { copies, wait } => {
                return Err(ApiError {
                    method: Method::PostMessage,
                    class: Class::Later,
                    why: format!(
                        "Slack may have taken {copies} copies and said of none that it did: no more for {} min",
                        wait.as_secs() / 60
                    ),
                });
            }
        }
        self.answers(rank).await
    }

    /// Whether Slack answers at all. After an outage many ask at once: one of them asks Slack, and the
    /// others are told what it heard.
    async fn answers(&self, rank: Rank) -> Result<(), ApiError> {
        let mut heard = self.answered.lock().await;
        if let Some((at, answers)) = &*heard {
            let fresh = if answers.is_ok() { ANSWERED } else { AWAY };
            if at.elapsed() < fresh {
                return answers.clone();
            }
        }
        let nothing = serde_json::Map::new();
        let asked = self.api.call::<Anything>(Method::AuthTest, rank, &nothing);
        let answers = match asked.await {
            // It is away, or busy: what is posted now may be lost like what was before.
            Err(error) if error.is_later() => Err(error),
            // Whatever else it says of the question, it answers; of the message it speaks for itself.
            Ok(_) | Err(_) => Ok(()),
        };
        *heard = Some((Instant::now(), answers.clone()));
        answers
    }

    /// Remembers of a message that it may be there, or that what became of it is known.
    pub(crate) fn note<A>(
        &self,
        place: &Place,
        posted: Result<A, ApiError>,
    ) -> Result<A, ApiError> {
        match &posted {
            Err(error) if error.class == Class::Later => {
                let Place(request, to) = place;
                tracing::warn!(%request, %to, %error, "a message may be there unheard of");
                self.unheard.one_more(place.clone());
            }
            Ok(_) => self.unheard.heard(place),
            // Slack did nothing.
            Err(_) => {}
        }
        posted
    }
}
