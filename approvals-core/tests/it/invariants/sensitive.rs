//! What authors mark as sensitive: shown whole, bound, and told to whoever records the call.

use std::sync::Arc;

use approvals_core::call::{CallBuilder, CallError};
use approvals_core::{
    ApprovalError, Call, Declaration, Presentation, RedactionKey, Risk, requires_approval,
};
use sha2::{Digest as _, Sha256};

use crate::support::*;

struct Mailer {
    account: String,
}

impl Mailer {
    #[requires_approval(
        policy = "p",
        action = "it.mail",
        resource = "mail/{customer}",
        summary = format!("writes to {customer:?}"),
        justification = "they asked for it",
        fields(account = self.account, lines = text.lines().count()),
        labels(region = "eu"),
        display(text),
        sensitive(customer, text),
        sensitive(account)
    )]
    async fn send(&self, customer: &str, text: &str, copies: u64) -> Result<(), ApprovalError> {
        let _ = (customer, text, copies);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_author_marks_is_shown_whole_and_recorded_as_marked_with_all_that_tells_it() {
    let world = world(a_senior()).await;
    let mailer = Mailer {
        account: "acme-4711".to_owned(),
    };
    let call = world.run(async move { mailer.send("jane.doe@example.org", "hello", 2).await });
    let vote = async {
        let request = world.approver.next().await;
        request.approve_as("alice").await.unwrap();
        request.id()
    };
    let (ran, id) = tokio::join!(call, vote);
    // What is captured again right before the body is equal, marks or not.
    ran.unwrap();
    let record = world.record(id).await;
    let call = &record.asked.call;
    // What does not tell them is not among them.
    let marked = [
        "account", "customer", "lines", "resource", "summary", "text",
    ];
    assert!(call.sensitive().eq(marked), "{call:?}");
    let shown = Presentation::of(&record.asked);
    assert!(shown.is_whole());
    let rows = shown.arguments.iter().chain(&shown.fields);
    let rows: Vec<_> = rows
        .map(|row| (&*row.name, &*row.text, &*row.remark))
        .collect();
    let mark = "marked as sensitive";
    assert_eq!(
        rows,
        [
            ("customer", "\"jane.doe@example.org\"", mark),
            (
                "text",
                "\"hello\"",
                "bound by this text; marked as sensitive"
            ),
            ("copies", "2", ""),
            ("account", "\"acme-4711\"", mark),
            ("lines", "1", mark),
        ]
    );
    assert_eq!(shown.resource.as_deref(), Some("mail/jane.doe@example.org"));
    // Every sink is told.
    let stored = serde_json::to_value(&*record.asked.call).unwrap();
    assert_eq!(stored["sensitive"], serde_json::json!(marked));
    world.gate.flush().await;
    let told = serde_json::to_string(&world.sink.about(id)).unwrap();
    assert!(told.contains("\"sensitive\":[\"account\","), "{told}");
}

fn declaration() -> Arc<Declaration> {
    Arc::new(Declaration {
        action: "it.mail".parse().unwrap(),
        policy: "p".parse().unwrap(),
        signature: "mail(to)".into(),
        version: 1,
        risk: Risk::High,
        idempotent: false,
        origin: "a pipeline".into(),
    })
}

fn mail() -> CallBuilder {
    let call = Call::of(declaration(), agent());
    call.argument("to", "jane")
        .argument("copies", &2)
        .label("region", "eu")
}

/// The digest of a call whose canonical form this is.
fn digest_of(canonical: &str) -> String {
    let hash = Sha256::digest(format!("approvals/call/v1\0{canonical}"));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn marks_are_bound_and_a_call_without_any_has_the_digest_that_it_always_had() {
    let form = |marks: &str| {
        let requester: Vec<_> = agent().chain().map(ToString::to_string).collect();
        let requester = serde_json::to_string(&requester).unwrap();
        format!(
            r#"{{"action":"it.mail","arguments":[["to","value","jane"],["copies","value",2]],"fields":[],"labels":[["region","eu"]],"policy":"p","requester":{requester},"risk":"high"{marks},"signature":"mail(to)","version":1}}"#
        )
    };
    let plain = mail().build().unwrap();
    assert_eq!(plain.digest().to_string(), digest_of(&form("")));
    let marked = mail().sensitive("to").sensitive("region").sensitive("to");
    let marked = marked.build().unwrap();
    let marks = r#","sensitive":["region","to"]"#;
    assert_eq!(marked.digest().to_string(), digest_of(&form(marks)));
    // In whichever order, and not without one of them.
    let same = mail().sensitive("region").sensitive("to").build().unwrap();
    assert_eq!(same, marked);
    assert_ne!(mail().sensitive("to").build().unwrap(), marked);
}

#[test]
fn marks_are_stored_with_the_call_and_a_call_that_was_stored_without_any_is_read() {
    let marked = mail().sensitive("to").build().unwrap().into_masked();
    let stored = serde_json::to_value(&marked).unwrap();
    assert_eq!(stored["sensitive"], serde_json::json!(["to"]));
    let read: Call = serde_json::from_value(stored).unwrap();
    assert!(read.sensitive().eq(["to"]));
    assert_eq!(read.digest(), marked.digest());
    // Without marks it is written as it was before there were any.
    let plain = mail().build().unwrap().into_masked();
    let stored = serde_json::to_value(&plain).unwrap();
    assert!(stored.get("sensitive").is_none());
    let read: Call = serde_json::from_value(stored).unwrap();
    assert_eq!(
        (read.sensitive().count(), read.digest()),
        (0, plain.digest())
    );
}

#[test]
fn what_is_marked_and_not_shown_is_an_error() {
    let unknown = |name: &str| Err(CallError::Sensitive(name.to_owned()));
    let built = |call: CallBuilder| call.build().map(|_| ());
    for name in ["cc", "resource", "summary", "environment", "key", ""] {
        assert_eq!(built(mail().sensitive(name)), unknown(name));
    }
    assert_eq!(built(mail().resource("mail").sensitive("resource")), Ok(()));
    let key = Arc::new(RedactionKey::random().unwrap());
    let redacted = mail().redaction_key(key).redacted("token", "t0ken");
    assert_eq!(built(redacted.sensitive("token")), unknown("token"));
}
