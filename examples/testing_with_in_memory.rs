//! How a test suite answers: `InMemoryApprover` hands each request to the test.
//!
//! `cargo run --example testing_with_in_memory` runs the three tests below as a program; in a test
//! suite each is a `#[tokio::test(start_paused = true)]`, and none of them sleeps.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use approvals_core::memory::{
    Answer, InMemoryApprover, InMemoryAuditSink, InMemoryDirectory, MemoryStore,
};
use approvals_core::{ApprovalError, Gate, Kind, Requester, Requirement, What, requires_approval};

/// How often the body has run: what a test of a gate has to look at.
static PAGED: AtomicU32 = AtomicU32::new(0);

#[requires_approval(policy = "on-call", action = "pager.wake", resource = "person/{who}")]
async fn wake(who: &str, message: &str) -> Result<(), ApprovalError> {
    let _ = (who, message);
    PAGED.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// A gate as a test wants it, with what the test looks at.
struct House {
    gate: Gate,
    approver: InMemoryApprover,
    trail: Arc<InMemoryAuditSink>,
    requester: Requester,
}

impl House {
    async fn new() -> Result<Self, Box<dyn Error>> {
        let directory = InMemoryDirectory::new();
        directory.person("alice", ["leads"])?;
        directory.person("dana", ["leads"])?;
        let approver = InMemoryApprover::new();
        let trail = Arc::new(InMemoryAuditSink::new());
        // On tokio's time a paused clock moves deadlines, and a test of a timeout takes no time.
        let store = Arc::new(MemoryStore::on_tokio_time());
        let gate = Gate::builder(store, Arc::new(directory))
            .policy("on-call", Requirement::one_of("leads")?)
            .approver("test", approver.connect())
            .required_audit_sink("trail", trail.clone())
            .build()
            .await?;
        Ok(Self {
            gate,
            approver,
            trail,
            requester: Requester::agent("watcher")?.acting_for("person:dana")?,
        })
    }
}

/// Look at the request, then answer it.
async fn the_body_runs_once_alice_agrees() -> Result<(), Box<dyn Error>> {
    let house = House::new().await?;
    let before = PAGED.load(Ordering::SeqCst);
    let call = house
        .gate
        .scope(house.requester.scope(wake("bob", "disk full")));
    let answer = async {
        let request = house.approver.next().await;
        assert_eq!(
            request.presentation().resource.as_deref(),
            Some("person/bob")
        );
        assert_eq!(
            PAGED.load(Ordering::SeqCst),
            before,
            "nothing runs before the yes"
        );
        // dana asked through her agent: she cannot agree to it.
        assert!(request.approve_as("dana").await.is_err());
        request.approve_as("alice").await
    };
    let (ran, answered) = tokio::join!(call, answer);
    ran?;
    answered?;
    assert_eq!(PAGED.load(Ordering::SeqCst), before + 1);
    house.gate.flush().await;
    let refused = |what: &What| {
        matches!(
            what,
            What::VoteRefused {
                own_request: true,
                ..
            }
        )
    };
    assert!(
        house
            .trail
            .events()
            .iter()
            .any(|event| refused(&event.what))
    );
    Ok(())
}

/// Answer ahead, and look at what was asked afterwards.
async fn a_scripted_denial_reaches_the_agent_with_its_reason() -> Result<(), Box<dyn Error>> {
    let house = House::new().await?;
    house
        .approver
        .script([Answer::deny("alice", "let bob sleep")]);
    let call = house.requester.scope(wake("bob", "disk half full"));
    let Err(refusal) = house.gate.scope(call).await else {
        return Err("a denied call ran".into());
    };
    assert_eq!(refusal.kind(), Kind::Denied);
    assert_eq!(refusal.comment(), Some("let bob sleep"));
    assert_eq!(house.approver.asked().len(), 1);
    println!("the agent is told: {refusal}");
    Ok(())
}

/// Nobody answers: under paused time the hour passes at once.
async fn silence_is_no() -> Result<(), Box<dyn Error>> {
    let house = House::new().await?;
    tokio::time::pause();
    let call = house.requester.scope(wake("bob", "disk full again"));
    let Err(refusal) = house.gate.scope(call).await else {
        return Err("a call that nobody answered ran".into());
    };
    assert!(refusal.is_timed_out());
    println!("the agent is told: {refusal}");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    the_body_runs_once_alice_agrees().await?;
    a_scripted_denial_reaches_the_agent_with_its_reason().await?;
    silence_is_no().await?;
    println!("all three hold");
    Ok(())
}
