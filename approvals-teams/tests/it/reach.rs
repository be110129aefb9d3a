//! Where requests go, and whom messages call.

use std::time::Duration;

use approvals_core::{Audience, ChannelIdentity, Quorum, Requirement, Stage};
use approvals_teams::{Destination, Route, Routes};
use serde_json::json;

use crate::room::{Room, id, one, teams};
use crate::stand_in::{OPS, TENANT};

fn to(destination: Destination) -> Routes {
    Routes::new().to(Route::all(), [destination])
}

#[tokio::test(start_paused = true)]
async fn reviewers_are_written_to_one_by_one_in_chats_that_are_kept() {
    let requirement = one();
    let room = Room::with(requirement, |settings| settings).await;
    let directory = room.directory.clone();
    let room = Room::again(room, one(), |settings| {
        settings
            .directory(directory)
            .routes(to(Destination::reviewers()))
    })
    .await;
    let asking = room.asking("ten");
    room.until(|| room.microsoft.messages().len() == 2).await;
    room.settle().await;
    let messages = room.microsoft.messages();
    for (message, name) in messages.iter().zip(["alice", "carol"]) {
        assert!(
            ["alice", "carol"]
                .map(|n| format!("a:{}", id(n)))
                .contains(&message.conversation)
        );
        assert!(room.conversations.with(&id(name)).await.unwrap().is_some());
    }
    let alices = messages
        .iter()
        .find(|m| m.conversation.ends_with(&id("alice")));
    room.press(alices.unwrap(), "alice", "Approve").await;
    assert!(asking.await.unwrap().is_ok());
    room.settle().await;
    for message in &messages {
        assert!(room.reads(message).contains("alice approves"));
    }
    // The chats are known by now.
    let made = room.microsoft.calls("make").len();
    let _asking = room.asking("again");
    room.until(|| room.microsoft.messages().len() == 4).await;
    assert_eq!(room.microsoft.calls("make").len(), made);
}

#[tokio::test(start_paused = true)]
async fn where_the_app_was_installed_is_where_it_writes_and_no_more_once_it_was_taken_out() {
    let room = Room::with(one(), |settings| {
        settings.routes(to(Destination::user(&id("alice")).unwrap()))
    })
    .await;
    let chat = "a:1-the-chat";
    room.microsoft.conversation(chat);
    let installed = room.microsoft.installation(chat, &id("alice"), "add");
    assert!(room.hand_in(&installed).await.status().is_success());
    let (_asking, message) = room.ask("ten").await;
    assert_eq!(message.conversation, chat);
    assert!(room.microsoft.calls("make").is_empty());
    let removed = room.microsoft.installation(chat, &id("alice"), "remove");
    assert!(room.hand_in(&removed).await.status().is_success());
    let (_asking, message) = room.ask("eleven").await;
    assert_ne!(message.conversation, chat);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_known_is_neither_kept_nor_sent_a_token() {
    let room = Room::new().await;
    let evil = "https://smba.trafficmanager.net.evil.example/";
    let mut installed = room.microsoft.installation(OPS, &id("alice"), "add");
    installed["serviceUrl"] = json!(evil);
    let signer = crate::stand_in::issuer::Signer::good();
    let token = signer.token(evil, &json!({}));
    let request = crate::stand_in::clicks::with_token(&installed, &token);
    assert!(room.teams.respond(&request).await.status().is_success());
    assert_eq!(room.conversations.find(OPS).await.unwrap(), None);
    let (_asking, message) = room.ask("ten").await;
    assert!(message.conversation.starts_with(OPS));
}

#[tokio::test(start_paused = true)]
async fn people_are_called_by_their_ids_and_a_name_of_ours() {
    let room = Room::new().await;
    let directory = room.directory.clone();
    let room = Room::again(room, one(), |settings| {
        let channel = Destination::channel(OPS).unwrap().calling_reviewers();
        settings.directory(directory).routes(to(channel))
    })
    .await;
    let (_asking, message) = room.ask("ten").await;
    let mut called: Vec<&str> = Vec::new();
    for entity in message.activity["entities"].as_array().unwrap() {
        called.push(entity["mentioned"]["id"].as_str().unwrap());
        assert!(
            entity["mentioned"]["name"]
                .as_str()
                .unwrap()
                .starts_with("reviewer ")
        );
    }
    called.sort_unstable();
    let mut expected = [id("alice"), id("carol")];
    expected.sort_unstable();
    assert_eq!(called, expected);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_asked_later_is_written_to_then_and_the_others_are_told() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let stage = Stage::of(Quorum::of(1, ["reviewers"]).unwrap());
    let stage = stage.decide_within(minutes(10)).unwrap();
    let requirement = Requirement::review(stage.escalate_to(Audience::of(["others"]).unwrap()));
    let room = Room::with(requirement.clone(), |settings| settings).await;
    let directory = room.directory.clone();
    directory.person("dave", ["others"]).unwrap();
    room.microsoft.member(&id("dave"));
    let identity = ChannelIdentity::new(teams(), TENANT, &id("dave"));
    directory.link(identity, "dave").unwrap();
    let room = Room::again(room, requirement, |settings| {
        settings
            .directory(directory)
            .routes(to(Destination::reviewers()))
    })
    .await;
    let asking = room.asking("ten");
    room.until(|| room.microsoft.messages().len() == 2).await;
    tokio::time::sleep(minutes(11)).await;
    room.until(|| room.microsoft.messages().len() >= 3).await;
    room.settle().await;
    let daves = format!("a:{}", id("dave"));
    let messages = room.microsoft.messages();
    let message = messages.iter().find(|m| m.conversation == daves).unwrap();
    room.press(message, "dave", "Approve").await;
    assert!(asking.await.unwrap().is_ok());
    room.settle().await;
    for message in &messages {
        assert!(room.reads(message).contains("dave approves"));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_not_answered_is_reminded_beside_the_card() {
    let requirement = one().remind_after(Duration::from_secs(300)).unwrap();
    let room = Room::with(requirement, |settings| settings).await;
    let (_asking, message) = room.ask("ten").await;
    tokio::time::sleep(Duration::from_secs(400)).await;
    let words = room.microsoft.words();
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!(words[0].conversation, message.conversation);
    let text = words[0].activity["text"].as_str().unwrap();
    assert!(text.contains("still waits for an answer"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn in_a_chat_of_their_own_an_old_client_is_told_why_it_did_not_count() {
    let room = Room::with(one(), |settings| {
        settings.routes(to(Destination::user(&id("bob")).unwrap()))
    })
    .await;
    let (_asking, message) = room.ask("ten").await;
    let button = crate::stand_in::Microsoft::button(&message, "Approve").unwrap();
    let activity = room.microsoft.submit(&message, &id("bob"), &button, &[]);
    assert!(room.hand_in(&activity).await.status().is_success());
    room.settle().await;
    let words = room.microsoft.words();
    assert_eq!(words.len(), 1);
    let text = words[0].activity["text"].as_str().unwrap();
    assert!(text.contains("did not count"), "{text}");
}
