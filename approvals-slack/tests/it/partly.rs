//! Where only a part of what was to be done was done: nobody sees it twice, and everybody the end.

use std::time::Duration;

use approvals_core::{Audience, Quorum, Requirement, Risk, Stage};
use approvals_slack::{Destination, Route, Routes};
use serde_json::json;

use crate::room::{Room, id};
use crate::stand_in::{Fault, Workspace};

const MINUTE: Duration = Duration::from_secs(60);

fn two_channels() -> Routes {
    let to = ["C0OPS", "C0LATER"].map(|id| Destination::channel(id).unwrap());
    Routes::new().to(Route::all(), to)
}

fn channels(room: &Room) -> Vec<String> {
    let messages = room.workspace.messages().into_iter();
    messages.map(|message| message.channel).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_answered_while_another_could_not_be_posted_shows_the_end() {
    let one = Requirement::one_of("reviewers").unwrap();
    let room = Room::with(one, |settings| settings.routes(two_channels())).await;
    room.workspace.channel("C0LATER");
    for _ in 0..3 {
        room.workspace
            .fail_at("chat.postMessage", "C0LATER", Fault::Unavailable);
    }
    let asking = room.asking("ten");
    room.until(|| !channels(&room).is_empty()).await;
    let message = room.workspace.messages().remove(0);
    room.press(&message, "alice", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
    tokio::time::sleep(10 * MINUTE).await;
    let text = room.reads(&message);
    assert!(
        text.contains("Approved, ran well") && text.contains("alice approves"),
        "{text}"
    );
    assert_eq!(Workspace::button(&room.now(&message), ""), None);
    assert_eq!(
        channels(&room),
        ["C0OPS"],
        "the other is not asked any more"
    );
    assert_eq!(room.workspace.refused(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_first_of_two_votes_is_shown_while_another_message_cannot_be_posted() {
    let two = Requirement::some_of(2, "reviewers").unwrap();
    let room = Room::with(two, |settings| settings.routes(two_channels())).await;
    room.workspace.channel("C0LATER");
    for _ in 0..4 {
        room.workspace
            .fail_at("chat.postMessage", "C0LATER", Fault::Unavailable);
    }
    let _asking = room.asking("ten");
    room.until(|| !channels(&room).is_empty()).await;
    let message = room.workspace.messages().remove(0);
    room.press(&message, "alice", "vote.approve").await;
    room.settle().await;
    assert!(room.reads(&message).contains("alice approves"));
    room.until(|| channels(&room) == ["C0OPS", "C0LATER"]).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(channels(&room), ["C0OPS", "C0LATER"], "each once");
    assert_eq!(room.workspace.faults_left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_long_request_whose_thread_broke_off_is_completed_where_it_is() {
    let room = Room::new().await;
    room.workspace
        .fail_at("chat.postMessage", "C0OPS", Fault::Limited(1));
    let long = "x".repeat(30_000);
    let asking = room.asking(&long);
    room.until(|| room.workspace.count() == 2).await;
    let fault = [Fault::Unavailable, Fault::Unavailable];
    room.workspace.fail("chat.postMessage", &fault);
    let buttons = || {
        let message = room.workspace.messages().remove(0);
        Workspace::button(&message, "vote.approve")
    };
    assert_eq!(buttons(), None, "not before all of it is there");
    room.until(|| buttons().is_some()).await;
    assert_eq!(room.workspace.faults_left(), 0);
    assert_eq!(channels(&room), ["C0OPS"], "one message");
    let message = room.workspace.messages().remove(0);
    // With what stands in its thread.
    let shown = room.workspace.reads(&message).matches('x').count();
    assert!((30_000..30_100).contains(&shown), "each part once: {shown}");
    room.press(&message, "alice", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn people_are_called_once_however_often_the_message_could_not_be_changed() {
    let room = Room::new().await;
    room.directory.person("dora", ["leads"]).unwrap();
    room.workspace.user(&id("dora"));
    let identity = approvals_core::ChannelIdentity::new(
        crate::room::slack(),
        crate::stand_in::TEAM,
        &id("dora"),
    );
    room.directory.link(identity, "dora").unwrap();
    let stage = Stage::of(Quorum::of(1, ["reviewers"]).unwrap());
    let stage = stage.decide_within(MINUTE).unwrap();
    let widening = Requirement::review(stage.escalate_to(Audience::of(["leads"]).unwrap()));
    let ops = Destination::channel("C0OPS").unwrap().calling_reviewers();
    let directory = room.directory.clone();
    let room = Room::again(room, widening, |settings| {
        settings
            .routes(Routes::new().to(Route::all(), [ops]))
            .directory(directory)
    })
    .await;
    let (_asking, message) = room.ask("ten").await;
    room.workspace.fail("chat.update", &[Fault::Unavailable; 5]);
    room.until(|| room.workspace.faults_left() == 0).await;
    room.until(|| room.reads(&message).contains("others are asked"))
        .await;
    let thread = room.workspace.thread(&message.ts);
    assert_eq!(thread.len(), 1, "called once");
}

#[tokio::test(start_paused = true)]
async fn an_update_that_the_token_was_not_good_for_is_made_when_it_is_again() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    room.workspace.fail(
        "chat.update",
        &[Fault::Code("invalid_auth"), Fault::Code("not_documented")],
    );
    room.press(&message, "alice", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
    room.until(|| room.reads(&message).contains("Approved, ran well"))
        .await;
    assert_eq!(room.workspace.faults_left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_critical_yes_without_its_code_does_not_count_whatever_button_it_came_from() {
    let critical = Requirement::one_of("reviewers")
        .unwrap()
        .at_least(Risk::Critical);
    let room = Room::with(critical, |settings| settings).await;
    let (asking, message) = room.ask("ten").await;
    let genuine = Workspace::button(&message, "form.approve").unwrap();
    for forged in ["vote.approve", "vote.confirm", "vote.break_glass"] {
        let mut button = genuine.clone();
        button["action_id"] = json!(format!("approvals.{forged}"));
        let payload = room.workspace.press(&message, &id("alice"), &button);
        room.hand_in(&payload).await;
        let (_, told) = room.workspace.whispers().pop().unwrap();
        assert!(told.contains("takes typing its code"), "{told}");
    }
    // A form that forgot that it asks for the code.
    room.press(&message, "alice", "form.approve").await;
    let (name, mut view) = room.workspace.views().pop().unwrap();
    let metadata = view["private_metadata"].as_str().unwrap();
    view["private_metadata"] = json!(metadata.replace("\"code\":true", "\"code\":false"));
    let payload = room.workspace.submit(&(name, view), &id("alice"), &[]);
    room.hand_in(&payload).await;
    assert_eq!(room.workspace.whispers().len(), 4);
    room.settle().await;
    assert!(!asking.is_finished());
    assert!(!room.reads(&message).contains("alice approves"));
}

#[tokio::test(start_paused = true)]
async fn many_requests_to_one_person_come_one_a_second() {
    let routes = Routes::new().to(Route::all(), [Destination::user(&id("alice")).unwrap()]);
    let one = Requirement::one_of("reviewers").unwrap();
    let room = Room::with(one, |settings| settings.routes(routes)).await;
    let asking: Vec<_> = (0..8)
        .map(|n| room.asking(&"x".repeat(9_000 + n)))
        .collect();
    room.until(|| room.workspace.count() == 16).await;
    assert_eq!(room.workspace.too_early(), 0);
    drop(asking);
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_thread_can_never_be_completed_says_so_and_nobody_answers_it() {
    let link = "https://approvals.example.com/requests/";
    let one = Requirement::one_of("reviewers").unwrap();
    let room = Room::with(one, |settings| settings.link(link)).await;
    let asking = room.asking(&"x".repeat(30_000));
    room.until(|| room.workspace.count() == 2).await;
    let never = Fault::Code("restricted_action_thread_locked");
    room.workspace.fail("chat.postMessage", &[never]);
    // And Slack is away for a moment when that is to be told.
    room.workspace.fail("chat.update", &[Fault::Unavailable]);
    let refused = asking.await.unwrap().unwrap_err();
    let detail = refused.detail().unwrap_or_default();
    assert!(detail.contains("thread_locked"), "{refused:?}: {detail}");
    room.until(|| room.workspace.faults_left() == 0).await;
    room.settle().await;
    let message = room.workspace.messages().remove(0);
    let text = room.reads(&message);
    assert!(text.contains("the rest could not be posted"), "{text}");
    assert!(text.contains("Nobody can answer it here"), "{text}");
    assert!(!text.contains("The buttons come with the rest"), "{text}");
    assert_eq!(Workspace::button(&message, "vote.approve"), None);
    assert!(Workspace::button(&message, "approvals.link").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_given_up_is_not_posted_again_and_shows_what_was_decided_elsewhere() {
    let one = Requirement::one_of("reviewers").unwrap();
    let room = Room::with(one, |settings| settings.routes(two_channels())).await;
    room.workspace.channel("C0LATER");
    let asking = room.asking(&"x".repeat(9_000));
    room.until(|| channels(&room) == ["C0OPS", "C0LATER"]).await;
    let never = Fault::Code("is_archived");
    room.workspace.fail_at("chat.postMessage", "C0LATER", never);
    room.until(|| room.workspace.faults_left() == 0).await;
    room.settle().await;
    let [whole, given_up] = <[_; 2]>::try_from(room.workspace.messages()).unwrap();
    assert_eq!(Workspace::button(&given_up, "vote.approve"), None);
    tokio::time::sleep(10 * MINUTE).await;
    room.press(&whole, "alice", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
    room.until(|| room.reads(&given_up).contains("Approved, ran well"))
        .await;
    assert!(room.reads(&given_up).contains("alice approves"));
    assert!(room.workspace.thread(&given_up.ts).is_empty());
    assert_eq!(channels(&room), ["C0OPS", "C0LATER"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_which_slack_does_not_say_where_it_is_is_not_posted_again_and_again() {
    let room = Room::new().await;
    room.workspace
        .fail("chat.postMessage", &[Fault::Nowhere; 9]);
    let refused = room.asking("ten").await.unwrap().unwrap_err();
    let detail = refused.detail().unwrap_or_default();
    assert!(detail.contains("did not say where it is"), "{detail}");
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(channels(&room), ["C0OPS"]);
    let message = room.workspace.messages().remove(0);
    room.press(&message, "alice", "vote.approve").await;
    let (_, told) = room.workspace.whispers().pop().unwrap();
    assert!(told.contains("withdrawn"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn where_a_further_message_is_need_not_be_said() {
    let room = Room::new().await;
    let asking = room.asking(&"x".repeat(30_000));
    room.until(|| room.workspace.count() == 1).await;
    room.workspace.fail("chat.postMessage", &[Fault::Nowhere]);
    let buttons = || Workspace::button(&room.workspace.messages()[0], "vote.approve");
    room.until(|| buttons().is_some()).await;
    assert_eq!(room.workspace.faults_left(), 0);
    let message = room.workspace.messages().remove(0);
    let shown = room.workspace.reads(&message).matches('x').count();
    assert!((30_000..30_100).contains(&shown), "each part once: {shown}");
    room.press(&message, "alice", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
}
