//! What is posted, of requests as hostile as can be.

mod beside;

use std::collections::BTreeSet;

use approvals_core::State;
use approvals_core::text::is_plain;
use approvals_testing::showing::{HOSTILE, awkward, every_state, record_of, states_of};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const LINK: &str = "https://approvals.example.com/requests/";

fn face() -> Face {
    Face {
        link: Some(PageLink::new(LINK).unwrap()),
        bytes: USUAL,
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(HOSTILE).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => (prop::sample::select(HOSTILE), 1..200_usize).prop_map(|(text, times)| text.repeat(times)),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn json_of(record: &Record) -> Value {
    serde_json::to_value(card(record, &face())).unwrap()
}

/// Goes through everything that is not known to be harmless.
fn assert_harmless(value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(assert_harmless),
        Value::Object(members) => {
            let names: BTreeSet<&str> = members.keys().map(String::as_str).collect();
            let known = |all: &[&str]| {
                assert!(names.iter().all(|name| all.contains(name)), "{value}");
            };
            match value["type"].as_str() {
                Some("AdaptiveCard") => {
                    known(&["type", "version", "fallbackText", "body"]);
                    let text = value["fallbackText"].as_str().unwrap();
                    let plain = |c: char| c.is_ascii_alphanumeric() || " (),:-".contains(c);
                    assert!(text.chars().all(plain), "{text:?}");
                }
                Some("TextBlock") => {
                    known(&["type", "text", "size", "weight", "wrap"]);
                    let text = value["text"].as_str().unwrap();
                    let plain = |c: char| c.is_ascii_alphanumeric() || " ,:".contains(c);
                    assert!(text.chars().all(plain), "{text:?}");
                }
                Some("RichTextBlock") => known(&["type", "inlines"]),
                Some("Container") => known(&["type", "style", "items"]),
                Some("ActionSet") => {
                    known(&["type", "actions"]);
                    assert!(value["actions"].as_array().unwrap().len() <= 5);
                }
                Some("TextRun") => {
                    known(&["type", "text", "weight", "italic", "fontType"]);
                    let text = value["text"].as_str().unwrap();
                    assert!(!text.is_empty() && !text.contains("{{"));
                    // What was escaped is not to be escaped again.
                    assert!(is_plain(&text.replace("\\u{", "")), "{text:?} is not plain");
                    return;
                }
                Some("Input.Text") => {
                    known(&["type", "id", "label", "isMultiline", "maxLength"]);
                    let id = value["id"].as_str().unwrap();
                    assert!(["approvals.comment", "approvals.code"].contains(&id));
                }
                Some("Action.Execute") => {
                    known(&["type", "title", "style", "verb", "data", "fallback"]);
                    assert_eq!(value["fallback"]["data"], value["data"]);
                    let verb = value["verb"].as_str().unwrap();
                    let data = value["data"].to_string();
                    let data = serde_json::from_str(&data).unwrap();
                    assert!(crate::button::Pressed::of(&data).unwrap().is_of(verb));
                }
                Some("Action.Submit") => known(&["type", "title", "style", "data"]),
                Some("Action.OpenUrl") => {
                    known(&["type", "title", "url"]);
                    let id = value["url"].as_str().unwrap().strip_prefix(LINK).unwrap();
                    assert!(id.parse::<approvals_core::RequestId>().is_ok());
                }
                None => known(&["approvals.seen", "approvals.choice"]),
                other => panic!("{other:?} in {value}"),
            }
            members.values().for_each(assert_harmless);
        }
        _ => {}
    }
}

/// The text of all runs, without anything between: of those in frames, or of the others.
fn text_of(value: &Value, framed: bool, inside: bool, out: &mut String) {
    match value {
        Value::Array(items) => items.iter().for_each(|v| text_of(v, framed, inside, out)),
        Value::Object(members) => {
            if value["type"] == "TextRun" && framed == inside {
                out.push_str(value["text"].as_str().unwrap());
            }
            let inside = inside || value["type"] == "Container";
            members
                .values()
                .for_each(|v| text_of(v, framed, inside, out));
        }
        _ => {}
    }
}

/// The lines of a card, and what stands in frames: what is long is in several, under headings.
fn texts(card: &Value) -> [String; 2] {
    [false, true].map(|framed| {
        let mut text = String::new();
        text_of(card, framed, false, &mut text);
        text
    })
}

fn assert_safe_and_whole(record: &Record) {
    let card = json_of(record);
    let presentation = Presentation::of(&record.asked);
    assert_harmless(&card);
    let units = weight(&card.to_string());
    assert!(2 * units <= USUAL, "{units} units");
    let [lines, frames] = texts(&card);
    let votes = card.to_string().contains("Action.Execute");
    match face().pages(&presentation).coverage {
        Coverage::Whole => {
            assert_eq!(votes, record.state == State::Pending);
            let shown = |part: &str| lines.contains(part) || frames.contains(part);
            for argument in presentation.arguments.iter().chain(&presentation.fields) {
                assert!(
                    shown(&argument.name) && shown(&argument.text),
                    "{argument:?}"
                );
                assert!(shown(&argument.remark), "{argument:?}");
            }
            let pairs = presentation.labels.iter().chain(&presentation.reasons);
            assert!(pairs.flat_map(|(a, b)| [a, b]).all(|part| shown(part)));
            let optional = [
                &presentation.resource,
                &presentation.summary,
                &presentation.claim,
            ];
            assert!(optional.into_iter().flatten().all(|part| shown(part)));
            assert!(shown(&presentation.requester) && shown(&presentation.origin));
        }
        Coverage::Partial { .. } => {
            assert!(!votes);
            assert!(lines.contains("Not all of it can be shown here"), "{lines}");
            assert!(card.to_string().contains("Action.OpenUrl"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_text_makes_no_link_mention_image_or_button_in_a_card_and_nothing_is_dropped(
        texts in prop::collection::vec(hostile(), 8),
        comment in hostile(),
    ) {
        let record = record_of(&texts);
        assert_safe_and_whole(&record);
        for record in states_of(&record, &comment) {
            assert_safe_and_whole(&record);
        }
    }
}

#[test]
fn a_text_of_100_kb_is_in_no_card_and_the_card_says_so() {
    let mut whole = 0;
    for size in [300, 1_000, 3_000, 30_000, 100_000] {
        for text in ["[a](https://evil.example) ", "\u{202e}💾\u{200b}", "a"] {
            let long = text.repeat(size / text.len());
            // A resource, a claim and a label have a size of their own at which they are refused.
            let short: String = long.chars().take(100).collect();
            let texts = [
                &long, &short, &short, &short, &short, &short, &short, &short,
            ];
            let record = record_of(&texts.map(String::clone));
            assert_safe_and_whole(&record);
            let shown = face().pages(&Presentation::of(&record.asked));
            whole += usize::from(shown.coverage == Coverage::Whole);
        }
    }
    assert!((3..12).contains(&whole), "{whole}");
}

#[test]
fn a_card_that_is_shown_whole_has_its_buttons_and_no_other_has() {
    let mut whole = 0;
    for (name, record) in awkward() {
        assert_safe_and_whole(&record);
        let shown = face().pages(&Presentation::of(&record.asked));
        whole += usize::from(shown.coverage == Coverage::Whole);
        let _ = name;
    }
    assert!(whole >= 15, "{whole}");
}

#[test]
fn the_cards_of_every_state_look_as_agreed() {
    for (name, record) in every_state() {
        let card = serde_json::to_string_pretty(&json_of(&record)).unwrap();
        insta::assert_snapshot!(name, card);
        assert_safe_and_whole(&record);
    }
}

#[test]
fn a_card_with_many_votes_and_every_button_still_fits() {
    let (_, mut record) = every_state().remove(1);
    let mut long = (*record.votes[0]).clone();
    long.comment = Some("💾".repeat(3_000).into());
    let long = std::sync::Arc::new(long);
    record.votes = std::iter::repeat_n(long, 40).collect();
    assert_safe_and_whole(&record);
    let [lines, _] = texts(&json_of(&record));
    let left_out = lines.contains("more characters, see the trail");
    assert!(
        left_out || lines.contains("not shown here, see the trail"),
        "{lines}"
    );
}

/// Where `APPROVALS_TEAMS_CARDS` names a directory, it is given every card, for whoever judges them
/// by other means.
#[test]
fn the_cards_of_every_state_and_of_awkward_requests_carry_what_they_showed() {
    let directory = std::env::var_os("APPROVALS_TEAMS_CARDS").map(std::path::PathBuf::from);
    for (name, record) in every_state().into_iter().chain(awkward()) {
        let card = json_of(&record).to_string();
        if card.contains("Action.Execute") {
            let seen = approvals_channel::ballot::Seen::of(&record).to_string();
            assert!(card.contains(&seen), "{name}");
        }
        if let Some(directory) = &directory {
            std::fs::write(directory.join(format!("{name}.json")), card).unwrap();
        }
    }
}
