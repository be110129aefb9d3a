//! What is posted, of requests as hostile as can be.

mod beside;

use std::collections::BTreeSet;

use approvals_core::text::is_plain;
use approvals_core::{Coverage, Presentation, Record};
use approvals_testing::showing::{HOSTILE, awkward, every_state, record_of, states_of};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(HOSTILE).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => (prop::sample::select(HOSTILE), 1..200_usize).prop_map(|(text, times)| text.repeat(times)),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

const LINK: &str = "https://approvals.example.com/requests/";

/// Every message of a record, as it is posted.
pub(super) fn bodies(record: &Record) -> Vec<Value> {
    let group = UserGroupId::new("S0ONCALL").unwrap();
    let mentions = [
        Mention::User(UserId::new("U0ALICE").unwrap()),
        Mention::Group(group),
    ];
    let link = PageLink::new(LINK).unwrap();
    let face = Face {
        mentions: &mentions,
        link: Some(&link),
        rest: Rest::There,
    };
    let mut all = vec![first(record, face)];
    all.extend(further(record));
    let post = |body: &Body| {
        let mut value = serde_json::to_value(body).unwrap();
        value["channel"] = json!("C0OPS");
        value
    };
    all.iter().map(post).collect()
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
                Some("header") => known(&["type", "block_id", "text"]),
                Some("rich_text" | "actions") => known(&["type", "block_id", "elements"]),
                Some("rich_text_section" | "rich_text_preformatted" | "rich_text_quote") => {
                    known(&["type", "elements"]);
                }
                Some("text") => {
                    known(&["type", "text", "style"]);
                    let lines = value["text"].as_str().unwrap();
                    assert!(!lines.is_empty());
                    // What was escaped is not to be escaped again.
                    // And a line of ours begins with a line feed.
                    let line = lines.strip_prefix('\n').unwrap_or(lines);
                    assert!(
                        is_plain(&line.replace("\\u{", "")),
                        "{lines:?} is not plain"
                    );
                    return;
                }
                Some("plain_text") => {
                    known(&["type", "text", "emoji"]);
                    assert_eq!(value["emoji"], false);
                    assert!(value["text"].as_str().unwrap().len() <= 75, "{value}");
                    return;
                }
                Some("user") => assert_eq!(value, &json!({"type": "user", "user_id": "U0ALICE"})),
                Some("usergroup") => {
                    let group = json!({"type": "usergroup", "usergroup_id": "S0ONCALL"});
                    assert_eq!(value, &group);
                }
                Some("button") => {
                    known(&["type", "action_id", "text", "style", "value", "url"]);
                    let id = value["action_id"].as_str().unwrap();
                    let press = Press::of(id).unwrap();
                    assert_eq!(value["url"].is_null(), press != Press::Link);
                    if let Some(url) = value["url"].as_str() {
                        let id = url.strip_prefix(LINK).unwrap();
                        assert!(id.parse::<approvals_core::RequestId>().is_ok(), "{url}");
                    }
                }
                other => panic!("{other:?} in {value}"),
            }
            members.values().for_each(assert_harmless);
        }
        _ => {}
    }
}

/// All text of one kind of paragraph, put together without anything between.
fn all_text(bodies: &[Value], of: &[&str]) -> String {
    fn walk(value: &Value, of: &[&str], inside: bool, out: &mut String) {
        let here = inside
            || value["type"]
                .as_str()
                .is_some_and(|kind| of.contains(&kind));
        if here && let Some(text) = value["text"].as_str() {
            out.push_str(text);
        }
        let inner = value["elements"]
            .as_array()
            .or_else(|| value["blocks"].as_array());
        for value in inner.into_iter().flatten() {
            walk(value, of, here, out);
        }
    }
    let mut out = String::new();
    bodies
        .iter()
        .for_each(|body| walk(body, of, false, &mut out));
    out
}

fn assert_safe_and_whole(record: &Record) {
    let bodies = bodies(record);
    let presentation = Presentation::of(&record.asked);
    for body in &bodies {
        assert_harmless(&body["blocks"]);
        let text = body["text"].as_str().unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || " (),:-".contains(c);
        assert!(text.chars().all(plain), "{text:?}");
        let size = all_text(
            std::slice::from_ref(body),
            &[
                "rich_text_section",
                "rich_text_preformatted",
                "rich_text_quote",
            ],
        );
        assert!(units(&size) <= 9_700, "{} units", units(&size));
        let json = body["blocks"].to_string().chars().count();
        assert!(json <= 15_500, "{json} characters of JSON");
        assert!(body["blocks"].as_array().unwrap().len() <= 50);
    }
    let votes = bodies
        .iter()
        .any(|body| body.to_string().contains("approvals.vote."));
    let lines = all_text(&bodies, &["rich_text_section"]);
    match pages(&presentation, ROOM).coverage {
        Coverage::Whole => {
            let frames = all_text(&bodies, &["rich_text_preformatted"]);
            let quotes = all_text(&bodies, &["rich_text_quote"]);
            let shown =
                |text: &str| text.is_empty() || lines.contains(text) || frames.contains(text);
            for argument in presentation.arguments.iter().chain(&presentation.fields) {
                assert!(
                    shown(&argument.name) && shown(&argument.text),
                    "{argument:?}"
                );
                assert!(shown(&argument.remark), "{argument:?}");
            }
            let pairs = presentation.labels.iter().chain(&presentation.reasons);
            assert!(pairs.flat_map(|(a, b)| [a, b]).all(|text| shown(text)));
            let optional = [&presentation.resource, &presentation.summary];
            assert!(optional.into_iter().flatten().all(|text| shown(text)));
            let claim = presentation.claim.as_deref().unwrap_or_default();
            assert!(quotes.contains(claim), "{claim}");
            assert!(shown(&presentation.requester) && shown(&presentation.origin));
        }
        Coverage::Partial { .. } => {
            assert!(!votes && bodies.len() == 1);
            assert!(lines.contains("Not all of it can be shown here"), "{lines}");
            assert!(
                bodies[0].to_string().contains("approvals.link")
                    || record.state != approvals_core::State::Pending
            );
        }
    }
}

