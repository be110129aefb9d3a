//! Posts of which nobody heard what became of them. Teams takes no key by which it would know a post
//! again, and tells a bot of none that are there: a second one is a copy.
//!
//! So a post is tried again only where Teams answers at all, which a call that changes nothing finds
//! out, and not without end where it goes on answering everything else.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use approvals_channel::latest;
use approvals_core::{Phase, Record};
use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::api::{AGAIN, Call, segment};
use crate::channel::Inner;
use crate::error::{ApiError, Class};
use crate::id::ConversationId;
use crate::pace::Line;
use crate::posting::{PATIENCE, rank};

/// How many posts of one request in one conversation may be unheard of before the next has to wait.
pub(crate) const MOST_COPIES: usize = 5;
/// How long it then waits. Copies that are there answer the request meanwhile.
const SELDOM: Duration = Duration::from_secs(3_600);
/// How many are remembered. Without it, more copies are made.
const MOST: usize = 50_000;

/// What this process posted and heard nothing of, by whatever it counts by.
#[derive(Debug)]
pub(crate) struct Unheard<K>(Mutex<HashMap<K, Posts>>);

/// How often, and when last.
#[derive(Debug, Clone, Copy)]
struct Posts {
    count: usize,
    last: Instant,
}

impl<K> Default for Unheard<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Unheard<K> {
    fn all(&self) -> MutexGuard<'_, HashMap<K, Posts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, place: &K) -> Option<Posts> {
        self.all().get(place).copied()
    }

    pub(crate) fn one_more(&self, place: K) -> usize {
        let mut all = self.all();
        if all.len() >= MOST {
            all.retain(|_, posts| posts.last.elapsed() < SELDOM);
        }
        if all.len() >= MOST {
            all.clear();
        }
        let last = Instant::now();
        let posts = all.entry(place).or_insert(Posts { count: 0, last });
        *posts = Posts {
            count: posts.count.saturating_add(1),
            last,
        };
        posts.count
    }

    pub(crate) fn heard(&self, place: &K) {
        self.all().remove(place);
    }
}

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
        if let Some(posts) = self.unheard.of(&place) {
            self.may_be_copied(record, at, call, posts).await?;
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

    /// Whether what may be there is posted once more.
    async fn may_be_copied(
        &self,
        record: &Record,
        at: &ConversationId,
        call: &Call<'_>,
        posts: Posts,
    ) -> Result<(), ApiError> {
        if posts.count >= MOST_COPIES && posts.last.elapsed() < SELDOM {
            let why = format!(
                "Teams may have taken {} copies and said of none that it did: no more for an hour",
                posts.count
            );
            return Err(ApiError {
                what: call.what,
                class: Class::Later,
                why,
            });
        }
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
