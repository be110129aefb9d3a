//! Entries that no log has, though every hash and signature is good; and logs that are read in parts.

use approvals_core::{Choice, RequestId, Timestamp};
use approvals_testing::sample::Sample;
use serde_json::json;

use crate::forging::*;

fn sample() -> Sample {
    Sample::at(Timestamp::from_millis(BEGAN))
}

/// A request that was asked.
fn pending() -> (Forgery, RequestId) {
    let mut forgery = Forgery::new();
    let id = forgery.asks(&sample()).id;
    (forgery, id)
}

#[test]
fn a_gap_a_number_that_comes_twice_and_a_clock_that_goes_backwards_are_found() {
    for (number, at, why) in [
        (2, BEGAN + 999, "earlier time"),
        (3, BEGAN + 1000, "comes next"),
        (1, BEGAN + 1000, "comes next"),
    ] {
        let (mut forgery, id) = pending();
        forgery.then(id, voted("alice", Choice::Approve));
        forgery.entries[0]["at"] = json!(BEGAN + 1000);
        forgery.entries[1]["at"] = json!(at);
        forgery.entries[1]["number"] = json!(number);
        forgery.is_wrong(why);
    }
}

#[test]
fn an_entry_that_is_no_event_or_of_a_newer_version_is_found() {
    let (mut forgery, _) = pending();
    forgery.entries.push(json!("nothing"));
    forgery.is_wrong("no audit event");
    let (mut forgery, id) = pending();
    forgery.then(id, voted("alice", Choice::Approve));
    forgery.entries[1]["schema"] = json!(approvals_audit::SCHEMA + 1);
    forgery.is_wrong("newer version");
}

#[test]
fn an_event_that_is_said_to_repeat_another_and_does_not_is_found() {
    for (repeats, why) in [
        (json!(1), "is another one"),
        (json!(2), "no earlier event"),
        (json!(9), "no earlier event"),
        (json!(null), "no earlier event"),
    ] {
        let (mut forgery, id) = pending();
        forgery.then(id, voted("alice", Choice::Approve));
        forgery.entries[1]["what"] = json!("repeated");
        forgery.entries[1]["repeats"] = repeats;
        forgery.is_wrong(why);
    }
}

#[test]
fn more_requests_than_are_followed_at_once_are_followed_in_parts() {
    let mut forgery = Forgery::new();
    let ids: Vec<_> = (0..30).map(|_| forgery.approves(&sample()).id).collect();
    let whole = forgery.judged().unwrap();
    assert_eq!(whole.open_requests, 30);
    // By one at a time two that fall into one part could not be told apart, which chance may do.
    for most in [2, 3, 7, 30, 1000] {
        assert_eq!(forgery.judged_following(most).unwrap(), whole, "{most}");
    }
    // The first of several that are wrong, whichever part it is in.
    for id in [ids[17], ids[3], ids[25]] {
        forgery.then(id, started(1));
    }
    let found = forgery.judged().unwrap_err();
    assert_eq!(found.entry, 90);
    for most in [2, 3, 7, 30, 1000] {
        assert_eq!(forgery.judged_following(most).unwrap_err(), found, "{most}");
    }
    let none = forgery.judged_following(0).unwrap_err();
    assert!(none.why.contains("follow more"), "{none}");
}
