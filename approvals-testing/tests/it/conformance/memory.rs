//! The in-memory adapters keep every rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use approvals_core::memory::{
    Answer, InMemoryApprover, InMemoryAuditSink, InMemoryDirectory, MemoryStore, PendingRequest,
};
use approvals_core::{
    Approver, AuditSink, ChannelDesk, ChannelId, ChannelIdentity, Choice, EventId, GroupId,
    PersonId, RequestId, RequestStore, async_trait,
};
use approvals_testing::approver::{Driver, Shown};
use approvals_testing::audit_sink::Kept;
use approvals_testing::directory::{Inhabitant, Town};
use approvals_testing::faults::{FaultyStore, Script};
use approvals_testing::{approver, audit_sink, directory, store};

#[tokio::test(start_paused = true)]
async fn the_in_memory_store_keeps_every_rule() {
    let report = store::conformance(|clock| async move {
        Arc::new(MemoryStore::with_clock(clock)) as Arc<dyn RequestStore>
    })
    .await;
    println!("{} rules", report.judged().len());
    report.assert_kept();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_in_memory_store_keeps_every_rule_between_threads() {
    store::conformance(|clock| async move {
        Arc::new(MemoryStore::with_clock(clock)) as Arc<dyn RequestStore>
    })
    .await
    .assert_kept();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_in_memory_store_shares_duties_out() {
    store::duties_conformance(|clock| async move {
        let inner = Arc::new(MemoryStore::with_clock(clock));
        Arc::new(FaultyStore::new(inner, Arc::new(Script::new()))) as Arc<dyn RequestStore>
    })
    .await
    .assert_kept();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_in_memory_store_keeps_the_rules_of_several_processes() {
    store::processes_conformance(|clock| async move {
        let one: Arc<dyn RequestStore> = Arc::new(MemoryStore::with_clock(clock));
        [Arc::clone(&one), one]
    })
    .await
    .assert_kept();
}

#[tokio::test(start_paused = true)]
async fn a_faulty_store_without_a_fault_keeps_every_rule() {
    store::conformance(|clock| async move {
        let inner = Arc::new(MemoryStore::with_clock(clock));
        Arc::new(FaultyStore::new(inner, Arc::new(Script::new()))) as Arc<dyn RequestStore>
    })
    .await
    .assert_kept();
}

#[derive(Debug, Default)]
struct InMemorySink(Arc<InMemoryAuditSink>);

#[async_trait]
impl Kept for InMemorySink {
    async fn open(&self) -> Arc<dyn AuditSink> {
        self.0.clone()
    }
    async fn kept(&self) -> Vec<EventId> {
        self.0.events().iter().map(|event| event.id).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_in_memory_audit_sink_keeps_every_rule() {
    audit_sink::conformance(|| async { Arc::new(InMemorySink::default()) as Arc<dyn Kept> })
        .await
        .assert_kept();
}

/// Alice has two accounts; dave's name is hers on the channel `chat`.
pub(super) fn town() -> Town {
    let person = |name: &str| PersonId::new(name).unwrap();
    let group = |name: &str| GroupId::new(name).unwrap();
    let on = |channel: &str, user: &str| {
        ChannelIdentity::new(ChannelId::new(channel).unwrap(), "", user)
    };
    let directory = InMemoryDirectory::new();
    directory.person("alice", ["seniors", "staff"]).unwrap();
    directory.person("dave", ["staff"]).unwrap();
    directory.owner("agent:exporter", "dave").unwrap();
    directory.link(on("chat", "U1"), "alice").unwrap();
    directory.link(on("chat", "dave"), "alice").unwrap();
    Town {
        directory: Arc::new(directory),
        people: vec![
            Inhabitant {
                person: person("alice"),
                identities: vec![on("chat", "U1"), on("chat", "dave"), on("mail", "alice")],
                groups: BTreeSet::from([group("seniors"), group("staff")]),
                not_in: BTreeSet::new(),
            },
            Inhabitant {
                person: person("dave"),
                identities: vec![on("mail", "dave")],
                groups: BTreeSet::from([group("staff")]),
                not_in: BTreeSet::from([group("seniors")]),
            },
        ],
        nobody: person("mallory"),
        no_group: group("no-such-group"),
        strangers: vec![on("chat", "U9"), on("chat", ""), on("chat", "Ünfit name\n")],
        owned: Some((
            "agent:exporter".parse().unwrap(),
            BTreeSet::from([person("dave")]),
        )),
        unowned: Some("agent:stray".parse().unwrap()),
    }
}

#[tokio::test(start_paused = true)]
async fn the_in_memory_directory_keeps_every_rule() {
    directory::conformance(town()).await.assert_kept();
}

/// The outside world of an in-memory channel: messages that a test holds in its hands.
#[derive(Debug)]
pub(super) struct Hands {
    channel: InMemoryApprover,
    messages: tokio::sync::Mutex<BTreeMap<RequestId, PendingRequest>>,
}

impl Hands {
    pub(super) fn new() -> Self {
        Self {
            channel: InMemoryApprover::new(),
            messages: tokio::sync::Mutex::default(),
        }
    }

    pub(super) async fn message(&self, request: RequestId) -> PendingRequest {
        let mut messages = self.messages.lock().await;
        while !messages.contains_key(&request) {
            let next = self.channel.next().await;
            messages.insert(next.id(), next);
        }
        messages.get(&request).cloned().unwrap()
    }
}

#[async_trait]
impl Driver for Hands {
    async fn connect(&self, desk: ChannelDesk) -> Arc<dyn Approver> {
        self.channel.connect()(desk)
    }

    async fn click(&self, request: RequestId, user: &str, choice: Choice, comment: Option<&str>) {
        let message = self.message(request).await;
        // Whether it counted is seen elsewhere.
        let _ = message
            .answer_as_seen(Answer::of(user, choice, comment))
            .await;
    }

    async fn shown(&self, request: RequestId) -> Shown {
        let message = self.message(request).await;
        let outcome = self
            .channel
            .outcomes()
            .into_iter()
            .rfind(|(id, _)| *id == request);
        Shown::Text(format!("{}\n{outcome:?}", message.presentation()))
    }
}

#[tokio::test(start_paused = true)]
async fn the_in_memory_channel_keeps_every_rule() {
    approver::conformance(|| async { Arc::new(Hands::new()) as Arc<dyn Driver> })
        .await
        .assert_kept();
}
