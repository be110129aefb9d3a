//! Slack fails in the ways in which a service behind a network fails.

use std::time::Duration;

use approvals_core::store::DeliveryState;
use approvals_core::{Kind, Phase, Quorum, RequestStore as _, Requirement, Stage};

use crate::end_to_end::message_request;
use crate::room::{Room, slack};
use crate::stand_in::{Fault, Workspace};

#[tokio::test(start_paused = true)]
async fn slack_down_for_an_hour_delays_a_request_and_loses_nothing() {
    let long = Duration::from_secs(3 * 3_600);
    let stage = Stage::of(Quorum::of(1, ["reviewers"]).unwrap());
    let requirement = Requirement::review(stage.decide_within(long).unwrap());
    let requirement = requirement.deadline(long).unwrap();
    let room = Room::with(requirement, |settings| settings).await;
    room.workspace.down(true);
    let asking = room.asking("ten");
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(!asking.is_finished() && room.workspace.messages().is_empty());
    room.workspace.down(false);
    room.until(|| room.workspace.messages().len() == 1).await;
    room.settle().await;
    let message = room.workspace.messages().remove(0);
    room.press(&message, "alice", "vote.approve").await;
    // And away again while the outcome is to be shown.
    room.workspace.down(true);
    assert!(asking.await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_secs(60 * 60)).await;
    room.workspace.down(false);
    room.until(|| room.reads(&message).contains("Approved, ran well"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn slack_down_past_the_deadline_refuses_with_the_cause() {
    let requirement = Requirement::one_of("reviewers").unwrap();
    let requirement = requirement.deadline(Duration::from_secs(600)).unwrap();
    let room = Room::with(requirement, |settings| settings).await;
    room.workspace.down(true);
    let refused = room.asking("ten").await.unwrap().unwrap_err();
    let detail = refused.detail().unwrap_or_default();
    assert!(
        detail.contains("connection refused"),
        "{refused:?}: {detail}"
    );
    assert_ne!(refused.kind(), Kind::Denied);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_turn_comes_too_late_says_that_nobody_was_asked() {
    let requirement = Requirement::one_of("reviewers").unwrap();
    let requirement = requirement.deadline(Duration::from_secs(90)).unwrap();
    let room = Room::with(requirement, |settings| settings.posts_per_minute(1)).await;
    let asking: Vec<_> = ["one", "two", "three", "four"]
        .map(|table| room.asking(table))
        .into();
    let mut unseen = Vec::new();
    for asked in asking {
        let refused = asked.await.unwrap().unwrap_err();
        assert_eq!(refused.kind(), Kind::TimedOut);
        if let Some(detail) = refused.detail() {
            assert_eq!(
                detail,
                "slack: by the deadline it had not said that people were shown it"
            );
            unseen.push(refused.request_id().unwrap());
        }
    }
    let seen = room.workspace.messages().len();
    assert!(
        seen > 0 && !unseen.is_empty() && seen + unseen.len() == 4,
        "{seen}, {unseen:?}"
    );
    // When their turn would have come, it stands in the store.
    tokio::time::sleep(Duration::from_secs(600)).await;
    for request in unseen {
        let copy = room.store.deliveries(request).await.unwrap()[0].clone();
        let DeliveryState::Failed { why, retry: None } = copy.state else {
            panic!("{copy:?}");
        };
        assert!(
            why.starts_with("its deadline came before its turn"),
            "{why}"
        );
    }
    assert_eq!(room.workspace.messages().len(), seen);
}

#[tokio::test(start_paused = true)]
async fn copies_after_a_lost_answer_answer_the_same_request_and_each_tells_what_stands() {
    for fault in [
        Fault::Lost,
        Fault::FailedAfterActing,
        Fault::FatalAfterActing,
        Fault::Torn,
    ] {
        let room = Room::new().await;
        room.workspace.fail("chat.postMessage", &[fault]);
        let asking = room.asking("ten");
        room.until(|| room.workspace.messages().len() == 2).await;
        room.settle().await;
        let copies = room.workspace.messages();
        assert_eq!(message_request(&copies[0]), message_request(&copies[1]));
        // The first is in no receipt: nobody heard of it.
        room.press(&copies[0], "alice", "vote.approve").await;
        assert!(asking.await.unwrap().is_ok(), "{fault:?}");
        room.settle().await;
        for copy in &copies {
            let text = room.reads(copy);
            assert!(text.contains("alice approves"), "{fault:?}: {text}");
            assert_eq!(Workspace::button(&room.now(copy), "vote.approve"), None);
        }
    }
}

/// People have hours.
fn in_hours() -> Requirement {
    let long = Duration::from_secs(5 * 3_600);
    let stage = Stage::of(Quorum::of(1, ["reviewers"]).unwrap());
    let requirement = Requirement::review(stage.decide_within(long).unwrap());
    requirement.deadline(long).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_never_heard_of_makes_no_more_copies_than_a_few_an_hour() {
    for fault in [Fault::Lost, Fault::FatalAfterActing, Fault::Torn] {
        let room = Room::with(in_hours(), |settings| settings).await;
        room.workspace.fail("chat.postMessage", &[fault; 64]);
        let asking = room.asking("ten");
        tokio::time::sleep(Duration::from_secs(3_500)).await;
        let first = room.workspace.messages().len();
        assert!((6..=8).contains(&first), "{fault:?}: {first}");
        let id = message_request(&room.workspace.messages()[0]);
        let copy = room.store.deliveries(id).await.unwrap()[0].clone();
        let DeliveryState::Failed { why, retry } = copy.state else {
            panic!("{copy:?}");
        };
        let expected = format!(
            "Slack's chat.postMessage failed: Slack may have taken {first} copies and said of none that it did: no more for "
        );
        assert!(why.starts_with(&expected), "{why}");
        assert!(retry.is_some());
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        let more = room.workspace.messages().len() - first;
        assert!((1..=2).contains(&more), "{fault:?}: {more}");
        // Each comes later than the one before, and not at once.
        let calls = room.workspace.calls("chat.postMessage");
        let waits = calls.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(waits.clone().all(|wait| wait >= Duration::from_millis(500)));
        // Any of them answers, and what runs, runs once.
        let copies = room.workspace.messages();
        room.press(&copies[2], "alice", "vote.approve").await;
        assert!(asking.await.unwrap().is_ok(), "{fault:?}");
        tokio::time::sleep(Duration::from_secs(7_200)).await;
        assert_eq!(room.workspace.messages().len(), first + more, "{fault:?}");
        assert!(room.reads(&copies[2]).contains("Approved, ran well"));
    }
}

#[tokio::test(start_paused = true)]
async fn while_slack_answers_nothing_no_message_is_posted_again() {
    let room = Room::with(in_hours(), |settings| settings).await;
    let fault = [Fault::FailedAfterActing];
    room.workspace.fail("chat.postMessage", &fault);
    room.workspace.fail("auth.test", &[Fault::Unavailable; 6]);
    let asking = room.asking("ten");
    room.until(|| room.workspace.calls("auth.test").len() == 6)
        .await;
    assert_eq!(room.workspace.calls("chat.postMessage").len(), 1);
    // It is back.
    room.until(|| room.workspace.messages().len() == 2).await;
    room.settle().await;
    let message = room.workspace.messages().remove(1);
    room.press(&message, "alice", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_thread_whose_messages_are_never_heard_of_has_no_more_copies_than_a_few_an_hour() {
    let room = Room::with(in_hours(), |settings| settings).await;
    room.workspace
        .fail_at("chat.postMessage", "C0OPS", Fault::Limited(1));
    let _asking = room.asking(&"x".repeat(30_000));
    room.until(|| room.workspace.count() == 1).await;
    room.workspace.fail("chat.postMessage", &[Fault::Lost; 64]);
    tokio::time::sleep(Duration::from_secs(3_500)).await;
    let thread = || {
        let message = room.workspace.messages().remove(0);
        room.workspace.thread(&message.ts).len()
    };
    let first = thread();
    assert!((6..=8).contains(&first), "{first}");
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let more = thread() - first;
    assert!((1..=2).contains(&more), "{more}");
    assert_eq!(room.workspace.messages().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_slack_says_it_did_not_do_is_no_copy_and_is_posted_when_slack_does_it() {
    for code in ["team_added_to_org", "service_unavailable"] {
        let requirement = Requirement::one_of("reviewers").unwrap();
        let requirement = requirement.deadline(Duration::from_secs(600)).unwrap();
        let room = Room::with(requirement, |settings| settings).await;
        room.workspace
            .fail("chat.postMessage", &[Fault::Code(code); 7]);
        let (asking, message) = room.ask("ten").await;
        assert!(room.workspace.calls("auth.test").is_empty(), "{code}");
        assert_eq!(room.workspace.messages().len(), 1);
        room.press(&message, "alice", "vote.approve").await;
        assert!(asking.await.unwrap().is_ok(), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_who_wait_for_slack_have_it_asked_once_whether_it_answers() {
    let room = Room::with(in_hours(), |settings| settings).await;
    let tables: Vec<String> = (0..15).map(|n| format!("table-{n}")).collect();
    room.workspace.fail("chat.postMessage", &[Fault::Lost; 15]);
    let _asking: Vec<_> = tables.iter().map(|table| room.asking(table)).collect();
    room.until(|| room.workspace.messages().len() == 30).await;
    // One for each without that.
    let asked = room.workspace.calls("auth.test").len();
    assert!((1..=10).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_always_too_early_is_tried_ever_more_seldom_and_says_why() {
    let room = Room::with(in_hours(), |settings| settings).await;
    room.workspace
        .fail("chat.postMessage", &[Fault::Limited(1); 10_000]);
    let asking = room.asking("ten");
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    // It would be 3,600 otherwise.
    let tried = room.workspace.calls("chat.postMessage").len();
    assert!((10..=150).contains(&tried), "{tried}");
    tokio::time::sleep(Duration::from_secs(4 * 3_600)).await;
    let refused = asking.await.unwrap().unwrap_err();
    let detail = refused.detail().unwrap_or_default();
    assert!(
        detail.contains("chat.postMessage failed: too often: Slack asks to wait 1 s"),
        "{detail}"
    );
    assert_eq!(room.workspace.messages().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_always_too_early_is_tried_ever_more_seldom_and_made_in_the_end() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    let faults = 60;
    room.workspace
        .fail("chat.update", &vec![Fault::Limited(1); faults]);
    room.press(&message, "alice", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(room.workspace.faults_left() > 0, "not one after the other");
    tokio::time::sleep(Duration::from_secs(2 * 3_600)).await;
    assert!(room.reads(&message).contains("Approved, ran well"));
    assert_eq!(room.workspace.faults_left(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_slack_did_not_take_is_posted_once_it_does() {
    for fault in [
        Fault::Limited(30),
        Fault::Unavailable,
        Fault::Unreachable,
        Fault::Code("ratelimited"),
        Fault::Code("internal_error"),
        Fault::Code("team_added_to_org"),
    ] {
        let room = Room::new().await;
        room.workspace.fail("chat.postMessage", &[fault]);
        let (asking, message) = room.ask("ten").await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(room.workspace.messages().len(), 1, "{fault:?}");
        room.workspace.fail("chat.update", &[fault]);
        room.press(&message, "alice", "vote.approve").await;
        assert!(asking.await.unwrap().is_ok());
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(
            room.reads(&message).contains("Approved, ran well"),
            "{fault:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_slack_will_never_take_refuses_at_once_with_slacks_reason() {
    for code in [
        "token_revoked",
        "missing_scope",
        "channel_not_found",
        "is_archived",
        "invalid_blocks",
        "a_code_of_tomorrow",
    ] {
        let room = Room::new().await;
        room.workspace
            .fail("chat.postMessage", &[Fault::Code(code)]);
        let refused = room.asking("ten").await.unwrap().unwrap_err();
        let detail = refused.detail().unwrap_or_default();
        assert!(detail.contains(code), "{code}: {refused:?} {detail}");
        assert_eq!(room.workspace.calls("chat.postMessage").len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_slack_asks_for_is_kept() {
    let room = Room::new().await;
    room.workspace
        .fail("chat.postMessage", &[Fault::Limited(120)]);
    let (_asking, _) = room.ask("ten").await;
    let calls = room.workspace.calls("chat.postMessage");
    assert_eq!(calls.len(), 2);
    assert!(calls[1] - calls[0] >= Duration::from_secs(120), "{calls:?}");
    assert_eq!(room.workspace.too_early(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_deleted_does_not_stop_the_decision() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    room.workspace.delete_messages();
    room.press(&message, "alice", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
    room.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_vote_of_somebody_slack_does_not_tell_of_does_not_count_and_can_be_cast_again() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    room.workspace.fail("users.info", &[Fault::Unavailable]);
    room.press(&message, "alice", "vote.approve").await;
    let (_, told) = room.workspace.whispers().pop().unwrap();
    assert!(told.contains("try again"), "{told}");
    room.settle().await;
    assert!(!asking.is_finished());
    room.press(&message, "alice", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_poison_answer_never_stops_what_comes_after_it() {
    let room = Room::new().await;
    room.workspace.fail(
        "chat.postMessage",
        &[Fault::Code("invalid_blocks"), Fault::Torn],
    );
    let poisoned = room.asking("poison");
    assert!(poisoned.await.unwrap().is_err());
    let (asking, _) = room.ask("torn").await;
    room.settle().await;
    let (other, message) = room.ask("after it").await;
    room.press(&message, "alice", "vote.approve").await;
    assert!(other.await.unwrap().is_ok());
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_click_on_what_is_over_is_told_what_stands() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    let id = message_request(&message);
    room.gate.withdraw(id).await.unwrap();
    assert!(asking.await.unwrap().is_err());
    room.press(&message, "alice", "vote.approve").await;
    let (_, told) = room.workspace.whispers().pop().unwrap();
    assert!(told.contains("withdrawn"), "{told}");
    room.press(&message, "alice", "form.deny").await;
    assert!(room.workspace.views().is_empty());
    let (_, told) = room.workspace.whispers().pop().unwrap();
    assert!(told.contains("withdrawn"), "{told}");
    let record = room.desk.channel(slack()).look(id).await.unwrap();
    assert_eq!(record.state.phase(), Phase::Withdrawn);
}