fn units(text: &str) -> usize {
    approvals_channel::units(text)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_text_makes_no_link_mention_image_or_button_and_nothing_is_dropped_in_silence(
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
fn a_text_of_100_kb_is_shown_whole_or_said_not_to_be() {
    let mut whole = 0;
    for size in [3_000, 30_000, 60_000, 100_000, 1_000_000] {
        for text in ["<!channel> &amp; ", "\u{202e}💾\u{200b}", "a"] {
            let long = text.repeat(size / text.len());
            // A resource, a claim and a label have a size of their own at which they are refused.
            let short: String = long.chars().take(500).collect();
            let texts = [
                &long, &short, &short, &short, &short, &short, &short, &short,
            ];
            let record = record_of(&texts.map(String::clone));
            assert_safe_and_whole(&record);
            whole += usize::from(
                pages(&Presentation::of(&record.asked), ROOM).coverage == Coverage::Whole,
            );
        }
    }
    assert!((4..12).contains(&whole), "{whole}");
}

#[test]
fn what_is_declared_before_posting_is_what_is_posted() {
    for (name, record) in awkward() {
        let presentation = Presentation::of(&record.asked);
        let bodies = bodies(&record);
        let declared = pages(&presentation, ROOM).coverage == Coverage::Whole;
        let text = bodies[0].to_string();
        let yes = text.contains(".approve") || text.contains(".confirm");
        assert_eq!(declared, yes, "{name}");
        assert_safe_and_whole(&record);
    }
}

#[test]
fn the_messages_of_every_state_look_as_agreed() {
    for (name, record) in every_state() {
        let all = serde_json::to_string_pretty(&bodies(&record)).unwrap();
        insta::assert_snapshot!(name, all);
        assert_safe_and_whole(&record);
    }
}

/// Where `APPROVALS_SLACK_MESSAGES` names a directory, it is given every message, for whoever
/// judges them by other means.
#[test]
fn the_messages_of_every_state_and_of_awkward_requests_have_ids_of_their_own() {
    let directory = std::env::var_os("APPROVALS_SLACK_MESSAGES").map(std::path::PathBuf::from);
    for (name, record) in every_state().into_iter().chain(awkward()) {
        for (number, body) in bodies(&record).iter().enumerate() {
            let blocks = body["blocks"].as_array().unwrap();
            let ids: BTreeSet<&str> = blocks
                .iter()
                .map(|b| b["block_id"].as_str().unwrap())
                .collect();
            assert_eq!(ids.len(), blocks.len(), "{name}");
            if let Some(directory) = &directory {
                let path = directory.join(format!("{name}-{number}.json"));
                std::fs::write(path, body.to_string()).unwrap();
            }
        }
    }
}

#[test]
fn an_answer_that_is_cut_says_so() {
    let body = answer("Your answer did not count.", &"x".repeat(2_001));
    let json = serde_json::to_string(&body).unwrap();
    assert!(json.contains("cut here: it was longer"), "{json}");
    let whole = answer("Your answer did not count.", &"x".repeat(2_000));
    let json = serde_json::to_string(&whole).unwrap();
    assert!(json.contains(&"x".repeat(2_000)) && !json.contains("cut"));
}

#[test]
fn an_update_has_block_ids_of_its_own() {
    let record = &every_state()[0].1;
    let mut later = record.clone();
    later.revision += 1;
    let ids = |record: &Record, rest| -> BTreeSet<String> {
        let face = Face {
            mentions: &[],
            link: None,
            rest,
        };
        let body = serde_json::to_value(first(record, face)).unwrap();
        let blocks = body["blocks"].as_array().unwrap().clone();
        blocks
            .iter()
            .map(|b| b["block_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(ids(record, Rest::There).is_disjoint(&ids(&later, Rest::There)));
    assert!(ids(record, Rest::Coming).is_disjoint(&ids(record, Rest::There)));
    assert!(ids(record, Rest::Coming).is_disjoint(&ids(record, Rest::Missing)));
}
