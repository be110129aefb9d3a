//! Calls that cannot be carried are refused before anybody is asked.

use std::collections::BTreeMap;

use approvals_core::{Call, Gate, Kind, NewEvent, RequestStore as _, Requester};

use super::message;
use crate::display::fixture::{Fixture, declaration, exporter, with_action};

#[test]
fn an_argument_that_is_given_twice_is_named() {
    let twice = exporter().argument("rows", &1).argument("rows", &2);
    assert_eq!(
        message(twice.build()),
        "argument `rows` is given twice: rename one of them"
    );
    let twice = exporter().label("region", "eu").label("region", "us");
    assert_eq!(
        message(twice.build()),
        "label `region` is given twice: rename one of them"
    );
}

#[test]
fn a_value_without_a_canonical_form_says_where_and_what_to_do() {
    let deep = (0..128).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
    let nan: BTreeMap<&str, f64> = [("ratio", f64::NAN)].into();
    for (call, whole) in [
        (
            exporter().argument("limits", &nan),
            "argument `limits` cannot be shown to a reviewer: the number at `/ratio` is not finite; carry NaN and infinities as text or null",
        ),
        (
            exporter().argument("query", &deep),
            "argument `query` cannot be shown to a reviewer: the value is nested more than 127 levels deep; flatten it",
        ),
        (
            exporter().argument("file", &"x".repeat(4 << 20)),
            "argument `file` cannot be shown to a reviewer: the value takes more than 4194304 bytes; pass a reference to large content instead of the content",
        ),
        (
            exporter().resource("x".repeat(64 * 1024 + 1)),
            "the resource has more than 65536 bytes: shorten it",
        ),
        (
            exporter().redacted("iban", "DE00"),
            "argument `iban` is redacted, and there is no redaction key: set one on the gate",
        ),
        (
            exporter().key("run 42"),
            "the idempotency key \"run 42\" has the character ' ': use ASCII letters, digits and `_-.:/@#=+`, such as `run-42/step-3`",
        ),
        (
            exporter().key(format!("ghp_{}", "aB3".repeat(12))),
            "the idempotency key looks like a secret (GitHub token): name the call by a run or step id",
        ),
        (
            exporter().environment("Prod uction"),
            "the environment \"Prod uction\" has the character ' ': use ASCII letters, digits and `_-.`, such as `production`",
        ),
    ] {
        assert_eq!(message(call.build()), whole);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_under_a_policy_that_the_gate_lacks_says_which_it_has() {
    let fixture = Fixture::new().await;
    let mut declared = declaration("db.export");
    declared.policy = "prod-bd".parse().unwrap();
    let call = Call::of(declared.into(), Requester::person("bob").unwrap());
    let error = fixture.gate.authorize(call.build().unwrap()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(
        error.to_string(),
        "`db.export` did not run: the gate has no policy `prod-bd`. Retrying will not help until this is mended."
    );
    assert_eq!(error.detail(), Some("the gate's policies are: prod-db"));
}

#[tokio::test(start_paused = true)]
async fn a_call_in_an_unknown_environment_says_which_are_known() {
    let fixture = Fixture::with(|gate| gate.environments(["staging", "production"])).await;
    let refused = async |gate: &Gate, call: approvals_core::call::CallBuilder| {
        gate.authorize(call.build().unwrap())
            .await
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(&fixture.gate, exporter().environment("prod")).await,
        "`db.export` did not run: `prod` is none of the environments that the gate knows: use one of `production`, `staging`. Retrying will not help until this is mended."
    );
    assert_eq!(
        refused(&fixture.gate, exporter()).await,
        "`db.export` did not run: the call has no environment: set one on the gate, or name the argument that holds it with `environment = …`. Retrying will not help until this is mended."
    );
    let without = Fixture::new().await;
    assert_eq!(
        refused(&without.gate, exporter().environment("prod")).await,
        "`db.export` did not run: `prod` is none of the environments that the gate knows: declare it with `environments(…)`. Retrying will not help until this is mended."
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_for_nobody_is_told_to_say_for_whom() {
    let fixture = Fixture::new().await;
    let call = with_action("db.export", Requester::agent("stray").unwrap());
    let error = fixture.gate.authorize(call.build().unwrap()).await;
    assert_eq!(
        message(error),
        "`db.export` did not run: `agent:stray` acts for nobody and has no owner: say whom it acts for, or give it an owner in the directory. Retrying will not help until this is mended."
    );
}

#[tokio::test(start_paused = true)]
async fn operators_are_asked_for_a_reason() {
    let fixture = Fixture::new().await;
    let alice = "alice".parse().unwrap();
    assert_eq!(
        message(fixture.gate.freeze(&alice, " ").await),
        "the call did not run: a reason is required: say why. Retrying will not help until this is mended."
    );
}

#[tokio::test(start_paused = true)]
async fn a_sink_of_another_store_is_told_so() {
    let fixture = Fixture::new().await;
    let sink = "log".parse().unwrap();
    assert_eq!(
        message(fixture.store.events(&sink, 1).await),
        "the store refuses: the sink `log` is not registered with the store"
    );
    fixture.store.register_sink(&sink).await.unwrap();
    assert_eq!(
        message(fixture.store.acknowledge(&sink, 99).await),
        "the store refuses: the sink `log` acknowledges event 99, and the last one is 0: it belongs to another store"
    );
    let nothing: Vec<NewEvent> = Vec::new();
    assert_eq!(fixture.store.append(nothing).await.unwrap(), 0);
}
