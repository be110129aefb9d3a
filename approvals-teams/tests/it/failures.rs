//! Teams fails in the ways in which a service behind a network fails.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::{Kind, Phase, Quorum, Requirement, Stage};
use approvals_teams::{Destination, Http, HttpError, Route, Routes};
use bytes::Bytes;
use http::{Request, Response};

use crate::room::{Room, id, one, told};
use crate::stand_in::{Fault, Microsoft, OPS};

#[tokio::test(start_paused = true)]
async fn teams_down_for_an_hour_delays_a_request_and_loses_nothing() {
    let long = Duration::from_secs(3 * 3_600);
    let stage = Stage::of(Quorum::of(1, ["reviewers"]).unwrap());
    let requirement = Requirement::review(stage.decide_within(long).unwrap());
    let requirement = requirement.deadline(long).unwrap();
    let room = Room::with(requirement, |settings| settings).await;
    room.microsoft.down(true);
    let asking = room.asking("ten");
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(!asking.is_finished() && room.microsoft.messages().is_empty());
    room.microsoft.down(false);
    room.until(|| room.microsoft.messages().len() == 1).await;
    room.settle().await;
    let message = room.microsoft.messages().remove(0);
    room.press(&message, "alice", "Approve").await;
    // And away again while the outcome is to be shown.
    room.microsoft.down(true);
    assert!(asking.await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_secs(60 * 60)).await;
    room.microsoft.down(false);
    room.until(|| room.reads(&message).contains("Approved, ran well"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn teams_down_past_the_deadline_refuses_with_the_cause() {
    let requirement = one().deadline(Duration::from_secs(600)).unwrap();
    let room = Room::with(requirement, |settings| settings).await;
    room.microsoft.down(true);
    let refused = room.asking("ten").await.unwrap().unwrap_err();
    let detail = refused.detail().unwrap_or_default();
    assert!(
        detail.contains("connection refused"),
        "{refused:?}: {detail}"
    );
    assert_ne!(refused.kind(), Kind::Denied);
}

#[tokio::test(start_paused = true)]
async fn copies_after_a_lost_answer_answer_the_same_request_and_each_tells_what_stands() {
    for fault in [Fault::Lost, Fault::FailedAfterActing, Fault::Torn] {
        let room = Room::new().await;
        room.microsoft.fail("make", &[fault]);
        let asking = room.asking("ten");
        room.until(|| room.microsoft.messages().len() == 2).await;
        room.settle().await;
        let copies = room.microsoft.messages();
        // The first is in no receipt: nobody heard of it.
        room.press(&copies[0], "alice", "Approve").await;
        assert!(asking.await.unwrap().is_ok(), "{fault:?}");
        room.settle().await;
        for copy in &copies {
            let text = room.reads(copy);
            assert!(text.contains("alice approves"), "{fault:?}: {text}");
            assert_eq!(Microsoft::button(&room.now(copy), "Approve"), None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_is_never_heard_of_makes_no_more_copies_than_a_few_an_hour() {
    let long = Duration::from_secs(3 * 3_600);
    let stage = Stage::of(Quorum::of(1, ["reviewers"]).unwrap());
    let requirement = Requirement::review(stage.decide_within(long).unwrap());
    let requirement = requirement.deadline(long).unwrap();
    for fault in [Fault::Lost, Fault::FailedAfterActing, Fault::Torn] {
        let room = Room::with(requirement.clone(), |settings| settings).await;
        room.microsoft.fail("make", &[fault; 64]);
        let asking = room.asking("ten");
        tokio::time::sleep(Duration::from_secs(3_500)).await;
        let copies = room.microsoft.messages();
        let first = copies.len();
        assert!((6..=8).contains(&first), "{fault:?}: {first}");
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        let more = room.microsoft.messages().len() - first;
        assert!((1..=2).contains(&more), "{fault:?}: {more}");
        // Each comes later than the one before, and not at once.
        let calls = room.microsoft.calls("make");
        let waits = calls.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(waits.clone().all(|wait| wait >= Duration::from_millis(500)));
        // Any of them answers, and what runs, runs once.
        room.press(&copies[2], "alice", "Approve").await;
        assert!(asking.await.unwrap().is_ok(), "{fault:?}");
        tokio::time::sleep(Duration::from_secs(7_200)).await;
        assert_eq!(room.microsoft.messages().len(), first + more, "{fault:?}");
        let late = room.press(&copies[0], "carol", "Deny").await;
        assert!(!late.is_null());
        let records = room.gate.requests(&Default::default(), None, 9).await;
        let records = records.unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].state.phase(), Phase::Succeeded);
        assert_eq!(records[0].votes.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn while_teams_answers_nothing_no_thread_is_begun_again() {
    let room = Room::new().await;
    room.microsoft.fail("make", &[Fault::FailedAfterActing]);
    room.microsoft.fail("members", &[Fault::Unavailable; 6]);
    let asking = room.asking("ten");
    room.until(|| room.microsoft.calls("members").len() == 6)
        .await;
    assert_eq!(room.microsoft.calls("make").len(), 1);
    // It is back.
    room.until(|| room.microsoft.messages().len() == 2).await;
    let message = room.microsoft.messages().remove(1);
    room.press(&message, "alice", "Approve").await;
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_chat_whose_beginning_was_not_heard_of_is_begun_once() {
    for fault in [Fault::Lost, Fault::FailedAfterActing, Fault::Torn] {
        let room = Room::with(one(), |settings| {
            let alice = Destination::user(&id("alice")).unwrap();
            settings.routes(Routes::new().to(Route::all(), [alice]))
        })
        .await;
        room.microsoft.fail("make", &[fault]);
        let (asking, message) = room.ask("ten").await;
        assert_eq!(room.microsoft.calls("make").len(), 2, "{fault:?}");
        assert_eq!(room.microsoft.messages().len(), 1, "{fault:?}");
        assert_eq!(message.conversation, format!("a:{}", id("alice")));
        room.press(&message, "alice", "Approve").await;
        assert!(asking.await.unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_always_too_busy_is_asked_ever_more_seldom() {
    let room = Room::new().await;
    room.microsoft.fail("make", &[Fault::Limited(1); 400]);
    let _asking = room.asking("ten");
    tokio::time::sleep(Duration::from_secs(1_500)).await;
    let tried = room.microsoft.calls("make").len();
    // Five tries in a row, and then later each time: every second would be 1,500.
    assert!((5..=100).contains(&tried), "{tried}");
    assert!(room.microsoft.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_teams_did_not_take_is_posted_once_it_does() {
    for fault in [
        Fault::Limited(30),
        Fault::Unavailable,
        Fault::Unreachable,
        Fault::Code(412, "PreconditionFailed"),
        Fault::Code(504, "GatewayTimeout"),
        Fault::Code(500, ""),
    ] {
        let room = Room::new().await;
        room.microsoft.fail("make", &[fault]);
        let (asking, message) = room.ask("ten").await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(room.microsoft.messages().len(), 1, "{fault:?}");
        room.microsoft.fail("change", &[fault]);
        room.press(&message, "alice", "Approve").await;
        assert!(asking.await.unwrap().is_ok());
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(
            room.reads(&message).contains("Approved, ran well"),
            "{fault:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_teams_will_never_take_refuses_at_once_with_its_reason() {
    for (call, status, code) in [
        ("make", 400, "BadSyntax"),
        ("make", 401, "BotNotRegistered"),
        ("make", 403, "BotNotInConversationRoster"),
        ("make", 403, "BotDisabledByAdmin"),
        ("make", 404, "ConversationNotFound"),
        ("make", 413, "MessageSizeTooBig"),
        ("make", 500, "ServiceError"),
        ("token", 401, "invalid_client"),
    ] {
        let room = Room::new().await;
        room.microsoft.fail(call, &[Fault::Code(status, code)]);
        let refused = room.asking("ten").await.unwrap().unwrap_err();
        let detail = refused.detail().unwrap_or_default();
        let said = if call == "token" { "status 401" } else { code };
        assert!(detail.contains(said), "{code}: {refused:?} {detail}");
        assert_eq!(room.microsoft.calls(call).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_teams_asks_for_is_kept() {
    let room = Room::new().await;
    room.microsoft.fail("make", &[Fault::Limited(120)]);
    let (_asking, _) = room.ask("ten").await;
    let calls = room.microsoft.calls("make");
    assert_eq!(calls.len(), 2);
    assert!(calls[1] - calls[0] >= Duration::from_secs(120), "{calls:?}");
    assert_eq!(room.microsoft.too_early(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_bots_token_is_asked_for_once_renewed_in_time_and_when_it_is_refused() {
    let room = Room::new().await;
    let (_one, _) = room.ask("one").await;
    let (_two, _) = room.ask("two").await;
    assert_eq!(room.microsoft.calls("token").len(), 1);
    // It ends after 3,599 seconds, and is replaced five minutes before that.
    tokio::time::sleep(Duration::from_secs(3_280)).await;
    let (_three, _) = room.ask("three").await;
    assert_eq!(room.microsoft.calls("token").len(), 1);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let (_four, _) = room.ask("four").await;
    assert_eq!(room.microsoft.calls("token").len(), 2);
    room.microsoft.revoke_tokens();
    let (_five, _) = room.ask("five").await;
    assert_eq!(room.microsoft.calls("token").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_deleted_does_not_stop_the_decision() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    room.microsoft.delete_messages();
    room.press(&message, "alice", "Approve").await;
    assert!(asking.await.unwrap().is_ok());
    room.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_poison_answer_never_stops_what_comes_after_it() {
    let room = Room::new().await;
    room.microsoft
        .fail("make", &[Fault::Code(400, "BadSyntax"), Fault::Torn]);
    assert!(room.asking("poison").await.unwrap().is_err());
    let (asking, _) = room.ask("torn").await;
    room.settle().await;
    let (other, message) = room.ask("after it").await;
    room.press(&message, "alice", "Approve").await;
    assert!(other.await.unwrap().is_ok());
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_click_on_what_is_over_is_told_what_stands() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    let records = room
        .gate
        .requests(&Default::default(), None, 1)
        .await
        .unwrap();
    room.gate.withdraw(records[0].id()).await.unwrap();
    assert!(asking.await.unwrap().is_err());
    let answer = room.press(&message, "alice", "Approve").await;
    assert!(told(&answer).unwrap().contains("withdrawn"), "{answer}");
    let records = room
        .gate
        .requests(&Default::default(), None, 1)
        .await
        .unwrap();
    assert_eq!(records[0].state.phase(), Phase::Withdrawn);
    assert!(message.conversation.starts_with(OPS));
}

#[tokio::test(start_paused = true)]
async fn a_message_of_which_teams_does_not_say_where_it_is_is_not_posted_again_and_again() {
    let room = Room::new().await;
    room.microsoft.fail("make", &[Fault::Nowhere; 9]);
    let refused = room.asking("ten").await.unwrap().unwrap_err();
    let detail = refused.detail().unwrap_or_default();
    assert!(detail.contains("did not say where it is"), "{detail}");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(room.microsoft.messages().len(), 1);
}

/// Whatever carries requests and prints their headers.
#[derive(Debug)]
struct Printing(Microsoft, Mutex<String>);

#[approvals_core::async_trait]
impl Http for Printing {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let headers = format!("{:?}\n", request.headers());
        self.1.lock().unwrap().push_str(&headers);
        self.0.answer(&request)
    }
}

#[tokio::test(start_paused = true)]
async fn the_bots_token_is_not_printed_by_whatever_carries_requests() {
    let printing = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&printing);
    let room = Room::with(one(), |settings| {
        let carries = Arc::new(Printing(Microsoft::new(), Mutex::default()));
        *kept.lock().unwrap() = Some(Arc::clone(&carries));
        settings.http(carries)
    })
    .await;
    let printing = printing.lock().unwrap().take().unwrap();
    let _asking = room.asking("ten");
    room.until(|| !printing.0.messages().is_empty()).await;
    let printed = printing.1.lock().unwrap();
    assert!(printed.contains("authorization"), "{printed}");
    assert!(!printed.contains("bot-token"), "{printed}");
}
