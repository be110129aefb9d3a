//! What the digest of a call binds.

use std::collections::{BTreeMap, BTreeSet};

use approvals_core::{Call, Digest};
use serde_json::{Value, json};

/// A call that has something of everything.
fn full() -> Value {
    serde_json::from_str(include_str!("call.json")).unwrap()
}

#[track_caller]
fn digest(call: Value) -> Digest {
    let call: Call = serde_json::from_value(call).unwrap();
    call.digest()
}

/// What the call is when this place says something else.
fn with(pointer: &str, other: Value) -> Value {
    let mut call = full();
    let place = call.pointer_mut(pointer).expect(pointer);
    assert_ne!(*place, other, "{pointer}");
    *place = other;
    call
}

/// Every place that holds a value.
fn places(of: &Value, at: &str, found: &mut BTreeSet<String>) {
    match of {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                places(value, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            for (index, value) in values.iter().enumerate() {
                places(value, &format!("{at}/{index}"), found);
            }
        }
        _ => {
            found.insert(at.to_owned());
        }
    }
}

/// Whatever decides: another value of any of these is another call.
fn bound() -> Vec<(String, Value)> {
    let mut bound: Vec<(String, Value)> = [
        ("/declaration/action", json!("db.drop")),
        ("/declaration/policy", json!("staging-db")),
        ("/declaration/signature", json!("async fn export()")),
        ("/declaration/version", json!(4)),
        ("/declaration/risk", json!("low")),
        ("/requester/actor", json!("agent:planner")),
        ("/requester/acting_for/0", json!("agent:exporter")),
        ("/requester/acting_for/1", json!("person:alice")),
        ("/resource", json!("db/orders")),
        ("/environment", json!("staging")),
        ("/labels/0/0", json!("costs")),
        ("/labels/0/1", json!("13")),
        ("/labels/1/0", json!("area")),
        ("/labels/1/1", json!("us")),
    ]
    .map(|(pointer, other)| (pointer.to_owned(), other))
    .into();
    let text = full()["arguments"]["text"].as_str().unwrap().to_owned();
    for list in ["arguments", "fields"] {
        let mut within = |pointer: &str, other| {
            bound.push((format!("/{list}/{pointer}"), other));
        };
        within("text", json!(text.replace("customers", "customerz")));
        within("slots/0/name", json!("tables"));
        within("slots/0/bound", json!("debug"));
        within("slots/0/end", json!(10));
        within("slots/1/name", json!("row"));
        within("slots/1/bound", json!("display"));
        within("slots/1/end", json!(28));
        within("slots/1/integers/0", json!("/0"));
        within("slots/2/name", json!("option"));
        within("slots/2/bound", json!("skipped"));
        within("slots/2/end", json!(66));
        within("slots/3/name", json!("key"));
        within("slots/3/bound/redacted", json!("key-2"));
        within("slots/3/end", json!(132));
    }
    bound
}

/// Whatever is told and does not decide.
fn unbound() -> [(&'static str, Value); 11] {
    [
        ("/declaration/origin", json!("app::export (src/main.rs:8)")),
        ("/declaration/idempotent", json!(true)),
        ("/requester/model", json!("another")),
        ("/requester/model_version", json!("6")),
        ("/requester/run", json!("run-43")),
        ("/requester/session", json!("session-8")),
        (
            "/requester/trace",
            json!("00-00000000000000000000000000000001-0000000000000001-01"),
        ),
        ("/justification", json!("no reason")),
        ("/summary", json!("does nothing")),
        ("/key", json!("step-2")),
        ("/masked", json!(["resource"])),
    ]
}

/// Made outside of this project: SHA-256 of `approvals/call/v1`, a zero byte, and RFC 8785 JSON of
/// what decides.
#[test]
fn the_digest_of_a_call_is_the_same_in_every_version() {
    assert_eq!(
        digest(full()).to_string(),
        "0d8589acfb91c1243287b32f6edb4d0a7a875ab030061b048a54cca39322372d"
    );
}

#[test]
fn whatever_decides_about_a_call_changes_its_digest_and_nothing_else_does() {
    let right = digest(full());
    let mut digests = BTreeMap::from([(right, "nothing".to_owned())]);
    for (pointer, other) in bound() {
        let same = digests.insert(digest(with(&pointer, other)), pointer.clone());
        assert_eq!(same, None, "{pointer} has the digest of another call");
    }
    for (pointer, other) in unbound() {
        assert_eq!(digest(with(pointer, other)), right, "{pointer}");
    }
    // Nothing that a call has is forgotten here. Its digest itself is kept beside it, because what
    // was masked cannot be hashed again.
    let mut judged: BTreeSet<String> = bound().into_iter().map(|(pointer, _)| pointer).collect();
    judged.extend(unbound().map(|(pointer, _)| pointer.to_owned()));
    judged.insert("/digest".to_owned());
    let mut all = BTreeSet::new();
    places(&full(), "", &mut all);
    assert_eq!(judged, all);
}

#[test]
fn what_a_call_does_not_have_is_bound_as_well() {
    let none = json!({"text": "", "slots": []});
    let mut digests = BTreeSet::from([digest(full())]);
    for (pointer, nothing) in [
        ("/resource", Value::Null),
        ("/environment", Value::Null),
        ("/labels", json!([])),
        ("/fields", none.clone()),
        ("/arguments", none),
        ("/requester/acting_for", json!([])),
        ("/requester/acting_for", json!(["person:bob"])),
        (
            "/requester/acting_for",
            json!(["person:bob", "agent:planner"]),
        ),
        ("/labels", json!([["cost", "12"]])),
    ] {
        let other = digest(with(pointer, nothing));
        assert!(digests.insert(other), "{pointer}");
    }
    // What stands in one place does not pass for the same in another.
    let mut exchanged = full();
    exchanged["resource"] = json!("production");
    exchanged["environment"] = json!("db-customers");
    let mut back = full();
    back["resource"] = json!("db-customers");
    assert_ne!(digest(exchanged), digest(back));
}
