//! The same request in Slack and in Teams.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{
    ApprovalError, ChannelId, ChannelIdentity, Desk, Gate, Requester, Requirement,
    requires_approval,
};
use approvals_slack::{
    AppId as SlackAppId, Destination as SlackDestination, Endpoints, Installation, Route,
    Routes as SlackRoutes, SigningSecrets, Slack, SlackBuilder, TeamId,
};
use approvals_teams::{
    AppId, Cloud, Destination, InMemoryConversations, Routes, Teams, TeamsBuilder, TenantId,
};

use crate::slack_stand_in::{self as slack, Workspace};
use crate::teams_stand_in::{self as microsoft, Microsoft};

pub(crate) const ALICE: &str = "U0ALICE";
pub(crate) const CAROL: &str = "ca201000-0000-0000-0000-000000000000";

#[requires_approval(policy = "both", action = "sample.both")]
async fn both() -> Result<(), ApprovalError> {
    Ok(())
}

/// What a channel in Slack and one in Teams are called.
pub(crate) fn names() -> [ChannelId; 2] {
    ["slack", "teams"].map(|name| ChannelId::new(name).unwrap())
}

/// A workspace with alice and an organisation with carol, and the channels to them.
pub(crate) struct Sides {
    pub(crate) workspace: Workspace,
    pub(crate) in_slack: Slack,
    pub(crate) cloud: Microsoft,
    pub(crate) in_teams: Teams,
}

impl Sides {
    pub(crate) fn new(desk: &Desk) -> Self {
        let [here, there] = names();
        let workspace = Workspace::new();
        workspace.user(ALICE);
        let secrets = SigningSecrets::new(&slack::SECRET.into()).unwrap();
        let app = SlackAppId::new(slack::APP).unwrap();
        let ops = SlackDestination::channel("C0OPS").unwrap();
        let in_slack = SlackBuilder::new(slack::TOKEN.into(), secrets, app)
            .installed_in(Installation::Workspace(TeamId::new(slack::TEAM).unwrap()))
            .routes(SlackRoutes::new().to(Route::all(), [ops]))
            .endpoints(Endpoints::stand_in(slack::ORIGIN).unwrap())
            .http(Arc::new(workspace.clone()))
            .build(desk.channel(here))
            .unwrap();

        let cloud = Microsoft::new();
        cloud.member(CAROL);
        let tenant = TenantId::new(microsoft::TENANT).unwrap();
        let kept = Arc::new(InMemoryConversations::default());
        let ops = Destination::channel(microsoft::OPS).unwrap();
        let app = AppId::new(microsoft::APP).unwrap();
        let in_teams = TeamsBuilder::new(app, microsoft::SECRET.into(), tenant, kept)
            .routes(Routes::new().to(Route::all(), [ops]))
            .cloud(Cloud::stand_in(microsoft::ORIGIN).unwrap())
            .http(Arc::new(cloud.clone()))
            .build(desk.channel(there))
            .unwrap();
        Self {
            workspace,
            in_slack,
            cloud,
            in_teams,
        }
    }
}

/// Alice says yes in Slack and carol says `title` in Teams, in the same millisecond; each lets the
/// scheduler do so much else before. Returns whether alice was first.
async fn at_once(title: &str, [before_alice, before_carol]: [usize; 2]) -> bool {
    let directory = Arc::new(InMemoryDirectory::new());
    for name in ["alice", "carol"] {
        directory.person(name, ["reviewers"]).unwrap();
    }
    directory.person("bob", ["others"]).unwrap();
    let [here, there] = names();
    let alice = ChannelIdentity::new(here, slack::TEAM, ALICE);
    directory.link(alice, "alice").unwrap();
    let carol = ChannelIdentity::new(there, microsoft::TENANT, CAROL);
    directory.link(carol, "carol").unwrap();
    let desk = Desk::new(Arc::new(MemoryStore::on_tokio_time()), directory);

    let Sides {
        workspace,
        in_slack,
        cloud,
        in_teams,
    } = Sides::new(&desk);
    let (one, two) = (in_slack.clone(), in_teams.clone());
    let gate = Gate::with_desk(desk)
        .policy("both", Requirement::one_of("reviewers").unwrap())
        .approver("slack", |_| Arc::new(one))
        .approver("teams", |_| Arc::new(two))
        .build()
        .await
        .unwrap();
    let asking = tokio::spawn(async move {
        let requester = Requester::agent("exporter").unwrap();
        let requester = requester.acting_for("person:bob").unwrap();
        gate.scope(requester.scope(both())).await
    });
    let pause = || tokio::time::sleep(Duration::from_secs(2));
    pause().await;

    let message = workspace.messages().remove(0);
    let button = Workspace::button(&message, "vote.approve").unwrap();
    let payload = workspace.press(&message, ALICE, &button);
    let yes = in_slack
        .receive(&workspace.callback(&payload))
        .work
        .unwrap();
    let card = cloud.messages().remove(0);
    let button = Microsoft::button(&card, title).unwrap();
    let activity = cloud.press(&card, CAROL, &button, &[("approvals.comment", "no")]);
    let answer = cloud.callback(&activity);
    let yes = async {
        later(before_alice).await;
        yes.await;
    };
    let other = async {
        later(before_carol).await;
        in_teams.respond(&answer).await
    };
    let ((), answered) = tokio::join!(yes, other);
    assert!(answered.status().is_success());
    let ran = asking.await.unwrap().is_ok();
    pause().await;

    // One of them decided, and both messages show it; the other was told so.
    let texts = [
        workspace.reads(&workspace.messages().remove(0)),
        Microsoft::reads(&cloud.messages().remove(0)),
    ];
    let (yes, no) = (
        "alice approves",
        if title == "Deny" {
            "carol denies"
        } else {
            "carol approves"
        },
    );
    let by_alice = texts
        .iter()
        .all(|text| text.contains(yes) && !text.contains(no));
    let by_carol = texts
        .iter()
        .all(|text| text.contains(no) && !text.contains(yes));
    assert!(by_alice != by_carol, "{texts:?}");
    assert_eq!(ran, by_alice || title == "Approve", "{texts:?}");
    let words = String::from_utf8_lossy(answered.body()).contains("activity.message");
    let whispered = !workspace.whispers().is_empty();
    assert_eq!((words, whispered), (by_alice, by_carol));
    assert_eq!(Workspace::button(&workspace.messages().remove(0), ""), None);
    assert_eq!(
        Microsoft::button(&cloud.messages().remove(0), "Approve"),
        None
    );
    by_alice
}

#[tokio::test(start_paused = true)]
async fn reviewers_in_slack_and_teams_who_click_at_once_make_one_decision_that_both_messages_show()
{
    for title in ["Approve", "Deny"] {
        let mut by_alice = 0;
        for before_alice in 0..MOST {
            for before_carol in 0..MOST {
                by_alice += usize::from(at_once(title, [before_alice, before_carol]).await);
            }
        }
        let all = MOST * MOST;
        assert!((1..all).contains(&by_alice), "{by_alice} of {all} by alice");
    }
}

/// How much else happens before one of them clicks, at most.
const MOST: usize = 8;

async fn later(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}
