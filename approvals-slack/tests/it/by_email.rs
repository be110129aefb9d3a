//! People whom the directory knows by their address alone.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{ChannelIdentity, Desk, Requirement};
use approvals_slack::{ByEmail, Destination, Route, Routes};
use serde_json::json;

use crate::room::{Room, id, slack};
use crate::stand_in::{Fault, TEAM, Workspace};

const MINUTE: Duration = Duration::from_secs(60);

fn one() -> Requirement {
    Requirement::one_of("reviewers").unwrap()
}

/// Alice has an account in the directory; Erin has an address there. Both are reviewers.
async fn room(requirement: Requirement, routes: Option<Routes>) -> Room {
    let workspace = Workspace::new();
    let directory = Arc::new(InMemoryDirectory::new());
    for name in ["alice", "erin"] {
        directory.person(name, ["reviewers"]).unwrap();
        let address = format!("{name}@example.com");
        directory.address(name, &address).unwrap();
        workspace.user_who(&id(name), json!({"profile": {"email": address}}));
    }
    directory.person("bob", ["others"]).unwrap();
    directory.address("bob", "bob@example.com").unwrap();
    let alice = ChannelIdentity::new(slack(), TEAM, &id("alice"));
    directory.link(alice, "alice").unwrap();
    let by_email = Arc::new(ByEmail::over(directory.clone(), ["example.com"]).unwrap());
    let store = Arc::new(MemoryStore::on_tokio_time());
    let desk = Desk::new(store.clone(), by_email.clone());
    Room::at_desk(workspace, directory, store, desk, requirement, |settings| {
        let settings = settings
            .people_by_email(by_email.clone())
            .directory(by_email);
        match routes {
            Some(routes) => settings.routes(routes),
            None => settings,
        }
    })
    .await
}

