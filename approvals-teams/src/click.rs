//! What follows a click: the vote, and the answer to whoever clicked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use approvals_channel::ballot::{NOT_COUNTED, heading, told, turned_away};
use approvals_channel::{Rank, Written, take_in, within};
use approvals_core::text::{Lines, escape};
use approvals_core::{Record, VoteError};
use http::Method;
use serde_json::Value;

use crate::activity::Account;
use crate::api::{Call, segment};
use crate::button::Pressed;
use crate::card;
use crate::channel::{Inner, Teams};
use crate::id::UserId;
use crate::message::Message;
use crate::pace::Line;
use crate::people::Place;
use crate::posting::PATIENCE;

/// How long whoever clicked waits. Teams gives up after about five seconds.
pub(crate) const LONGEST: Duration = Duration::from_millis(4_000);

/// Who clicked, and where: the Bot Framework's token vouches for it.
#[derive(Debug)]
pub(crate) struct Click {
    pub(crate) place: Place,
    pub(crate) from: Account<'static>,
    /// The message.
    pub(crate) message: Option<String>,
}

/// What whoever clicked is answered, and nobody else is.
#[derive(Debug)]
pub(crate) enum Told {
    /// The answer with the card as it is by now.
    Shown(Written),
    /// Why it did not count.
    Words(String),
}

impl Teams {
    /// Hands a vote in, and says what became of it. The vote goes on when this takes too long.
    pub(crate) async fn vote(&self, click: Click, pressed: Pressed) -> Told {
        let inner = Arc::clone(&self.0);
        let mut voting = Box::pin(async move { inner.vote(click, pressed).await });
        if let Poll::Ready(told) = at_once(voting.as_mut()) {
            return told;
        }
        let voting = tokio::spawn(voting);
        match tokio::time::timeout(LONGEST, voting).await {
            Ok(Ok(told)) => told,
            Ok(Err(_)) | Err(_) => not_known(),
        }
    }
}

/// Most often there is nothing to wait for, and so no task to make. Where there is, the task polls it
/// once more, with a waker of its own.
fn at_once(voting: Pin<&mut (dyn Future<Output = Told> + Send)>) -> Poll<Told> {
    let mut context = Context::from_waker(Waker::noop());
    let poll = catch_unwind(AssertUnwindSafe(|| voting.poll(&mut context)));
    // As it would be of a task that panics.
    poll.unwrap_or_else(|_| Poll::Ready(not_known()))
}

fn not_known() -> Told {
    Told::Words(
        "It takes long, and nobody knows yet whether it counted: look at the card in a moment, and \
         press again if it shows no vote of yours."
            .to_owned(),
    )
}

impl Inner {
    async fn vote(&self, click: Click, pressed: Pressed) -> Told {
        let request = pressed.seen.request;
        let clicker = self.people.clicker(&click.place, &click.from);
        let user = match clicker.await {
            Ok(clicker) => clicker.user,
            Err(why) => {
                let why = why.to_string();
                let who = (self.tenant.to_string(), named(&click.from));
                let cast = pressed.seen.vote(who, pressed.choice, None);
                Box::pin(turned_away(&self.desk, cast, &why)).await;
                return in_words(NOT_COUNTED, &why);
            }
        };
        let who = (self.tenant.as_str().to_owned(), user.as_str().to_owned());
        let cast = pressed
            .seen
            .vote(who, pressed.choice, pressed.comment.clone());
        let missing = |record: &Record| pressed.missing(record);
        let voted = match self.desk.vote_unless(cast, missing).await {
            Ok(voted) => voted,
            Err(missing) => return Told::Words(missing.to_owned()),
        };
        let (record, answer) = match voted {
            Ok(record) => {
                let shown = Told::Shown(card::answer(&record, &self.face));
                (Some(record), shown)
            }
            Err(VoteError::Settled(record)) => {
                let why = told(&VoteError::Settled(Arc::clone(&record)));
                (Some(record), in_words(NOT_COUNTED, &why))
            }
            Err(error) => {
                // Whoever is nobody here says nothing about our messages.
                let record = match &error {
                    VoteError::Refused(_) => self.desk.look(request).await.ok(),
                    _ => None,
                };
                (record, in_words(heading(&error), &told(&error)))
            }
        };
        if let Some(record) = record {
            self.heal(&click, &record);
        }
        answer
    }

    /// Has the message that was clicked show what stands, where nobody else sees to that. Whoever
    /// clicked does not wait for it.
    fn heal(&self, click: &Click, record: &Arc<Record>) {
        let Some(message) = &click.message else {
            return;
        };
        let place = &click.place.conversation;
        if self.memory.is_known(place.as_str(), message) {
            return;
        }
        let Some(inner) = self.own.upgrade() else {
            return;
        };
        let (place, message, record) = (place.clone(), message.clone(), Arc::clone(record));
        self.aside(async move {
            take_in(inner.as_ref(), &record, place.as_str(), &message).await;
        });
    }

    /// Does something after the answer that nobody needs to be done, unless too much of that is
    /// under way.
    pub(crate) fn aside(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Ok(aside) = Arc::clone(&self.asides).try_acquire_owned() else {
            tracing::warn!("too much is under way: a message is not looked after");
            return;
        };
        tokio::spawn(async move {
            work.await;
            drop(aside);
        });
    }

    /// Says something in a conversation, for all who are in it.
    pub(crate) async fn say_to(&self, place: &Place, words: &str) {
        let path = segment(place.conversation.as_str());
        let call = Call {
            what: "telling somebody what became of what they did",
            method: Method::POST,
            service: &place.service,
            path: format!("/v3/conversations/{path}/activities"),
            patience: PATIENCE,
        };
        let line = Line::say(&place.conversation);
        let message = Message::words(words);
        let said = self
            .api
            .call::<Value>(&line, Rank::NOW, &call, Some(&message));
        if let Err(error) = said.await {
            tracing::warn!(%error, "somebody could not be told what became of what they did");
        }
    }
}

/// What is recorded of somebody who may not vote: their object id, or whatever Teams names them by.
fn named(from: &Account<'_>) -> String {
    let object = from.aad_object_id.as_deref().map(UserId::new);
    if let Some(Ok(user)) = object {
        return user.to_string();
    }
    let id = from.id.as_deref().unwrap_or("nobody");
    let plain = id.chars().filter(char::is_ascii_graphic);
    plain.take(128).collect()
}

/// Why a vote did not count.
fn in_words(heading: &str, why: &str) -> Told {
    Told::Words(plain_words(heading, why))
}

/// A heading of ours and what follows it. Somebody's words may stand there, and a client may read
/// them as markup: what makes links and mentions of them is replaced.
pub(crate) fn plain_words(heading: &str, words: &str) -> String {
    let plain = |character: char| match character {
        '[' | '{' => '(',
        ']' | '}' => ')',
        '<' => '‹',
        '>' => '›',
        '`' | '*' | '_' | '~' | '#' | '|' | '!' => ' ',
        other => other,
    };
    let words = within(&escape(words, Lines::Escape), 2_000);
    let words: String = words.chars().map(plain).collect();
    // An address alone is made a link as well.
    let words = words.replace("://", ": / / ").replace("www.", "www ");
    format!("{heading} {words}")
}
