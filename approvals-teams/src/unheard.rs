//! Posts of which nobody heard what became of them. Teams takes no key by which it would know a post
//! again, and tells a bot of none that are there: a second one is a copy.
//!
//! So a post is tried again only where Teams answers at all, which a call that changes nothing finds
//! out, and not without end where it goes on answering everything else.

use std::sync::Arc;

use approvals_channel::{Copies, latest};
use approvals_core::{Phase, Record};
use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::api::{AGAIN, Call, segment};
use crate::channel::Inner;
use crate::error::{ApiError, Class};
use crate::id::ConversationId;
use crate::pace::Line;
use crate::posting::{PATIENCE, rank};

/// Any answer: it is not looked at.
#[derive(Deserialize)]
struct Anything {}

impl Inner {
    /// Posts when its turn comes, about the request as it stands by then; `None` where it is over.
    pub(crate) async fn when_its_turn_comes<A: DeserializeOwned, B: Serialize + Send + Sync>(
        &self,
        record: &Arc<Record>,
        at: &ConversationId,
        call: &Call<'_>,
        body: impl Fn(&Record) -> B + Send + Sync,
    ) -> Result<Option<A>, ApiError> {
        let line = Line::say(at);
        let place = (record.id(), line.clone());
        match self.unheard.at(&place) {
            Copies::None => {}
            Copies::Few => self.answers(record, at, call).await?,
            Copies::TooMany { copies, wait } => {
                let why = format!(
                    "Teams may have taken {copies} copies and said of none that it did: no more for {} min",
                    wait.as_secs() / 60
                );
                return Err(ApiError {
                    what: call.what,
                    class: Class::Later,
                    why,
                });
            }
        }
        let mut tries = 0;
        loop {
            self.api.turn(&line, rank(record)).await;
            let record = latest(&self.desk, record).await;
            if record.state.phase() != Phase::Pending {
                self.unheard.heard(&place);
                return Ok(None);
            }
            tries += 1;
            let body = body(&record);
            let posted = self.api.call_now::<A>(&line, call, Some(&body)).await;
            match &posted {
                // Teams did nothing. Past so many tries whoever asked tries again, ever later.
                Err(error) if matches!(error.class, Class::Limited(_)) && tries < AGAIN => continue,
                Err(error) if error.class == Class::Later => {
                    tracing::warn!(request = %record.id(), %error, "a post may be there unheard of");
                    self.unheard.one_more(place);
                }
                Ok(_) => self.unheard.heard(&place),
                Err(_) => {}
            }
            return posted.map(Some);
        }
    }

    /// Whether Teams answers at all, so that what may be there is posted once more.
    async fn answers(
        &self,
        record: &Record,
        at: &ConversationId,
        call: &Call<'_>,
    ) -> Result<(), ApiError> {
        let ask = Call {
            what: call.what,
            method: Method::GET,
            service: call.service,
            path: format!(
                "/v3/conversations/{}/pagedmembers?pageSize=50",
                segment(at.without_thread())
            ),
            patience: PATIENCE,
        };
        let line = Line::Ask(at.without_thread().into());
        let answer = self
            .api
            .call::<Anything>(&line, rank(record), &ask, None::<&()>);
        match answer.await {
            // It is away, or busy: what is posted now may be lost like what was before.
            Err(error) if matches!(error.class, Class::Later | Class::Limited(_)) => Err(error),
            // Whatever else it says of the question, it answers; of the post it speaks for itself.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
