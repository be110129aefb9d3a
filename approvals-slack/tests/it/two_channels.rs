//! The same request on two channels.

use std::sync::Arc;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{
    ApprovalError, ChannelId, ChannelIdentity, Desk, Gate, Requester, Requirement,
    requires_approval,
};
use approvals_slack::Slack;

use crate::room::{deliver, id, settings};
use crate::stand_in::{Message, TEAM, Workspace};

#[requires_approval(policy = "both", action = "sample.both", crate = ::approvals_core)]
async fn both() -> Result<(), ApprovalError> {
    Ok(())
}

/// A workspace, and the channel to it.
struct Side {
    workspace: Workspace,
    slack: Slack,
}

impl Side {
    fn new(name: &str, who: &str, desk: &Desk, directory: &InMemoryDirectory) -> Self {
        let channel = ChannelId::new(name).unwrap();
        let workspace = Workspace::new();
        workspace.user(&id(who));
        let identity = ChannelIdentity::new(channel.clone(), TEAM, &id(who));
        directory.link(identity, who).unwrap();
        let slack = settings(&workspace).build(desk.channel(channel)).unwrap();
        Self { workspace, slack }
    }

    fn message(&self) -> Message {
        self.workspace.messages().remove(0)
    }

    /// The work of a click, acknowledged and not done yet.
    fn clicked(&self, who: &str, button: &str) -> approvals_slack::Work {
        let message = self.message();
        let button = Workspace::button(&message, button).unwrap();
        let payload = self.workspace.press(&message, &id(who), &button);
        let received = self.slack.receive(&self.workspace.callback(&payload));
        received.work.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn reviewers_on_two_channels_who_click_at_once_make_one_decision_that_both_messages_show() {
    let directory = Arc::new(InMemoryDirectory::new());
    for name in ["alice", "carol"] {
        directory.person(name, ["reviewers"]).unwrap();
    }
    directory.person("bob", ["others"]).unwrap();
    let desk = Desk::new(Arc::new(MemoryStore::on_tokio_time()), directory.clone());
    let here = Side::new("slack", "alice", &desk, &directory);
    let there = Side::new("slack-two", "carol", &desk, &directory);
    let (one, two) = (here.slack.clone(), there.slack.clone());
    let gate = Gate::with_desk(desk)
        .policy("both", Requirement::one_of("reviewers").unwrap())
        .approver("slack", |_| Arc::new(one))
        .approver("slack-two", |_| Arc::new(two))
        .build()
        .await
        .unwrap();
    let asking = tokio::spawn(async move {
        let requester = Requester::agent("exporter").unwrap();
        let requester = requester.acting_for("person:bob").unwrap();
        gate.scope(requester.scope(both())).await
    });
    let pause = || tokio::time::sleep(std::time::Duration::from_secs(2));
    pause().await;
    // A yes here, while carol has her form open there and submits it in the same moment.
    there.clicked("carol", "form.deny").await;
    let form = there.workspace.views().pop().unwrap();
    let no = there
        .workspace
        .submit(&form, &id("carol"), &[("comment", "no")]);
    let no = there.workspace.callback(&no);
    tokio::join!(
        here.clicked("alice", "vote.approve"),
        deliver(&there.slack, &no)
    );
    let outcome = asking.await.unwrap();
    pause().await;
    let told = [here.workspace.whispers(), there.workspace.whispers()].concat();
    assert_eq!(told.len(), 1, "{told:?}");
    let decided = if outcome.is_ok() {
        "alice approves"
    } else {
        "carol denies"
    };
    for side in [&here, &there] {
        let text = side.workspace.reads(&side.message());
        assert!(text.contains(decided), "{text}");
        assert_eq!(Workspace::button(&side.message(), ""), None);
    }
}
