//! What is said beside a card, in place of one, or through a workflow.

use super::*;
use crate::click::plain_words;
use crate::message::Message;
use approvals_channel::Saying;

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_text_makes_no_link_or_mention_in_words(words in hostile()) {
        const HEADING: &str = "Your answer did not count.";
        let said = plain_words(HEADING, &words);
        let rest = said.strip_prefix(HEADING).unwrap();
        for markup in ["[", "]", "<", ">", "{", "}", "`", "*", "_", "~", "#", "|", "!", "://", "www."] {
            prop_assert!(!rest.contains(markup), "{:?} in {:?}", markup, rest);
        }
        prop_assert!(is_plain(rest), "{:?}", rest);
        let message = serde_json::to_value(Message::words(&said)).unwrap();
        prop_assert!(message["entities"].is_null() && message["attachments"].is_null());
        prop_assert_eq!(&message["textFormat"], "plain");
    }

    #[test]
    fn nothing_from_outside_stands_beside_a_card_or_calls_anybody(
        texts in prop::collection::vec(hostile(), 8),
        calls in prop::collection::vec(hostile(), 0..4),
    ) {
        let record = record_of(&texts);
        for what in [Saying::AlsoAsked, Saying::StillWaiting] {
            let message = serde_json::to_value(Message::beside(&record, what, &calls)).unwrap();
            let mut words = message["text"].as_str().unwrap().to_owned();
            for number in 1..=calls.len() {
                let called = format!("<at>reviewer {number}</at>");
                prop_assert_eq!(words.matches(&called).count(), 1, "{}", &words);
                words = words.replace(&called, "");
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || " .:-".contains(c);
            prop_assert!(words.chars().all(plain), "{:?}", words);
        }
    }

    #[test]
    fn hostile_text_makes_nothing_of_what_a_workflow_tells(
        texts in prop::collection::vec(hostile(), 8),
        comment in hostile(),
    ) {
        let record = record_of(&texts);
        for record in states_of(&record, &comment).into_iter().chain([record]) {
            let card = serde_json::to_value(telling(&record, &face())).unwrap();
            assert_harmless(&card);
            prop_assert!(!card.to_string().contains("Action.Execute"));
        }
    }
}
