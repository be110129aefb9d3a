//! What follows a click, after it was acknowledged: the form, the vote, and the answer to whoever
//! may not vote.

use std::sync::Arc;

use approvals_channel::ballot::{NOT_COUNTED, Seen, heading, told, turned_away, without_code};
use approvals_channel::{Rank, Turn, take_in};
use approvals_core::{Choice, Phase, Record, VoteError};
use http::Uri;
use serde::{Deserialize, Serialize};

use crate::block::Modal;
use crate::channel::Inner;
use crate::error::Class;
use crate::form::{Remembered, form};
use crate::id::{ConversationId, UserId};
use crate::message::{Body, answer};
use crate::method::Method;
use crate::people::Installation;

/// Who clicked, and where: verified by Slack's signature.
#[derive(Debug, Clone)]
pub(crate) struct Click {
    pub(crate) installation: Installation,
    pub(crate) user: UserId,
    /// The team that Slack says they are of, where it does.
    pub(crate) team: Option<String>,
    /// The message, where it was one.
    pub(crate) message: Option<(ConversationId, String)>,
    /// Where they are answered, where Slack says: an address that was checked.
    pub(crate) answer_at: Option<Uri>,
}

/// Whom something is said to, and to nobody else.
#[derive(Debug, Clone)]
pub(crate) struct Hearer {
    pub(crate) user: UserId,
    pub(crate) conversation: Option<ConversationId>,
    /// Where they are answered, where Slack says: an address that was checked.
    pub(crate) answer_at: Option<Uri>,
}

#[derive(Serialize)]
pub(crate) struct Ephemeral<'a> {
    response_type: &'static str,
    replace_original: bool,
    #[serde(flatten)]
    body: &'a Body,
}

impl<'a> Ephemeral<'a> {
    pub(crate) const fn of(body: &'a Body) -> Self {
        Self {
            response_type: "ephemeral",
            replace_original: false,
            body,
        }
    }
}

#[derive(Serialize)]
struct PostEphemeral<'a> {
    channel: &'a str,
    user: &'a str,
    #[serde(flatten)]
    body: &'a Body,
}

#[derive(Serialize)]
struct Open<'a> {
    trigger_id: &'a str,
    view: &'a Modal,
}

#[derive(Deserialize)]
struct Done {}

impl Inner {
    /// Opens the form of a choice. A trigger is good for three seconds, so this comes first.
    pub(crate) async fn open(&self, click: Click, seen: Seen, choice: Choice, trigger: String) {
        match self.forms_opened.one_more(click.user.clone()) {
            Turn::Taken => {}
            Turn::TooMany => {
                let why = "You opened many forms within a minute: wait a minute.";
                return self.tell(&click, NOT_COUNTED, why).await;
            }
            Turn::Ignored => return,
        }
        let record = match self.desk.look(seen.request).await {
            Ok(record) => record,
            Err(error) => return self.tell(&click, heading(&error), &told(&error)).await,
        };
        if record.state.phase() != Phase::Pending {
            let settled = told(&VoteError::Settled(Arc::clone(&record)));
            self.tell(&click, NOT_COUNTED, &settled).await;
            return self.heal(&click, &record).await;
        }
        let (conversation, ts) = match &click.message {
            Some((conversation, ts)) => (Some(conversation.as_str().to_owned()), Some(ts.clone())),
            None => (None, None),
        };
        let remembered = Remembered {
            seen,
            choice,
            code: false,
            conversation,
            ts,
        };
        let open = Open {
            trigger_id: &trigger,
            view: &form(&record, remembered),
        };
        let opened = tokio::time::timeout(
            Method::ViewsOpen.patience(),
            self.api.call::<Done>(Method::ViewsOpen, Rank::NOW, &open),
        );
        let why = match opened.await {
            Ok(Ok(Done {})) => return,
            Ok(Err(error)) if error.class == Class::Trigger => "Slack took too long".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "Slack is busy".to_owned(),
        };
        tracing::warn!(request = %seen.request, why, "a form was not opened");
        self.tell(
            &click,
            NOT_COUNTED,
            &format!("The form could not be opened ({why}): press the button again."),
        )
        .await;
    }

    /// Hands a vote in, and tells whoever may not vote why.
    pub(crate) async fn vote(
        &self,
        click: Click,
        seen: Seen,
        choice: Choice,
        comment: Option<String>,
        code_typed: bool,
    ) {
        if !code_typed {
            match without_code(&self.desk, &seen, choice).await {
                Ok(None) => {}
                Ok(Some(why)) => return self.tell(&click, NOT_COUNTED, why).await,
                Err(error) => return self.tell(&click, NOT_COUNTED, &told(&error)).await,
            }
        }
        let foreign = match &click.installation {
            Installation::Workspace(team) => {
                click.team.as_deref().is_some_and(|of| of != team.as_str())
            }
            Installation::Organisation(_) => false,
        };
        let clicker = if foreign {
            Err(crate::people::NoReviewer::Foreign)
        } else {
            self.people.clicker(&click.installation, &click.user).await
        };
        let clicker = match clicker {
            Ok(clicker) => clicker,
            Err(why) => {
                let why = why.to_string();
                let tenant = click.installation.tenant();
                let tenant = click.team.as_deref().unwrap_or(tenant).to_owned();
                let user = click.user.as_str().to_owned();
                turned_away(&self.desk, seen.vote((tenant, user), choice, None), &why).await;
                return self.tell(&click, NOT_COUNTED, &why).await;
            }
        };
        let cast = seen.vote((clicker.tenant, clicker.user), choice, comment);
        let voted = self.desk.vote(cast).await;
        if let Err(error) = &voted {
            self.tell(&click, heading(error), &told(error)).await;
        }
        let record = match voted {
            Ok(record) | Err(VoteError::Settled(record)) => record,
            Err(_) => match self.desk.look(seen.request).await {
                Ok(record) => record,
                Err(_) => return,
            },
        };
        self.heal(&click, &record).await;
    }

    /// Has the message that was clicked show what stands, where nobody else sees to that.
    async fn heal(&self, click: &Click, record: &Arc<Record>) {
        if let Some((conversation, ts)) = &click.message {
            take_in(self, record, conversation.as_str(), ts).await;
        }
    }

    /// Says something to whoever clicked, and to nobody else.
    async fn tell(&self, click: &Click, heading: &str, why: &str) {
        let conversation = click.message.as_ref().map(|(conversation, _)| conversation);
        let hearer = Hearer {
            user: click.user.clone(),
            conversation: conversation.cloned(),
            answer_at: click.answer_at.clone(),
        };
        self.whisper(&hearer, heading, why).await;
    }

    /// Says something to one user, and to nobody else.
    pub(crate) async fn whisper(&self, hearer: &Hearer, heading: &str, why: &str) {
        let body = answer(heading, why);
        if let Some(address) = &hearer.answer_at {
            match self.api.answer(address, &Ephemeral::of(&body)).await {
                Ok(()) => return,
                // The address is a secret, and is not told.
                Err(error) => tracing::warn!(error, "somebody could not be answered at an address"),
            }
        }
        let Some(conversation) = &hearer.conversation else {
            return;
        };
        let ephemeral = PostEphemeral {
            channel: conversation.as_str(),
            user: hearer.user.as_str(),
            body: &body,
        };
        let told = self
            .api
            .call::<Done>(Method::PostEphemeral, Rank::NOW, &ephemeral);
        if let Err(error) = told.await {
            tracing::warn!(%error, "somebody could not be told what became of what they did");
        }
    }
}
