//! Callbacks: whatever serves HTTP hands them here, whole, and gets the answer.

use std::sync::Arc;

use approvals_channel::linking::SentCode;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use serde_json::json;
use serde_json::value::RawValue;

use crate::activity::{Activity, Executed, Invoked, Said};
use crate::button::Pressed;
use crate::channel::{Inner, Teams};
use crate::click::{Click, LONGEST, Told};
use crate::conversations::{Conversation, ConversationsError};
use crate::id::{ConversationId, UserId, is_bot};
use crate::linking::{Typed, without_calls};
use crate::people::Place;
use crate::token::{self, NotSigned, Vouched};

/// The most that a callback has. Whoever reads bodies from a network stops there.
pub const MOST_CALLBACK_BYTES: usize = 256 * 1024;

/// Why a callback is refused: what is answered, and what is logged.
type Refusal = (StatusCode, &'static str);

const fn bad(why: &'static str) -> Refusal {
    (StatusCode::BAD_REQUEST, why)
}

const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;

impl Teams {
    /// Answers a callback, within five seconds. Needs a tokio runtime.
    pub async fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        match self.judged(request).await {
            Ok(response) => response,
            Err((status, why)) => {
                tracing::warn!(%status, why, "a callback was refused");
                bare(status)
            }
        }
    }

    async fn judged(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Refusal> {
        let inner = &self.0;
        let vouched = inner.vouched(request).await?;
        // Once for all of it, and not for each text by itself.
        let body = str::from_utf8(request.body()).map_err(|_| bad("a malformed activity"))?;
        let activity: Activity<'_> =
            serde_json::from_str(body).map_err(|_| bad("a malformed activity"))?;
        inner.authorised(&vouched, &activity)?;
        match activity.kind.as_deref().unwrap_or_default() {
            "invoke" => self.invoked(activity).await,
            "message" => self.submitted(activity).await,
            "conversationUpdate" | "installationUpdate" => {
                let kept = inner.installed(&activity).await;
                kept.map_err(|error| {
                    tracing::error!(%error, "a conversation was not kept");
                    // Asked again later, Teams may tell again.
                    (
                        StatusCode::SERVICE_UNAVAILABLE,
                        "a conversation was not kept",
                    )
                })?;
                Ok(bare(StatusCode::OK))
            }
            _ => Ok(bare(StatusCode::OK)),
        }
    }

    /// A button that was pressed.
    async fn invoked(&self, activity: Activity<'_>) -> Result<Response<Bytes>, Refusal> {
        if activity.name.as_deref() != Some("adaptiveCard/action") {
            return Err((StatusCode::NOT_IMPLEMENTED, "an invoke of another kind"));
        }
        let value = activity.value.map_or("null", RawValue::get);
        let invoked: Invoked<'_> =
            serde_json::from_str(value).map_err(|_| bad("a malformed action"))?;
        // Only what somebody did counts, and nothing that a client does by itself.
        if invoked.trigger.as_deref() != Some("manual") {
            return Ok(in_words("Press a button to answer."));
        }
        let Some(Executed {
            verb: Some(verb),
            data: Some(data),
        }) = invoked.action
        else {
            return Err(bad("an action that says nothing"));
        };
        let pressed = Pressed::of(&data).filter(|pressed| pressed.is_of(&verb));
        let pressed = pressed.ok_or_else(|| bad("a button that says nothing"))?;
        let click = click(&self.0, activity)?;
        Ok(match self.vote(click, pressed).await {
            Told::Shown(json) => answer(json.into_string()),
            Told::Words(words) => in_words(&words),
        })
    }

    /// A button that was pressed in a client that is too old to tell of it as others do, or a code
    /// that links an account; every other message is left alone.
    async fn submitted(&self, activity: Activity<'_>) -> Result<Response<Bytes>, Refusal> {
        let kind = activity.conversation.as_ref();
        let kind = kind.and_then(|c| c.conversation_type.as_deref());
        let personal = kind == Some("personal");
        let data = activity.value;
        let data = data.and_then(|value| serde_json::from_str(value.get()).ok());
        let Some(pressed) = data.as_ref().and_then(Pressed::of) else {
            let text = without_calls(activity.text.as_deref().unwrap_or_default());
            if let Some(code) = SentCode::of(&text) {
                let Click { place, from, .. } = click(&self.0, activity)?;
                let written = Typed {
                    place,
                    from,
                    code,
                    alone: personal,
                };
                // A code that others can read is ended, however much else is under way.
                let asides = Arc::clone(&self.0.asides).acquire_owned();
                let Ok(Ok(aside)) = tokio::time::timeout(LONGEST, asides).await else {
                    return Err((
                        StatusCode::SERVICE_UNAVAILABLE,
                        "too much is under way to look at what somebody wrote",
                    ));
                };
                let inner = Arc::clone(&self.0);
                tokio::spawn(async move {
                    inner.written(written).await;
                    drop(aside);
                });
            }
            return Ok(bare(StatusCode::OK));
        };
        let click = click(&self.0, activity)?;
        let place = click.place.clone();
        // There is no answer that only they see, except where nobody else is.
        if let Told::Words(words) = self.vote(click, pressed).await
            && personal
        {
            let inner = Arc::clone(&self.0);
            self.0
                .aside(async move { inner.say_to(&place, &words).await });
        }
        Ok(bare(StatusCode::OK))
    }
}

impl Inner {
    /// Whether the Bot Framework sent this.
    async fn vouched(&self, request: &Request<Bytes>) -> Result<Vouched, Refusal> {
        if request.method() != Method::POST {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "not a POST"));
        }
        if request.body().len() > MOST_CALLBACK_BYTES {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "too large"));
        }
        let now = self.clock.now().map_err(|error| {
            tracing::error!(%error, "callbacks cannot be judged");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the clock cannot be trusted",
            )
        })?;
        let issuer = self.api.cloud().issuer();
        let judged = token::verify(request.headers(), &self.keys, issuer, &self.app, now).await;
        judged.map_err(|error| {
            tracing::debug!(%error, "a callback without a good token");
            match error {
                NotSigned::NoKeys(_) => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the keys that callbacks are judged by are not known",
                ),
                _ => (
                    StatusCode::UNAUTHORIZED,
                    "no token of the Bot Framework for this bot",
                ),
            }
        })
    }

    /// Whether the token is for this activity, and the activity for this bot in its own tenant.
    fn authorised(&self, vouched: &Vouched, activity: &Activity<'_>) -> Result<(), Refusal> {
        let service = activity.service_url.as_deref().unwrap_or_default();
        if !vouched.is_for_service(service) {
            return Err((StatusCode::UNAUTHORIZED, "a token for another service"));
        }
        let channel = activity.channel_id.as_deref().unwrap_or_default();
        if channel != "msteams" || !vouched.is_for_channel(channel) {
            return Err((FORBIDDEN, "of a channel that its key does not endorse"));
        }
        // As ids are compared: in whatever case they are written.
        let own = |said: &str| said.eq_ignore_ascii_case(self.tenant.as_str());
        let (data, conversation) = activity.tenants();
        if !data.is_some_and(own) || !conversation.is_none_or(own) {
            return Err((FORBIDDEN, "of another tenant"));
        }
        let recipient = activity.recipient.as_ref().and_then(|r| r.id.as_deref());
        if !recipient.is_some_and(|id| is_bot(id, &self.app)) {
            return Err((FORBIDDEN, "for another bot"));
        }
        Ok(())
    }

    /// Keeps where the bot was installed, and forgets where it was taken away.
    async fn installed(&self, activity: &Activity<'_>) -> Result<(), ConversationsError> {
        let Some(place) = place(self, activity) else {
            return Ok(());
        };
        let conversation = activity.conversation.as_ref();
        let kind = conversation.and_then(|c| c.conversation_type.as_deref());
        let removed = activity.members_removed.iter().flatten();
        let is_own = |id: &str| is_bot(id, &self.app);
        let taken_out = removed
            .into_iter()
            .any(|account| account.id.as_deref().is_some_and(is_own));
        if taken_out
            || matches!(
                activity.action.as_deref(),
                Some("remove" | "remove-upgrade")
            )
        {
            return self.conversations.forget(place.conversation.as_str()).await;
        }
        let user = activity
            .from
            .as_ref()
            .and_then(|f| f.aad_object_id.as_deref());
        let user = user.filter(|_| kind == Some("personal"));
        let user = user.and_then(|id| UserId::new(id).ok());
        let mut all = vec![(place.conversation.clone(), user)];
        // A channel of the team that it was installed in is written to by its own id.
        if let Some(data) = &activity.channel_data {
            let named = [&data.channel, &data.team].into_iter().flatten();
            let ids = named.filter_map(|named| ConversationId::new(named.id.as_deref()?).ok());
            all.extend(ids.map(|id| (id, None)));
        }
        for (id, user) in all {
            let kept = Conversation {
                id: id.as_str().to_owned(),
                service_url: place.service.clone(),
                user: user.map(|user| user.as_str().to_owned()),
            };
            self.conversations.keep(&kept).await?;
        }
        Ok(())
    }
}

/// Where an activity is of, when its service is one that is known.
fn place(inner: &Inner, activity: &Activity<'_>) -> Option<Place> {
    let conversation = activity.conversation.as_ref()?.id.as_deref()?;
    let service = activity.service_url.as_deref()?;
    let Some(service) = inner.api.cloud().allowed(service) else {
        tracing::warn!(
            service,
            "a service that is not known: add it to the cloud's"
        );
        return None;
    };
    Some(Place {
        conversation: ConversationId::new(conversation).ok()?,
        service,
    })
}

fn click(inner: &Inner, activity: Activity<'_>) -> Result<Click, Refusal> {
    let place = place(inner, &activity).ok_or_else(|| bad("of no conversation that is known"))?;
    Ok(Click {
        place,
        from: activity.from.unwrap_or_default().kept(),
        message: activity.reply_to_id.map(Said::into_string),
    })
}

/// Words for whoever pressed, and for nobody else.
fn in_words(words: &str) -> Response<Bytes> {
    let message = json!({
        "statusCode": 200,
        "type": "application/vnd.microsoft.activity.message",
        "value": words,
    });
    answer(message.to_string())
}

fn answer(json: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(json));
    let json = header::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn bare(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
