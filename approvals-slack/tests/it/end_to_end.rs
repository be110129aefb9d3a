//! From the call to its body, through a message and a click.

use approvals_core::{Phase, Requirement};
use http::StatusCode;
use serde_json::json;

use crate::room::{Room, deliver, id};
use crate::stand_in::clicks::{body, now, signed};
use crate::stand_in::{SECRET, Workspace};

#[tokio::test(start_paused = true)]
async fn a_signed_click_runs_the_body_and_the_message_tells_who_when_and_what_became_of_it() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    let before = room.reads(&message);
    for part in [
        "db.export",
        "\"ten\"",
        "agent:exporter for person:bob",
        "db/customers",
        "1 of reviewers",
    ] {
        assert!(before.contains(part), "{part} is not in {before}");
    }
    assert_eq!(
        room.press(&message, "alice", "vote.approve").await,
        StatusCode::OK
    );
    assert_eq!(asking.await.unwrap().unwrap(), "exported ten");
    room.settle().await;
    let after = room.reads(&message);
    assert!(after.contains("alice approves, 20"), "{after}");
    assert!(after.contains("Approved, ran well"), "{after}");
    assert_eq!(Workspace::button(&room.now(&message), ""), None);
    assert_eq!(room.workspace.refused(), Vec::<String>::new());
    assert!(room.workspace.whispers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_denial_with_its_reason_reaches_whoever_asked_and_everybody_who_was_asked() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    room.press(&message, "carol", "form.deny").await;
    let answered = room
        .submit("carol", &[("comment", "not <!here> today")])
        .await;
    assert!(answered.body().is_empty());
    let refused = asking.await.unwrap().unwrap_err();
    assert!(
        refused.to_string().contains("carol: \"not <!here> today\""),
        "{refused}"
    );
    room.settle().await;
    let after = room.reads(&message);
    assert!(
        after.contains("Denied") && after.contains("by carol: not <!here> today"),
        "{after}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_double_click_is_one_vote() {
    let requirement = Requirement::some_of(2, "reviewers").unwrap();
    let room = Room::with(requirement, |settings| settings).await;
    let (asking, message) = room.ask("ten").await;
    let button = Workspace::button(&message, "vote.approve").unwrap();
    let first = room.workspace.press(&message, &id("alice"), &button);
    let second = room.workspace.press(&message, &id("alice"), &button);
    // Both before either was worked on, as two clicks in one moment are.
    let (first, second) = (
        room.workspace.callback(&first),
        room.workspace.callback(&second),
    );
    let works = [room.slack.receive(&first), room.slack.receive(&second)];
    for received in works {
        assert_eq!(received.response.status(), StatusCode::OK);
        received.work.unwrap().await;
    }
    room.settle().await;
    assert!(!asking.is_finished());
    let told = room.workspace.whispers();
    assert!(told.len() == 1 && told[0].0 == id("alice"), "{told:?}");
    assert!(room.reads(&message).contains("1 of 2 have agreed"));
    room.press(&room.now(&message), "carol", "vote.approve")
        .await;
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_same_bytes_again_are_answered_again_and_count_once() {
    let room = Room::new().await;
    let (_asking, message) = room.ask("ten").await;
    let button = Workspace::button(&message, "vote.approve").unwrap();
    let payload = room.workspace.press(&message, &id("alice"), &button);
    let request = room.workspace.callback(&payload);
    let first = room.slack.receive(&request);
    let again = room.slack.receive(&request);
    assert_eq!(first.response.status(), again.response.status());
    assert!(first.work.is_some() && again.work.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_forged_signature_counts_for_nobody() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    let button = Workspace::button(&message, "vote.approve").unwrap();
    let payload = room.workspace.press(&message, &id("alice"), &button);
    let mut tampered = room.workspace.callback(&payload);
    *tampered.body_mut() = body(&payload).replace("U0ALICE", "U0CAROL").into();
    let mut unsigned = room.workspace.callback(&payload);
    unsigned.headers_mut().remove("x-slack-signature");
    let mut twice = room.workspace.callback(&payload);
    let signature = twice.headers()["x-slack-signature"].clone();
    twice.headers_mut().append("x-slack-signature", signature);
    let wrong = signed(&body(&payload), "another secret of another app", now());
    for (request, status) in [
        (tampered, StatusCode::UNAUTHORIZED),
        (unsigned, StatusCode::UNAUTHORIZED),
        (twice, StatusCode::BAD_REQUEST),
        (wrong, StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(deliver(&room.slack, &request).await.status(), status);
    }
    room.settle().await;
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_callback_from_another_time_counts_for_nobody() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    let button = Workspace::button(&message, "vote.approve").unwrap();
    let payload = body(&room.workspace.press(&message, &id("alice"), &button));
    for at in [now() - 360, now() + 360] {
        let request = signed(&payload, SECRET, at);
        assert_eq!(
            deliver(&room.slack, &request).await.status(),
            StatusCode::UNAUTHORIZED
        );
    }
    room.settle().await;
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_click_on_another_presentation_counts_for_nobody_and_says_why() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    let (other_asking, other) = room.ask("a million").await;
    let button = Workspace::button(&message, "vote.approve").unwrap();
    let theirs = Workspace::button(&other, "vote.approve").unwrap();
    let parts = |button: &serde_json::Value| -> Vec<String> {
        let value = button["value"].as_str().unwrap();
        value.split(' ').map(str::to_owned).collect()
    };
    // The request of one message with what another showed: digest, presentation, or both.
    for swapped in [vec![3], vec![4], vec![3, 4]] {
        let (mut mixed, from) = (parts(&button), parts(&theirs));
        for place in swapped {
            mixed[place] = from[place].clone();
        }
        let mut forged = button.clone();
        forged["value"] = json!(mixed.join(" "));
        let payload = room.workspace.press(&message, &id("alice"), &forged);
        assert_eq!(room.hand_in(&payload).await.status(), StatusCode::OK);
    }
    room.settle().await;
    assert!(!asking.is_finished() && !other_asking.is_finished());
    let told = room.workspace.whispers();
    assert_eq!(told.len(), 3);
    assert!(
        told.iter()
            .all(|(to, why)| to == &id("alice") && why.contains("the vote is ")),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_vote_is_told_why_and_nobody_else_is() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    room.workspace
        .user_who(&id("guest"), json!({"is_restricted": true}));
    room.workspace.user_who(&id("bot"), json!({"is_bot": true}));
    room.workspace
        .user_who(&id("gone"), json!({"deleted": true}));
    room.workspace
        .user_who(&id("foreign"), json!({"team_id": "T0OTHER"}));
    let cases = [
        ("bob", "has a part in the request"),
        ("mallory", "nobody that the directory knows"),
        ("guest", "guests cannot vote"),
        ("bot", "bots cannot vote"),
        ("gone", "was deactivated"),
        ("foreign", "another workspace"),
        ("nobody", "does not know this user"),
    ];
    for (who, why) in cases {
        assert_eq!(
            room.press(&message, who, "vote.approve").await,
            StatusCode::OK
        );
        let (to, told) = room.workspace.whispers().pop().unwrap();
        assert!(to == id(who) && told.contains(why), "{who}: {told}");
    }
    room.settle().await;
    assert_eq!(room.workspace.whispers().len(), cases.len());
    assert!(!asking.is_finished());
    let id = message_request(&message);
    assert_eq!(
        room.desk
            .channel(crate::room::slack())
            .look(id)
            .await
            .unwrap()
            .state
            .phase(),
        Phase::Pending
    );
}

#[tokio::test(start_paused = true)]
async fn somebody_who_is_known_in_another_workspace_is_nobody_here() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    // The same user id, as another workspace could have it.
    room.workspace
        .user_who(&id("alice"), json!({"team_id": "T0OTHER"}));
    room.press(&message, "alice", "vote.approve").await;
    let (_, told) = room.workspace.whispers().pop().unwrap();
    assert!(told.contains("another workspace"), "{told}");
    assert!(!asking.is_finished());
}

pub(crate) fn message_request(message: &crate::stand_in::Message) -> approvals_core::RequestId {
    let button = Workspace::button(message, "").unwrap();
    button["value"]
        .as_str()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}
