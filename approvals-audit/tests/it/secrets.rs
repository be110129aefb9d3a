//! Secrets never enter: not by an argument, not by what policies quote, not by what people say.

use std::sync::Arc;

use approvals_audit::{AuditLog, Signer as _};
use approvals_core::call::Declaration;
use approvals_core::memory::{Answer, InMemoryApprover, InMemoryDirectory, MemoryStore};
use approvals_core::policy::from_fn;
use approvals_core::{
    AuditSink as _, Call, Event, Gate, NewEvent, Reasons, Requirement, Risk, Verdict, What,
};
use approvals_testing::sample::{REVIEWERS, person, requester};
use serde_json::Value;

use crate::every::every_event;
use crate::sensitive::{bytes_of, has};
use crate::support::*;

/// What each of them must not be found by.
fn secrets() -> [String; 3] {
    // Put together here, so that nobody who looks for secrets finds them in this file.
    [
        ["ghp_", "16C7e42F292c6912E7710c838347Ae178B4a"].concat(),
        ["AKIA", "IOSFODNN7EXAMPLQ"].concat(),
        "correct-horse-battery-staple".to_owned(),
    ]
}

/// A text that has all of them.
fn told() -> String {
    let [github, amazon, password] = secrets();
    format!("see {github} and {amazon}, password={password} is it")
}

fn nothing_of_them_is_in(place: &std::path::Path) {
    let bytes = bytes_of(place);
    for secret in secrets() {
        assert!(!has(&bytes, &secret), "{secret} is in the directory");
    }
    assert!(has(&bytes, "[masked: "));
}

fn call(action: &str, secret: bool) -> Call {
    let declaration = Arc::new(Declaration {
        action: action.parse().unwrap(),
        policy: "any".parse().unwrap(),
        signature: "async fn act(text: &str)".into(),
        version: 1,
        risk: Risk::Low,
        idempotent: false,
        origin: "acting::act (src/acting.rs:1)".into(),
    });
    let call = Call::of(declaration, requester());
    if !secret {
        return call.argument("text", "plain").build().unwrap();
    }
    let [github, _, password] = secrets();
    call.argument("text", &told())
        .argument("password", &password)
        .argument(
            "nested",
            &serde_json::json!({ "deep": [{ "api_key": github }] }),
        )
        .resource(told())
        .label("note", told())
        .justification(told())
        .summary(told())
        .build()
        .unwrap()
}

fn policy(call: &Call) -> Verdict {
    let reasons = Reasons::rule("a-rule", &told()).unwrap();
    let action = call.action().to_string();
    match action.split('.').next_back() {
        Some("allow") => Verdict::Allow(reasons),
        Some("deny") => Verdict::Deny(reasons),
        _ => {
            let requirement = Requirement::one_of(REVIEWERS).unwrap();
            let asked = approvals_core::NonEmpty::of(Arc::new(requirement));
            Verdict::Review(asked, reasons)
        }
    }
}

#[tokio::test]
async fn no_secret_of_a_call_or_of_what_policy_says_about_it_enters_the_log() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let log = AuditLog::at(place.path(), key.clone()).open().await;
    let people = InMemoryDirectory::new();
    people.person("alice", [REVIEWERS]).unwrap();
    people.person("bob", ["owners"]).unwrap();
    let approver = InMemoryApprover::new();
    let gate = Gate::builder(Arc::new(MemoryStore::new()), Arc::new(people))
        .policy("any", from_fn(|call: &Call, _: &_| policy(call)))
        .approver("test", approver.connect())
        .required_audit_sink("log", Arc::new(log.unwrap()));
    let gate = gate.build().await.unwrap();
    for secret in [true, false] {
        drop(gate.authorize(call("a.allow", secret)).await.unwrap());
        gate.authorize(call("a.deny", secret)).await.unwrap_err();
    }
    // What is masked is not shown whole, so that nobody can say yes to it.
    gate.authorize(call("a.review", true)).await.unwrap_err();
    let no = async {
        let answer = Answer::deny("alice", &told());
        let proposal = [("text".to_owned(), Value::from(told()))];
        let answer = answer.proposing(proposal.into_iter().collect());
        let pending = approver.next().await;
        pending.answer(answer).await.unwrap();
    };
    let (refused, ()) = tokio::join!(gate.authorize(call("a.review", false)), no);
    refused.unwrap_err();
    gate.freeze(&person("alice"), &told()).await.unwrap();
    gate.thaw(&person("alice"), &told()).await.unwrap();
    gate.flush().await;
    let report = verify(place.path(), key.key()).unwrap();
    assert!(report.entries >= 10, "{report:?}");
    assert_eq!(report.presentations_missing, 0);
    nothing_of_them_is_in(place.path());
}

/// Puts a secret in every place in which people or programs say something.
fn telling(event: &Event) -> What {
    let mut value = serde_json::to_value(event).unwrap();
    let is_refused = value["what"] == "refused";
    for place in ["/why", "/reason", "/summary", "/comment", "/vote/comment"] {
        // Why a call is refused is masked where the refusal is made.
        if let Some(text) = value.pointer_mut(place)
            && !(is_refused && place == "/why")
        {
            *text = told().into();
        }
    }
    if let Some(Value::Object(proposal)) = value.get_mut("proposal") {
        let [_, _, password] = secrets();
        proposal.insert("text".to_owned(), told().into());
        proposal.insert("password".to_owned(), password.into());
    }
    let told: Event = serde_json::from_value(value).unwrap();
    told.what
}

#[tokio::test]
async fn no_secret_that_anybody_says_enters_the_log_whatever_happened() {
    let place = tempfile::tempdir().unwrap();
    let log = AuditLog::at(place.path(), key()).open().await.unwrap();
    let mut events = every_event();
    let mut changed = 0;
    for event in &mut events {
        let what = telling(event);
        changed += usize::from(what != event.what);
        event.what = match event.request {
            Some(request) => NewEvent::about(request, event.revision, what).what,
            None => NewEvent::new(what).what,
        };
    }
    // A few kinds have no words at all.
    assert!(changed > 20, "{changed}");
    log.record(&events).await.unwrap();
    log.close().await;
    nothing_of_them_is_in(place.path());
}
