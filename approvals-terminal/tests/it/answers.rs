//! What counts as a yes, and that everything else is a no.

use approvals_core::{Kind, Requirement};
use approvals_terminal::Terminal;

use crate::house::{House, Script, Step, one_lead};

/// The call is denied, and the agent is told these words.
async fn denied(script: Script, policy: Requirement, comment: Option<&str>) {
    let house = House::alone(script.clone(), policy).await;
    let error = house.touch().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{script:?}");
    assert_eq!(error.comment(), comment, "{script:?}");
    assert_eq!(house.ran(), 0);
}

#[tokio::test]
async fn the_whole_word_approve_is_a_yes() {
    for word in ["approve", " APPROVE ", "Approve\t"] {
        let house = House::alone(Script::typing([word, ""]), one_lead()).await;
        house.touch().await.unwrap();
        assert_eq!(house.ran(), 1);
    }
}

#[tokio::test]
async fn a_denial_carries_its_reason_to_the_agent() {
    denied(
        Script::typing(["deny", "not today"]),
        one_lead(),
        Some("not today"),
    )
    .await;
    denied(Script::typing(["deny", ""]), one_lead(), None).await;
}

#[tokio::test]
async fn an_answer_that_nobody_took_for_a_while_is_not_lost() {
    let script = Script::of([Step::TypeLater("deny"), Step::Type("not today")]);
    let house = House::alone(script.clone(), one_lead()).await;
    let meanwhile = async {
        script.asked().await;
        house.directory.fail(Some("no answer"));
        script.types_now();
        script.shows("It is tried again.").await;
        house.directory.fail(None);
    };
    let (told, ()) = tokio::join!(house.touch(), meanwhile);
    let error = told.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert_eq!(error.comment(), Some("not today"));
    let asked = script.questions().len();
    assert_eq!(asked, 2, "nobody types it again");
    assert_eq!(house.ran(), 0);
}

#[tokio::test]
async fn end_of_input_is_a_denial_at_every_question() {
    let ended = Some("input ended before an answer");
    denied(Script::of([Step::EndOfInput]), one_lead(), ended).await;
    denied(Script::typing(["approve"]), one_lead(), ended).await;
    denied(Script::typing(["details"]), one_lead(), ended).await;
    denied(Script::typing(["deny"]), one_lead(), ended).await;
}

#[tokio::test]
async fn an_interrupted_prompt_is_a_denial_at_every_question() {
    let interrupted = Some("the prompt was interrupted");
    denied(Script::of([Step::CtrlC]), one_lead(), interrupted).await;
    let at_the_reason = [Step::Type("approve"), Step::CtrlC];
    denied(Script::of(at_the_reason), one_lead(), interrupted).await;
}

#[tokio::test]
async fn what_stays_unclear_is_a_denial() {
    let unclear = Some("no clear answer at the terminal");
    denied(Script::typing(["y", "yes", "ok"]), one_lead(), unclear).await;
    denied(Script::typing(["", "", ""]), one_lead(), unclear).await;
    let beside_the_word = ["approve? no", "approve please", "approv"];
    denied(Script::typing(beside_the_word), one_lead(), unclear).await;
    // Words that are not offered are not understood.
    let not_offered = ["confirm", "break-glass", "withdraw"];
    denied(Script::typing(not_offered), one_lead(), unclear).await;
}

#[tokio::test]
async fn an_unclear_answer_is_asked_again() {
    let script = Script::typing(["y", "sure", "approve", ""]);
    let house = House::alone(script.clone(), one_lead()).await;
    house.touch().await.unwrap();
    let again = "Please type one of these words: approve, deny, details";
    assert_eq!(script.screen().matches(again).count(), 2);
}

#[tokio::test]
async fn a_terminal_that_fails_or_panics_is_a_denial() {
    let cut = Some("the terminal failed: the line is cut");
    denied(Script::of([Step::Fail]), one_lead(), cut).await;
    let later = [Step::Type("approve"), Step::Fail];
    denied(Script::of(later), one_lead(), cut).await;
    let panicked = Some("the terminal failed");
    denied(Script::of([Step::Panic]), one_lead(), panicked).await;
    let blind = Script::typing(["approve", ""]).blind();
    denied(
        blind,
        one_lead(),
        Some("the request could not be shown: no screen"),
    )
    .await;
}

#[tokio::test]
async fn a_required_reason_is_asked_for_and_its_lack_is_a_denial() {
    let wants = || one_lead().comment_on_approve().comment_on_deny();
    let none = Some("a reason is required and none was given");
    denied(Script::typing(["approve", "", " ", ""]), wants(), none).await;
    denied(Script::typing(["deny", "", "", ""]), wants(), none).await;
    let house = House::alone(Script::typing(["approve", "", "checked"]), wants()).await;
    house.touch().await.unwrap();
    assert!(house.script.screen().contains("reason (required)"));
}

#[tokio::test]
async fn critical_risk_needs_the_short_code_typed() {
    let right = [
        Step::Type("approve"),
        Step::Type("0000-0000"),
        Step::TypeCode,
        Step::Type(""),
    ];
    let house = House::alone(Script::of(right), one_lead()).await;
    house.critical().await.unwrap();
    assert_eq!(house.ran(), 1);

    for wrong in [["", "", ""], ["approve", "yes", "0000-0000"]] {
        let script = Script::typing(["approve"].into_iter().chain(wrong));
        let house = House::alone(script, one_lead()).await;
        let error = house.critical().await.unwrap_err();
        let said = Some("the digest's short code was not typed correctly");
        assert_eq!((error.kind(), error.comment()), (Kind::Denied, said));
        assert_eq!(house.ran(), 0);
    }
}

#[tokio::test]
async fn a_no_to_a_critical_call_needs_no_code() {
    let house = House::alone(Script::typing(["deny", ""]), one_lead()).await;
    assert_eq!(house.critical().await.unwrap_err().kind(), Kind::Denied);
}

#[tokio::test]
async fn the_principal_confirms_where_policy_asks_for_that() {
    let policy = Requirement::confirm(std::time::Duration::from_secs(60)).unwrap();
    let dana = Terminal::answering_as("dana");
    let script = Script::typing(["approve", "confirm", ""]);
    let house = House::with(dana, script.clone(), policy, false).await;
    house.touch().await.unwrap();
    assert!(script.screen().contains("dana: confirm / deny / details"));
}

#[tokio::test]
async fn breaking_the_glass_needs_a_reason() {
    let policy = || {
        Requirement::some_of(2, "leads")
            .unwrap()
            .break_glass("engineers")
            .unwrap()
    };
    let bob = || Terminal::answering_as("bob");
    let script = Script::typing(["break-glass", "the site is down"]);
    let house = House::with(bob(), script, policy(), false).await;
    house.touch().await.unwrap();

    let script = Script::typing(["break-glass", "", "", ""]);
    let house = House::with(bob(), script, policy(), false).await;
    assert_eq!(house.touch().await.unwrap_err().kind(), Kind::Denied);
    assert_eq!(house.ran(), 0);
}
