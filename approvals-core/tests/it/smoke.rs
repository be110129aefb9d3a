//! The main path, end to end.

use std::sync::Arc;

use approvals_core::memory::{InMemoryApprover, InMemoryAuditSink, InMemoryDirectory, MemoryStore};
use approvals_core::review::Refused;
use approvals_core::{
    ApprovalError, Gate, Kind, Requester, Requirement, Rules, VoteError, requires_approval,
};

use crate::support::names;

#[requires_approval(
    policy = "prod-db",
    action = "smoke.export",
    resource = "db/{database}"
)]
async fn export(database: &str, rows: u64) -> Result<u64, ApprovalError> {
    let _ = database;
    Ok(rows)
}

#[tokio::test(start_paused = true)]
async fn a_yes_runs_the_body_and_a_no_does_not() {
    let directory = Arc::new(InMemoryDirectory::new());
    directory.person("alice", ["seniors"]).unwrap();
    directory.person("bob", ["agents-owners"]).unwrap();
    let approver = InMemoryApprover::new();
    let sink = Arc::new(InMemoryAuditSink::new());
    let policy = Rules::new()
        .review(
            "smoke.export",
            "exports",
            Requirement::one_of("seniors").unwrap(),
        )
        .unwrap();
    let gate = Gate::builder(Arc::new(MemoryStore::on_tokio_time()), directory)
        .policy("prod-db", policy)
        .approver("test", approver.connect())
        .required_audit_sink("memory", sink.clone())
        .build()
        .await
        .unwrap();
    let requester = Requester::agent("exporter")
        .unwrap()
        .acting_for("person:bob")
        .unwrap();
    let run = gate.scope(requester.scope(async {
        let yes = async {
            let request = approver.next().await;
            let own = request.approve_as("bob").await;
            assert!(matches!(
                own,
                Err(VoteError::Refused(Refused::OwnRequest(_)))
            ));
            request.approve_as("alice").await.unwrap();
            let shown = request.presentation().to_string();
            for known in ["smoke.export", "db/customers", "rows = 10", "person:bob"] {
                assert!(shown.contains(known), "{known}: {shown}");
            }
        };
        let (ran, ()) = tokio::join!(export("customers", 10), yes);
        assert_eq!(ran.unwrap(), 10);
        let no = async {
            approver
                .next()
                .await
                .deny_as("alice", "not today")
                .await
                .unwrap()
        };
        let (ran, _) = tokio::join!(export("customers", 11), no);
        let error = ran.unwrap_err();
        assert_eq!(error.kind(), Kind::Denied);
        assert!(error.to_string().contains("not today"), "{error}");
        let error = export("customers", 11).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotAsked);
        let (timed, _) = tokio::join!(export("customers", 12), approver.next());
        assert_eq!(timed.unwrap_err().kind(), Kind::TimedOut);
    }));
    run.await;
    gate.flush().await;
    let events = sink.events();
    let numbers: Vec<_> = events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    let trail: Vec<_> = events.iter().map(|event| event.what.clone()).collect();
    assert_eq!(
        names(&trail),
        [
            "requested",
            "vote_refused",
            "voted",
            "approved",
            "claimed",
            "started",
            "finished",
            "requested",
            "voted",
            "denied",
            "requested",
            // What asks nobody is recorded behind the call.
            "refused",
            "expired",
        ]
    );
}
