//! A room: a gate that asks in the stand-in, and people who answer there.

use std::sync::Arc;

use approvals_core::audit::What;
use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::store::RequestStore;
use approvals_core::{
    ApprovalError, ChannelId, ChannelIdentity, Desk, Gate, Requester, Requirement,
    requires_approval,
};
use approvals_slack::{
    AppId, Destination, Endpoints, Installation, Route, Routes, SigningSecrets, Slack,
    SlackBuilder, TeamId,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::Value;

use crate::stand_in::{APP, Message, ORIGIN, SECRET, TEAM, TOKEN, Workspace};

pub(crate) fn slack() -> ChannelId {
    ChannelId::new("slack").unwrap()
}

/// Settings for the stand-in, with everything routed to one channel.
pub(crate) fn settings(workspace: &Workspace) -> SlackBuilder {
    let secrets = SigningSecrets::new(&SECRET.into()).unwrap();
    SlackBuilder::new(TOKEN.into(), secrets, AppId::new(APP).unwrap())
        .installed_in(Installation::Workspace(TeamId::new(TEAM).unwrap()))
        .routes(Routes::new().to(Route::all(), [Destination::channel("C0OPS").unwrap()]))
        .endpoints(Endpoints::stand_in(ORIGIN).unwrap())
        .http(Arc::new(workspace.clone()))
}

/// Hands a callback in as a host does, and does the work at once.
pub(crate) async fn deliver(slack: &Slack, request: &Request<Bytes>) -> Response<Bytes> {
    let received = slack.receive(request);
    if let Some(work) = received.work {
        work.await;
    }
    received.response
}

pub(crate) struct Room {
    pub(crate) workspace: Workspace,
    pub(crate) directory: Arc<InMemoryDirectory>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) desk: Desk,
    pub(crate) slack: Slack,
    pub(crate) gate: Gate,
}

impl Room {
    /// One of the reviewers must agree: `alice` or `carol`. `bob` is in no group.
    pub(crate) async fn new() -> Self {
        let requirement = Requirement::one_of("reviewers").unwrap();
        Self::with(requirement, |settings| settings).await
    }

    pub(crate) async fn with(
        requirement: Requirement,
        change: impl FnOnce(SlackBuilder) -> SlackBuilder,
    ) -> Self {
        let workspace = Workspace::new();
        let directory = Arc::new(InMemoryDirectory::new());
        for (name, group) in [
            ("alice", "reviewers"),
            ("carol", "reviewers"),
            ("bob", "others"),
        ] {
            directory.person(name, [group]).unwrap();
            let user = id(name);
            workspace.user(&user);
            let identity = ChannelIdentity::new(slack(), TEAM, &user);
            directory.link(identity, name).unwrap();
        }
        workspace.user(&id("mallory"));
        let store = Arc::new(MemoryStore::on_tokio_time());
        Self::open(workspace, directory, store, requirement, change).await
    }

    /// The same workspace, people and store, in another process.
    pub(crate) async fn again(
        room: Self,
        requirement: Requirement,
        change: impl FnOnce(SlackBuilder) -> SlackBuilder,
    ) -> Self {
        Self::open(
            room.workspace,
            room.directory,
            room.store,
            requirement,
            change,
        )
        .await
    }

