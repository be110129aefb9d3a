//! The suite that every channel must pass.

use std::sync::Arc;

use approvals_core::{Approver, ChannelDesk, Choice, RequestId, async_trait};
use approvals_teams::{Conversations, InMemoryConversations, Teams};
use approvals_testing::approver::{Driver, Shown, conformance};

use crate::room::{id, settings};
use crate::stand_in::{Fault, Message, Microsoft, TENANT};

/// People at the stand-in, and the channel as it was made last.
#[derive(Debug)]
struct People {
    microsoft: Microsoft,
    conversations: Arc<dyn Conversations>,
    teams: std::sync::Mutex<Option<Teams>>,
}

impl People {
    fn messages(&self, request: RequestId) -> Vec<Message> {
        let named = request.to_string();
        let all = self.microsoft.messages().into_iter();
        all.filter(|message| message.activity.to_string().contains(&named))
            .collect()
    }

    fn message(&self, request: RequestId) -> Option<Message> {
        self.messages(request).into_iter().next()
    }

    async fn press(&self, message: &Message, user: &str, choice: Choice, comment: Option<&str>) {
        let title = match choice {
            Choice::Approve => "Approve",
            _ => "Deny",
        };
        let button = Microsoft::button(message, title).unwrap();
        let typed = [("approvals.comment", comment.unwrap_or_default())];
        let activity = self.microsoft.press(message, user, &button, &typed);
        let teams = self.teams();
        teams.respond(&self.microsoft.callback(&activity)).await;
    }

    fn teams(&self) -> Teams {
        self.teams.lock().unwrap().clone().unwrap()
    }
}

#[async_trait]
impl Driver for People {
    async fn connect(&self, desk: ChannelDesk) -> Arc<dyn Approver> {
        let settings = settings(&self.microsoft, &self.conversations);
        let teams = settings.build(desk).unwrap();
        *self.teams.lock().unwrap() = Some(teams.clone());
        Arc::new(teams)
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
        let live = |message: &&Message| Microsoft::button(message, "Deny").is_some();
        Some(messages.iter().filter(live).count())
    }

    async fn lose_an_answer(&self) -> bool {
        self.microsoft.fail("make", &[Fault::Lost]);
        true
    }

    async fn shown(&self, request: RequestId) -> Shown {
        match self.message(request) {
            Some(message) => Shown::Text(Microsoft::reads(&message)),
            None => Shown::Nothing,
        }
    }

    fn user(&self, name: &str) -> (String, String) {
        (TENANT.to_owned(), id(name))
    }
}

#[tokio::test(start_paused = true)]
async fn the_teams_channel_keeps_every_rule_of_a_channel() {
    let report = conformance(|| async {
        let microsoft = Microsoft::new();
        for name in ["alice", "carol", "bob", "mallory"] {
            microsoft.member(&id(name));
        }
        Arc::new(People {
            microsoft,
            conversations: Arc::new(InMemoryConversations::default()),
            teams: std::sync::Mutex::default(),
        }) as Arc<dyn Driver>
    });
    report.await.assert_kept();
}
