//! Who is asked where.

use approvals_core::{PrincipalId, Requirement, Risk};
use approvals_slack::{Destination, Route, Routes};

use crate::room::{Room, id};
use crate::stand_in::{Fault, Workspace};

fn one() -> Requirement {
    Requirement::one_of("reviewers").unwrap()
}

fn channel(id: &str) -> [Destination; 1] {
    [Destination::channel(id).unwrap()]
}

#[tokio::test(start_paused = true)]
async fn the_first_route_that_is_for_a_request_says_where_it_goes() {
    let agent: PrincipalId = "agent:exporter".parse().unwrap();
    let other: PrincipalId = "agent:other".parse().unwrap();
    let routes = || {
        Routes::new()
            .to(Route::all().policy("other").unwrap(), channel("C0WRONG"))
            .to(Route::all().requester(other.clone()), channel("C0WRONG"))
            .to(Route::all().at_least(Risk::Critical), channel("C0CRITICAL"))
            .to(
                Route::all()
                    .policy("exports")
                    .unwrap()
                    .requester(agent.clone()),
                channel("C0EXPORTS"),
            )
            .to(Route::all(), channel("C0WRONG"))
    };
    for (requirement, expected) in [
        (one(), "C0EXPORTS"),
        (one().at_least(Risk::Critical), "C0CRITICAL"),
    ] {
        let room = Room::with(requirement, |settings| settings.routes(routes())).await;
        room.workspace.channel(expected);
        let (_asking, message) = room.ask("ten").await;
        assert_eq!(message.channel, expected);
        assert_eq!(room.workspace.messages().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_route_is_refused_and_says_so() {
    let routes = Routes::new().to(Route::all().policy("other").unwrap(), channel("C0OPS"));
    let room = Room::with(one(), |settings| settings.routes(routes)).await;
    let refused = room.asking("ten").await.unwrap().unwrap_err();
    let detail = refused.detail().unwrap_or_default();
    assert!(
        detail.contains("no route of the Slack channel is for this request of policy `exports`"),
        "{detail}"
    );
}

#[tokio::test(start_paused = true)]
async fn everybody_who_is_asked_gets_a_direct_message_and_all_of_them_show_the_outcome() {
    let room = Room::new().await;
    let routes = Routes::new().to(Route::all(), [Destination::reviewers()]);
    let directory = room.directory.clone();
    let room = Room::again(room, one(), |settings| {
        settings.routes(routes).directory(directory)
    })
    .await;
    let (asking, _) = room.ask("ten").await;
    room.settle().await;
    let copies = room.workspace.messages();
    let to: Vec<&str> = copies.iter().map(|copy| copy.channel.as_str()).collect();
    assert_eq!(to, ["D0ALICE", "D0CAROL"]);
    room.press(&copies[1], "carol", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
    room.settle().await;
    for copy in &copies {
        assert!(room.reads(copy).contains("carol approves"));
    }
}

#[tokio::test(start_paused = true)]
async fn members_of_a_user_group_are_asked_and_the_group_is_called_by_its_id() {
    let group = Destination::members_of("S0ONCALL").unwrap();
    let ops = Destination::channel("C0OPS")
        .unwrap()
        .calling_group("S0ONCALL")
        .unwrap();
    let routes = Routes::new().to(Route::all(), [group, ops]);
    let room = Room::with(one(), |settings| settings.routes(routes)).await;
    room.workspace
        .group("S0ONCALL", &[&id("alice"), &id("mallory"), "not-an-id"]);
    let (_asking, _) = room.ask("ten").await;
    room.settle().await;
    let copies = room.workspace.messages();
    let to: Vec<&str> = copies.iter().map(|copy| copy.channel.as_str()).collect();
    assert_eq!(to, ["D0ALICE", "D0MALLORY", "C0OPS"]);
    let called = |n: usize| {
        copies[n]
            .body
            .to_string()
            .contains(r#""type":"usergroup","usergroup_id":"S0ONCALL""#)
            || copies[n]
                .body
                .to_string()
                .contains(r#""usergroup_id":"S0ONCALL""#)
    };
    assert!(called(2) && !called(0));
    // A member of the group whom the directory does not know is asked, and still nobody.
    room.press(&copies[1], "mallory", "vote.approve").await;
    assert_eq!(room.workspace.whispers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_conversation_that_is_gone_does_not_keep_the_request_from_the_others() {
    let routes = Routes::new().to(
        Route::all(),
        [
            Destination::channel("C0GONE").unwrap(),
            Destination::channel("C0OPS").unwrap(),
        ],
    );
    let room = Room::with(one(), |settings| settings.routes(routes)).await;
    let (asking, message) = room.ask("ten").await;
    assert_eq!(message.channel, "C0OPS");
    room.press(&message, "alice", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_was_posted_before_slack_went_away_is_not_posted_again() {
    let routes = Routes::new().to(
        Route::all(),
        [
            Destination::channel("C0OPS").unwrap(),
            Destination::channel("C0LATER").unwrap(),
        ],
    );
    let room = Room::with(one(), |settings| settings.routes(routes)).await;
    room.workspace.channel("C0LATER");
    // One answer that is no answer, for the second conversation.
    room.workspace
        .fail_at("chat.postMessage", "C0LATER", Fault::Unavailable);
    let (_asking, _) = room.ask("ten").await;
    room.until(|| room.workspace.messages().len() == 2).await;
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let copies = room.workspace.messages();
    let to: Vec<&str> = copies.iter().map(|copy| copy.channel.as_str()).collect();
    assert_eq!(to, ["C0OPS", "C0LATER"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_messages_are_found_by_their_receipt() {
    let room = Room::new().await;
    let (asking, message) = room.ask_under("step-1").await;
    let restarted = Room::restarted(room, asking, one(), |settings| settings).await;
    restarted.press(&message, "alice", "vote.approve").await;
    let shows = |what: &str| restarted.reads(&message).contains(what);
    restarted.until(|| shows("alice approves")).await;
    // The agent comes back as well, under its key.
    let again = restarted.asking_under("step-1");
    assert!(again.await.unwrap().is_ok());
    restarted.until(|| shows("Approved, ran well")).await;
    let now = restarted.now(&message);
    assert_eq!(restarted.workspace.messages().len(), 1);
    assert_eq!(Workspace::button(&now, ""), None);
}

/// One reviewer within a minute; after that `lead` is asked as well.
fn widening() -> Requirement {
    use approvals_core::{Audience, Quorum, Stage};
    let stage = Stage::of(Quorum::of(1, ["reviewers"]).unwrap());
    let stage = stage
        .decide_within(std::time::Duration::from_secs(60))
        .unwrap();
    Requirement::review(stage.escalate_to(Audience::of(["leads"]).unwrap()))
}

/// A room in which `dora` is the one lead.
async fn with_a_lead(routes: Routes) -> Room {
    let room = Room::new().await;
    room.directory.person("dora", ["leads"]).unwrap();
    room.workspace.user(&id("dora"));
    let identity = approvals_core::ChannelIdentity::new(
        crate::room::slack(),
        crate::stand_in::TEAM,
        &id("dora"),
    );
    room.directory.link(identity, "dora").unwrap();
    let directory = room.directory.clone();
    Room::again(room, widening(), |settings| {
        settings.routes(routes).directory(directory)
    })
    .await
}

fn channels(room: &Room) -> Vec<String> {
    room.workspace
        .messages()
        .into_iter()
        .map(|message| message.channel)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn whoever_is_asked_later_is_written_to_then_and_their_message_is_found_after_a_restart() {
    let room = with_a_lead(Routes::new().to(Route::all(), [Destination::reviewers()])).await;
    let (asking, _) = room.ask_under("step-1").await;
    room.settle().await;
    assert_eq!(channels(&room), ["D0ALICE", "D0CAROL"]);
    room.until(|| channels(&room).len() == 3).await;
    assert_eq!(channels(&room), ["D0ALICE", "D0CAROL", "D0DORA"]);
    room.settle().await;
    let routes = Routes::new().to(Route::all(), [Destination::reviewers()]);
    let directory = room.directory.clone();
    let room = Room::restarted(room, asking, widening(), |settings| {
        settings.routes(routes).directory(directory)
    })
    .await;
    let copies = room.workspace.messages();
    assert!(
        room.reads(&copies[0])
            .contains("others are asked as well by now")
    );
    room.press(&copies[0], "alice", "vote.approve").await;
    assert!(room.asking_under("step-1").await.unwrap().is_ok());
    for copy in &copies {
        room.until(|| room.reads(copy).contains("Approved, ran well"))
            .await;
        let text = room.reads(copy);
        assert!(text.contains("alice approves"), "{}: {text}", copy.channel);
    }
    assert_eq!(room.workspace.refused(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_asked_later_is_called_into_the_thread_by_the_id_that_the_directory_knows() {
    let ops = Destination::channel("C0OPS").unwrap().calling_reviewers();
    let room = with_a_lead(Routes::new().to(Route::all(), [ops])).await;
    let (_asking, message) = room.ask("ten").await;
    let called = |body: &serde_json::Value, who: &str| {
        let text = body.to_string();
        text.contains(&format!("\"user_id\":\"{}\"", id(who)))
    };
    assert!(called(&message.body, "alice") && !called(&message.body, "dora"));
    room.until(|| !room.workspace.thread(&message.ts).is_empty())
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    let thread = room.workspace.thread(&message.ts);
    assert_eq!(thread.len(), 1);
    assert!(called(&thread[0].body, "dora") && !called(&thread[0].body, "alice"));
    assert_eq!(channels(&room), ["C0OPS"]);
    room.press(&message, "dora", "vote.approve").await;
    room.settle().await;
    assert!(room.reads(&message).contains("dora approves"));
}

#[tokio::test(start_paused = true)]
async fn a_route_for_what_was_widened_leads_there_then_also_after_slack_was_away() {
    let routes = Routes::new()
        .to(Route::all().when_widened(), channel("C0LEADS"))
        .to(Route::all(), channel("C0OPS"));
    let room = with_a_lead(routes).await;
    room.workspace.channel("C0LEADS");
    let (asking, message) = room.ask("ten").await;
    room.workspace
        .fail_at("chat.postMessage", "C0LEADS", Fault::Unavailable);
    room.until(|| channels(&room).len() == 2).await;
    assert_eq!(channels(&room), ["C0OPS", "C0LEADS"]);
    room.settle().await;
    let later = room.workspace.messages().pop().unwrap();
    room.press(&later, "dora", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
    room.settle().await;
    assert_eq!(channels(&room).len(), 2);
    for copy in [&message, &later] {
        assert!(room.reads(copy).contains("dora approves"));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_not_answered_is_reminded_in_the_thread_and_whoever_has_is_not() {
    let minute = std::time::Duration::from_secs(60);
    let requirement = Requirement::some_of(2, "reviewers").unwrap();
    let requirement = requirement.remind_after(10 * minute).unwrap();
    let room = Room::new().await;
    let ops = Destination::channel("C0OPS").unwrap().calling_reviewers();
    let routes = Routes::new().to(Route::all(), [ops, Destination::reviewers()]);
    let directory = room.directory.clone();
    let change =
        |settings: approvals_slack::SlackBuilder| settings.routes(routes).directory(directory);
    let room = Room::again(room, requirement, change).await;
    let (_asking, _) = room.ask("ten").await;
    room.settle().await;
    let copies = room.workspace.messages();
    assert_eq!(channels(&room), ["C0OPS", "D0ALICE", "D0CAROL"]);
    room.press(&copies[1], "alice", "vote.approve").await;
    tokio::time::sleep(11 * minute).await;
    let reminders = |n: usize| room.workspace.thread(&copies[n].ts);
    assert_eq!([0, 1, 2].map(|n| reminders(n).len()), [1, 0, 1]);
    let called = reminders(0)[0].body.to_string();
    assert!(
        called.contains(&id("carol")) && !called.contains(&id("alice")),
        "{called}"
    );
    assert!(called.contains("still waits for an answer"), "{called}");
    tokio::time::sleep(5 * minute).await;
    assert_eq!(reminders(2).len(), 1);
    assert_eq!(room.workspace.refused(), Vec::<String>::new());
}
