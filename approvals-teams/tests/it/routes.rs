//! Where requests go, by policy, requester, risk and time of day, from the call to the message.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{
    ApprovalError, ChannelIdentity, Clock, ClockError, Desk, Gate, Requester, Requirement, Risk,
    Timestamp, requires_approval,
};
use approvals_teams::{Conversations, Destination, InMemoryConversations, Route, Routes, Teams};
use tokio::time::Instant;

use crate::room::{id, settings, teams};
use crate::stand_in::{Message, Microsoft, TENANT};

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
    microsoft: Microsoft,
    channel: Teams,
    gate: Gate,
}

impl House {
    async fn at(clock: Arc<dyn Clock>, routes: Routes) -> Self {
        let microsoft = Microsoft::new();
        CHANNELS
            .iter()
            .for_each(|channel| microsoft.conversation(channel));
        microsoft.member(&id("alice"));
        let directory = Arc::new(InMemoryDirectory::new());
        directory.person("alice", ["reviewers"]).unwrap();
        directory.person("bob", ["others"]).unwrap();
        directory.person("dave", ["others"]).unwrap();
        let identity = ChannelIdentity::new(teams(), TENANT, &id("alice"));
        directory.link(identity, "alice").unwrap();
        let desk = Desk::new(Arc::new(MemoryStore::with_clock(clock)), directory);
        let conversations: Arc<dyn Conversations> = Arc::new(InMemoryConversations::default());
        let settings = settings(&microsoft, &conversations).routes(routes);
        let channel = settings.build(desk.channel(teams())).unwrap();
        let approver = channel.clone();
        let requirement = || Requirement::one_of("reviewers").unwrap();
        let gate = Gate::with_desk(desk)
            .policy("exports", requirement())
            .policy("deploys", requirement())
            .approver("teams", |_| Arc::new(approver))
            .build()
            .await
            .unwrap();
        Self {
            microsoft,
            channel,
            gate,
        }
    }

    /// Asks, and says where that was posted when it is.
    async fn ask(&self, agent: &str, person: &str, action: &'static str) -> (Asking, Message) {
        let before = self.microsoft.messages().len();
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
            if self.microsoft.messages().len() > before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let messages = self.microsoft.messages();
        assert_eq!(messages.len(), before + 1, "{:?}", self.microsoft.refused());
        (asking, messages[before].clone())
    }

    async fn approve(&self, message: &Message) {
        let button = Microsoft::button(message, "Approve").unwrap();
        let activity = self.microsoft.press(message, &id("alice"), &button, &[]);
        let callback = self.microsoft.callback(&activity);
        let answer = self.channel.respond(&callback).await;
        assert!(answer.status().is_success());
    }
}

const CHANNELS: [&str; 8] = [
    "19:night@thread.tacv2",
    "19:day@thread.tacv2",
    "19:wake@thread.tacv2",
    "19:crit@thread.tacv2",
    "19:nightly@thread.tacv2",
    "19:dave@thread.tacv2",
    "19:deploys@thread.tacv2",
    "19:rest@thread.tacv2",
];

fn to(channel: &str) -> [Destination; 1] {
    [Destination::channel(channel).unwrap()]
}

/// The channel: a thread is part of it.
fn place(message: &Message) -> &str {
    message.conversation.split(';').next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_same_call_goes_to_one_channel_by_day_and_to_another_at_night_in_teams() {
    let routes = Routes::new()
        .to(
            Route::all().between(22, 6).unwrap(),
            to("19:night@thread.tacv2"),
        )
        .to(
            Route::all().between(6, 22).unwrap(),
            to("19:day@thread.tacv2"),
        );
    let house = House::at(at(21, 50), routes).await;
    let (by_day, first) = house.ask("exporter", "person:bob", "export").await;
    assert_eq!(place(&first), "19:day@thread.tacv2");
    // A quarter of an hour later it is night, by the store's clock.
    tokio::time::sleep(Duration::from_secs(15 * 60)).await;
    let (at_night, second) = house.ask("exporter", "person:bob", "export").await;
    assert_eq!(place(&second), "19:night@thread.tacv2");
    // What was asked by day stays where it is, and each answers its own request.
    house.approve(&second).await;
    assert!(at_night.await.unwrap().is_ok());
    assert!(!by_day.is_finished());
    house.approve(&first).await;
    assert!(by_day.await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(house.microsoft.messages().len(), 2);
    assert_eq!(house.microsoft.refused(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn policy_requester_risk_and_hour_together_say_where_a_request_goes_in_teams() {
    let routes = || {
        let critical = Route::all().at_least(Risk::Critical);
        let nightly = "agent:nightly".parse().unwrap();
        let dave = "person:dave".parse().unwrap();
        Routes::new()
            .to(
                critical.clone().between(22, 6).unwrap(),
                to("19:wake@thread.tacv2"),
            )
            .to(critical, to("19:crit@thread.tacv2"))
            .to(
                Route::all().requester(nightly).policy("exports").unwrap(),
                to("19:nightly@thread.tacv2"),
            )
            .to(Route::all().requester(dave), to("19:dave@thread.tacv2"))
            .to(
                Route::all().policy("deploys").unwrap(),
                to("19:deploys@thread.tacv2"),
            )
            .to(Route::all(), to("19:rest@thread.tacv2"))
    };
    for (hour, agent, person, action, expected) in [
        (
            23,
            "exporter",
            "person:bob",
            "export all",
            "19:wake@thread.tacv2",
        ),
        (
            5,
            "exporter",
            "person:bob",
            "export all",
            "19:wake@thread.tacv2",
        ),
        (
            6,
            "exporter",
            "person:bob",
            "export all",
            "19:crit@thread.tacv2",
        ),
        (
            12,
            "nightly",
            "person:bob",
            "export all",
            "19:crit@thread.tacv2",
        ),
        (
            12,
            "nightly",
            "person:bob",
            "export",
            "19:nightly@thread.tacv2",
        ),
        (
            12,
            "nightly",
            "person:bob",
            "deploy",
            "19:deploys@thread.tacv2",
        ),
        // Whoever the agent acts for counts too.
        (
            12,
            "exporter",
            "person:dave",
            "deploy",
            "19:dave@thread.tacv2",
        ),
        (
            12,
            "exporter",
            "person:bob",
            "deploy",
            "19:deploys@thread.tacv2",
        ),
        (
            23,
            "exporter",
            "person:bob",
            "export",
            "19:rest@thread.tacv2",
        ),
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
