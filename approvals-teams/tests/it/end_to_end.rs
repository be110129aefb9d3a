//! From a call to a card, and from a click to the body.

use approvals_core::{Kind, Requirement, Risk};
use serde_json::json;

use crate::room::{Room, id, one, told};
use crate::stand_in::{Fault, Microsoft};

#[tokio::test(start_paused = true)]
async fn a_call_is_posted_approved_with_one_click_and_the_card_tells_of_it_to_everybody() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    let before = Microsoft::reads(&message);
    assert!(
        before.contains("db.export") && before.contains("\"ten\""),
        "{before}"
    );
    assert!(before.contains("agent:exporter for person:bob"), "{before}");
    let answer = room.press(&message, "alice", "Approve").await;
    // Whoever clicked sees the card at once.
    assert_eq!(answer["type"], "application/vnd.microsoft.card.adaptive");
    assert!(answer.to_string().contains("alice"), "{answer}");
    assert_eq!(asking.await.unwrap().unwrap(), "exported ten");
    room.settle().await;
    let after = room.reads(&message);
    assert!(after.contains("Approved, ran well"), "{after}");
    assert!(after.contains("alice approves"), "{after}");
    assert_eq!(Microsoft::button(&room.now(&message), "Approve"), None);
    assert_eq!(room.microsoft.refused(), Vec::<String>::new());
    assert_eq!(room.microsoft.messages().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_no_with_a_reason_reaches_whoever_asked() {
    let requirement = one().comment_on_deny();
    let room = Room::with(requirement, |settings| settings).await;
    let (asking, message) = room.ask("ten").await;
    // Whatever the card asks for, the reason is required here.
    let answer = room.press(&message, "alice", "Deny").await;
    assert!(
        told(&answer).unwrap().contains("reason is required"),
        "{answer}"
    );
    let typed = [("approvals.comment", "only <at>nine</at>")];
    room.press_with(&message, "alice", "Deny", &typed).await;
    let refused = asking.await.unwrap().unwrap_err();
    assert_eq!(refused.kind(), Kind::Denied);
    assert!(
        refused.to_string().contains("only <at>nine</at>"),
        "{refused}"
    );
    room.settle().await;
    let text = room.reads(&message);
    assert!(
        text.contains("alice denies") && text.contains("nine"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_critical_call_takes_its_code_typed_and_this_is_held_here() {
    let room = Room::new().await;
    let (asking, message) = room.ask_at("all", Risk::Critical).await;
    for typed in ["", "0000-0000", "yes"] {
        let typed = [("approvals.code", typed)];
        let answer = room.press_with(&message, "alice", "Approve", &typed).await;
        assert!(told(&answer).unwrap().contains("Type the code"), "{answer}");
    }
    room.settle().await;
    assert!(!asking.is_finished());
    let record = room
        .gate
        .requests(&Default::default(), None, 1)
        .await
        .unwrap();
    let code = record[0].asked.digest.short_code().to_uppercase();
    let typed = [("approvals.code", code.as_str())];
    room.press_with(&message, "alice", "Approve", &typed).await;
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_vote_is_told_why_alone_and_the_card_stays_as_it_is() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    for (name, other, why) in [
        (
            "guest",
            json!({"userPrincipalName": "g#EXT#@example.com"}),
            "guests",
        ),
        ("anonymous", json!({"userRole": "anonymous"}), "guests"),
        (
            "foreigner",
            json!({"tenantId": "33333333-0000-0000-0000-000000000000"}),
            "another organisation",
        ),
    ] {
        room.microsoft.member_who(&id(name), &other);
        let answer = room.press(&message, name, "Approve").await;
        assert!(told(&answer).unwrap().contains(why), "{answer}");
    }
    // Known to the directory, and asking through an agent.
    let answer = room.press(&message, "bob", "Approve").await;
    assert!(told(&answer).unwrap().contains("did not count"), "{answer}");
    // Nobody the directory knows.
    let answer = room.press(&message, "mallory", "Approve").await;
    assert!(told(&answer).unwrap().contains("administrator"), "{answer}");
    // Nobody Teams knows.
    let answer = room.press(&message, "nobody", "Approve").await;
    assert!(
        told(&answer).unwrap().contains("does not say who you are"),
        "{answer}"
    );
    room.settle().await;
    let now = room.now(&message);
    assert_eq!((now.edits, now.card()), (0, message.card()));
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn every_vote_of_a_quorum_changes_the_card() {
    let requirement = Requirement::some_of(2, "reviewers").unwrap();
    let room = Room::with(requirement, |settings| settings).await;
    let (asking, message) = room.ask("ten").await;
    room.press(&message, "alice", "Approve").await;
    room.settle().await;
    let text = room.reads(&message);
    assert!(text.contains("1 of 2 have agreed"), "{text}");
    // On the card as it was before the first vote.
    let answer = room.press(&message, "carol", "Approve").await;
    assert!(told(&answer).is_none_or(|why| why.contains("did not count")));
    if told(&answer).is_some() {
        let message = room.now(&message);
        room.press(&message, "carol", "Approve").await;
    }
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_same_click_twice_is_one_vote() {
    let requirement = Requirement::some_of(2, "reviewers").unwrap();
    let room = Room::with(requirement, |settings| settings).await;
    let (asking, message) = room.ask("ten").await;
    let button = Microsoft::button(&message, "Approve").unwrap();
    let activity = room.microsoft.press(&message, &id("alice"), &button, &[]);
    let (one, two) = tokio::join!(room.hand_in(&activity), room.hand_in(&activity));
    assert!(one.status().is_success() && two.status().is_success());
    room.hand_in(&activity).await;
    room.settle().await;
    let records = room
        .gate
        .requests(&Default::default(), None, 1)
        .await
        .unwrap();
    assert_eq!(records[0].votes.len(), 1);
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_card_is_updated_after_a_restart() {
    let room = Room::new().await;
    let (asking, message) = room.ask_under("step-1").await;
    let again = Room::restarted(room, asking, one(), |settings| settings).await;
    again.press(&message, "alice", "Approve").await;
    // The agent comes back as well, under its key.
    assert!(again.asking_under("step-1").await.unwrap().is_ok());
    again
        .until(|| again.reads(&message).contains("Approved, ran well"))
        .await;
    assert_eq!(again.microsoft.messages().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_too_old_votes_as_well() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    let button = Microsoft::button(&message, "Approve").unwrap();
    let activity = room.microsoft.submit(&message, &id("alice"), &button, &[]);
    let answer = room.hand_in(&activity).await;
    assert!(answer.status().is_success() && answer.body().is_empty());
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_for_a_card_has_a_link_in_place_of_buttons() {
    let room = Room::with(one(), |settings| {
        settings.link("https://a.example/requests/")
    })
    .await;
    let asking = room.asking(&"x".repeat(20_000));
    // Nobody can approve it anywhere, so it is refused, and the card says what became of it.
    let refused = asking.await.unwrap().unwrap_err();
    assert!(
        refused
            .detail()
            .unwrap_or_default()
            .contains("20002 characters")
            || refused.to_string().contains("characters"),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_vote_is_refused_while_teams_does_not_say_who_clicked_and_counts_later() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    room.microsoft.fail("member", &[Fault::Unavailable]);
    let answer = room.press(&message, "alice", "Approve").await;
    assert!(told(&answer).unwrap().contains("try again"), "{answer}");
    room.press(&message, "alice", "Approve").await;
    assert!(asking.await.unwrap().is_ok());
}
