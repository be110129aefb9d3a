//! The gate, its policies, the call itself.

use std::sync::Arc;

use approvals_core::memory::InMemoryApprover;
use approvals_core::{
    ActionName, Call, Facts, Gate, Kind, Policy, Reasons, Risk, Rules, Verdict, policy,
    requires_approval,
};

use crate::support::adapters::PanickingSink;
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn no_gate_refuses() {
    let world = world(a_senior()).await;
    let error = refusal(agent().scope(world.bare(export("orders", 1))).await);
    assert_eq!(error.kind(), Kind::Invalid);
    let text = error.to_string();
    assert!(
        text.starts_with("`it.export` did not run: no gate is installed"),
        "{text}"
    );
    assert!(
        text.contains("Gate::install") && text.contains("gate = …"),
        "{text}"
    );
    assert_eq!(world.bodies(), 0);
}

#[requires_approval(policy = "payments", action = "it.pay")]
async fn pay(cents: u64) -> Ran {
    panic!("the body of an action without a policy ran for {cents}")
}

#[tokio::test(start_paused = true)]
async fn an_unknown_policy_refuses() {
    let world = world(a_senior()).await;
    let error = refusal(world.run(pay(1)).await);
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(
        error
            .to_string()
            .contains("the gate has no policy `payments`"),
        "{error}"
    );
    assert_eq!(error.detail(), Some("the gate's policies are: p"));
}

/// A policy has no way to return an error: what goes wrong inside is a `Deny` with the error in it.
#[tokio::test(start_paused = true)]
async fn an_error_inside_a_policy_refuses() {
    let erring = policy::from_fn(|call, _| {
        let limit: Result<u64, _> = "ten".parse();
        match limit {
            Ok(limit) if call.arguments().bytes() < limit as usize => {
                Verdict::Allow(Reasons::all([]))
            }
            Ok(_) => Verdict::Deny(Reasons::all([])),
            Err(error) => Verdict::Deny(Reasons::rule("limit", &error.to_string()).unwrap()),
        }
    });
    let world = world(erring).await;
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::DeniedByPolicy);
    assert!(
        error
            .to_string()
            .contains("invalid digit found in string (limit)"),
        "{error}"
    );
    assert_eq!(world.bodies(), 0);
}

#[derive(Debug)]
struct Panics {
    by_name: bool,
}

impl Policy for Panics {
    fn evaluate(&self, _: &Call, _: &Facts) -> Verdict {
        panic!("the policy panics")
    }

    fn by_action(&self, _: &ActionName) -> Option<Verdict> {
        assert!(!self.by_name, "the policy panics");
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_panics_refuses() {
    for by_name in [true, false] {
        let world = world(Panics { by_name }).await;
        for _ in 0..2 {
            let error = refusal(world.run(export("orders", 1)).await);
            assert_eq!(error.kind(), Kind::Unavailable);
            assert!(error.to_string().contains("the policy panicked"), "{error}");
        }
        assert_eq!(world.bodies(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_without_a_rule_for_the_action_refuses() {
    let world = world(Rules::new().allow("it.other", "others").unwrap()).await;
    let error = refusal(world.run(export("orders", 1)).await);
    assert!(
        error
            .to_string()
            .contains("no rule allows `it.export`: add one to the policy"),
        "{error}"
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_argument_that_cannot_be_carried_refuses() {
    let world = world(a_senior()).await;
    for size in [f64::NAN, f64::INFINITY] {
        let error = refusal(world.run(sized(size)).await);
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(
            error
                .to_string()
                .contains("argument `size` cannot be shown to a reviewer"),
            "{error}"
        );
    }
    assert!(world.approver.asked().is_empty());
    assert_eq!(world.bodies(), 0);
}

/// Serializes until it is asked a second time.
#[derive(Debug, Default)]
struct Once(std::sync::atomic::AtomicBool);

impl serde::Serialize for Once {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return Err(serde::ser::Error::custom("only once"));
        }
        serializer.serialize_str("once")
    }
}

#[requires_approval(policy = "p", action = "it.once")]
async fn once(value: &Once) -> Ran {
    panic!("the body ran with {value:?}")
}

#[tokio::test(start_paused = true)]
async fn an_argument_that_cannot_be_captured_again_refuses() {
    let world = world(a_senior()).await;
    let error = {
        let value = Once::default();
        let vote = async {
            world
                .approver
                .next()
                .await
                .approve_as("alice")
                .await
                .unwrap()
        };
        refusal(tokio::join!(world.run(once(&value)), vote).0)
    };
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("only once"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_the_host_did_not_declare_refuses() {
    let world = world_with(a_senior(), |gate| {
        gate.environments(["staging", "production"])
    })
    .await;
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(
        error
            .to_string()
            .contains("the call has no environment: set one on the gate"),
        "{error}"
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_required_audit_sink_that_fails_refuses() {
    let world = world(a_senior()).await;
    world.sink.fail(Some("the disk is full"));
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(
        error
            .to_string()
            .contains("the required audit sink `memory` cannot be reached"),
        "{error}"
    );
    assert!(error.detail().unwrap().contains("the disk is full"));
    assert!(world.approver.asked().is_empty(), "nobody was asked");
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_required_audit_sink_that_panics_refuses() {
    let world = world_with(a_senior(), |gate| {
        gate.required_audit_sink("panics", Arc::new(PanickingSink))
    })
    .await;
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.to_string().contains("`panics`"), "{error}");
    assert!(error.detail().unwrap().contains("panicked"));
    assert_eq!(world.bodies(), 0);
}

/// A sink that is not required cannot take the gate's deadlines with it.
#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_leaves_deadlines_as_they_are() {
    let world = world_with(a_senior(), |gate| {
        gate.audit_sink("panics", Arc::new(PanickingSink))
    })
    .await;
    let (task, _) = world.ask(export("orders", 1)).await;
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::TimedOut);
    world.approved("alice", export("orders", 2)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn code_that_names_a_policy_the_gate_lacks_stops_the_gate_from_being_installed() {
    let store = Arc::new(approvals_core::memory::MemoryStore::on_tokio_time());
    let gate = Gate::builder(store, people())
        .policy("p", a_senior().at_least(Risk::Low))
        .approver("test", InMemoryApprover::new().connect())
        .build()
        .await
        .unwrap();
    let error = gate.install().unwrap_err().to_string();
    assert!(
        error.contains("which the gate lacks: add it with `policy("),
        "{error}"
    );
}
