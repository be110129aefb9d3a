//! A gate all of whose parts fail by one script, over parts that are looked at directly.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use approvals_core::memory::{Answer, InMemoryApprover, InMemoryAuditSink, InMemoryDirectory};
use approvals_core::review::Choice;
use approvals_core::store::Filter;
use approvals_core::{
    ApprovalError, Call, Event, Gate, Phase, Policy, RedactionKey, RequestId, RequestStore,
    Requirement, SinkId, What,
};

use crate::faults::{FaultyApprover, FaultyDirectory, FaultySink, FaultyStore, Script};
use crate::sample::{REVIEWERS, Sample};

/// How long a claim holds: short, so that a world settles soon.
const LEASE: Duration = Duration::from_secs(5);
/// By then every request of a world is over: deadline, time to run, leases.
const SETTLED: Duration = Duration::from_secs(90);

/// Whether the sink has to have the events that license an effect before the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feeding {
    /// It stands between the claim and the start, which are two commits.
    Required,
    /// It is fed behind, and one commit claims and starts.
    Behind,
}

/// A gate whose store, channel, sink and directory fail by one script, and a body that looks
/// whenever it runs whether it may.
pub struct World {
    /// Says what fails.
    pub script: Arc<Script>,
    /// The store, past what fails.
    pub store: Arc<dyn RequestStore>,
    /// The channel, past what fails.
    pub approver: InMemoryApprover,
    /// The sink, past what fails.
    pub sink: Arc<InMemoryAuditSink>,
    /// The gate over all of them.
    pub gate: Gate,
    /// Sees every event in the store, whatever fails.
    observer: SinkId,
    feeding: Feeding,
    runs: AtomicUsize,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("store", &self.store)
            .field("runs", &self.runs)
            .finish_non_exhaustive()
    }
}

/// One of the reviewers must agree, and everything is over soon.
#[must_use]
pub fn requirement() -> Requirement {
    Requirement::one_of(REVIEWERS)
        .and_then(|one| one.deadline(Duration::from_secs(30)))
        .and_then(|one| one.execute_within(Duration::from_secs(20)))
        .unwrap()
}

impl World {
    /// A world over this store. Its policy is named `sample`, and alice, carol and dave are
    /// [`REVIEWERS`]. Runs under tokio's paused time, which the store's clock has to follow.
    pub async fn over(
        store: Arc<dyn RequestStore>,
        policy: impl Policy + 'static,
        feeding: Feeding,
    ) -> Self {
        let script = Arc::new(Script::new());
        let directory = InMemoryDirectory::new();
        for reviewer in ["alice", "carol", "dave"] {
            directory.person(reviewer, [REVIEWERS]).unwrap();
        }
        directory.person("bob", ["agents-owners"]).unwrap();
        let observer = SinkId::new("observer").unwrap();
        store.register_sink(&observer).await.unwrap();
        let faulty = FaultyStore::new(store.clone(), script.clone()).durable();
        let approver = InMemoryApprover::new();
        let sink = Arc::new(InMemoryAuditSink::new());
        let (channel, failing) = (approver.clone(), script.clone());
        let gate = Gate::builder(
            Arc::new(faulty),
            Arc::new(FaultyDirectory::new(Arc::new(directory), script.clone())),
        )
        .policy("sample", policy)
        .approver("memory", move |desk| {
            let connected = channel.connect()(desk);
            Arc::new(FaultyApprover::new(connected, failing))
        })
        .redaction_key(RedactionKey::random().unwrap())
        .lease(LEASE);
        let faulty = Arc::new(FaultySink::new(sink.clone(), script.clone()));
        let gate = match feeding {
            Feeding::Required => gate.required_audit_sink("memory", faulty),
            Feeding::Behind => gate.audit_sink("memory", faulty),
        };
        let gate = gate.build().await.unwrap();
        Self {
            script,
            store,
            approver,
            sink,
            gate,
            observer,
            feeding,
            runs: AtomicUsize::new(0),
        }
    }

