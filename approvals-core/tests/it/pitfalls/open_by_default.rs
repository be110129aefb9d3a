//! Open by default.

use approvals_core::{
    ActionName, Call, Facts, Kind, Phase, Policy, Reasons, Rules, Strictest, Verdict, VoteError,
    detached, requires_approval,
};

use crate::support::*;

#[requires_approval(policy = "p", action = "it.drop_tabel")]
async fn misspelt() -> Ran {
    panic!("an action that no rule names ran")
}

/// Public source: curie 453. A rule for another name is no rule.
#[tokio::test(start_paused = true)]
async fn a_misspelt_name_left_the_gate_unarmed() {
    let rules = Rules::new()
        .review("it.drop_table", "drops", a_senior())
        .unwrap();
    let world = world(rules).await;
    let error = refusal(world.run(misspelt()).await);
    assert_eq!(error.kind(), Kind::DeniedByPolicy);
    assert!(
        error.to_string().contains("no rule allows `it.drop_tabel`"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_no_rule_matched_ran() {
    let rules = Rules::new()
        .allow_when("it.export", "small", |_, _| false)
        .unwrap();
    for world in [world(rules).await, world(Rules::new()).await] {
        let error = refusal(world.run(export("orders", 1)).await);
        assert_eq!(error.kind(), Kind::DeniedByPolicy);
        assert_eq!(world.bodies(), 0);
    }
}

/// An empty answer at a prompt was a yes.
#[tokio::test(start_paused = true)]
async fn saying_nothing_approved() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let nobody = request.approve_as("").await;
    assert!(
        matches!(nobody, Err(VoteError::UnknownPerson(_))),
        "{nobody:?}"
    );
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::TimedOut);
    assert_eq!(world.bodies(), 0);
}

#[derive(Debug)]
struct Erring;

impl Policy for Erring {
    fn evaluate(&self, call: &Call, _: &Facts) -> Verdict {
        match call
            .argument("nothing")
            .and_then(|argument| argument.as_u64())
        {
            Some(_) => Verdict::Allow(Reasons::all([])),
            None => Verdict::Deny(Reasons::rule("erring", "`nothing` is missing").unwrap()),
        }
    }

    fn by_action(&self, _: &ActionName) -> Option<Verdict> {
        None
    }
}

/// Cedar skips a `forbid` that errs; others skip whole inspectors.
#[tokio::test(start_paused = true)]
async fn a_policy_that_erred_was_skipped() {
    let allow = || Rules::new().allow("it.export", "exports").unwrap();
    let orders = [
        Strictest::of(Erring).and(allow()),
        Strictest::of(allow()).and(Erring),
    ];
    for policy in orders {
        let world = world(policy).await;
        let error = refusal(world.run(export("orders", 1)).await);
        assert!(
            error.to_string().contains("`nothing` is missing"),
            "{error}"
        );
        assert_eq!(world.bodies(), 0);
    }
}

/// Public source: hermes 104140.
#[tokio::test(start_paused = true)]
async fn a_failure_of_the_trail_was_ignored() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    world.sink.fail(Some("the disk is full"));
    request.approve_as("alice").await.unwrap();
    let error = refusal(task.await.unwrap());
    assert!(
        error
            .to_string()
            .contains("the required audit sink `memory`"),
        "{error}"
    );
    assert_eq!(world.bodies(), 0);
}

/// A yes in the store is no way in for whoever goes around the gate: the call that it is for runs
/// behind the gate or not at all.
#[tokio::test(start_paused = true)]
async fn a_yes_without_a_gate_ran() {
    let world = world(a_senior()).await;
    let task = tokio::spawn(world.run(detached(keyed("step-1", 1))));
    let request = world.approver.next().await;
    assert!(refusal(task.await.unwrap()).is_pending());
    request.approve_as("alice").await.unwrap();
    assert_eq!(world.phase(request.id()).await, Phase::Approved);
    // The same call with the same key, of the same requester, in a scope that has no gate.
    let outside = world.bare(agent().scope(keyed("step-1", 1))).await;
    let error = refusal(outside);
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("no gate"), "{error}");
    // Nor in a task that was spawned out of the gate's scope.
    let spawned = world.run(async { tokio::spawn(keyed("step-1", 1)).await });
    let lost = spawned.await.unwrap();
    assert!(matches!(lost, Err(Failure::Refused(_))), "{lost:?}");
    assert_eq!(world.bodies(), 0);
    assert_eq!(world.phase(request.id()).await, Phase::Approved);
    world.run(keyed("step-1", 1)).await.unwrap();
    assert_eq!(world.bodies(), 1);
}
