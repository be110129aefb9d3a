//! The suite that every channel must pass.

use std::sync::Arc;

use approvals_core::{Approver, ChannelDesk, Choice, RequestId, async_trait};
use approvals_slack::Slack;
use approvals_testing::approver::{Driver, Shown, conformance};

use crate::room::{deliver, id, settings};
use crate::stand_in::{Fault, Message, TEAM, Workspace};

/// People at the stand-in, and the channel as it was made last.
#[derive(Debug)]
struct People {
    workspace: Workspace,
    slack: std::sync::Mutex<Option<Slack>>,
}

impl People {
    fn messages(&self, request: RequestId) -> Vec<Message> {
        let named = request.to_string();
        let all = self.workspace.messages().into_iter();
        all.filter(|message| message.body.to_string().contains(&named))
            .collect()
    }

    fn message(&self, request: RequestId) -> Option<Message> {
        self.messages(request).into_iter().next()
    }

    async fn press(&self, message: &Message, user: &str, choice: Choice, comment: Option<&str>) {
        let button = match choice {
            Choice::Approve => "approve",
            _ => "deny",
        };
        let button = Workspace::button(message, button).unwrap();
        let forms = self.workspace.views().len();
        let payload = self.workspace.press(message, user, &button);
        deliver(&self.slack(), &self.workspace.callback(&payload)).await;
        let views = self.workspace.views();
        if views.len() > forms {
            let typed = [("comment", comment.unwrap_or_default())];
            let payload = self.workspace.submit(views.last().unwrap(), user, &typed);
            deliver(&self.slack(), &self.workspace.callback(&payload)).await;
        }
    }

    fn slack(&self) -> Slack {
        self.slack.lock().unwrap().clone().unwrap()
    }
}

#[async_trait]
impl Driver for People {
    async fn connect(&self, desk: ChannelDesk) -> Arc<dyn Approver> {
        let slack = settings(&self.workspace).build(desk).unwrap();
        *self.slack.lock().unwrap() = Some(slack.clone());
        Arc::new(slack)
    }

    async fn click(&self, request: RequestId, user: &str, choice: Choice, comment: Option<&str>) {
        let message = self.message(request).unwrap();
        self.press(&message, user, choice, comment).await;
    }

    async fn click_on(&self, message: usize, request: RequestId, user: &str, choice: Choice) {
        let message = self.messages(request).swap_remove(message);
        self.press(&message, user, choice, None).await;
    }

    async fn live(&self, request: RequestId) -> Option<usize> {
        let messages = self.messages(request);
        let live = |message: &&Message| Workspace::button(message, "deny").is_some();
        Some(messages.iter().filter(live).count())
    }

    async fn lose_an_answer(&self) -> bool {
        self.workspace.fail("chat.postMessage", &[Fault::Lost]);
        true
    }

    async fn shown(&self, request: RequestId) -> Shown {
        match self.message(request) {
            Some(message) => Shown::Text(self.workspace.reads(&message)),
            None => Shown::Nothing,
        }
    }

    fn user(&self, name: &str) -> (String, String) {
        (TEAM.to_owned(), id(name))
    }
}

#[tokio::test(start_paused = true)]
async fn the_slack_channel_keeps_every_rule_of_a_channel() {
    let report = conformance(|| async {
        let workspace = Workspace::new();
        for name in ["alice", "carol", "bob", "mallory"] {
            workspace.user(&id(name));
        }
        let slack = std::sync::Mutex::default();
        Arc::new(People { workspace, slack }) as Arc<dyn Driver>
    });
    report.await.assert_kept();
}
