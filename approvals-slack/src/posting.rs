//! Posting messages, and changing them.

use std::sync::Arc;

use approvals_channel::{Copy, Memory, Posts, Rank, Saying, Target, latest};
use approvals_core::{ApproverError, ChannelDesk, Phase, Record, RequestId};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::channel::Inner;
use crate::error::{ApiError, Class};
use crate::id::ConversationId;
use crate::message::{self, Body, Face, Mention};
use crate::method::Method;

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
    channel: String,
    ts: String,
}

#[derive(Deserialize)]
struct Done {}

/// How far one copy has been posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Posted {
    pub(crate) conversation: ConversationId,
    pub(crate) ts: String,
    /// How many of its further messages are there.
    pub(crate) further: usize,
    /// Whether it has its buttons.
    pub(crate) complete: bool,
}

#[async_trait]
impl Posts for Inner {
    type Posted = Posted;

    fn desk(&self) -> &ChannelDesk {
        &self.desk
    }

    fn memory(&self) -> &Memory<Posted> {
        &self.memory
    }

    async fn targets(&self, record: &Record) -> Result<Vec<Target>, ApproverError> {
        self.reach(record).await
    }

    async fn post(
        &self,
        record: &Arc<Record>,
        target: &Target,
    ) -> Result<Option<Copy>, ApproverError> {
        Ok(self.post_all(record, target).await?)
    }

    async fn change(&self, record: &Arc<Record>, copy: &Copy) -> Result<(), ApproverError> {
        let rank = Rank::of(record.asked.risk, record.asked.asked_at);
        Ok(self.change_at(record, copy, rank).await?)
    }

    async fn say(
        &self,
        record: &Record,
        copy: &Copy,
        what: Saying,
        calls: &[String],
    ) -> Result<(), ApproverError> {
        let Ok(conversation) = ConversationId::new(&copy.conversation) else {
            return Ok(());
        };
        let posted = Posted {
            conversation,
            ts: copy.message.clone(),
            further: 0,
            complete: true,
        };
        let mentions = Mention::all(calls);
        let body = match what {
            Saying::AlsoAsked => message::calling(record, &mentions),
            Saying::StillWaiting => message::reminding(record, &mentions),
        };
        let rank = Rank::of(record.asked.risk, record.asked.asked_at);
        Ok(self.reply(&posted, &body, rank).await?)
    }
}

impl Inner {
    /// Posts one copy, or what is missing of it: first the message, then what does not fit in it,
    /// and the buttons when all of it is there.
    async fn post_all(
        &self,
        record: &Arc<Record>,
        target: &Target,
    ) -> Result<Option<Copy>, ApiError> {
        let request = record.id();
        let rank = Rank::of(record.asked.risk, record.asked.asked_at);
        let further = message::further(record);
        let mut posted = match self.memory.posted(request, &target.to) {
            Some(posted) => posted,
            None => {
                let mentions = Mention::all(&target.calls);
                let face = self.face(&mentions, further.is_empty());
                let sent = self.send(record, target, face, rank).await?;
                let Some((conversation, ts)) = sent else {
                    return Ok(None);
                };
                let posted = Posted {
                    conversation,
                    ts,
                    further: 0,
                    complete: further.is_empty(),
                };
                self.note(request, target, &posted);
                posted
            }
        };
        for body in further.iter().skip(posted.further) {
            self.reply(&posted, body, rank).await?;
            posted.further += 1;
            self.note(request, target, &posted);
        }
        let copy = Copy {
            to: target.to.clone(),
            conversation: posted.conversation.as_str().to_owned(),
            message: posted.ts.clone(),
            calls: target.calls.clone(),
        };
        if !posted.complete {
            self.change_at(record, &copy, rank).await?;
            posted.complete = true;
            self.note(request, target, &posted);
        }
        Ok(Some(copy))
    }

    fn note(&self, request: RequestId, target: &Target, posted: &Posted) {
        let conversation = posted.conversation.as_str();
        self.memory.know(conversation, &posted.ts);
        self.memory.note(request, &target.to, posted);
    }

    /// Posts the message when its turn comes, as the request stands by then; `None` where it is over.
    async fn send(
        &self,
        record: &Arc<Record>,
        target: &Target,
        face: Face<'_>,
        rank: Rank,
    ) -> Result<Option<(ConversationId, String)>, ApiError> {
        let line = ConversationId::new(&target.to).ok();
        loop {
            self.api
                .turn(Method::PostMessage, line.as_ref(), rank)
                .await;
            let record = latest(&self.desk, record).await;
            if record.state.phase() != Phase::Pending {
                return Ok(None);
            }
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
            match self
                .api
                .call_now::<PostAnswer>(Method::PostMessage, &message)
                .await
            {
                Err(error) if matches!(error.class, Class::Limited(_)) => {}
                Err(error) => return Err(error),
                Ok(PostAnswer { channel, ts }) => {
                    let conversation = ConversationId::new(&channel).map_err(|error| ApiError {
                        method: Method::PostMessage,
                        class: Class::Later,
                        why: error.to_string(),
                    })?;
                    return Ok(Some((conversation, ts)));
                }
            }
        }
    }

    /// Posts a further message into the thread.
    async fn reply(&self, posted: &Posted, body: &Body, rank: Rank) -> Result<(), ApiError> {
        let message = Message {
            channel: posted.conversation.as_str(),
            ts: None,
            thread_ts: Some(&posted.ts),
            body,
            parse: "none",
            unfurl_links: Some(false),
            unfurl_media: Some(false),
        };
        loop {
            let line = Some(&posted.conversation);
            self.api.turn(Method::PostMessage, line, rank).await;
            match self
                .api
                .call_now::<PostAnswer>(Method::PostMessage, &message)
                .await
            {
                Err(error) if matches!(error.class, Class::Limited(_)) => {}
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
        loop {
            self.api.turn(Method::Update, None, rank).await;
            let _alone = self.memory.alone(&copy.conversation, &copy.message).await;
            let record = latest(&self.desk, record).await;
            let body = message::first(&record, self.face(&mentions, true));
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
                Err(error) if matches!(error.class, Class::Limited(_)) => {}
                done => return done.map(drop),
            }
        }
    }

    pub(crate) fn face<'a>(&'a self, mentions: &'a [Mention], complete: bool) -> Face<'a> {
        Face {
            mentions,
            link: self.link.as_ref(),
            complete,
        }
    }
}
