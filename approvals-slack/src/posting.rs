//! Posting messages, and changing them.

use std::sync::Arc;
use std::time::Duration;

use approvals_channel::{Copy, Memory, Posts, Rank, Saying, Target, Targets, Unposted, latest};
use approvals_core::{ApproverError, ChannelDesk, Phase, Record};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::api::AGAIN;
use crate::channel::Inner;
use crate::error::{ApiError, Class};
use crate::id::ConversationId;
use crate::message::{self, Body, Face, Mention, Rest};
use crate::method::Method;
use crate::unheard::Place;

/// The arguments of `chat.postMessage` and `chat.update`. Nothing is read as markup that is not, no
/// address is unfolded, and no name is made a mention.
#[derive(Serialize)]
struct Message<'a> {
    channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_ts: Option<&'a str>,
    #[serde(flatten)]
    body: &'a Body,
    parse: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unfurl_links: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unfurl_media: Option<bool>,
}

#[derive(Deserialize)]
struct PostAnswer {
    channel: Option<String>,
    ts: Option<String>,
}

#[derive(Deserialize)]
struct Done {}

#[async_trait]
impl Posts for Inner {
    fn desk(&self) -> &ChannelDesk {
        &self.desk
    }

    fn memory(&self) -> &Memory {
        &self.memory
    }

    async fn targets(&self, record: &Record) -> Result<Targets, ApproverError> {
        self.reach(record).await
    }

    async fn post(
        &self,
        record: &Arc<Record>,
        target: &Target,
        begun: Option<Copy>,
    ) -> Result<Option<Copy>, Unposted> {
        let further = message::further(record);
        let mut copy = match begun {
            Some(copy) => copy,
            None => match self.post_first(record, target, &further).await {
                Ok(Some(copy)) => copy,
                Ok(None) => return Ok(None),
                Err(error) => {
                    return Err(Unposted {
                        copy: None,
                        error: error.into(),
                    });
                }
            },
        };
        match self.post_rest(record, &mut copy, &further).await {
            Ok(()) => Ok(Some(copy)),
            Err(error) => {
                let error = ApproverError::from(error);
                if error.is_for_good() {
                    copy.given_up = true;
                    self.give_up(record, &copy).await;
                }
                Err(Unposted {
                    copy: Some(copy),
                    error,
                })
            }
        }
    }

    async fn change(&self, record: &Arc<Record>, copy: &Copy) -> Result<(), ApproverError> {
        let changed = self.change_at(record, copy, rank(record)).await;
        changed.map_err(ApiError::of_a_message)
    }

    /// Slack says which message was clicked, and which app's it is.
    async fn may_be_in(&self, _: &Record, _: &str) -> bool {
        true
    }

    async fn say(
        &self,
        record: &Record,
        copy: &Copy,
        what: Saying,
        calls: &[String],
    ) -> Result<(), ApproverError> {
        let mentions = Mention::all(calls);
        let body = match what {
            Saying::AlsoAsked => message::calling(record, &mentions),
            Saying::StillWaiting => message::reminding(record, &mentions),
        };
        let said = self.reply(record, copy, &body).await;
        said.map_err(ApiError::of_a_message)
    }
}

fn rank(record: &Record) -> Rank {
    Rank::of(record.asked.risk, record.asked.asked_at)
}

impl Inner {
    /// Posts the first message of a copy: with its buttons, where it has no further ones.
    async fn post_first(
        &self,
        record: &Arc<Record>,
        target: &Target,
        further: &[Body],
    ) -> Result<Option<Copy>, ApiError> {
        let mentions = Mention::all(&target.calls);
        let rest = match further.is_empty() {
            true => Rest::There,
            false => Rest::Coming,
        };
        let face = self.face(&mentions, rest);
        let sent = self.send(record, target, face, rank(record)).await?;
        let Some((conversation, message)) = sent else {
            return Ok(None);
        };
        self.memory.know(conversation.as_str(), &message);
        Ok(Some(Copy {
            to: target.to.clone(),
            conversation: conversation.as_str().to_owned(),
            message,
            calls: target.calls.clone(),
            unfinished: (!further.is_empty()).then_some(0),
            given_up: false,
            reminded: 0,
        }))
    }

    /// Posts what does not fit in the first message and is not there yet, and the buttons when all
    /// of it is.
    async fn post_rest(
        &self,
        record: &Arc<Record>,
        copy: &mut Copy,
        further: &[Body],
    ) -> Result<(), ApiError> {
        let Some(there) = copy.unfinished else {
            return Ok(());
        };
        for (index, body) in further.iter().enumerate().skip(there) {
            self.reply(record, copy, body).await?;
            copy.unfinished = Some(index + 1);
        }
        let whole = Copy {
            unfinished: None,
            ..copy.clone()
        };
        self.change_at(record, &whole, rank(record)).await?;
        *copy = whole;
        Ok(())
    }