fn told(room: &Room) -> String {
    let whispers = room.workspace.whispers();
    whispers
        .last()
        .map(|(_, text)| text.clone())
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_member_is_found_by_the_address_that_slack_says_is_confirmed() {
    let room = room(one(), None).await;
    let (asking, message) = room.ask("ten").await;
    room.press(&message, "erin", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
    room.settle().await;
    assert!(room.reads(&message).contains("erin approves"));
    // Asked once for the click, the vote and the claim.
    assert_eq!(room.workspace.calls("users.info").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_finds_nobody_where_the_host_did_not_turn_it_on() {
    let room = Room::new().await;
    room.directory.person("erin", ["reviewers"]).unwrap();
    room.directory.address("erin", "erin@example.com").unwrap();
    let profile = json!({"profile": {"email": "erin@example.com"}});
    room.workspace.user_who(&id("erin"), profile);
    let (asking, message) = room.ask("ten").await;
    room.press(&message, "erin", "vote.approve").await;
    assert!(told(&room).contains("nobody that the directory knows"));
    room.settle().await;
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_vote_does_not_by_an_address_either() {
    let room = room(one(), None).await;
    let (asking, message) = room.ask("ten").await;
    let email = |address: &str| json!({"email": address});
    let erins = email("erin@example.com");
    for (n, (other, why)) in [
        (json!({"profile": erins, "is_restricted": true}), "guests"),
        (
            json!({"profile": erins, "is_ultra_restricted": true}),
            "guests",
        ),
        (json!({"profile": erins, "deleted": true}), "deactivated"),
        (json!({"profile": erins, "is_bot": true}), "bots"),
        (
            json!({"profile": erins, "team_id": "T0OTHER"}),
            "another workspace",
        ),
        (
            json!({"profile": erins, "is_stranger": true}),
            "another workspace",
        ),
        (
            json!({"profile": erins, "is_email_confirmed": false}),
            "nobody that",
        ),
        (
            json!({"profile": erins, "is_email_confirmed": null}),
            "nobody that",
        ),
        (json!({"profile": email("")}), "nobody that"),
        (json!({"profile": {}}), "nobody that"),
        (
            json!({"profile": email("erin@example.com.evil.example")}),
            "nobody that",
        ),
        (
            json!({"profile": email("erin@mail.example.com")}),
            "nobody that",
        ),
        (
            json!({"profile": email("nobody@example.com")}),
            "nobody that",
        ),
        // Who has an account in the directory already.
        (
            json!({"profile": email("alice@example.com")}),
            "nobody that",
        ),
        // For whom the agent acts.
        (
            json!({"profile": email("bob@example.com")}),
            "has a part in the request",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("x{n}");
        room.workspace.user_who(&id(&name), other.clone());
        room.press(&message, &name, "vote.approve").await;
        let told = told(&room);
        assert!(told.contains(why), "{other}: {told}");
        assert_eq!(room.workspace.whispers().last().unwrap().0, id(&name));
    }
    room.settle().await;
    assert!(!asking.is_finished());
    assert!(!room.reads(&message).contains("approves"));
}

#[tokio::test(start_paused = true)]
async fn while_slack_does_not_say_whose_an_account_is_nothing_counts_and_whoever_clicked_is_told() {
    let room = room(one(), None).await;
    let (asking, message) = room.ask("ten").await;
    for fault in [
        Fault::Unavailable,
        Fault::Lost,
        Fault::Code("internal_error"),
    ] {
        room.workspace.fail_at("users.info", &id("erin"), fault);
        room.press(&message, "erin", "vote.approve").await;
        assert!(told(&room).contains("try again"), "{}", told(&room));
    }
    room.settle().await;
    assert!(!asking.is_finished());
    room.press(&message, "erin", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
}

/// Erin votes, minutes pass, and Alice completes the quorum.
async fn two_votes_with_time_between(change: impl FnOnce(&Room)) -> (Room, bool) {
    let room = room(Requirement::some_of(2, "reviewers").unwrap(), None).await;
    let (asking, message) = room.ask("ten").await;
    room.press(&message, "erin", "vote.approve").await;
    room.settle().await;
    assert!(room.reads(&message).contains("erin approves"));
    tokio::time::sleep(2 * MINUTE).await;
    change(&room);
    room.press(&message, "alice", "vote.approve").await;
    let ran = asking.await.unwrap().is_ok();
    (room, ran)
}

#[tokio::test(start_paused = true)]
async fn whoever_was_found_by_their_address_is_asked_about_again_at_the_claim() {
    let (room, ran) = two_votes_with_time_between(|_| {}).await;
    assert!(ran);
    // Erin's click, Alice's, and the claim.
    assert_eq!(room.workspace.calls("users.info").len(), 3);
    let (_, ran) = two_votes_with_time_between(|room| {
        room.workspace
            .user_who(&id("erin"), json!({"deleted": true}));
    })
    .await;
    assert!(!ran, "whoever is gone agrees to nothing");
    let (_, ran) = two_votes_with_time_between(|room| {
        for _ in 0..9 {
            let away = Fault::Unavailable;
            room.workspace.fail_at("users.info", &id("erin"), away);
        }
    })
    .await;
    assert!(!ran, "of whom Slack does not tell, neither");
}

fn reviewers() -> Option<Routes> {
    Some(Routes::new().to(Route::all(), [Destination::reviewers()]))
}

fn written_to(room: &Room) -> Vec<String> {
    let messages = room.workspace.messages().into_iter();
    messages.map(|message| message.channel).collect()
}

#[tokio::test(start_paused = true)]
async fn reviewers_without_an_account_in_the_directory_are_written_to_by_their_address() {
    let room = room(one(), reviewers()).await;
    let (asking, _) = room.ask("ten").await;
    room.settle().await;
    assert_eq!(written_to(&room), ["D0ALICE", "D0ERIN"]);
    let to_erin = room.workspace.messages().pop().unwrap();
    room.press(&to_erin, "erin", "vote.approve").await;
    assert!(asking.await.unwrap().is_ok());
    // Where an address leads is asked once for many requests.
    room.ask("eleven").await;
    room.settle().await;
    assert_eq!(room.workspace.calls("users.lookupByEmail").len(), 1);
    assert_eq!(room.workspace.refused(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn whoever_an_address_leads_to_is_nobody_by_that() {
    let room = room(one(), reviewers()).await;
    let (asking, _) = room.ask("ten").await;
    room.settle().await;
    let to_erin = room.workspace.messages().pop().unwrap();
    assert_eq!(to_erin.channel, "D0ERIN");
    // By the time of the click Slack says something else of them.
    let other = json!({"profile": {"email": "somebody@example.com"}});
    room.workspace.user_who(&id("erin"), other);
    room.press(&to_erin, "erin", "vote.approve").await;
    assert!(told(&room).contains("nobody that the directory knows"));
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_written_to_by_an_address_who_could_not_vote() {
    for other in [
        json!({"is_restricted": true}),
        json!({"deleted": true}),
        json!({"is_bot": true}),
        json!({"team_id": "T0OTHER"}),
        json!({"is_email_confirmed": false}),
    ] {
        let room = room(one(), reviewers()).await;
        let mut changed = json!({"profile": {"email": "erin@example.com"}});
        for (name, value) in other.as_object().unwrap() {
            changed[name] = value.clone();
        }
        room.workspace.user_who(&id("erin"), changed);
        room.ask("ten").await;
        room.settle().await;
        assert_eq!(written_to(&room), ["D0ALICE"], "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_slack_does_not_find_now_keeps_nobody_else_from_being_asked() {
    let room = room(one(), reviewers()).await;
    room.workspace
        .fail("users.lookupByEmail", &[Fault::Unavailable]);
    let _asking = room.asking("ten");
    room.until(|| !written_to(&room).is_empty()).await;
    assert_eq!(written_to(&room), ["D0ALICE"]);
    room.until(|| written_to(&room).len() == 2).await;
    assert_eq!(written_to(&room), ["D0ALICE", "D0ERIN"]);
    // And one that nobody has is no reason to try again.
    let room = self::room(one(), reviewers()).await;
    room.workspace.user_who(&id("erin"), json!({"profile": {}}));
    room.ask("ten").await;
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(written_to(&room), ["D0ALICE"]);
    assert_eq!(room.workspace.calls("users.lookupByEmail").len(), 1);
}
