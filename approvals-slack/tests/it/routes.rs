//! Where requests go, by policy, requester, risk and time of day, from the call to the message.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{
    ApprovalError, ChannelIdentity, Clock, ClockError, Desk, Gate, Requester, Requirement, Risk,
    Timestamp, requires_approval,
};
use approvals_slack::{Destination, Route, Routes, Slack};
use tokio::time::Instant;

use crate::room::{id, settings, slack};
use crate::stand_in::{Message, TEAM, Workspace};

#[requires_approval(policy = "exports", action = "route.export", crate = ::approvals_core)]
async fn export(rows: &str) -> Result<String, ApprovalError> {
    Ok(format!("exported {rows}"))
}

#[requires_approval(policy = "exports", action = "route.export_all", risk = critical, crate = ::approvals_core)]
async fn export_all(rows: &str) -> Result<String, ApprovalError> {
    Ok(format!("exported {rows}"))
}

#[requires_approval(policy = "deploys", action = "route.deploy", crate = ::approvals_core)]
async fn deploy(rows: &str) -> Result<String, ApprovalError> {
    Ok(format!("deployed {rows}"))
}

/// A store's clock that begins at a time of day, in UTC, and goes on as tokio's does.
#[derive(Debug)]
struct From(Timestamp, Instant);

impl Clock for From {
    fn now(&self) -> Result<Timestamp, ClockError> {
        Ok(self.0.plus(self.1.elapsed()))
    }
}

fn at(hour: u64, minute: u64) -> Arc<dyn Clock> {
    let midnight = Timestamp::from_millis(20_775 * 86_400_000);
    let since = Duration::from_secs((hour * 60 + minute) * 60);
    Arc::new(From(midnight.plus(since), Instant::now()))
}

type Asking = tokio::task::JoinHandle<Result<String, ApprovalError>>;

/// A gate with two policies on a store that begins at a time of day.
struct House {
    workspace: Workspace,
    channel: Slack,
    gate: Gate,
}

impl House {
    async fn at(clock: Arc<dyn Clock>, routes: Routes) -> Self {
        let workspace = Workspace::new();
        CHANNELS
            .iter()
            .for_each(|channel| workspace.channel(channel));
        workspace.user(&id("alice"));
        let directory = Arc::new(InMemoryDirectory::new());
        directory.person("alice", ["reviewers"]).unwrap();
        directory.person("bob", ["others"]).unwrap();
        directory.person("dave", ["others"]).unwrap();
        let identity = ChannelIdentity::new(slack(), TEAM, &id("alice"));
        directory.link(identity, "alice").unwrap();
        let desk = Desk::new(Arc::new(MemoryStore::with_clock(clock)), directory);
        let settings = settings(&workspace).routes(routes);
        let channel = settings.build(desk.channel(slack())).unwrap();
        let approver = channel.clone();
        let requirement = || Requirement::one_of("reviewers").unwrap();
        let gate = Gate::with_desk(desk)
            .policy("exports", requirement())
            .policy("deploys", requirement())
            .approver("slack", |_| Arc::new(approver))
            .build()
            .await
            .unwrap();
        Self {
            workspace,
            channel,
            gate,
        }
    }

