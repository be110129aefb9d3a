//! What is said beside a message: answers, forms, and calls to whoever is asked.

use super::*;
use crate::form::{Remembered, form};
use approvals_channel::ballot::Seen;
use approvals_core::Choice;

/// A form's blocks; of its fields nothing is from outside but what is not shown.
fn assert_harmless_form(record: &Record, choice: Choice) {
    let remembered = Remembered {
        seen: Seen::of(record),
        choice,
        code: false,
        conversation: Some("C0OPS".to_owned()),
        ts: Some("1.2".to_owned()),
    };
    let form = serde_json::to_value(form(record, remembered)).unwrap();
    for block in form["blocks"].as_array().unwrap() {
        if block["type"] == "input" {
            let hint = block["hint"]["text"].as_str().unwrap();
            let plain = |c: char| c.is_ascii() && !"<>&*_~`[]".contains(c);
            assert!(hint.chars().all(plain), "{block}");
        } else {
            assert_harmless(block);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_text_makes_nothing_of_an_answer_a_form_a_call_or_a_reminder(
        texts in prop::collection::vec(hostile(), 8),
        words in hostile(),
    ) {
        let record = record_of(&texts);
        let mentions = [Mention::User(UserId::new("U0ALICE").unwrap())];
        let answered = answer("Your answer did not count.", &words);
        for body in [answered, calling(&record, &mentions), reminding(&record, &mentions)] {
            let value = serde_json::to_value(&body).unwrap();
            assert_harmless(&value["blocks"]);
            let text = value["text"].as_str().unwrap();
            let plain = |c: char| c.is_ascii_alphanumeric() || " (),:-.".contains(c);
            assert!(text.chars().all(plain), "{text:?}");
        }
        for choice in [Choice::Approve, Choice::Deny, Choice::Confirm, Choice::BreakGlass] {
            assert_harmless_form(&record, choice);
        }
    }

    #[test]
    fn nobody_is_called_by_an_id_that_is_none(ids in prop::collection::vec(hostile(), 1..5)) {
        let mentions = Mention::all(&ids);
        let record = &every_state()[0].1;
        let body = serde_json::to_value(calling(record, &mentions)).unwrap();
        let said = body["blocks"].to_string();
        for kind in ["\"user\"", "\"usergroup\""] {
            prop_assert!(!said.contains(kind), "{}", said);
        }
    }
}
