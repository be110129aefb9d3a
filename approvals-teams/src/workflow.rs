//! Telling of requests through a workflow of Power Automate: a card with a link and without buttons,
//! since there is nobody behind it whom a button could tell anything.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use approvals_channel::{
    Http, LinkError, Pace, PageLink, Rank, Schedule, Unheard, Window, retry_after, send_within,
};
use approvals_core::{
    Approver, ApproverError, Coverage, Notice, Phase, Presentation, Receipt, Record, RequestId,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::card::{Face, USUAL, telling};
use crate::error::{Class, believed};
use crate::message::Attachment;

const PATIENCE: Duration = Duration::from_secs(15);
/// How long a notice waits for its turn. Past it the gate tries again later, with the request as it
/// stands by then, so that nothing is told of what is long over.
const LONGEST_TURN: Duration = Duration::from_secs(60);
/// How many attempts to tell of one request go without an answer: the last comes about 20 minutes
/// after the first, as the gate tries again. Each may have told of it.
const MOST_TRIES: usize = 12;
/// More requests a second are answered with 429.
const NOTICES_PER_SECOND: usize = 4;
/// The ends of the hosts that workflows are reached at.
const HOSTS: [&str; 2] = [".logic.azure.com", ".environment.api.powerplatform.com"];

/// Settings that make no workflow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError {
    /// The address is none of a workflow. It is not repeated: it is a secret.
    #[error(
        "this is no address of a workflow: copy it from the trigger \"when a Teams webhook request is received\", it begins with `https://`"
    )]
    Address,
    /// The link is not one.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Tells of requests in Teams where no bot may be: nobody can answer there, only where the link
/// leads. It is never a gate's only channel.
pub struct Workflow {
    http: Arc<dyn Http>,
    address: SecretString,
    face: Face,
    schedule: Schedule<Trigger>,
    unheard: Unheard<RequestId>,
}

/// How often a workflow may be started. It has one line: what is urgent or old comes first.
#[derive(Debug)]
struct Trigger;

impl Pace for Trigger {
    type Line = ();
    type Limit = ();
    type Pause = ();

    fn limits(&self, (): &()) -> impl Iterator<Item = ((), Window)> {
        std::iter::once(((), Window::of(NOTICES_PER_SECOND, 1)))
    }

    fn pause(&self, (): &()) {}
}

impl fmt::Debug for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Workflow")
    }
}

impl Workflow {
    /// The address of the workflow's trigger, which is a secret, and the beginning of the address
    /// where all of a request is shown.
    ///
    /// # Errors
    /// [`WorkflowError`] when one of them is not what it should be.
    pub fn new(
        http: Arc<dyn Http>,
        address: SecretString,
        link: &str,
    ) -> Result<Self, WorkflowError> {
        let link = Some(PageLink::new(link)?);
        if !is_workflow(address.expose_secret()) {
            return Err(WorkflowError::Address);
        }
        let face = Face { link, bytes: USUAL };
        Ok(Self {
            http,
            address,
            face,
            schedule: Schedule::new(Trigger),
            unheard: Unheard::default(),
        })
    }

    /// Starts the workflow with a message, when its turn has come.
    async fn start(&self, record: &Record) -> Result<(), ApproverError> {
        let rank = Rank::of(record.asked.risk, record.asked.asked_at);
        let turn = tokio::time::timeout(LONGEST_TURN, self.schedule.turn((), rank));
        turn.await.map_err(|_| {
            ApproverError::new(
                "the workflow is to be told of more than it takes: its turn did not come",
            )
        })?;
        let attachment = Attachment::of(telling(record, &self.face));
        let message = json!({"type": "message", "attachments": [attachment]});
        let request = Request::post(self.address.expose_secret())
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(Bytes::from(message.to_string()))
            // The address is a secret, and is not told.
            .map_err(|_| ApproverError::for_good("the workflow's address is none"))?;
        let answer = send_within(self.http.as_ref(), PATIENCE, request).await;
        let answer = match answer {
            Ok(answer) => answer,
            // The reason may name the address.
            Err(_) => return Err(self.later(record, "the workflow did not answer".to_owned())),
        };
        let status = answer.status();
        if status.is_success() {
            self.unheard.heard(&record.id());
            return Ok(());
        }
        let asked = retry_after(answer.headers());
        let class = Class::of(status.as_u16(), "Workflow", asked);
        // For all notices: each of them would be refused like this one.
        if let Class::Limited(pause) = class {
            self.schedule.pause((), pause);
        } else if let (Class::Later, Some(seconds)) = (class, asked) {
            self.schedule.pause((), believed(seconds));
        }
        let why = format!("the workflow answered with status {status}");
        match class {
            Class::Limited(_) => Err(ApproverError::new(why)),
            Class::Later => Err(self.later(record, why)),
            Class::Token
            | Class::Credential
            | Class::Destination
            | Class::Message
            | Class::Refused => Err(ApproverError::for_good(why)),
        }
    }

    /// What may be better later, while that was not tried too often.
    fn later(&self, record: &Record, why: String) -> ApproverError {
        if self.unheard.one_more(record.id()) < MOST_TRIES {
            return ApproverError::new(why);
        }
        self.unheard.heard(&record.id());
        ApproverError::for_good(format!("{why}, for the {MOST_TRIES}th time"))
    }
}

fn is_workflow(address: &str) -> bool {
    let Ok(uri) = address.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let local = matches!(host, "127.0.0.1" | "localhost");
    // Without user information.
    let plain = uri.authority().is_some_and(|a| !a.as_str().contains('@'));
    match uri.scheme_str() {
        Some("https") => plain && HOSTS.iter().any(|end| host.ends_with(end)),
        Some("http") => plain && local,
        Some(_) | None => false,
    }
}

#[async_trait]
impl Approver for Workflow {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Partial {
            why: "a workflow only tells of requests, and takes no answers".to_owned(),
        }
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        let record = notice.record();
        if record.state.phase() != Phase::Pending {
            return Ok(Receipt::none());
        }
        let told = self.start(record).await;
        if let Err(error) = &told
            && error.is_for_good()
        {
            tracing::error!(request = %record.id(), %error, "nobody is told of a request by the workflow");
        }
        told.map(|()| Receipt::none())
    }

    /// There is nothing to change: a workflow gives no message back.
    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_at_microsoft_and_nowhere_else_and_its_address_is_not_told() {
        let right = "https://abc.12.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/1/triggers/manual/paths/invoke?api-version=1&sp=x&sv=1.0&sig=secret";
        assert!(is_workflow(right));
        assert!(is_workflow(
            "https://prod-1.westeurope.logic.azure.com:443/workflows/1?sig=secret"
        ));
        for other in [
            "http://abc.12.environment.api.powerplatform.com/x",
            "https://evil.example/.logic.azure.com",
            "https://evillogic.azure.com/x",
            "https://a.logic.azure.com@evil.example/x",
            "https://a.logic.azure.com.evil.example/x",
            "",
        ] {
            assert!(!is_workflow(other), "{other}");
        }
        let http: Arc<dyn Http> = Arc::new(approvals_channel::Https::new().unwrap());
        let workflow = Workflow::new(http, right.into(), "https://a.example/").unwrap();
        assert_eq!(format!("{workflow:?}"), "Workflow");
    }
}
