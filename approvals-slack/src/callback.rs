//! Callbacks: whatever serves HTTP hands them here, whole, and gets the answer at once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use approvals_channel::ballot::{Seen, is_code};
use approvals_core::Choice;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::button::Press;
use crate::channel::{Inner, Slack};
use crate::click::Click;
use crate::command::Command;
use crate::form::{self, Remembered};
use crate::id::{ConversationId, UserId};
use crate::payload::{Interaction, Twice, View, only};
use crate::people::Installation;
use crate::signature::Tag;

/// The most that a callback has. Whoever reads bodies from a network stops there.
pub const MOST_CALLBACK_BYTES: usize = 1024 * 1024;

/// What is still to be done after a callback was answered.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a callback comes to: the answer, which is sent first, and the work.
#[must_use = "the answer has to be sent, and the work done"]
pub struct Received {
    /// What Slack is answered, within three seconds.
    pub response: Response<Bytes>,
    /// What is to be done after that: nothing where the callback was refused or came before.
    pub work: Option<Work>,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("status", &self.response.status())
            .field("work", &self.work.is_some())
            .finish()
    }
}

impl Slack {
    /// Answers a callback, and does the work in a task of its own. Needs a tokio runtime.
    pub fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let Received { response, work } = self.receive(request);
        if let Some(work) = work {
            tokio::spawn(work);
        }
        response
    }

    /// Judges a callback, for hosts that run the work themselves. Nothing is waited for.
    pub fn receive(&self, request: &Request<Bytes>) -> Received {
        match self
            .0
            .verified(request)
            .and_then(|tag| self.judged(request, tag))
        {
            Ok(received) => received,
            Err((status, why)) => {
                tracing::warn!(%status, why, "a callback was refused");
                Received {
                    response: bare(status),
                    work: None,
                }
            }
        }
    }

    /// What a callback that Slack signed comes to.
    fn judged(&self, request: &Request<Bytes>, tag: Tag) -> Result<Received, Refusal> {
        let body = request.body();
        if media_type(request.headers()) == Some("application/json") {
            return event(body);
        }
        let twice = |Twice| bad("a field twice");
        if only(body, "ssl_check").map_err(twice)?.is_some() {
            return Ok(Received {
                response: bare(StatusCode::OK),
                work: None,
            });
        }
        let payload = only(body, "payload").map_err(twice)?;
        let command = Command::of_form(body).map_err(twice)?;
        let Answer { json, work } = match (payload, command) {
            (Some(payload), None) => {
                let interaction = serde_json::from_str(&payload);
                let interaction = interaction.map_err(|_| bad("a malformed payload"))?;
                self.0.interaction(interaction)?
            }
            (None, Some(command)) => self.0.command(command)?,
            (None, None) => return Err(bad("no payload")),
            (Some(_), Some(_)) => return Err(bad("a payload and a command")),
        };
        let now = self.0.now()?;
        // Slack is told the same again; nothing is done twice.
        let work = work.filter(|_| self.0.replays.is_new(tag, now));
        Ok(Received {
            response: json.map_or_else(|| bare(StatusCode::OK), |json| with_json(&json)),
            work: work.map(|work| work(Arc::clone(&self.0))),
        })
    }
}

/// Work, once it is known on what.
pub(crate) type Later = Box<dyn FnOnce(Arc<Inner>) -> Work + Send>;

/// What an interaction comes to.
pub(crate) struct Answer {
    pub(crate) json: Option<Value>,
    pub(crate) work: Option<Later>,
}

impl Answer {
    pub(crate) const fn nothing() -> Self {
        Self {
            json: None,
            work: None,
        }
    }
}

pub(crate) type Refusal = (StatusCode, &'static str);

const fn bad(why: &'static str) -> Refusal {
    (StatusCode::BAD_REQUEST, why)
}

impl Inner {
    /// Whether Slack sent this, just now.
    fn verified(&self, request: &Request<Bytes>) -> Result<Tag, Refusal> {
        if request.method() != Method::POST {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "not a POST"));
        }
        if request.body().len() > MOST_CALLBACK_BYTES {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "too large"));
        }
        let timestamp = only_header(request.headers(), "x-slack-request-timestamp")?;
        let signature = only_header(request.headers(), "x-slack-signature")?;
        let now = self.now()?;
        self.secrets
            .verify(now, timestamp, signature, request.body())
            .map_err(|_| (StatusCode::UNAUTHORIZED, "not signed by Slack just now"))
    }

    fn now(&self) -> Result<approvals_core::Timestamp, Refusal> {
        self.clock.now().map_err(|error| {
            tracing::error!(%error, "callbacks cannot be judged");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the clock cannot be trusted",
            )
        })
    }

    /// What an interaction comes to that Slack vouches for.
    pub(crate) fn interaction(&self, interaction: Interaction) -> Result<Answer, Refusal> {
        const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
        if interaction.api_app_id.as_deref() != Some(self.app.as_str()) {
            return Err((FORBIDDEN, "of another app"));
        }
        let installation = self.installation(interaction.team(), interaction.enterprise());
        let installation =
            installation.ok_or((FORBIDDEN, "of a workspace where the app is not known to be"))?;
        let kind = interaction.kind.as_deref().unwrap_or_default();
        if !matches!(kind, "block_actions" | "view_submission") {
            return Ok(Answer::nothing());
        }
        let user = interaction.user.as_ref().ok_or_else(|| bad("of nobody"))?;
        let id = user.id.as_deref().and_then(|id| UserId::new(id).ok());
        let mut click = Click {
            installation,
            user: id.ok_or_else(|| bad("of nobody"))?,
            team: user.team_id.clone(),
            message: None,
            answer_at: None,
        };
        if kind == "view_submission" {
            let view = interaction
                .view
                .as_ref()
                .ok_or_else(|| bad("a submission of nothing"))?;
            return submission(click, view);
        }
        if let Some(container) = &interaction.container {
            let conversation = container.channel_id.as_deref();
            let conversation = conversation.and_then(|id| ConversationId::new(id).ok());
            click.message = conversation.zip(container.message_ts.clone());
        }
        let address = interaction.response_url.as_deref();
        click.answer_at = address.and_then(|address| self.api.endpoints().hook(address));
        pressed(click, interaction)
    }

    /// The installation that a callback is of, if it is one of ours. Of an installation in a whole
    /// organisation Slack may name no team.
    pub(crate) fn installation(
        &self,
        team: Option<&str>,
        enterprise: Option<&str>,
    ) -> Option<Installation> {
        let is = |installation: &&Installation| match installation {
            Installation::Workspace(own) => team == Some(own.as_str()),
            Installation::Organisation(own) => enterprise == Some(own.as_str()),
        };
        self.people.installations.iter().find(is).cloned()
    }
}