    /// Asks, and says where that was posted when it is.
    async fn ask(&self, agent: &str, person: &str, action: &'static str) -> (Asking, Message) {
        let before = self.workspace.messages().len();
        let requester = Requester::agent(agent).unwrap();
        let requester = requester.acting_for(person).unwrap();
        let gate = self.gate.clone();
        let asking = tokio::spawn(async move {
            let call = async {
                match action {
                    "export" => export("ten").await,
                    "export all" => export_all("ten").await,
                    _ => deploy("ten").await,
                }
            };
            gate.scope(requester.scope(call)).await
        });
        for _ in 0..1_000 {
            if self.workspace.messages().len() > before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let messages = self.workspace.messages();
        assert_eq!(messages.len(), before + 1, "{:?}", self.workspace.refused());
        (asking, messages[before].clone())
    }

    async fn approve(&self, message: &Message) {
        let button = Workspace::button(message, "vote.approve").unwrap();
        let payload = self.workspace.press(message, &id("alice"), &button);
        let callback = self.workspace.callback(&payload);
        let answer = crate::room::deliver(&self.channel, &callback).await;
        assert!(answer.status().is_success());
    }
}

const CHANNELS: [&str; 8] = [
    "C0NIGHT",
    "C0DAY",
    "C0WAKE",
    "C0CRIT",
    "C0NIGHTLY",
    "C0DAVE",
    "C0DEPLOYS",
    "C0REST",
];

fn to(channel: &str) -> [Destination; 1] {
    [Destination::channel(channel).unwrap()]
}

fn place(message: &Message) -> &str {
    &message.channel
}

#[tokio::test(start_paused = true)]
async fn the_same_call_goes_to_one_channel_by_day_and_to_another_at_night_in_slack() {
    let routes = Routes::new()
        .to(Route::all().between(22, 6).unwrap(), to("C0NIGHT"))
        .to(Route::all().between(6, 22).unwrap(), to("C0DAY"));
    let house = House::at(at(21, 50), routes).await;
    let (by_day, first) = house.ask("exporter", "person:bob", "export").await;
    assert_eq!(place(&first), "C0DAY");
    // A quarter of an hour later it is night, by the store's clock.
    tokio::time::sleep(Duration::from_secs(15 * 60)).await;
    let (at_night, second) = house.ask("exporter", "person:bob", "export").await;
    assert_eq!(place(&second), "C0NIGHT");
    // What was asked by day stays where it is, and each answers its own request.
    house.approve(&second).await;
    assert!(at_night.await.unwrap().is_ok());
    assert!(!by_day.is_finished());
    house.approve(&first).await;
    assert!(by_day.await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(house.workspace.messages().len(), 2);
    assert_eq!(house.workspace.refused(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn policy_requester_risk_and_hour_together_say_where_a_request_goes_in_slack() {
    let routes = || {
        let critical = Route::all().at_least(Risk::Critical);
        let nightly = "agent:nightly".parse().unwrap();
        let dave = "person:dave".parse().unwrap();
        Routes::new()
            .to(critical.clone().between(22, 6).unwrap(), to("C0WAKE"))
            .to(critical, to("C0CRIT"))
            .to(
                Route::all().requester(nightly).policy("exports").unwrap(),
                to("C0NIGHTLY"),
            )
            .to(Route::all().requester(dave), to("C0DAVE"))
            .to(Route::all().policy("deploys").unwrap(), to("C0DEPLOYS"))
            .to(Route::all(), to("C0REST"))
    };
    for (hour, agent, person, action, expected) in [
        (23, "exporter", "person:bob", "export all", "C0WAKE"),
        (5, "exporter", "person:bob", "export all", "C0WAKE"),
        (6, "exporter", "person:bob", "export all", "C0CRIT"),
        (12, "nightly", "person:bob", "export all", "C0CRIT"),
        (12, "nightly", "person:bob", "export", "C0NIGHTLY"),
        (12, "nightly", "person:bob", "deploy", "C0DEPLOYS"),
        // Whoever the agent acts for counts too.
        (12, "exporter", "person:dave", "deploy", "C0DAVE"),
        (12, "exporter", "person:bob", "deploy", "C0DEPLOYS"),
        (23, "exporter", "person:bob", "export", "C0REST"),
    ] {
        let house = House::at(at(hour, 0), routes()).await;
        let (asking, message) = house.ask(agent, person, action).await;
        assert_eq!(
            place(&message),
            expected,
            "{hour} {agent} {person} {action}"
        );
        // What is critical is confirmed in a step of its own, which others prove.
        if action != "export all" {
            house.approve(&message).await;
            assert!(asking.await.unwrap().is_ok());
        }
    }
}
