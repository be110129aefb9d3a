//! A small world to test the real gate in: people, a gate over the in-memory adapters, guarded
//! functions whose bodies are counted, and a store that fails or stops where a test says so.
#![allow(dead_code, reason = "each test module uses its own part")]

pub(crate) mod adapters;
pub(crate) mod store;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use approvals_core::memory::{
    Answer, InMemoryApprover, InMemoryAuditSink, InMemoryDirectory, PendingRequest,
};
use approvals_core::review::Refused;
use approvals_core::{
    ApprovalError, AuditSink, ChannelId, ChannelIdentity, Choice, Gate, GateBuilder, GroupId,
    PersonId, Phase, Policy, Record, RequestId, Requester, Requirement, VoteError, What,
    requires_approval,
};

pub(crate) use store::{Failing, Store};

/// What a guarded body does once it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Body {
    Succeeds,
    Fails,
    Panics,
    NeverEnds,
}

/// A guarded function's error: a refusal, or a failure of its own.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(ApprovalError),
    Body,
}

impl From<ApprovalError> for Failure {
    fn from(error: ApprovalError) -> Self {
        Self::Refused(error)
    }
}

pub(crate) type Ran = Result<u64, Failure>;

/// The refusal that a call ended with.
#[track_caller]
pub(crate) fn refusal(ran: Ran) -> ApprovalError {
    match ran {
        Err(Failure::Refused(error)) => error,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

/// Why the engine did not count an answer.
#[track_caller]
pub(crate) fn not_counted(answer: Result<Arc<Record>, VoteError>) -> Refused {
    match answer {
        Err(VoteError::Refused(refused)) => refused,
        other => panic!("expected an answer that does not count, found {other:?}"),
    }
}

tokio::task_local! {
    static BODY: (Arc<AtomicUsize>, Body);
}

async fn body() -> Ran {
    // A task that was spawned past every scope has no counter: its body must not get here.
    let (bodies, body) = BODY.with(Clone::clone);
    let nth = bodies.fetch_add(1, Ordering::SeqCst) as u64 + 1;
    match body {
        Body::Succeeds => Ok(nth),
        Body::Fails => Err(Failure::Body),
        Body::Panics => panic!("the body panics"),
        Body::NeverEnds => std::future::pending().await,
    }
}

#[requires_approval(policy = "p", action = "it.export", resource = "db/{database}")]
pub(crate) async fn export(database: &str, rows: u64) -> Ran {
    let _ = (database, rows);
    body().await
}

#[requires_approval(policy = "p", action = "it.keyed", key = step)]
pub(crate) async fn keyed(step: &str, rows: u64) -> Ran {
    let _ = (step, rows);
    body().await
}

#[requires_approval(policy = "p", action = "it.sync", idempotent)]
pub(crate) async fn sync(rows: u64) -> Ran {
    let _ = rows;
    body().await
}

#[requires_approval(policy = "p", action = "it.shared")]
pub(crate) async fn shared(rows: &AtomicU64) -> Ran {
    let _ = rows;
    body().await
}

#[requires_approval(policy = "p", action = "it.pooled", skip(pool))]
pub(crate) async fn pooled(pool: &str, rows: u64) -> Ran {
    let _ = (pool, rows);
    body().await
}

#[requires_approval(policy = "p", action = "it.sized")]
pub(crate) async fn sized(size: f64) -> Ran {
    let _ = size;
    body().await
}

#[requires_approval(policy = "p", action = "it.secretive", redact(token))]
pub(crate) async fn secretive(token: &str, rows: u64) -> Ran {
    let _ = (token, rows);
    body().await
}

/// Everything that a test holds on to.
pub(crate) struct World {
    pub(crate) gate: Gate,
    pub(crate) approver: InMemoryApprover,
    pub(crate) sink: Arc<InMemoryAuditSink>,
    pub(crate) store: Arc<Store>,
    pub(crate) directory: Arc<InMemoryDirectory>,
    /// How often a guarded body began.
    pub(crate) bodies: Arc<AtomicUsize>,
}

/// A gate with one policy, `p`.
pub(crate) async fn world(policy: impl Policy + 'static) -> World {
    world_with(policy, |gate| gate).await
}

/// A gate with one policy, `p`, and whatever else a test wants of it.
pub(crate) async fn world_with(
    policy: impl Policy + 'static,
    more: impl FnOnce(GateBuilder) -> GateBuilder,
) -> World {
    let required = |gate: GateBuilder, sink| more(gate.required_audit_sink("memory", sink));
    world_of(policy, required).await
}

/// A gate with one policy, `p`, whose sink is fed behind: one commit claims and starts.
pub(crate) async fn world_in_one_commit(policy: impl Policy + 'static) -> World {
    world_of(policy, |gate, sink| gate.audit_sink("memory", sink)).await
}

async fn world_of(
    policy: impl Policy + 'static,
    more: impl FnOnce(GateBuilder, Arc<dyn AuditSink>) -> GateBuilder,
) -> World {
    let directory = people();
    let asked: Arc<dyn approvals_core::Directory> = Arc::clone(&directory) as _;
    world_over(directory, asked, policy, more).await
}

/// A world whose gate asks this directory.
pub(crate) async fn world_over(
    directory: Arc<InMemoryDirectory>,
    asked: Arc<dyn approvals_core::Directory>,
    policy: impl Policy + 'static,
    more: impl FnOnce(GateBuilder, Arc<dyn AuditSink>) -> GateBuilder,
) -> World {
    let approver = InMemoryApprover::new();
    let sink = Arc::new(InMemoryAuditSink::new());
    let store = Arc::new(Failing::store());
    let gate = Gate::builder(store.clone(), asked)
        .policy("p", policy)
        .approver("test", approver.connect());
    let gate = more(gate, sink.clone()).build().await.unwrap();
    World {
        gate,
        approver,
        sink,
        store,
        directory,
        bodies: Arc::default(),
    }
}

/// Alice, Carol and Erin are seniors, Erin is of security too, Dave leads, Root administers
/// everything, and Bob is whom the agent acts for: a senior himself.
pub(crate) fn people() -> Arc<InMemoryDirectory> {
    let directory = InMemoryDirectory::new();
    for (name, groups) in [
        ("alice", &["seniors"][..]),
        ("carol", &["seniors"]),
        ("erin", &["seniors", "security"]),
        ("frank", &["security"]),
        ("dave", &["leads"]),
        ("bob", &["seniors", "leads", "responders"]),
        ("grace", &["responders"]),
        ("root", &["admins", "seniors"]),
    ] {
        directory.person(name, groups).unwrap();
    }
    Arc::new(directory)
}

/// One senior agrees.
pub(crate) fn a_senior() -> Requirement {
    Requirement::one_of("seniors").unwrap()
}

/// The agent that acts for Bob.
pub(crate) fn agent() -> Requester {
    Requester::agent("exporter")
        .unwrap()
        .acting_for("person:bob")
        .unwrap()
}

pub(crate) fn person(name: &str) -> PersonId {
    PersonId::new(name).unwrap()
}

pub(crate) fn group(name: &str) -> GroupId {
    GroupId::new(name).unwrap()
}

pub(crate) fn identity(user: &str) -> ChannelIdentity {
    ChannelIdentity::new(ChannelId::new("test").unwrap(), "", user)
}

pub(crate) const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl World {
    /// Runs calls as the agent that acts for Bob.
    pub(crate) fn run<F: Future>(&self, calls: F) -> impl Future<Output = F::Output> + use<F> {
        self.run_as(agent(), Body::Succeeds, calls)
    }

    /// Runs calls whose bodies end like this.
    pub(crate) fn run_to<F: Future>(
        &self,
        end: Body,
        calls: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        self.run_as(agent(), end, calls)
    }

    /// Runs calls as this requester.
    pub(crate) fn run_as<F: Future>(
        &self,
        requester: Requester,
        end: Body,
        calls: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        let (gate, bodies) = (self.gate.clone(), Arc::clone(&self.bodies));
        async move {
            let scoped = BODY.scope((bodies, end), calls);
            gate.scope(requester.scope(scoped)).await
        }
    }

    /// Runs calls with a body counter and nothing else: no gate, no requester.
    pub(crate) fn bare<F: Future>(&self, calls: F) -> impl Future<Output = F::Output> + use<F> {
        BODY.scope((Arc::clone(&self.bodies), Body::Succeeds), calls)
    }

    /// Starts a call in a task of its own, and waits for its request.
    pub(crate) async fn ask(
        &self,
        call: impl Future<Output = Ran> + Send + 'static,
    ) -> (tokio::task::JoinHandle<Ran>, PendingRequest) {
        let task = tokio::spawn(self.run(call));
        (task, self.approver.next().await)
    }

    /// A call that this person approves.
    pub(crate) async fn approved(&self, who: &str, call: impl Future<Output = Ran>) -> Ran {
        let vote = async { self.approver.next().await.approve_as(who).await.unwrap() };
        tokio::join!(self.run(call), vote).0
    }

    /// A call that this person denies.
    pub(crate) async fn denied(&self, who: &str, call: impl Future<Output = Ran>) -> ApprovalError {
        let vote = async { self.approver.next().await.deny_as(who, "no").await.unwrap() };
        refusal(tokio::join!(self.run(call), vote).0)
    }

    /// How often a body began.
    pub(crate) fn bodies(&self) -> usize {
        self.bodies.load(Ordering::SeqCst)
    }

    pub(crate) async fn record(&self, request: RequestId) -> Arc<Record> {
        self.gate.request(request).await.unwrap()
    }

    pub(crate) async fn phase(&self, request: RequestId) -> Phase {
        self.record(request).await.state.phase()
    }

    /// What the trail says about a request, once everything that is under way is recorded.
    pub(crate) async fn trail(&self, request: RequestId) -> Vec<What> {
        self.gate.flush().await;
        self.sink.about(request)
    }
}

/// Says something other than yes or no.
pub(crate) async fn say(
    request: &PendingRequest,
    who: &str,
    choice: Choice,
    comment: Option<&str>,
) -> Result<Arc<Record>, VoteError> {
    request.answer(Answer::of(who, choice, comment)).await
}

/// The names of events, for comparing whole trails.
pub(crate) fn names(trail: &[What]) -> Vec<String> {
    let name = |what: &What| {
        serde_json::to_value(what).unwrap()["what"]
            .as_str()
            .map(str::to_owned)
    };
    trail.iter().filter_map(name).collect()
}

/// A call that no macro captured.
pub(crate) fn by_hand(rows: u64) -> approvals_core::Call {
    declared(rows).build().unwrap()
}

/// A call that no macro captured, named by the host.
pub(crate) fn by_hand_keyed(rows: u64, key: &str) -> approvals_core::Call {
    declared(rows).key(key).build().unwrap()
}

fn declared(rows: u64) -> approvals_core::call::CallBuilder {
    let declaration = approvals_core::Declaration {
        action: "it.manual".parse().unwrap(),
        policy: "p".parse().unwrap(),
        signature: "manual(rows)".into(),
        version: 1,
        risk: approvals_core::Risk::Low,
        idempotent: false,
        origin: "a pipeline".into(),
    };
    approvals_core::Call::of(Arc::new(declaration), agent())
        .argument("rows", &rows)
        .resource("db/orders")
}