    /// Posts the message when its turn comes, as the request stands by then; `None` where it is over.
    async fn send(
        &self,
        record: &Arc<Record>,
        target: &Target,
        face: Face<'_>,
        rank: Rank,
    ) -> Result<Option<(ConversationId, String)>, ApiError> {
        let place = Place::of(record, &target.to);
        self.may_post(&place, rank).await?;
        let mut tries = 0;
        loop {
            self.api
                .turn(Method::PostMessage, Some(&target.to), rank)
                .await;
            let record = latest(&self.desk, record).await;
            if record.state.phase() != Phase::Pending {
                self.unheard.heard(&place);
                return Ok(None);
            }
            tries += 1;
            let body = message::first(&record, face);
            let message = Message {
                channel: &target.to,
                ts: None,
                thread_ts: None,
                body: &body,
                parse: "none",
                unfurl_links: Some(false),
                unfurl_media: Some(false),
            };
            let posted = self.api.call_now(Method::PostMessage, &message).await;
            match self.note(&place, posted) {
                Err(error) if error.is_too_early() && tries < AGAIN => {}
                Err(error) => return Err(error),
                Ok(PostAnswer { channel, ts }) => {
                    let channel = channel.and_then(|id| ConversationId::new(&id).ok());
                    // Trying again would post it again and again.
                    let place = channel.zip(ts).ok_or_else(|| ApiError {
                        method: Method::PostMessage,
                        class: Class::Refused,
                        why: "Slack took a message and did not say where it is, so it would never \
                              be updated"
                            .to_owned(),
                    })?;
                    return Ok(Some(place));
                }
            }
        }
    }

    /// Posts a further message into the thread.
    async fn reply(&self, record: &Record, copy: &Copy, body: &Body) -> Result<(), ApiError> {
        let message = Message {
            channel: &copy.conversation,
            ts: None,
            thread_ts: Some(&copy.message),
            body,
            parse: "none",
            unfurl_links: Some(false),
            unfurl_media: Some(false),
        };
        let place = Place::of(record, &copy.to);
        self.may_post(&place, rank(record)).await?;
        let mut tries = 0;
        loop {
            // Whoever is written to directly has one line, whatever their conversation is called.
            let line = Some(copy.to.as_str());
            let turn = self.api.turn(Method::PostMessage, line, rank(record));
            turn.await;
            tries += 1;
            let posted = self.api.call_now::<Done>(Method::PostMessage, &message);
            match self.note(&place, posted.await) {
                Err(error) if error.is_too_early() && tries < AGAIN => {}
                done => return done.map(drop),
            }
        }
    }

    /// Has one message show what the request is by the time that it is sent.
    pub(crate) async fn change_at(
        &self,
        record: &Arc<Record>,
        copy: &Copy,
        rank: Rank,
    ) -> Result<(), ApiError> {
        let mentions = Mention::all(&copy.calls);
        let mut tries = 0;
        loop {
            tries += 1;
            self.api.turn(Method::Update, None, rank).await;
            let _alone = self.memory.alone(&copy.conversation, &copy.message).await;
            let record = latest(&self.desk, record).await;
            let rest = match (copy.given_up, copy.unfinished) {
                (true, _) => Rest::Missing,
                (false, Some(_)) => Rest::Coming,
                (false, None) => Rest::There,
            };
            let body = message::first(&record, self.face(&mentions, rest));
            let message = Message {
                channel: &copy.conversation,
                ts: Some(&copy.message),
                thread_ts: None,
                body: &body,
                parse: "none",
                unfurl_links: None,
                unfurl_media: None,
            };
            match self.api.call_now::<Done>(Method::Update, &message).await {
                Err(error) if error.is_too_early() && tries < AGAIN => {}
                done => return done.map(drop),
            }
        }
    }

    /// Has a message whose rest will never be there say so, instead of promising it.
    async fn give_up(&self, record: &Arc<Record>, copy: &Copy) {
        let mut pauses = [Duration::from_secs(1), Duration::from_secs(5)].into_iter();
        while let Err(error) = self.change_at(record, copy, rank(record)).await {
            let pause = pauses.next().filter(|_| error.is_later());
            let Some(pause) = pause else {
                let (request, to) = (record.id(), &copy.to);
                tracing::error!(%request, to, %error, "a message promises what will not come");
                return;
            };
            tokio::time::sleep(pause).await;
        }
    }

    pub(crate) fn face<'a>(&'a self, mentions: &'a [Mention], rest: Rest) -> Face<'a> {
        Face {
            mentions,
            link: self.link.as_ref(),
            rest,
        }
    }
}
