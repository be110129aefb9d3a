//! Secrets are nowhere: not shown, not recorded, not printed.

use std::sync::Arc;

use approvals_core::call::CallBuilder;
use approvals_core::{Call, Kind, Presentation, RedactionKey};

use super::fixture::{Fixture, agent, asked, exporter, with_action};
use crate::support::{a_senior, by_hand, export, person, refusal, world};

/// Put together here, so that no scanner mistakes this file for a leak.
fn github() -> String {
    ["gh", "p_", "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fG2hJ4"].concat()
}

fn aws() -> String {
    ["AK", "IA", "ABCDEFGH23456789"].concat()
}

const PASSWORD: &str = "hunter2hunter2";

/// A secret in every position, alone and nested, and what the call must not show of it.
fn leaks() -> Vec<(&'static str, CallBuilder, String)> {
    let nested = serde_json::json!({"a": [{"note": format!("use {} please", github())}]});
    let named = serde_json::json!({"db": {"password": PASSWORD}});
    vec![
        ("`query`", exporter().argument("query", &github()), github()),
        ("`query`", exporter().argument("query", &nested), github()),
        (
            "`query`",
            exporter().argument("query", &named),
            PASSWORD.into(),
        ),
        (
            "`password`",
            exporter().argument("password", PASSWORD),
            PASSWORD.into(),
        ),
        (
            "`db_password`",
            exporter().argument("db_password", PASSWORD),
            PASSWORD.into(),
        ),
        (
            "`resource`",
            exporter().resource(format!("db/{}", aws())),
            aws(),
        ),
        ("`summary`", exporter().summary(github()), github()),
        (
            "`justification`",
            exporter().justification(github()),
            github(),
        ),
        ("`team`", exporter().label("team", aws()), aws()),
        (
            "`password`",
            exporter().label("password", PASSWORD),
            PASSWORD.into(),
        ),
        ("`a label's name`", exporter().label(&aws(), "x"), aws()),
        (
            "`query`",
            exporter().argument("query", &format!("postgres://app:{PASSWORD}@db/prod")),
            PASSWORD.into(),
        ),
        (
            "`settings`",
            exporter().argument("settings", &serde_json::json!({ github(): 1 })),
            github(),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_not_redacted_is_refused_at_once_and_nowhere_to_be_read() {
    for (place, call, secret) in leaks() {
        let fixture = Fixture::new().await;
        let building = format!("{call:?}");
        let call = call.build().unwrap();
        let debug = format!("{call:?} {:?}", call.arguments().iter().collect::<Vec<_>>());
        let error = fixture.gate.authorize(call).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        let said = error.to_string();
        assert!(said.contains(place), "{place}: {said}");
        assert!(said.contains("name the argument in `redact(…)`"), "{said}");
        assert!(fixture.approver.asked().is_empty());
        fixture.gate.flush().await;
        let events = fixture.sink.events();
        assert_eq!(events.len(), 1, "the refusal is recorded");
        for (what, text) in [
            ("the builder", building),
            ("the call", debug),
            (
                "the error",
                format!("{said} {error:?} {:?}", error.detail()),
            ),
            (
                "its source",
                format!("{:?}", std::error::Error::source(&error)),
            ),
            ("the events", format!("{events:?}")),
            ("the trail", serde_json::to_string(&events).unwrap()),
        ] {
            assert!(!text.contains(&secret), "{what} shows {secret}: {text}");
        }
    }
}

/// Comments, reasons of operators and what a body says of its outcome.
#[tokio::test(start_paused = true)]
async fn a_secret_that_a_person_writes_is_masked_before_anybody_reads_it() {
    let secret = github();
    let said = format!("use {secret} instead");
    let masked = "use [masked: GitHub token] instead";
    let world = world(a_senior()).await;
    let (denied, request) = world.ask(export("orders", 1)).await;
    request.deny_as("alice", &said).await.unwrap();
    let error = refusal(denied.await.unwrap());
    assert_eq!(error.comment(), Some(masked));
    let olga = person("olga");
    world.gate.freeze(&olga, &said).await.unwrap();
    world.gate.thaw(&olga, &said).await.unwrap();
    let revoked = world.gate.ask(by_hand(1)).await.unwrap().unwrap();
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    world.gate.revoke(revoked, &olga, &said).await.unwrap();
    let run = world.gate.ask(by_hand(2)).await.unwrap().unwrap();
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    let admitted = world.gate.resume(run, by_hand(2)).await.unwrap();
    let permit = admitted.start(&by_hand(2)).await.unwrap();
    permit.summarise(&said);
    permit.finish(true).await;
    world.gate.flush().await;
    let events = serde_json::to_string(&world.sink.events()).unwrap();
    assert!(!events.contains(&secret), "{events}");
    // The vote and the denial, the freeze and its end, the revocation, the outcome.
    assert_eq!(events.matches(masked).count(), 6, "{events}");
}

#[test]
fn what_is_masked_is_marked_as_not_shown_whole() {
    for (_, call, secret) in leaks() {
        let raw = call.build().unwrap();
        let digest = raw.digest();
        let asked = asked(raw, "exports");
        assert_eq!(asked.digest, digest, "the digest binds what would run");
        let presentation = Presentation::of(&asked);
        assert!(!presentation.is_whole());
        let shown = presentation.to_string();
        assert!(shown.contains("\nmasked       "), "{shown}");
        assert!(!shown.contains(&secret), "{shown}");
        let record = serde_json::to_string(&asked).unwrap();
        assert!(!record.contains(&secret), "{record}");
        serde_json::from_str::<approvals_core::review::Asked>(&record).unwrap();
    }
}

#[test]
fn ordinary_values_under_telling_names_are_not_masked() {
    let call = exporter()
        .argument("token", &42)
        .argument("secret", "the blue one")
        .argument("api_key", "staging")
        .argument("password_policy", "long")
        .label("token", "none");
    let call = call.build().unwrap().into_masked();
    assert_eq!(call.masked().collect::<Vec<_>>(), Vec::<&str>::new());
}

fn key(id: &str, byte: u8) -> Arc<RedactionKey> {
    Arc::new(RedactionKey::new(id, vec![byte; 32]).unwrap())
}

fn redacted(key: &Arc<RedactionKey>, name: &'static str, value: &str) -> Call {
    let call = exporter().redaction_key(Arc::clone(key));
    call.redacted(name, value).build().unwrap()
}

fn fingerprint(call: &Call) -> String {
    call.arguments().iter().next().unwrap().json.to_owned()
}

#[test]
fn fingerprints_are_equal_for_equal_values_under_one_key_and_differ_otherwise() {
    let (one, other) = (key("2026-05", 1), key("2026-06", 2));
    let call = redacted(&one, "iban", "DE00 1234");
    assert_eq!(call.digest(), redacted(&one, "iban", "DE00 1234").digest());
    assert_eq!(
        fingerprint(&call),
        fingerprint(&redacted(&key("2026-05", 1), "iban", "DE00 1234"))
    );
    for different in [
        redacted(&one, "iban", "DE00 1235"),
        redacted(&one, "bic", "DE00 1234"),
        redacted(&other, "iban", "DE00 1234"),
    ] {
        assert_ne!(fingerprint(&call), fingerprint(&different));
        assert_ne!(call.digest(), different.digest());
    }
    // The key's id is bound: the same secret under another name is another fingerprint.
    let renamed = redacted(&key("2026-07", 1), "iban", "DE00 1234");
    assert_ne!(call.digest(), renamed.digest());
    let shown = Presentation::of(&asked(call, "exports")).to_string();
    assert!(
        shown.contains("(redacted: fingerprint under key 2026-05, the value is bound)"),
        "{shown}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_redacted_value_is_nowhere_and_people_can_still_agree() {
    let fixture = Fixture::new().await;
    let call = with_action("db.export", agent())
        .redaction_key(key("2026-05", 1))
        .redacted("token", &github())
        .argument("rows", &10);
    let debug = format!("{call:?}");
    let call = call.build().unwrap();
    let vote = async {
        let request = fixture.approver.next().await;
        let shown = request.presentation().to_string();
        let record = request.approve_as("alice").await.unwrap();
        format!(
            "{shown} {record:?} {}",
            serde_json::to_string(&*record).unwrap()
        )
    };
    let (admitted, seen) = tokio::join!(fixture.gate.authorize(call), vote);
    drop(admitted.unwrap());
    fixture.gate.flush().await;
    let trail = format!("{:?}", fixture.sink.events());
    for text in [debug, seen, trail] {
        assert!(!text.contains(&github()), "{text}");
    }
}

#[test]
fn a_key_does_not_show_its_secret() {
    let key = RedactionKey::new("2026-05", b"0123456789abcdef0123456789abcdef".to_vec()).unwrap();
    assert_eq!(format!("{key:?}"), "RedactionKey(2026-05)");
}
