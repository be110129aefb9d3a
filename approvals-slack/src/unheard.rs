//! Messages of which nobody heard what became of them. Slack takes no key by which it would know a
//! message again: a second one is a copy.
//!
//! So one is posted again only where Slack answers at all, which a call that changes nothing finds
//! out, and not without end where it goes on answering everything else.

use std::sync::Arc;

use approvals_channel::{Copies, Rank};
use approvals_core::{Record, RequestId};
use serde::Deserialize;

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

/// Any answer: it is not looked at.
#[derive(Deserialize)]
struct Anything {}

impl Inner {
    /// Whether another message may be posted, where one before it may be there unheard of.
    pub(crate) async fn may_post(&self, place: &Place, rank: Rank) -> Result<(), ApiError> {
        match self.unheard.at(place) {
            Copies::None => return Ok(()),
            Copies::Few => {}
            Copies::TooMany(copies) => {
                return Err(ApiError {
                    method: Method::PostMessage,
                    class: Class::Later,
                    why: format!(
                        "Slack may have taken {copies} copies and said of none that it did: no more for an hour"
                    ),
                });
            }
        }
        let nothing = serde_json::Map::new();
        let asked = self.api.call::<Anything>(Method::AuthTest, rank, &nothing);
        match asked.await {
            // It is away, or busy: what is posted now may be lost like what was before.
            Err(error) if error.class == Class::Later || error.is_too_early() => Err(error),
            // Whatever else it says of the question, it answers; of the message it speaks for itself.
            Ok(_) | Err(_) => Ok(()),
        }
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