    /// What people will say, one answer to each request.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.approver.script(answers);
    }

    fn call(sample: &Sample) -> Call {
        sample.call()
    }

    /// One attempt: what the macro's expansion does around a body. `Ok` says that the body ran.
    ///
    /// # Errors
    /// The refusal.
    pub async fn attempt(&self, sample: &Sample) -> Result<(), ApprovalError> {
        let admitted = self.gate.authorize(Self::call(sample)).await?;
        let permit = admitted.start(&Self::call(sample)).await?;
        let request = permit.request_id().expect("policy allows nothing here");
        self.body(request).await;
        permit.finish(true).await;
        Ok(())
    }

    /// The body: what must hold whenever it runs.
    async fn body(&self, request: RequestId) {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let record = self.store.read(request).await.unwrap().unwrap().record;
        assert_eq!(record.state.phase(), Phase::Executing, "runs unstarted");
        assert!(record.votes.iter().any(|v| v.choice == Choice::Approve));
        // Record before effect: yes, claim and start are in the store, the first two in the sink.
        let stored = order_of(&self.trail().await, request);
        let [first, .., last] = stored.as_slice() else {
            panic!("runs after {stored:?}");
        };
        assert_eq!((*first, *last), ("approved", "started"), "{stored:?}");
        if self.feeding == Feeding::Behind {
            return;
        }
        let acknowledged = order_of(&self.sink.events(), request);
        let (_, licences) = stored.split_last().unwrap();
        assert!(
            acknowledged.starts_with(licences),
            "the required sink has {acknowledged:?}"
        );
    }

    /// How often a body ran.
    pub fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    /// The whole trail as the store has it. Never acknowledged, so it is all there.
    pub async fn trail(&self) -> Vec<Event> {
        self.store.events(&self.observer, usize::MAX).await.unwrap()
    }

    /// Nothing fails any more, and time passes until everything is over.
    pub async fn settle(&self) {
        self.script.heal();
        tokio::time::sleep(SETTLED).await;
        self.gate.flush().await;
    }

    /// Nothing fails any more, and time passes until every request is over, and a little longer.
    pub(super) async fn settle_early(&self) {
        self.script.heal();
        let began = tokio::time::Instant::now();
        while began.elapsed() < SETTLED && !self.is_over().await {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        tokio::time::sleep(LEASE * 2).await;
        self.gate.flush().await;
    }

    async fn is_over(&self) -> bool {
        let all = self.store.list(&Filter::default(), None, usize::MAX).await;
        let mut phases = all.unwrap().into_iter().map(|r| r.state.phase());
        phases.all(|phase| phase.is_final() || phase == Phase::InDoubt)
    }

    /// Where a request is in its life, whatever fails.
    pub async fn phase(&self, request: RequestId) -> Phase {
        let snapshot = self.store.read(request).await.unwrap();
        snapshot.unwrap().record.state.phase()
    }

    /// Every call that was allowed is in the sink, once.
    pub async fn settle_with_allowed(&self, allowed: usize) {
        self.settle().await;
        let kept = self.sink.events();
        let found = kept
            .iter()
            .filter(|e| matches!(e.what, What::Allowed { .. }));
        assert_eq!(found.count(), allowed, "after {:?}", self.script.struck());
    }

    /// What holds of every world once it has settled.
    pub async fn assert_sound(&self) {
        let trail = self.trail().await;
        for (event, number) in trail.iter().zip(1..) {
            assert_eq!(event.number, number, "a gap in the numbering");
        }
        let records = self
            .store
            .list(&Filter::default(), None, usize::MAX)
            .await
            .unwrap();
        let mut started = 0;
        for record in &records {
            let id = record.id();
            let phase = record.state.phase();
            assert!(
                phase.is_final() || phase == Phase::InDoubt,
                "{id} is still {phase}"
            );
            let about = |wanted: fn(&What) -> bool| {
                trail
                    .iter()
                    .filter(|e| e.request == Some(id) && wanted(&e.what))
                    .count()
            };
            let starts = about(|what| matches!(what, What::Started { .. }));
            let yes = about(|what| matches!(what, What::Approved));
            assert!(starts <= 1, "{id} was started {starts} times");
            assert!(yes <= 1, "{id} was approved {yes} times");
            assert!(starts <= yes, "{id} was started without a yes");
            started += starts;
            let mut voters: Vec<_> = record.votes.iter().map(|v| &v.person).collect();
            voters.dedup();
            assert_eq!(voters.len(), record.votes.len(), "a vote counted twice");
        }
        assert!(self.runs() <= started, "the body ran without a start");
        // Nothing is lost on the way to the sink, and nothing is there twice.
        let kept = self.sink.events();
        let mut ids: Vec<_> = kept.iter().map(|event| event.id).collect();
        let mut stored: Vec<_> = trail.iter().map(|event| event.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "the sink has an event twice");
        stored.sort_unstable();
        stored.dedup();
        assert_eq!(ids, stored, "the sink has not got the whole trail");
    }
}

/// The events that license a run, in the order that they happened.
fn order_of(events: &[Event], request: RequestId) -> Vec<&'static str> {
    events
        .iter()
        .filter(|event| event.request == Some(request))
        .filter_map(|event| match &event.what {
            What::Approved => Some("approved"),
            What::Claimed { .. } => Some("claimed"),
            What::Started { .. } => Some("started"),
            _ => None,
        })
        .collect()
}
