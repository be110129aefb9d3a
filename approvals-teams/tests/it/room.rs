//! A room: a gate that asks in the stand-in, and people who answer there.

use std::sync::Arc;

use approvals_core::audit::What;
use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::store::RequestStore;
use approvals_core::{
    ApprovalError, ChannelId, ChannelIdentity, Desk, Gate, Requester, Requirement, Risk,
    requires_approval,
};
use approvals_teams::{
    AppId, Cloud, Conversations, Destination, InMemoryConversations, Route, Routes, Teams,
    TeamsBuilder, TenantId,
};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

use crate::stand_in::{APP, Message, Microsoft, OPS, ORIGIN, SECRET, TENANT};

pub(crate) fn teams() -> ChannelId {
    ChannelId::new("teams").unwrap()
}

/// Settings for the stand-in, with everything routed to one channel.
pub(crate) fn settings(
    microsoft: &Microsoft,
    conversations: &Arc<dyn Conversations>,
) -> TeamsBuilder {
    let (app, tenant) = (AppId::new(APP).unwrap(), TenantId::new(TENANT).unwrap());
    TeamsBuilder::new(app, SECRET.into(), tenant, Arc::clone(conversations))
        .routes(Routes::new().to(Route::all(), [Destination::channel(OPS).unwrap()]))
        .cloud(Cloud::stand_in(ORIGIN).unwrap())
        .http(Arc::new(microsoft.clone()))
}

/// What outlives a process.
type Parts = (
    Microsoft,
    Arc<dyn Conversations>,
    Arc<InMemoryDirectory>,
    Arc<MemoryStore>,
    Desk,
);

pub(crate) struct Room {
    pub(crate) microsoft: Microsoft,
    pub(crate) conversations: Arc<dyn Conversations>,
    pub(crate) directory: Arc<InMemoryDirectory>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) desk: Desk,
    pub(crate) teams: Teams,
    pub(crate) gate: Gate,
}

impl Room {
    /// One of the reviewers must agree: `alice` or `carol`. `bob` is in no group.
    pub(crate) async fn new() -> Self {
        Self::with(one(), |settings| settings).await
    }

    pub(crate) async fn with(
        requirement: Requirement,
        change: impl FnOnce(TeamsBuilder) -> TeamsBuilder,
    ) -> Self {
        let microsoft = Microsoft::new();
        let directory = Arc::new(InMemoryDirectory::new());
        for (name, group) in [
            ("alice", "reviewers"),
            ("carol", "reviewers"),
            ("bob", "others"),
        ] {
            directory.person(name, [group]).unwrap();
            let user = id(name);
            microsoft.member(&user);
            let identity = ChannelIdentity::new(teams(), TENANT, &user);
            directory.link(identity, name).unwrap();
        }
        microsoft.member(&id("mallory"));
        let store = Arc::new(MemoryStore::on_tokio_time());
        let desk = Desk::new(store.clone(), directory.clone());
        let conversations: Arc<dyn Conversations> = Arc::new(InMemoryConversations::default());
        let parts = (microsoft, conversations, directory, store, desk);
        Self::open(parts, requirement, change).await
    }

