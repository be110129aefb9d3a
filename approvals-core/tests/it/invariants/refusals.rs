//! What the trail says of calls that nobody was asked about.

use approvals_core::{Kind, Reasons, Rules, Verdict, What, policy};

use crate::support::*;

/// Of each refusal on the trail its kind and the rules that had fired.
async fn refusals(world: &World) -> Vec<(Kind, Reasons)> {
    world.gate.flush().await;
    let told = world.sink.events().into_iter();
    let told = told.filter_map(|event| match event.what {
        What::Refused { kind, reasons, .. } => Some((kind, reasons)),
        _ => None,
    });
    told.collect()
}

fn rule(id: &str, why: &str) -> Reasons {
    Reasons::rule(id, why).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_policy_names_the_rules_that_denied_it() {
    // By the name of the action, before anything is captured.
    let rules = Rules::new().deny("it.export", "no-exports").unwrap();
    let by_action = world(rules).await;
    refusal(by_action.run(export("orders", 1)).await);
    // By the call.
    let by_call = world(policy::from_fn(|_, _| {
        Verdict::Deny(rule("office-hours", "it is late (really)"))
    }))
    .await;
    refusal(by_call.run(export("orders", 1)).await);
    // A call made by hand that would not wait.
    by_call.gate.ask(by_hand(1)).await.unwrap_err();
    let [(kind, reasons)] = &refusals(&by_action).await[..] else {
        panic!("one refusal");
    };
    let fired: Vec<_> = reasons.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!((*kind, fired), (Kind::DeniedByPolicy, vec!["no-exports"]));
    let late = (
        Kind::DeniedByPolicy,
        rule("office-hours", "it is late (really)"),
    );
    assert_eq!(refusals(&by_call).await, [late.clone(), late]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_before_people_are_asked_names_the_rules_that_wanted_them_asked() {
    let wanted = rule("exports-are-reviewed", "somebody looks at exports");
    let given = wanted.clone();
    let world = world(policy::from_fn(move |_, _| {
        Verdict::review(a_senior(), given.clone())
    }))
    .await;
    world.denied("alice", export("orders", 1)).await;
    // The denial stands: nobody is asked again.
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::NotAsked);
    assert_eq!(refusals(&world).await, [(Kind::NotAsked, wanted)]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_quotes_a_secret_is_on_the_trail_without_it() {
    let token = format!("ghp_{}", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8");
    let why = format!("`{token}` is no database");
    let world = world(policy::from_fn(move |_, _| {
        Verdict::Deny(rule("known-databases", &why))
    }))
    .await;
    refusal(world.run(export("orders", 1)).await);
    let told = refusals(&world).await;
    let (_, reasons) = told.first().unwrap();
    let fired = reasons.iter().next().unwrap();
    assert_eq!(fired.id.as_str(), "known-databases");
    assert!(fired.why.contains("[masked: "), "{}", fired.why);
    let all = serde_json::to_string(&world.sink.events()).unwrap();
    assert!(!all.contains(&token), "{all}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_was_stored_without_its_rules_is_read() {
    let world = world(Rules::new().deny("it.export", "no-exports").unwrap()).await;
    refusal(world.run(export("orders", 1)).await);
    let told = refusals(&world).await;
    let mut stored = serde_json::to_value(&world.sink.events()[0].what).unwrap();
    assert_eq!(
        told[0].1,
        serde_json::from_value(stored["reasons"].clone()).unwrap()
    );
    stored.as_object_mut().unwrap().remove("reasons");
    let What::Refused { reasons, kind, .. } = serde_json::from_value(stored).unwrap() else {
        panic!("no refusal");
    };
    assert_eq!((kind, reasons), (Kind::DeniedByPolicy, Reasons::default()));
}
