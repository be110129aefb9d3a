//! What many requests need: loose limits, a clock that tests turn, a sink that only counts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::store::{Filter, RequestStore as _};
use approvals_core::{
    ApprovalError, AuditError, AuditSink, Call, Clock, ClockError, Declaration, Event, Gate,
    GateBuilder, Limits, Phase, RequestId, Requester, Requirement, Risk, Rules, Timestamp, What,
    async_trait,
};

/// Time that stands until a test turns it: the same for every thread.
#[derive(Debug)]
pub(super) struct Stepped(AtomicU64);

impl Clock for Stepped {
    fn now(&self) -> Result<Timestamp, ClockError> {
        Ok(Timestamp::from_millis(self.0.load(Ordering::SeqCst)))
    }
}

/// How time passes in a test.
#[derive(Debug, Clone)]
pub(super) enum Time {
    /// By steps, on a runtime of several threads.
    Stepped(Arc<Stepped>),
    /// As tokio's paused clock does.
    Paused,
}

impl Time {
    pub(super) fn stepped() -> (Self, Arc<MemoryStore>) {
        let clock = Arc::new(Stepped(AtomicU64::new(1_800_000_000_000)));
        let store = MemoryStore::with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        (Self::Stepped(clock), Arc::new(store))
    }

    pub(super) fn paused() -> (Self, Arc<MemoryStore>) {
        (Self::Paused, Arc::new(MemoryStore::on_tokio_time()))
    }

    pub(super) async fn pass(&self, span: Duration) {
        match self {
            Self::Stepped(clock) => {
                let millis = u64::try_from(span.as_millis()).unwrap();
                clock.0.fetch_add(millis, Ordering::SeqCst);
            }
            Self::Paused => tokio::time::advance(span).await,
        }
    }
}

/// How often each request was decided, started and finished. Keeps nothing else.
#[derive(Debug, Default)]
pub(super) struct Counts {
    of: Mutex<HashMap<RequestId, Count>>,
    last: AtomicU64,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) decisions: Vec<Phase>,
    pub(super) started: u32,
    pub(super) finished: u32,
}

impl Counts {
    pub(super) fn of(&self, request: RequestId) -> Count {
        self.of
            .lock()
            .unwrap()
            .get(&request)
            .cloned()
            .unwrap_or_default()
    }
}

#[async_trait]
impl AuditSink for Counts {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        let mut counts = self.of.lock().unwrap();
        for event in events {
            let last = self.last.swap(event.number, Ordering::SeqCst);
            assert_eq!(last + 1, event.number, "dense and in order");
            let Some(request) = event.request else {
                continue;
            };
            let count = counts.entry(request).or_default();
            match &event.what {
                What::Approved => count.decisions.push(Phase::Approved),
                What::Denied { .. } | What::DeniedWith { .. } => {
                    count.decisions.push(Phase::Denied);
                }
                What::Withdrawn { .. } => count.decisions.push(Phase::Withdrawn),
                What::Expired => count.decisions.push(Phase::Expired),
                What::Started { .. } => count.started += 1,
                What::Finished { .. } => count.finished += 1,
                _ => {}
            }
        }
        Ok(())
    }
}

pub(super) const LOOSE: Limits = Limits {
    pending: u32::MAX,
    asks_per_hour: u32::MAX,
    denials: u32::MAX,
    pause: Duration::from_secs(1),
    denial_stands_for: Duration::from_secs(1),
};

/// Reviewers `alice`, `carol` and `dave`; `bob`'s agent asks. `load.short` has a second and
/// `load.long` has an hour to be decided, `load.grant` covers 10 runs, `load.read` is allowed.
pub(super) fn gate(store: &Arc<MemoryStore>) -> GateBuilder {
    let directory = InMemoryDirectory::new();
    for reviewer in ["alice", "carol", "dave"] {
        directory.person(reviewer, ["seniors"]).unwrap();
    }
    directory.person("bob", ["developers"]).unwrap();
    let one = || Requirement::one_of("seniors").unwrap();
    let hour = Duration::from_secs(3600);
    let rules = Rules::new()
        .review(
            "load.short",
            "short",
            one().deadline(Duration::from_secs(1)).unwrap(),
        )
        .and_then(|rules| rules.review("load.long", "long", one()))
        .and_then(|rules| rules.review("load.grant", "grant", one().reuse(10, hour).unwrap()))
        .and_then(|rules| rules.allow("load.read", "reads"))
        .unwrap();
    Gate::builder(Arc::clone(store) as Arc<_>, Arc::new(directory))
        .policy("load", rules)
        .limits(LOOSE)
}

/// The `n`th call of an action.
pub(super) fn call(action: &str, n: usize) -> Call {
    keyed(action, n, None)
}

pub(super) fn keyed(action: &str, n: usize, key: Option<&str>) -> Call {
    let declaration = Declaration {
        action: action.parse().unwrap(),
        policy: "load".parse().unwrap(),
        signature: "run(n)".into(),
        version: 1,
        risk: Risk::Low,
        idempotent: false,
        origin: "load::run (src/load.rs:1)".into(),
    };
    let requester = Requester::agent("runner")
        .map(|agent| agent.acting_for("person:bob").unwrap())
        .unwrap();
    let call = Call::of(Arc::new(declaration), requester).argument("n", &n);
    match key {
        Some(key) => call.key(key).build().unwrap(),
        None => call.build().unwrap(),
    }
}

/// Asks, and when it may, runs a body that counts.
pub(super) async fn run(gate: Gate, call: Call, body: &AtomicUsize) -> Result<(), ApprovalError> {
    let again = call.clone();
    let permit = gate.authorize(call).await?.start(&again).await?;
    body.fetch_add(1, Ordering::SeqCst);
    permit.finish(true).await;
    Ok(())
}

/// Which call a request is about.
pub(super) fn nth(call: &Call) -> usize {
    let n = call.argument("n").and_then(|n| n.as_u64()).unwrap();
    usize::try_from(n).unwrap()
}

/// Waits until no request is in any of these phases.
pub(super) async fn until_none(store: &MemoryStore, phases: &[Phase]) {
    let filter = Filter {
        phases: phases.to_vec(),
        ..Filter::default()
    };
    loop {
        let left = store.list(&filter, None, 1).await.unwrap();
        let Some(record) = left.first() else { return };
        let mut watch = store.hints().watch(record.id());
        let now = store.read(record.id()).await.unwrap().unwrap();
        if phases.contains(&now.record.state.phase()) {
            watch.changed().await;
        }
    }
}

pub(super) fn alive_tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

/// Waits until only so many tasks are left. Fails when they do not end.
pub(super) async fn until_tasks(count: usize) {
    for _ in 0..1_000_000 {
        if alive_tasks() <= count {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{} tasks are left, not {count}", alive_tasks());
}
