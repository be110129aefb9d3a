//! Forms: where something has to be typed.

use approvals_core::{Requirement, Risk};
use serde_json::Value;

use crate::room::{Room, id};
use crate::stand_in::{Fault, Workspace};

fn one() -> Requirement {
    Requirement::one_of("reviewers").unwrap()
}

#[tokio::test(start_paused = true)]
async fn where_a_yes_needs_a_comment_the_button_opens_a_form_for_it() {
    let room = Room::with(one().comment_on_approve(), |settings| settings).await;
    let (asking, message) = room.ask("ten").await;
    assert_eq!(Workspace::button(&message, "vote.approve"), None);
    room.press(&message, "alice", "form.approve").await;
    let form = room.workspace.views().pop().unwrap().1;
    let comment = form["blocks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|block| block["block_id"] == "comment");
    assert_eq!(comment.unwrap()["optional"], false);
    // An empty one comes back from Slack only where somebody forges it; the desk refuses it.
    room.submit("alice", &[]).await;
    let (_, told) = room.workspace.whispers().pop().unwrap();
    assert!(told.contains("comment is required"), "{told}");
    assert!(!asking.is_finished());
    room.submit("alice", &[("comment", "checked with the team")])
        .await;
    assert!(asking.await.unwrap().is_ok());
    room.settle().await;
    assert!(room.reads(&message).contains("checked with the team"));
}

#[tokio::test(start_paused = true)]
async fn at_critical_risk_a_yes_takes_the_code_of_the_call() {
    let room = Room::with(one().at_least(Risk::Critical), |settings| settings).await;
    let (asking, message) = room.ask("ten").await;
    room.press(&message, "alice", "form.approve").await;
    let code = room.reads(&message);
    let code = code
        .split("Code  ")
        .nth(1)
        .unwrap()
        .get(..9)
        .unwrap()
        .to_owned();
    for wrong in ["", "0000-0000", "code"] {
        let answer = room.submit("alice", &[("code", wrong)]).await;
        let answer: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(answer["response_action"], "errors");
        assert!(answer["errors"]["code"].is_string());
    }
    assert!(!asking.is_finished());
    let answer = room
        .submit("alice", &[("code", &format!(" {} ", code.to_uppercase()))])
        .await;
    assert!(answer.body().is_empty());
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn whoever_submits_a_form_votes_and_not_whoever_opened_it() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    room.press(&message, "alice", "form.deny").await;
    room.submit("mallory", &[("comment", "no")]).await;
    let (to, told) = room.workspace.whispers().pop().unwrap();
    assert!(
        to == id("mallory") && told.contains("nobody that the directory knows"),
        "{told}"
    );
    assert!(!asking.is_finished());
    room.submit("carol", &[("comment", "no")]).await;
    let refused = asking.await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("carol"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_form_that_cannot_be_opened_is_said_to_whoever_pressed_the_button() {
    let room = Room::new().await;
    let (_asking, message) = room.ask("ten").await;
    for fault in [
        Fault::Code("expired_trigger_id"),
        Fault::Code("trigger_exchanged"),
        Fault::Unavailable,
    ] {
        room.workspace.fail("views.open", &[fault]);
        room.press(&message, "alice", "form.deny").await;
        let (to, told) = room.workspace.whispers().pop().unwrap();
        assert!(
            to == id("alice") && told.contains("press the button again"),
            "{told}"
        );
    }
    room.press(&message, "alice", "form.deny").await;
    assert_eq!(room.workspace.views().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_glass_is_broken_with_a_reason_and_the_message_says_what_is_owed() {
    let room = Room::with(one().break_glass("others").unwrap(), |settings| settings).await;
    room.directory.person("dora", ["others"]).unwrap();
    room.workspace.user(&id("dora"));
    let identity = approvals_core::ChannelIdentity::new(
        crate::room::slack(),
        crate::stand_in::TEAM,
        &id("dora"),
    );
    room.directory.link(identity, "dora").unwrap();
    let (asking, message) = room.ask("ten").await;
    room.press(&message, "dora", "form.break_glass").await;
    let answer = room.submit("dora", &[("comment", "  ")]).await;
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    assert!(answer["errors"]["comment"].is_string());
    room.submit("dora", &[("comment", "the site is down")])
        .await;
    assert!(asking.await.unwrap().is_ok());
    room.settle().await;
    let text = room.reads(&message);
    assert!(
        text.contains("dora breaks the glass") && text.contains("a review after the fact is owed"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_vote_can_be_taken_back_while_others_are_still_asked() {
    let requirement = Requirement::some_of(2, "reviewers").unwrap();
    let room = Room::with(requirement, |settings| settings).await;
    let (asking, message) = room.ask("ten").await;
    assert_eq!(Workspace::button(&message, "take_back"), None);
    room.press(&message, "alice", "vote.approve").await;
    room.settle().await;
    room.press(&room.now(&message), "alice", "vote.take_back")
        .await;
    room.settle().await;
    assert!(room.reads(&message).contains("took the vote back"));
    room.press(&room.now(&message), "carol", "vote.approve")
        .await;
    room.settle().await;
    assert!(!asking.is_finished());
    // The first message's button is older than that: an old click does not undo a later word.
    room.press(&message, "alice", "vote.approve").await;
    let (_, told) = room.workspace.whispers().pop().unwrap();
    assert!(told.contains("open the request again"), "{told}");
    assert!(!asking.is_finished());
}
