//! The command by which somebody links their account: `/approvals link` and a one-time code.

use approvals_channel::Turn;
use approvals_channel::linking::{NOT_LINKED, SentCode, TOO_OFTEN, told};
use http::StatusCode;
use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::callback::{Answer, Refusal};
use crate::channel::Inner;
use crate::click::{Ephemeral, Hearer};
use crate::id::{ConversationId, UserId};
use crate::message::answer;
use crate::payload::Twice;
use crate::people::Installation;

const USAGE: &str = "Ask an operator for a one-time code, and send it with the command: the word \
    link, and the code after it. Nobody else sees it here.";

/// A command as Slack sends it. Its text may hold a code, so there is no `Debug`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Command {
    api_app_id: Option<String>,
    team_id: Option<String>,
    enterprise_id: Option<String>,
    user_id: Option<String>,
    channel_id: Option<String>,
    text: Option<String>,
    response_url: Option<String>,
}

impl Command {
    /// The command in a form-encoded body, if it is one.
    pub(crate) fn of_form(body: &[u8]) -> Result<Option<Self>, Twice> {
        let (mut command, mut named) = (Self::default(), None);
        for (key, value) in form_urlencoded::parse(body) {
            let Self {
                api_app_id,
                team_id,
                enterprise_id,
                user_id,
                channel_id,
                text,
                response_url,
            } = &mut command;
            let value = value.into_owned();
            let earlier = match &*key {
                "command" => named.replace(value),
                "api_app_id" => api_app_id.replace(value),
                "team_id" => team_id.replace(value),
                "enterprise_id" => enterprise_id.replace(value),
                "user_id" => user_id.replace(value),
                "channel_id" => channel_id.replace(value),
                "response_url" => response_url.replace(value),
                "text" => text.replace(value),
                _ => None,
            };
            if earlier.is_some() {
                return Err(Twice);
            }
        }
        Ok(named.map(|_| command))
    }
}

impl Inner {
    /// What a command comes to that Slack vouches for. Its answer is for whoever gave it alone.
    pub(crate) fn command(&self, command: Command) -> Result<Answer, Refusal> {
        if command.api_app_id.as_deref() != Some(self.app.as_str()) {
            return Err((StatusCode::FORBIDDEN, "of another app"));
        }
        let (team, enterprise) = (command.team_id.as_deref(), command.enterprise_id.as_deref());
        let installation = self.installation(team, enterprise);
        let installation = installation.ok_or((
            StatusCode::FORBIDDEN,
            "of a workspace where the app is not known to be",
        ))?;
        let user = command
            .user_id
            .as_deref()
            .and_then(|id| UserId::new(id).ok());
        let user = user.ok_or((StatusCode::BAD_REQUEST, "of nobody"))?;
        let text = command.text.as_deref();
        let Some(code) = text.and_then(SentCode::of) else {
            return Ok(at_once("How to link your account.", USAGE));
        };
        if self.links_tried.one_more(user.clone()) != Turn::Taken {
            return Ok(at_once(NOT_LINKED, TOO_OFTEN));
        }
        let conversation = command.channel_id.as_deref();
        let address = command.response_url.as_deref();
        let hearer = Hearer {
            user,
            conversation: conversation.and_then(|id| ConversationId::new(id).ok()),
            answer_at: address.and_then(|address| self.api.endpoints().hook(address)),
        };
        Ok(Answer {
            json: None,
            work: Some(Box::new(move |inner| {
                Box::pin(async move { inner.link(&hearer, &installation, &code).await })
            })),
        })
    }

    /// Links the account from which a code was sent, and tells whoever sent it.
    async fn link(&self, hearer: &Hearer, installation: &Installation, code: &SentCode) {
        let user = &hearer.user;
        let clicker = self.people.clicker(installation, user).await;
        let clicker = match clicker {
            Ok(clicker) => clicker,
            Err(why) => {
                tracing::warn!(%user, %why, "a code of an account that may not be linked");
                return self.whisper(hearer, NOT_LINKED, &format!("{why}.")).await;
            }
        };
        let code = code.0.expose_secret();
        let linked = self.desk.link(&clicker.tenant, &clicker.user, code).await;
        let (heading, words) = told(&linked);
        self.whisper(hearer, heading, &words).await;
    }
}

/// An answer that goes with the acknowledgement.
fn at_once(heading: &str, words: &str) -> Answer {
    let body = answer(heading, words);
    // Strings, numbers and flags: nothing that cannot be written.
    Answer {
        json: serde_json::to_value(Ephemeral::of(&body)).ok(),
        work: None,
    }
}
