//! Several people at one keyboard, and people who are asked later.

use approvals_core::{Kind, Quorum, Requirement, Stage};
use approvals_terminal::Terminal;

use crate::house::{House, Script, Step, one_lead};

#[tokio::test]
async fn a_second_identity_is_asked_and_said_to_be_a_demonstration() {
    let both = || Terminal::answering_as("alice").demonstrating_with("bob");
    let two = || Requirement::some_of(2, "leads").unwrap();
    let script = Script::typing(["approve", "", "approve", ""]);
    let house = House::with(both(), script.clone(), two(), false).await;
    house.touch().await.unwrap();
    let screen = script.screen();
    assert!(screen.contains("Others still have to agree."), "{screen}");
    assert!(
        screen.contains(
            "DEMONSTRATION: this terminal answers for several people. Now you are `bob`."
        )
    );
    // The second person is shown all of it again.
    assert_eq!(screen.matches("terminal.touch  risk: high").count(), 2);

    let script = Script::typing(["approve", "", "deny", ""]);
    let house = House::with(both(), script, two(), false).await;
    assert_eq!(house.touch().await.unwrap_err().kind(), Kind::Denied);
    assert_eq!(house.ran(), 0);
}

#[tokio::test]
async fn whoever_is_not_needed_any_more_is_not_asked() {
    let both = Terminal::answering_as("alice").demonstrating_with("bob");
    let script = Script::typing(["approve", ""]);
    let house = House::with(both, script.clone(), one_lead(), false).await;
    house.touch().await.unwrap();
    assert_eq!(script.questions().len(), 2);
}

#[tokio::test]
async fn the_principal_at_the_keyboard_does_not_count() {
    let both = Terminal::answering_as("dana").demonstrating_with("alice");
    let script = Script::typing(["approve", "", "approve", ""]);
    let house = House::with(both, script.clone(), one_lead(), false).await;
    house.touch().await.unwrap();
    let screen = script.screen();
    assert!(
        screen.contains("Not counted: dana has a part in the request"),
        "{screen}"
    );
}

#[tokio::test]
async fn a_stranger_at_the_keyboard_does_not_count() {
    let both = Terminal::answering_as("mallory").demonstrating_with("alice");
    let script = Script::typing(["approve", "", "deny", "who is mallory?"]);
    let house = House::with(both, script.clone(), one_lead(), false).await;
    assert_eq!(house.touch().await.unwrap_err().kind(), Kind::Denied);
    assert_eq!(house.ran(), 0);
    assert!(
        script
            .screen()
            .contains("is nobody that the directory knows")
    );
}

#[tokio::test]
async fn somebody_who_was_not_asked_yet_is_asked_when_their_stage_opens() {
    let stage = |who| Stage::of(Quorum::of(1, [who]).unwrap());
    let policy = Requirement::review(stage("engineers"))
        .then(stage("person:alice"))
        .unwrap();
    // alice answers too early, and is asked again once bob has agreed elsewhere.
    let script = Script::of([
        Step::Type("approve"),
        Step::Type("early"),
        Step::Type("approve"),
        Step::Type("in time"),
    ]);
    let alice = Terminal::answering_as("alice");
    let house = House::with(alice, script.clone(), policy, true).await;
    let answer = async {
        let request = house.elsewhere.next().await;
        script.shows("Not counted").await;
        request.approve_as("bob").await.unwrap();
    };
    let (called, ()) = tokio::join!(house.touch(), answer);
    called.unwrap();
    script.shows("alice approves: \"in time\"").await;
    let screen = script.screen();
    assert!(
        screen.contains("alice is not among those who are asked now"),
        "{screen}"
    );
    assert!(screen.contains("alice approves: \"in time\""), "{screen}");
}
