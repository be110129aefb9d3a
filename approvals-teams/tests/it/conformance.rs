//! The suite that every channel must pass.

use std::sync::Arc;

use approvals_core::{Approver, ChannelDesk, Choice, RequestId, async_trait};
use approvals_teams::{Conversations, InMemoryConversations, Teams};
use approvals_testing::approver::{Driver, Shown, conformance};

use crate::room::{id, settings};
use crate::stand_in::{Message, Microsoft, TENANT};

/// People at the stand-in, and the channel as it was made last.
#[derive(Debug)]
struct People {
    microsoft: Microsoft,
    conversations: Arc<dyn Conversations>,
    teams: std::sync::Mutex<Option<Teams>>,
}

impl People {
    fn message(&self, request: RequestId) -> Option<Message> {
        let named = request.to_string();
        let all = self.microsoft.messages();
        all.into_iter()
            .find(|message| message.activity.to_string().contains(&named))
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
        let title = match choice {
            Choice::Approve => "Approve",
            _ => "Deny",
        };
        let button = Microsoft::button(&message, title).unwrap();
        let typed = [("approvals.comment", comment.unwrap_or_default())];
        let activity = self.microsoft.press(&message, user, &button, &typed);
        let teams = self.teams();
        teams.respond(&self.microsoft.callback(&activity)).await;
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