/// The first button of ours that was pressed. Others are acknowledged and left alone.
fn pressed(click: Click, interaction: Interaction) -> Result<Answer, Refusal> {
    let actions = interaction.actions.unwrap_or_default();
    let ours = actions.into_iter().find_map(|action| {
        let press = Press::of(action.action_id.as_deref()?)?;
        Some((press, action.value))
    });
    let Some((press, value)) = ours else {
        return Ok(Answer::nothing());
    };
    if press == Press::Link {
        return Ok(Answer::nothing());
    }
    let seen = value.as_deref().and_then(Seen::parse);
    let seen = seen.ok_or_else(|| bad("a button that says nothing"))?;
    let work: Later = match press {
        Press::Vote(choice) => Box::new(move |inner| {
            Box::pin(async move { inner.vote(click, seen, choice, None, false).await })
        }),
        Press::Form(choice) => {
            let trigger = interaction
                .trigger_id
                .ok_or_else(|| bad("no trigger for a form"))?;
            Box::new(move |inner| {
                Box::pin(async move { inner.open(click, seen, choice, trigger).await })
            })
        }
        Press::Link => return Ok(Answer::nothing()),
    };
    Ok(Answer {
        json: None,
        work: Some(work),
    })
}

/// A form that was filled in. Whoever submits it votes, and not whoever opened it.
fn submission(mut click: Click, view: &View) -> Result<Answer, Refusal> {
    if view.callback_id.as_deref() != Some(form::CALLBACK) {
        return Ok(Answer::nothing());
    }
    let remembered = view.private_metadata.as_deref().and_then(Remembered::parse);
    let Remembered {
        seen,
        choice,
        code,
        conversation,
        ts,
    } = remembered.ok_or_else(|| bad("a form that says nothing"))?;
    if code && !is_code(view.typed(form::CODE), &seen) {
        let errors = json!({form::CODE: "This is not the code that stands in the message."});
        return Ok(Answer {
            json: Some(json!({"response_action": "errors", "errors": errors})),
            work: None,
        });
    }
    let comment = view.typed(form::COMMENT).map(str::to_owned);
    if choice == Choice::BreakGlass && comment.is_none() {
        let errors = json!({form::COMMENT: "A reason is required: say why."});
        return Ok(Answer {
            json: Some(json!({"response_action": "errors", "errors": errors})),
            work: None,
        });
    }
    let conversation = conversation.and_then(|id| ConversationId::new(&id).ok());
    click.message = conversation.zip(ts);
    let work: Later = Box::new(move |inner| {
        Box::pin(async move { inner.vote(click, seen, choice, comment, code).await })
    });
    Ok(Answer {
        json: None,
        work: Some(work),
    })
}

/// Slack's question whether this address is ours, and events, which are acknowledged.
fn event(body: &Bytes) -> Result<Received, Refusal> {
    let event: Value = serde_json::from_slice(body).map_err(|_| bad("a malformed event"))?;
    let kind = event
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let response = match kind {
        "url_verification" => {
            let challenge = event.get("challenge").and_then(Value::as_str);
            with_json(&json!({"challenge": challenge.unwrap_or_default()}))
        }
        _ => {
            let of = event.pointer("/event/type").and_then(Value::as_str);
            if matches!(of, Some("app_uninstalled" | "tokens_revoked")) {
                tracing::error!(
                    event = of,
                    "Slack took the app's access away: requests are not posted"
                );
            }
            bare(StatusCode::OK)
        }
    };
    Ok(Received {
        response,
        work: None,
    })
}

fn only_header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().map_err(|_| bad("a header that is no text")),
        (None, _) => Err((StatusCode::UNAUTHORIZED, "not signed")),
        (Some(_), Some(_)) => Err(bad("a header twice")),
    }
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

fn bare(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

fn with_json(json: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(json.to_string()));
    let json = header::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
