//! Posting messages, and changing them.

use std::sync::Arc;
use std::time::Duration;

use approvals_channel::{Copy, Memory, Posts, Rank, Saying, Target, Targets, Unposted, latest};
use approvals_core::{ApproverError, ChannelDesk, Record};
use async_trait::async_trait;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::api::{Call, segment};
use crate::card::card;
use crate::channel::Inner;
use crate::conversations::Conversation;
use crate::error::{ApiError, Class};
use crate::id::{ConversationId, UserId, bot};
use crate::message::Message;
use crate::pace::Line;
use crate::reach::To;
use crate::service::{service, usual};

pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// A thread that begins with a message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Thread<'a> {
    is_group: bool,
    bot: Named<'a>,
    tenant_id: &'a str,
    channel_data: ChannelData<'a>,
    activity: Message,
}

#[derive(Serialize)]
struct ChannelData<'a> {
    channel: Named<'a>,
    tenant: Named<'a>,
}

#[derive(Serialize)]
struct Named<'a> {
    id: &'a str,
}

#[derive(Deserialize)]
struct Posted {
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    id: Option<String>,
    activity_id: Option<String>,
}

/// What is to be thought of an answer that says that something is there, and not where: trying
/// again would post it again and again.
fn nowhere(what: &'static str) -> ApiError {
    ApiError {
        what,
        class: Class::Refused,
        why: "Teams took it and did not say where it is, so it would never be updated".to_owned(),
    }
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
        // A card is one message: what was begun is all of it.
        if begun.is_some() {
            return Ok(begun);
        }
        let posted = self.post_card(record, target).await;
        posted.map_err(|error| Unposted { copy: None, error })
    }

    async fn change(&self, record: &Arc<Record>, copy: &Copy) -> Result<(), ApproverError> {
        let changed = self.change_at(record, copy, rank(record)).await;
        changed.map_err(ApiError::of_a_message)
    }

    /// What a click carries is the client's, and so is the message that it names.
    async fn may_be_in(&self, record: &Record, conversation: &str) -> bool {
        match ConversationId::new(conversation) {
            Ok(conversation) => self.goes_to(record, &conversation).await,
            Err(_) => false,
        }
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
        let message = Message::beside(record, what, calls);
        let service = self.service(&conversation).await?;
        let call = Call {
            what: "saying something beside a message",
            method: Method::POST,
            service: &service,
            path: activities(&conversation),
            patience: PATIENCE,
        };
        let line = Line::say(&conversation);
        let said = self
            .api
            .call::<Posted>(&line, rank(record), &call, Some(&message));
        said.await.map(drop).map_err(ApiError::of_a_message)
    }
}

pub(crate) fn rank(record: &Record) -> Rank {
    Rank::of(record.asked.risk, record.asked.asked_at)
}

fn activities(conversation: &ConversationId) -> String {
    format!(
        "/v3/conversations/{}/activities",
        segment(conversation.as_str())
    )
}

pub(crate) fn unkept(error: crate::conversations::ConversationsError) -> ApproverError {
    ApproverError::new(error.to_string())
}

impl Inner {
    async fn post_card(
        &self,
        record: &Arc<Record>,
        target: &Target,
    ) -> Result<Option<Copy>, ApproverError> {
        let to = To::read(&target.to);
        match to.ok_or_else(|| ApproverError::for_good("a destination that is none"))? {
            To::Channel(id) => self.begin_thread(record, target, &id).await,
            To::Chat(id) => self.send(record, target, &id).await,
            To::User(user) => {
                let chat = self.chat_with(record, &user).await?;
                self.send(record, target, &chat).await
            }
        }
    }

    /// Begins a thread with the message, in a channel of a team.
    async fn begin_thread(
        &self,
        record: &Arc<Record>,
        target: &Target,
        channel: &ConversationId,
    ) -> Result<Option<Copy>, ApproverError> {
        let what = "posting to a channel";
        let service = self.service(channel).await?;
        let call = Call {
            what,
            method: Method::POST,
            service: &service,
            path: "/v3/conversations".to_owned(),
            patience: PATIENCE,
        };
        let bot = bot(&self.app);
        let named = |id| Named { id };
        let body = |record: &Record| Thread {
            is_group: true,
            bot: named(&bot),
            tenant_id: self.tenant.as_str(),
            channel_data: ChannelData {
                channel: named(channel.as_str()),
                tenant: named(self.tenant.as_str()),
            },
            activity: self.message(record, &target.calls),
        };
        let made = self.when_its_turn_comes::<Made, _>(record, channel, &call, body);
        let made = made.await?;
        let Some(Made { id, activity_id }) = made else {
            return Ok(None);
        };
        let id = id.ok_or_else(|| nowhere(what))?;
        let thread = id.split_once(";messageid=").map(|(_, id)| id.to_owned());
        let message = activity_id.or(thread).ok_or_else(|| nowhere(what))?;
        Ok(Some(copy(record, target, &id, message)))
    }

