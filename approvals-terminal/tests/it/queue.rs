//! One prompt at a time, taken back when there is nothing left to ask.

use approvals_core::memory::Answer;
use approvals_core::{Kind, Requirement};
use approvals_terminal::{Question, Terminal};

use crate::house::{House, Script, Step, one_lead, touch};

#[tokio::test]
async fn requests_queue_and_each_answer_goes_to_the_one_that_was_shown() {
    let script = Script::typing(["approve", "first", "deny", "second"]);
    let house = House::alone(script.clone(), one_lead()).await;
    let both = async {
        tokio::join!(
            touch(&house.runs, "the first value"),
            touch(&house.runs, "the second value")
        )
    };
    let (first, second) = house.scope(both).await;
    first.unwrap();
    assert_eq!(second.unwrap_err().comment(), Some("second"));
    assert_eq!(house.ran(), 1);
    let screen = script.screen();
    let place = |text: &str| screen.find(text).unwrap();
    assert!(place("the first value") < place("alice approves: \"first\""));
    assert!(place("alice approves: \"first\"") < place("the second value"));
}

#[tokio::test]
async fn a_prompt_whose_request_was_decided_elsewhere_is_taken_back_and_says_so() {
    let script = Script::of([Step::WaitForRecall]);
    let alice = Terminal::answering_as("alice");
    let house = House::with(alice, script.clone(), one_lead(), true).await;
    let answer = async {
        script.asked().await;
        let request = house.elsewhere.next().await;
        request.deny_as("bob", "not today").await.unwrap();
    };
    let (called, ()) = tokio::join!(house.touch(), answer);
    assert_eq!(called.unwrap_err().kind(), Kind::Denied);
    script
        .shows("No answer is needed any more: terminal.touch (")
        .await;
    let screen = script.screen();
    assert!(
        screen.contains("No answer is needed any more: terminal.touch ("),
        "{screen}"
    );
    assert!(
        screen.contains("was denied by bob: \"not today\"."),
        "{screen}"
    );
}

#[tokio::test]
async fn a_request_that_is_decided_before_its_turn_is_not_asked() {
    let script = Script::of([Step::WaitForRecall, Step::WaitForRecall]);
    let alice = Terminal::answering_as("alice");
    let house = House::with(alice, script.clone(), one_lead(), true).await;
    let calls = async { tokio::join!(touch(&house.runs, "1"), touch(&house.runs, "2")) };
    let answers = async {
        script.asked().await;
        let (first, second) = (house.elsewhere.next().await, house.elsewhere.next().await);
        second.approve_as("bob").await.unwrap();
        first.approve_as("bob").await.unwrap();
    };
    let ((first, second), ()) = tokio::join!(house.scope(calls), answers);
    first.unwrap();
    second.unwrap();
    house.gate.flush().await;
    assert_eq!(script.questions().len(), 1);
}

#[tokio::test]
async fn a_channel_that_is_dropped_takes_its_prompt_back() {
    let script = Script::of([Step::WaitForRecall]);
    let house = House::alone(script.clone(), one_lead()).await;
    tokio::select! {
        called = house.touch() => panic!("nobody answered: {called:?}"),
        () = script.asked() => {}
    }
    assert_eq!(house.ran(), 0);
    // Returns only after the console has; a prompt that stays would spin for ever.
    drop(house);
}

#[tokio::test]
async fn a_withdrawn_request_is_taken_back() {
    let script = Script::of([Step::WaitForRecall, Step::Type("approve"), Step::Type("")]);
    let house = House::alone(script.clone(), one_lead()).await;
    tokio::select! {
        called = house.touch() => panic!("nobody answered: {called:?}"),
        () = script.asked() => {}
    }
    // The next request gets its turn only when the first prompt is gone.
    house.scope(touch(&house.runs, "b")).await.unwrap();
    assert_eq!(house.ran(), 1);
    assert!(
        script.screen().contains("was withdrawn"),
        "{}",
        script.screen()
    );
}

#[tokio::test]
async fn one_vote_of_two_leaves_the_rest_to_others() {
    let script = Script::typing(["approve", ""]);
    let alice = Terminal::answering_as("alice");
    let two = Requirement::some_of(2, "leads").unwrap();
    let house = House::with(alice, script.clone(), two, true).await;
    house.elsewhere.script([Answer::approve("bob")]);
    house.touch().await.unwrap();
    let questions = script.questions();
    let asked = questions
        .iter()
        .filter(|q| matches!(q, Question::Answer { .. }));
    assert_eq!(asked.count(), 1);
}