    /// The same in another process, once this one and its call are gone.
    pub(crate) async fn restarted(
        room: Self,
        asking: Asking,
        requirement: Requirement,
        change: impl FnOnce(SlackBuilder) -> SlackBuilder,
    ) -> Self {
        asking.abort();
        let _ = asking.await;
        let Self {
            workspace,
            directory,
            store,
            desk,
            slack,
            gate,
        } = room;
        drop((desk, slack, gate));
        for _ in 0..10_000 {
            if Arc::strong_count(&store) == 1 {
                return Self::open(workspace, directory, store, requirement, change).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("something of the former process goes on");
    }

    async fn open(
        workspace: Workspace,
        directory: Arc<InMemoryDirectory>,
        store: Arc<MemoryStore>,
        requirement: Requirement,
        change: impl FnOnce(SlackBuilder) -> SlackBuilder,
    ) -> Self {
        let desk = Desk::new(store.clone(), directory.clone());
        Self::at_desk(workspace, directory, store, desk, requirement, change).await
    }

    pub(crate) async fn at_desk(
        workspace: Workspace,
        directory: Arc<InMemoryDirectory>,
        store: Arc<MemoryStore>,
        desk: Desk,
        requirement: Requirement,
        change: impl FnOnce(SlackBuilder) -> SlackBuilder,
    ) -> Self {
        let slack = change(settings(&workspace))
            .build(desk.channel(slack()))
            .unwrap();
        let channel = slack.clone();
        let gate = Gate::with_desk(desk.clone())
            .policy("exports", requirement)
            .approver("slack", |_| Arc::new(channel))
            .build()
            .await
            .unwrap();
        Self {
            workspace,
            directory,
            store,
            desk,
            slack,
            gate,
        }
    }

    /// Asks for an export of so many rows, in a task of its own.
    pub(crate) fn asking(&self, rows: &str) -> Asking {
        asking(&self.gate, rows)
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

    /// Asks for an export of so many rows, in a task of its own, and returns when it is posted.
    pub(crate) async fn ask(&self, rows: &str) -> (Asking, Message) {
        let asking = self.asking(rows);
        self.posted(asking).await
    }

    async fn posted(&self, asking: Asking) -> (Asking, Message) {
        let before = self.workspace.messages().len();
        self.until(|| self.workspace.messages().len() > before)
            .await;
        self.settle().await;
        let message = self.workspace.messages().pop().unwrap();
        (asking, message)
    }

    /// The message as it stands now.
    pub(crate) fn now(&self, message: &Message) -> Message {
        let all = self.workspace.messages();
        all.into_iter()
            .find(|m| m.ts == message.ts && m.channel == message.channel)
            .unwrap()
    }

    /// Presses the button whose id ends so, as this person.
    pub(crate) async fn press(&self, message: &Message, who: &str, button: &str) -> StatusCode {
        let button = Workspace::button(message, button).expect("a button");
        let payload = self.workspace.press(message, &id(who), &button);
        self.hand_in(&payload).await.status()
    }

    /// Submits the form that was opened last.
    pub(crate) async fn submit(&self, who: &str, typed: &[(&str, &str)]) -> Response<Bytes> {
        let view = self.workspace.views().pop().expect("a form");
        let payload = self.workspace.submit(&view, &id(who), typed);
        self.hand_in(&payload).await
    }

    pub(crate) async fn hand_in(&self, payload: &Value) -> Response<Bytes> {
        deliver(&self.slack, &self.workspace.callback(payload)).await
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
        panic!("waited in vain: {:?}", self.workspace.refused());
    }

    /// Lets everything happen that is under way. Time is paused, so this takes none.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    }

    /// What the message shows.
    pub(crate) fn reads(&self, message: &Message) -> String {
        self.workspace.reads(&self.now(message))
    }
}

pub(crate) type Asking = tokio::task::JoinHandle<Result<String, ApprovalError>>;

/// Asks a gate for an export of so many rows, in a task of its own.
pub(crate) fn asking(gate: &Gate, rows: &str) -> Asking {
    let (gate, rows) = (gate.clone(), rows.to_owned());
    tokio::spawn(async move {
        let requester = Requester::agent("exporter").unwrap();
        let requester = requester.acting_for("person:bob").unwrap();
        gate.scope(requester.scope(export(&rows))).await
    })
}

#[requires_approval(policy = "exports", action = "db.export", resource = "db/customers", crate = ::approvals_core)]
async fn export(rows: &str) -> Result<String, ApprovalError> {
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

/// The Slack user of a person.
pub(crate) fn id(name: &str) -> String {
    format!("U0{}", name.to_uppercase())
}
