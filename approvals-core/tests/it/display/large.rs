//! Large calls are shown whole, or nobody can approve them where they are not.

use std::collections::BTreeMap;

use approvals_core::memory::InMemoryApprover;
use approvals_core::{Kind, What};

use super::fixture::{Fixture, exporter};

#[tokio::test(start_paused = true)]
async fn a_string_of_a_mebibyte_is_shown_whole() {
    let fixture = Fixture::new().await;
    let mut text = "x\u{202e}`\x1b[2J".repeat(1 << 17);
    text.push_str("THE END");
    assert!(text.len() > 1 << 20);
    let shown = fixture.shown(exporter().argument("query", &text)).await;
    let line = shown
        .lines()
        .find_map(|line| line.strip_prefix("argument     query = "))
        .unwrap();
    assert_eq!(line.matches("x\\u{202e}`\\u001b[2J").count(), 1 << 17);
    assert!(line.ends_with("THE END\""));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_keys_and_deep_nesting_are_shown_whole() {
    let fixture = Fixture::new().await;
    let keys: BTreeMap<String, usize> = (0..10_000).map(|n| (format!("key{n:05}"), n)).collect();
    let shown = fixture.shown(exporter().argument("settings", &keys)).await;
    let whole = serde_json::to_string(&keys).unwrap();
    assert!(shown.contains(&format!("\nargument     settings = {whole}\n")));

    let deep = (0..127).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
    let shown = fixture.shown(exporter().argument("tree", &deep)).await;
    let whole = format!("{}1{}", "[".repeat(127), "]".repeat(127));
    assert!(shown.contains(&format!("\nargument     tree = {whole}\n")));
}

#[test]
fn a_policy_can_look_into_the_deepest_value_that_is_carried() {
    let deep = (0..127).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
    let call = exporter().argument("tree", &deep).build().unwrap();
    assert_eq!(call.argument("tree").unwrap().value(), Some(deep));
}

#[tokio::test(start_paused = true)]
async fn what_no_channel_shows_whole_is_refused_with_the_reason_and_recorded() {
    let fixture = Fixture::new().await;
    fixture.approver.shows_at_most(10_000);
    let call = exporter().argument("query", &"x".repeat(20_000));
    let error = fixture.gate.authorize(call.build().unwrap()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(
        error.to_string(),
        "`db.export` did not run: no channel can show the whole call, so nobody could approve it (test: it has more than 10000 bytes). Retrying will not help until this is mended."
    );
    assert!(fixture.approver.asked().is_empty());
    fixture.gate.flush().await;
    let events = fixture.sink.events();
    assert!(
        matches!(&*events, [event] if matches!(&event.what, What::Refused { kind: Kind::Invalid, .. })),
        "{events:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_shows_a_part_takes_no_approval_and_says_why() {
    let small = InMemoryApprover::new();
    small.shows_at_most(10_000);
    let fixture = Fixture::with(|gate| gate.approver("small", small.connect())).await;
    let call = exporter().argument("query", &"x".repeat(20_000));
    let votes = async {
        let (whole, part) = (fixture.approver.next().await, small.next().await);
        assert_eq!(
            part.approve_as("alice").await.unwrap_err().to_string(),
            "this channel does not show the whole call (it has more than 10000 bytes): approve where all of it is shown"
        );
        whole.approve_as("alice").await.unwrap();
        // What a reviewer cannot approve there, they can still deny.
        part
    };
    let (admitted, _) = tokio::join!(fixture.gate.authorize(call.build().unwrap()), votes);
    assert!(admitted.unwrap().was_reviewed());

    let other = exporter().argument("query", &"y".repeat(20_000));
    let votes = async {
        let _ = fixture.approver.next().await;
        let denied = small
            .next()
            .await
            .deny_as("alice", "too long to read")
            .await;
        denied.unwrap();
    };
    let (refused, ()) = tokio::join!(fixture.gate.authorize(other.build().unwrap()), votes);
    assert_eq!(refused.unwrap_err().kind(), Kind::Denied);
}
