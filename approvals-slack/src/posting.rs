//! Posting messages, and changing them.

use std::sync::Arc;

use approvals_core::{ApproverError, Phase, Receipt, Record};
use serde::{Deserialize, Serialize};

use crate::channel::Inner;
use crate::copies::{Copy, Handle, Posted};
use crate::error::{ApiError, Class};
use crate::id::ConversationId;
use crate::message::{self, Body, Face, Mention};
use crate::method::Method;
use crate::reach::Target;
use crate::schedule::Rank;

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

/// How posting one copy ended.
pub(crate) enum Ended {
    Posted(Copy),
    /// The request was over before it was posted.
    Over,
}

impl Inner {
    /// Posts every message of a request that is not there yet.
    pub(crate) async fn present(&self, record: &Arc<Record>) -> Result<Receipt, ApproverError> {
        let request = record.id();
        let (mut posted, mut for_good, mut later) = (Vec::new(), Vec::new(), None);
        for target in self.targets(record).await? {
            match self.post(record, &target).await {
                Ok(Ended::Posted(copy)) => posted.push(copy),
                Ok(Ended::Over) => {}
                Err(error) => {
                    tracing::error!(%request, to = target.to, %error, "a message was not posted");
                    match error.class {
                        Class::Limited(_) | Class::Later => later = Some(error),
                        _ => for_good.push(error),
                    }
                }
            }
        }
        // What was posted is remembered here, and not posted again by this process.
        if let Some(error) = later {
            return Err(error.into());
        }
        self.memory.forget(request);
        match for_good.into_iter().next() {
            Some(error) if posted.is_empty() => Err(error.into()),
            _ => Ok(Handle::of(posted, record).receipt()),
        }
    }

    /// Posts one copy, or what is missing of it: first the message, then what does not fit in it,
    /// and the buttons when all of it is there.
    pub(crate) async fn post(
        &self,
        record: &Arc<Record>,
        target: &Target,
    ) -> Result<Ended, ApiError> {
        let request = record.id();
        let rank = Rank::of(record.asked.risk, record.asked.asked_at);
        let further = message::further(record);
        let mut posted = match self.memory.posted(request, &target.to) {
            Some(posted) => posted,
            None => {
                let face = self.face(&target.calls, further.is_empty());
                let sent = self.send(record, target, face, rank).await?;
                let Some((conversation, ts)) = sent else {
                    return Ok(Ended::Over);
                };
                let posted = Posted {
                    conversation,
                    ts,
                    further: 0,
                    complete: further.is_empty(),
                };
                self.memory.note(request, &target.to, &posted);
                posted
            }
        };
        for body in further.iter().skip(posted.further) {
            self.reply(&posted, body, rank).await?;
            posted.further += 1;
            self.memory.note(request, &target.to, &posted);
        }
        let copy = Copy {
            to: target.to.clone(),
            conversation: posted.conversation.as_str().to_owned(),
            ts: posted.ts.clone(),
            calls: target.calls.iter().map(named).collect(),
        };
        if !posted.complete {
            self.change(record, &copy, rank).await?;
            posted.complete = true;
            self.memory.note(request, &target.to, &posted);
        }
        Ok(Ended::Posted(copy))
    }

    /// Posts the message when its turn comes, as the request stands by then; `None` where it is over.
    async fn send(
        &self,
        record: &Arc<Record>,
        target: &Target,
        face: Face<'_>,
        rank: Rank,
    ) -> Result<Option<(ConversationId, String)>, ApiError> {
        let line = target.line();
        loop {
            self.api
                .turn(Method::PostMessage, line.as_ref(), rank)
                .await;
            let record = self.latest(record).await;
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
    pub(crate) async fn reply(
        &self,
        posted: &Posted,
        body: &Body,
        rank: Rank,
    ) -> Result<(), ApiError> {
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
    pub(crate) async fn change(
        &self,
        record: &Arc<Record>,
        copy: &Copy,
        rank: Rank,
    ) -> Result<(), ApiError> {
        let mentions = copy.mentions();
        loop {
            self.api.turn(Method::Update, None, rank).await;
            let _alone = self.memory.alone(&copy.conversation, &copy.ts).await;
            let record = self.latest(record).await;
            let body = message::first(&record, self.face(&mentions, true));
            let message = Message {
                channel: &copy.conversation,
                ts: Some(&copy.ts),
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

    /// The record as it stands, or as it was known where the store does not say.
    async fn latest(&self, known: &Arc<Record>) -> Arc<Record> {
        match self.desk.look(known.id()).await {
            Ok(record) if record.revision >= known.revision => record,
            Ok(_) | Err(_) => Arc::clone(known),
        }
    }

    pub(crate) fn face<'a>(&'a self, mentions: &'a [Mention], complete: bool) -> Face<'a> {
        Face {
            mentions,
            link: self.link.as_deref(),
            complete,
        }
    }
}

pub(crate) fn named(mention: &Mention) -> String {
    match mention {
        Mention::User(user) => user.as_str().to_owned(),
        Mention::Group(group) => group.as_str().to_owned(),
    }
}
