//! Entries are written in one pass, and are the canonical form of their events all the same.

use approvals_core::canonical::{Limits, write};
use approvals_core::{Event, EventId, Timestamp, What};
use serde_json::json;

use crate::every::every_event;
use crate::kinds::every_kind;
use crate::support::event;

const SCHEMA: u32 = 2;

/// As anything is brought into canonical form.
fn general(event: &Event) -> String {
    let mut said = serde_json::to_value(event).unwrap();
    said["schema"] = json!(SCHEMA);
    let mut text = String::new();
    write(&said, &mut text, &Limits::default()).unwrap();
    text
}

fn in_one_pass(event: &Event) -> Option<String> {
    let mut text = "before".to_owned();
    let is_written = event.write_entry(SCHEMA, &mut text);
    let written = text.strip_prefix("before").unwrap().to_owned();
    if !is_written {
        assert_eq!(written, "");
    }
    is_written.then_some(written)
}

#[test]
fn an_entry_written_in_one_pass_is_the_canonical_form_of_every_kind_of_event() {
    let mut general_only = Vec::new();
    for event in every_event().into_iter().chain(every_kind()) {
        match in_one_pass(&event) {
            Some(written) => assert_eq!(written, general(&event)),
            None => general_only.push(event.what),
        }
    }
    // What is proposed may be anything.
    for what in &general_only {
        let is_proposal = matches!(what, What::Denied { proposal, .. } if proposal.is_some());
        assert!(is_proposal, "{what:?}");
    }
    assert_eq!(general_only.len(), 2);
}

#[test]
fn texts_that_have_to_be_escaped_are_escaped_alike() {
    for text in [
        "",
        "\"\\/\u{8}\t\n\u{c}\r\u{1}\u{7f}",
        "né 💾 \u{202e}",
        "\u{fffd}\u{10ffff}",
    ] {
        let mut event = event(1, Timestamp::from_millis(1), None, 1, What::Expired);
        for what in [
            What::Withdrawn { why: text.into() },
            What::Frozen {
                by: "carol".parse().unwrap(),
                reason: text.into(),
            },
            What::Finished {
                fence: 0,
                succeeded: true,
                summary: Some(text.into()),
            },
        ] {
            event.what = what;
            assert_eq!(in_one_pass(&event).unwrap(), general(&event));
        }
    }
}

#[test]
fn numbers_that_readers_may_round_are_left_to_the_general_way() {
    let largest = (1 << 53) - 1;
    let with = |number, fence| Event {
        number,
        id: EventId::new(),
        at: Timestamp::from_millis(largest),
        request: None,
        revision: largest,
        what: What::ClaimReleased { fence },
    };
    let safe = with(largest, largest);
    assert_eq!(in_one_pass(&safe).unwrap(), general(&safe));
    assert_eq!(in_one_pass(&with(largest + 1, 0)), None);
    assert_eq!(in_one_pass(&with(1, largest + 1)), None);
}
