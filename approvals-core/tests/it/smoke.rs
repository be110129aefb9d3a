//! The main path, end to end.

use std::sync::Arc;

use approvals_core::memory::{InMemoryApprover, InMemoryAuditSink, InMemoryDirectory, MemoryStore};
use approvals_core::{ApprovalError, Gate, Kind, Requester, Requirement, Rules, requires_approval};

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
            request.approve_as("bob").await.unwrap_err();
            request.approve_as("alice").await.unwrap();
            println!("{}", request.presentation());
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
        println!("{error}");
        let error = export("customers", 11).await.unwrap_err();
        println!("{error}");
        assert_eq!(error.kind(), Kind::NotAsked);
        let (timed, _) = tokio::join!(export("customers", 12), approver.next());
        println!("{}", timed.unwrap_err());
    }));
    run.await;
    gate.flush().await;
    for event in sink.events() {
        println!("{} {:?}", event.number, event.what);
    }
}
