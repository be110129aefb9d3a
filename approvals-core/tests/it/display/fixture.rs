//! A gate with one reviewer, and calls made by hand.

use std::sync::Arc;

use approvals_core::call::CallBuilder;
use approvals_core::memory::{InMemoryApprover, InMemoryAuditSink, InMemoryDirectory, MemoryStore};
use approvals_core::review::Asked;
use approvals_core::{
    Call, Declaration, Gate, GateBuilder, NonEmpty, Reasons, RequestId, Requester, Requirement,
    Risk, Timestamp,
};

/// `alice` reviews what `bob`'s agent does.
pub(crate) struct Fixture {
    pub(crate) gate: Gate,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) approver: InMemoryApprover,
    pub(crate) sink: Arc<InMemoryAuditSink>,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(|gate| gate).await
    }

    pub(crate) async fn with(change: impl FnOnce(GateBuilder) -> GateBuilder) -> Self {
        let directory = InMemoryDirectory::new();
        directory.person("alice", ["seniors"]).unwrap();
        directory.person("bob", ["developers"]).unwrap();
        let store = Arc::new(MemoryStore::on_tokio_time());
        let approver = InMemoryApprover::new();
        let sink = Arc::new(InMemoryAuditSink::new());
        let builder = Gate::builder(store.clone(), Arc::new(directory))
            .policy("prod-db", Requirement::one_of("seniors").unwrap())
            .approver("test", approver.connect())
            .audit_sink("memory", sink.clone());
        Self {
            gate: change(builder).build().await.unwrap(),
            store,
            approver,
            sink,
        }
    }

    /// What people are shown of a call.
    pub(crate) async fn shown(&self, call: CallBuilder) -> String {
        let call = call.build().unwrap();
        let (shown, error) = tokio::join!(
            async {
                let request = self.approver.next().await;
                let shown = request.presentation().to_string();
                request.deny_as("alice", "seen").await.unwrap();
                shown
            },
            self.gate.authorize(call)
        );
        error.unwrap_err();
        shown
    }
}

pub(crate) fn declaration(action: &str) -> Declaration {
    Declaration {
        action: action.parse().unwrap(),
        policy: "prod-db".parse().unwrap(),
        signature: "export(database, rows)".into(),
        version: 1,
        risk: Risk::Low,
        idempotent: false,
        origin: "reports::export (src/reports.rs:12)".into(),
    }
}

pub(crate) fn with_action(action: &str, requester: Requester) -> CallBuilder {
    Call::of(Arc::new(declaration(action)), requester)
}

pub(crate) fn agent() -> Requester {
    Requester::agent("exporter")
        .unwrap()
        .acting_for("person:bob")
        .unwrap()
}

/// A call of `db.export` by bob's agent, so far without arguments.
pub(crate) fn exporter() -> CallBuilder {
    with_action("db.export", agent())
}

/// What would be asked about a call, without a gate: always at the same time, with the same id.
pub(crate) fn asked(call: Call, why: &str) -> Asked {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let call = Arc::new(call.into_masked());
    Asked {
        id: RequestId::from_bytes([7; 16]),
        digest: call.digest(),
        shown: call.digest(),
        root: call.requester().root().clone(),
        risk: call.risk(),
        call,
        tracks: NonEmpty::of(Arc::new(Requirement::one_of("seniors").unwrap())),
        reasons: Reasons::rule("exports", why).unwrap(),
        policy_version: None,
        principals: [].into(),
        asked_at: now,
        expires_at: now,
        may_have_run: None,
    }
}