    /// Posts the message into a chat.
    async fn send(
        &self,
        record: &Arc<Record>,
        target: &Target,
        chat: &ConversationId,
    ) -> Result<Option<Copy>, ApproverError> {
        let service = self.service(chat).await?;
        let call = Call {
            what: "posting to a chat",
            method: Method::POST,
            service: &service,
            path: activities(chat),
            patience: PATIENCE,
        };
        let body = |record: &Record| self.message(record, &target.calls);
        let posted = self.when_its_turn_comes::<Posted, _>(record, chat, &call, body);
        let posted = posted.await;
        match posted {
            Ok(None) => Ok(None),
            Ok(Some(Posted { id: Some(id) })) => Ok(Some(copy(record, target, chat.as_str(), id))),
            Ok(Some(Posted { id: None })) => Err(nowhere(call.what).into()),
            Err(error) => {
                if error.class == Class::Destination
                    && let Err(error) = self.conversations.forget(chat.as_str()).await
                {
                    tracing::error!(%error, "a conversation that is gone was not forgotten");
                }
                Err(error.into())
            }
        }
    }

    fn message(&self, record: &Record, calls: &[String]) -> Message {
        Message::of(card(record, &self.face), record, calls)
    }

    /// The personal chat with a user: one that is known, or a new one.
    async fn chat_with(
        &self,
        record: &Record,
        user: &UserId,
    ) -> Result<ConversationId, ApproverError> {
        let known = self.conversations.with(user.as_str()).await;
        if let Some(known) = known.map_err(unkept)?
            && let Ok(id) = ConversationId::new(&known.id)
        {
            return Ok(id);
        }
        let what = "beginning a chat with a user";
        let service = self.default_service()?;
        let call = Call {
            what,
            method: Method::POST,
            service: &service,
            path: "/v3/conversations".to_owned(),
            patience: PATIENCE,
        };
        let body = json!({
            "isGroup": false,
            "bot": {"id": bot(&self.app)},
            "members": [{"id": user.as_str()}],
            "tenantId": self.tenant.as_str(),
            "channelData": {"tenant": {"id": self.tenant.as_str()}},
        });
        let line = Line::Meet(user.as_str().into());
        let made = self
            .api
            .call::<Made>(&line, rank(record), &call, Some(&body));
        let made = made.await?;
        let id = ConversationId::new(made.id.as_deref().unwrap_or_default());
        let id = id.map_err(|error| ApiError {
            what,
            class: Class::Later,
            why: error.to_string(),
        })?;
        let chat = Conversation {
            id: id.as_str().to_owned(),
            service_url: service,
            user: Some(user.as_str().to_owned()),
        };
        self.conversations.keep(&chat).await.map_err(unkept)?;
        Ok(id)
    }

    /// The service by which a conversation is reached.
    pub(crate) async fn service(&self, at: &ConversationId) -> Result<String, ApproverError> {
        service(self.conversations.as_ref(), self.api.cloud(), at).await
    }

    fn default_service(&self) -> Result<String, ApproverError> {
        usual(self.api.cloud())
    }

    /// Has one message show what the request is by the time that it is sent.
    pub(crate) async fn change_at(
        &self,
        record: &Arc<Record>,
        copy: &Copy,
        rank: Rank,
    ) -> Result<(), ApiError> {
        let what = "changing a message";
        let failed = |why: String| ApiError {
            what,
            class: Class::Message,
            why,
        };
        let conversation = ConversationId::new(&copy.conversation);
        let conversation = conversation.map_err(|error| failed(error.to_string()))?;
        let service = self
            .service(&conversation)
            .await
            .map_err(|error| ApiError {
                what,
                class: Class::Later,
                why: error.to_string(),
            })?;
        let line = Line::say(&conversation);
        let call = Call {
            what,
            method: Method::PUT,
            service: &service,
            path: format!("{}/{}", activities(&conversation), segment(&copy.message)),
            patience: PATIENCE,
        };
        loop {
            self.api.turn(&line, rank).await;
            let _alone = self.memory.alone(&copy.conversation, &copy.message).await;
            let record = latest(&self.desk, record).await;
            let message = self.message(&record, &copy.calls);
            let message = message.in_place_of(&copy.message);
            match self
                .api
                .call_now::<Done>(&line, &call, Some(&message))
                .await
            {
                Err(error) if matches!(error.class, Class::Limited(_)) => {}
                done => return done.map(drop),
            }
        }
    }
}

fn copy(record: &Record, target: &Target, conversation: &str, message: String) -> Copy {
    Copy {
        to: target.to.clone(),
        conversation: conversation.to_owned(),
        message,
        calls: target.calls.clone(),
        unfinished: None,
        given_up: false,
        reminded: record.reminded,
    }
}
