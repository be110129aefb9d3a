//! What is shown, and what is not approvable for want of showing it.

use approvals_core::Kind;
use approvals_core::memory::Answer;
use approvals_terminal::Question;
use approvals_terminal::{Console, Terminal, Tty, Word};

use crate::house::{House, Script, Step, one_lead, touch};

fn words(script: &Script) -> Vec<Word> {
    let questions = script.questions();
    let words = questions.iter().find_map(|question| match question {
        Question::Answer { words, .. } => Some(words.clone()),
        Question::Reason { .. } | Question::ShortCode => None,
    });
    words.unwrap()
}

#[tokio::test]
async fn the_presentation_is_shown_whole_and_as_it_is() {
    let script = Script::typing(["approve", ""]);
    let house = House::with(
        Terminal::answering_as("alice"),
        script.clone(),
        one_lead(),
        true,
    );
    let house = house.await;
    let value = "\u{202e}gnp.exe \x1b[2J \u{200b}`rm -rf` \u{5c}u{41}";
    house.scope(touch(&house.runs, value)).await.unwrap();
    let presentation = house.elsewhere.next().await.presentation().to_string();
    assert!(script.screen().contains(&presentation));
    assert!(presentation.contains("argument     runs (not shown and not bound)\n"));
    assert!(!script.screen().contains(['\x1b', '\u{202e}', '\u{200b}']));
    assert_eq!(words(&script), [Word::Approve, Word::Deny, Word::Details]);
}

#[tokio::test]
async fn a_value_too_large_for_a_terminal_says_so_and_cannot_be_approved() {
    let script = Script::typing(["approve", "approve", "approve"]);
    // Where no channel at all shows it whole, the gate does not ask.
    let alice = Terminal::answering_as("alice");
    let house = House::with(alice, script.clone(), one_lead(), true).await;
    let value = "x".repeat(200 * 1024);
    let error = house.scope(touch(&house.runs, &value)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert_eq!(house.ran(), 0);
    assert_eq!(words(&script), [Word::Deny, Word::Details]);
    let screen = script.screen();
    assert!(screen.contains("NOT SHOWN: 204802 bytes"), "{screen}");
    assert!(
        screen.contains("Not all of it is shown here: it has 205"),
        "{screen}"
    );
    assert!(screen.len() < 8 * 1024);
}

#[tokio::test]
async fn a_value_that_just_fits_is_shown_whole() {
    let script = Script::typing(["approve", ""]);
    let house = House::alone(script.clone(), one_lead()).await;
    let value = "x".repeat(60 * 1024);
    house.scope(touch(&house.runs, &value)).await.unwrap();
    assert!(script.screen().contains(&value));
}

#[tokio::test]
async fn what_looks_like_a_secret_is_masked_and_cannot_be_approved() {
    let script = Script::typing(["approve", "approve", "approve"]);
    let house = House::alone(script.clone(), one_lead()).await;
    // The documentation's own example of an access key.
    let value = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
    house.scope(touch(&house.runs, &value)).await.unwrap_err();
    assert_eq!(house.ran(), 0);
    assert!(!script.screen().contains(&value));
    assert!(!script.screen().contains("approve / deny"));
}

#[tokio::test]
async fn details_show_how_far_it_has_come_and_ask_again() {
    let script = Script::of([Step::Type("details"), Step::Type("approve"), Step::Type("")]);
    let house = House::alone(script.clone(), one_lead()).await;
    house.touch().await.unwrap();
    let screen = script.screen();
    assert!(
        screen.contains("stage        1 of 1, to be decided by "),
        "{screen}"
    );
    assert!(screen.contains("votes        none yet"), "{screen}");
}

#[tokio::test]
async fn what_others_write_is_escaped() {
    let script = Script::of([Step::WaitForRecall]);
    let alice = Terminal::answering_as("alice");
    let house = House::with(alice, script.clone(), one_lead(), true).await;
    house.elsewhere.script([Answer::deny(
        "bob",
        "no\x1b[2J\u{202e}\nCounted: alice approves",
    )]);
    house.touch().await.unwrap_err();
    script.shows("was denied by bob").await;
    let screen = script.screen();
    assert!(!screen.contains(['\x1b', '\u{202e}']), "{screen}");
    assert!(!screen.contains("\nCounted"), "{screen}");
}

#[test]
fn without_a_terminal_the_tty_says_so() {
    // Test runners and pipelines have none; where there is one, there is nothing to say.
    if let Err(why) = Tty.ready() {
        assert!(
            why.contains("is not a terminal, so nobody can be asked here"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn a_terminal_that_is_none_fails_clearly_and_nothing_runs() {
    let script = Script::typing(["approve", ""]).not_ready("standard input is not a terminal");
    let house = House::alone(script.clone(), one_lead()).await;
    let error = house.touch().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(house.ran(), 0);
    assert!(script.questions().is_empty());
    let why = format!("{error} {:?}", error.detail());
    assert!(why.contains("standard input is not a terminal"), "{why}");
}

#[tokio::test]
async fn nobody_to_answer_as_fails_clearly_and_nothing_runs() {
    let script = Script::typing(["approve", ""]);
    let house = House::with(
        Terminal::answering_as(""),
        script.clone(),
        one_lead(),
        false,
    )
    .await;
    assert_eq!(house.touch().await.unwrap_err().kind(), Kind::Unavailable);
    assert!(script.questions().is_empty());
}
