//! Invariant 1: no yes, no run. Invariant 12: empty means no. Invariant 14: no bypass.

use std::sync::Arc;

use approvals_core::call::Call;
use approvals_core::memory::{InMemoryApprover, MemoryStore};
use approvals_core::{
    Audience, Gate, Kind, Limits, Quorum, Reasons, RedactionKey, Rules, Verdict, policy,
};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn the_body_runs_on_an_allow_and_on_nothing_less() {
    let rules = Rules::new().allow("it.export", "exports").unwrap();
    let world = world(rules).await;
    assert_eq!(world.run(export("orders", 1)).await.unwrap(), 1);
    // No rule names it.
    let error = refusal(world.run(sync(1)).await);
    assert_eq!(error.kind(), Kind::DeniedByPolicy);
    assert_eq!(world.bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_body_does_not_run_while_people_are_asked() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(world.bodies(), 0);
    request.approve_as("alice").await.unwrap();
    assert_eq!(task.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_made_by_hand_needs_the_same_yes() {
    let world = world(a_senior()).await;
    let vote = async {
        world
            .approver
            .next()
            .await
            .approve_as("alice")
            .await
            .unwrap()
    };
    let (admitted, _) = tokio::join!(world.gate.authorize(by_hand(7)), vote);
    let permit = admitted.unwrap().start(&by_hand(7)).await.unwrap();
    assert!(permit.request_id().is_some());
    assert_eq!(permit.fence(), Some(1));
    permit.finish(true).await;
}

#[tokio::test(start_paused = true)]
async fn a_yes_for_one_call_by_hand_does_not_start_another() {
    let world = world(a_senior()).await;
    for (rows, resource) in [(8, "db/orders"), (7, "db/payroll")] {
        let vote = async {
            world
                .approver
                .next()
                .await
                .approve_as("alice")
                .await
                .unwrap()
        };
        let (admitted, _) = tokio::join!(world.gate.authorize(by_hand(7)), vote);
        let other = Call::of(Arc::clone(by_hand(7).declaration()), agent())
            .argument("rows", &rows)
            .resource(resource)
            .build()
            .unwrap();
        let error = admitted.unwrap().start(&other).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Changed, "{rows} {resource}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quorum_of_zero_and_an_empty_audience_do_not_exist() {
    assert!(Quorum::of(0, ["seniors"]).is_err());
    assert!(Audience::of(Vec::<String>::new()).is_err());
    assert!(serde_json::from_str::<Quorum>(r#"{"count":0,"from":[{"group":"a"}]}"#).is_err());
    assert!(RedactionKey::new("id", Vec::new()).is_err());
    let none = Limits {
        pending: 0,
        ..Limits::default()
    };
    assert!(none.checked().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_nobody_is_in_stops_the_gate_from_being_built() {
    let directory = people();
    directory.person("dave", ["seniors"]).unwrap();
    let approver = InMemoryApprover::new();
    let build = |requirement| {
        Gate::builder(Arc::new(MemoryStore::on_tokio_time()), directory.clone())
            .policy("p", requirement)
            .approver("test", approver.connect())
            .build()
    };
    let leads = approvals_core::Requirement::one_of("leads").unwrap();
    directory.person("bob", ["seniors"]).unwrap();
    assert_eq!(
        build(leads).await.unwrap_err().to_string(),
        "the policy `p` asks the group `leads`, which nobody is in: add somebody"
    );
    let ghosts = approvals_core::Requirement::one_of("ghosts").unwrap();
    assert_eq!(
        build(ghosts).await.unwrap_err().to_string(),
        "the policy `p` names the group `ghosts`, which does not exist: create it or correct the name"
    );
}

#[tokio::test(start_paused = true)]
async fn a_gate_without_policies_or_channels_is_not_built() {
    let store = || Arc::new(MemoryStore::on_tokio_time());
    let no_policy = Gate::builder(store(), people()).build().await;
    assert!(no_policy.unwrap_err().to_string().contains("no policy"));
    let no_channel = Gate::builder(store(), people())
        .policy("p", a_senior())
        .build()
        .await;
    assert!(no_channel.unwrap_err().to_string().contains("no approver"));
}

#[tokio::test(start_paused = true)]
async fn a_deny_without_any_reason_denies() {
    let world = world(policy::from_fn(|_, _| Verdict::Deny(Reasons::all([])))).await;
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::DeniedByPolicy);
    assert_eq!(world.bodies(), 0);
}

/// Test adapters and paused time are no way around: the in-memory gate asks like any other.
#[tokio::test(start_paused = true)]
async fn no_variable_of_the_environment_and_no_test_configuration_opens_the_gate() {
    let world = world(a_senior()).await;
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut folders = vec![std::path::PathBuf::from(sources)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(
                    !text.contains("env::var"),
                    "{} reads a variable",
                    path.display()
                );
                assert!(
                    !text.contains("cfg!(test)"),
                    "{} knows of tests",
                    path.display()
                );
            }
        }
    }
    let (task, request) = world.ask(export("orders", 1)).await;
    request.deny_as("alice", "no").await.unwrap();
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::Denied);
    assert_eq!(world.bodies(), 0);
}