    /// The same in another process, once this one and its call are gone.
    pub(crate) async fn restarted(
        room: Self,
        asking: Asking,
        requirement: Requirement,
        change: impl FnOnce(TeamsBuilder) -> TeamsBuilder,
    ) -> Self {
        asking.abort();
        let _ = asking.await;
        let Self {
            microsoft,
            conversations,
            directory,
            store,
            desk,
            teams,
            gate,
        } = room;
        drop((desk, teams, gate));
        for _ in 0..10_000 {
            if Arc::strong_count(&store) == 1 {
                let desk = Desk::new(store.clone(), directory.clone());
                let parts = (microsoft, conversations, directory, store, desk);
                return Self::open(parts, requirement, change).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("something of the former process goes on");
    }

    /// The same people, store and conversations, in another process.
    pub(crate) async fn again(
        room: Self,
        requirement: Requirement,
        change: impl FnOnce(TeamsBuilder) -> TeamsBuilder,
    ) -> Self {
        let parts = (
            room.microsoft,
            room.conversations,
            room.directory,
            room.store,
            room.desk,
        );
        Self::open(parts, requirement, change).await
    }

    pub(crate) async fn open(
        (microsoft, conversations, directory, store, desk): Parts,
        requirement: Requirement,
        change: impl FnOnce(TeamsBuilder) -> TeamsBuilder,
    ) -> Self {
        let teams = change(settings(&microsoft, &conversations))
            .build(desk.channel(teams()))
            .unwrap();
        let channel = teams.clone();
        let gate = Gate::with_desk(desk.clone())
            .policy("exports", requirement)
            .approver("teams", |_| Arc::new(channel))
            .build()
            .await
            .unwrap();
        Self {
            microsoft,
            conversations,
            directory,
            store,
            desk,
            teams,
            gate,
        }
    }

    /// Asks for an export of so many rows, in a task of its own.
    pub(crate) fn asking(&self, rows: &str) -> Asking {
        self.asking_at(rows, Risk::Low)
    }

    pub(crate) fn asking_at(&self, rows: &str, risk: Risk) -> Asking {
        asking_at(&self.gate, rows, risk)
    }

    /// Asks for an export of so many rows, in a task of its own, and returns when it is posted.
    pub(crate) async fn ask(&self, rows: &str) -> (Asking, Message) {
        self.ask_at(rows, Risk::Low).await
    }

    pub(crate) async fn ask_at(&self, rows: &str, risk: Risk) -> (Asking, Message) {
        let asking = self.asking_at(rows, risk);
        self.posted(asking).await
    }

    /// Asks under a key, in a task of its own: asked again, the call finds what became of it.
    pub(crate) fn asking_under(&self, key: &str) -> Asking {
        let (gate, key) = (self.gate.clone(), key.to_owned());
        tokio::spawn(async move {
            let requester = Requester::agent("exporter").unwrap();
            let requester = requester.acting_for("person:bob").unwrap();
            gate.scope(requester.scope(export_under(&key))).await
        })
    }

    /// The same, and returns when it is posted.
    pub(crate) async fn ask_under(&self, key: &str) -> (Asking, Message) {
        let asking = self.asking_under(key);
        self.posted(asking).await
    }

    async fn posted(&self, asking: Asking) -> (Asking, Message) {
        let before = self.microsoft.messages().len();
        self.until(|| self.microsoft.messages().len() > before)
            .await;
        self.settle().await;
        let message = self.microsoft.messages().pop().unwrap();
        (asking, message)
    }

    /// The message as it stands now.
    pub(crate) fn now(&self, message: &Message) -> Message {
        let all = self.microsoft.messages();
        all.into_iter()
            .find(|m| m.id == message.id && m.conversation == message.conversation)
            .unwrap()
    }

    /// Presses the button with this title, as this person.
    pub(crate) async fn press(&self, message: &Message, who: &str, title: &str) -> Value {
        self.press_with(message, who, title, &[]).await
    }

    pub(crate) async fn press_with(
        &self,
        message: &Message,
        who: &str,
        title: &str,
        typed: &[(&str, &str)],
    ) -> Value {
        let button = Microsoft::button(message, title).expect("a button");
        let activity = self.microsoft.press(message, &id(who), &button, typed);
        let answer = self.hand_in(&activity).await;
        assert_eq!(answer.status(), StatusCode::OK);
        serde_json::from_slice(answer.body()).unwrap()
    }

    pub(crate) async fn hand_in(&self, activity: &Value) -> Response<Bytes> {
        self.teams.respond(&self.microsoft.callback(activity)).await
    }

    /// Waits until something holds: longer than the five minutes after which what failed is tried
    /// again at the latest.
    pub(crate) async fn until(&self, holds: impl Fn() -> bool) {
        for _ in 0..20_000 {
            if holds() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("waited in vain: {:?}", self.microsoft.refused());
    }

    /// Lets everything happen that is under way. Time is paused, so this takes none.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    }

    /// What the message shows.
    pub(crate) fn reads(&self, message: &Message) -> String {
        Microsoft::reads(&self.now(message))
    }
}

pub(crate) type Asking = tokio::task::JoinHandle<Result<String, ApprovalError>>;

/// Asks a gate for an export of so many rows, in a task of its own.
pub(crate) fn asking_at(gate: &Gate, rows: &str, risk: Risk) -> Asking {
    let (gate, rows) = (gate.clone(), rows.to_owned());
    tokio::spawn(async move {
        let requester = Requester::agent("exporter").unwrap();
        let requester = requester.acting_for("person:bob").unwrap();
        let export = async {
            match risk {
                Risk::Critical => export_all(&rows).await,
                _ => export(&rows).await,
            }
        };
        gate.scope(requester.scope(export)).await
    })
}

pub(crate) fn one() -> Requirement {
    Requirement::one_of("reviewers").unwrap()
}

/// What whoever pressed is told in words; nothing where they see the card.
pub(crate) fn told(answer: &Value) -> Option<&str> {
    let words = answer["type"] == "application/vnd.microsoft.activity.message";
    words.then(|| answer["value"].as_str().unwrap())
}

#[requires_approval(policy = "exports", action = "db.export", resource = "db/customers", crate = ::approvals_core)]
async fn export(rows: &str) -> Result<String, ApprovalError> {
    Ok(format!("exported {rows}"))
}

#[requires_approval(policy = "exports", action = "db.export_all", risk = critical, crate = ::approvals_core)]
async fn export_all(rows: &str) -> Result<String, ApprovalError> {
    Ok(format!("exported {rows}"))
}

#[requires_approval(policy = "exports", action = "db.export_step", key = key, crate = ::approvals_core)]
async fn export_under(key: &str) -> Result<String, ApprovalError> {
    Ok(format!("exported {key}"))
}

/// Every refused vote in the trail since this was first asked: from which account, and why.
pub(crate) async fn refused_votes(store: &MemoryStore) -> Vec<(String, String)> {
    let sink = approvals_core::SinkId::new("test").unwrap();
    store.register_sink(&sink).await.unwrap();
    let events = store.events(&sink, 1_000).await.unwrap();
    let refused = events.iter().filter_map(|event| match &event.what {
        What::VoteRefused { identity, why, .. } => Some((identity.to_string(), why.to_string())),
        _ => None,
    });
    refused.collect()
}

/// The object id of a person.
pub(crate) fn id(name: &str) -> String {
    let number = name.bytes().fold(7_u32, |all, byte| {
        all.wrapping_mul(31).wrapping_add(byte.into())
    });
    format!("{number:08x}-0000-0000-0000-000000000000")
}
