//! People whom the directory knows by their address alone.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{ChannelIdentity, Desk, Requirement};
use approvals_teams::{ByEmail, Conversation, Conversations, InMemoryConversations};
use serde_json::json;

use crate::room::{Room, id, one, teams, told};
use crate::stand_in::{Fault, TENANT};

const MINUTE: Duration = Duration::from_secs(60);

/// Alice has an account in the directory; Erin has an address there. Both are reviewers.
async fn room(requirement: Requirement) -> Room {
    let microsoft = crate::stand_in::Microsoft::new();
    let directory = Arc::new(InMemoryDirectory::new());
    for name in ["alice", "erin"] {
        directory.person(name, ["reviewers"]).unwrap();
        let address = format!("{name}@example.com");
        directory.address(name, &address).unwrap();
        microsoft.member_who(&id(name), &json!({"email": address}));
    }
    directory.person("bob", ["others"]).unwrap();
    directory.address("bob", "bob@example.com").unwrap();
    let alice = ChannelIdentity::new(teams(), TENANT, &id("alice"));
    directory.link(alice, "alice").unwrap();
    let conversations: Arc<dyn Conversations> = Arc::new(InMemoryConversations::default());
    let by_email = Arc::new(ByEmail::over(directory.clone(), ["example.com"]).unwrap());
    let store = Arc::new(MemoryStore::on_tokio_time());
    let desk = Desk::new(store.clone(), by_email.clone());
    let parts = (microsoft, conversations, directory, store, desk);
    Room::open(parts, requirement, |settings| {
        settings.people_by_email(by_email)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_member_is_found_by_the_address_that_teams_tells() {
    let room = room(one()).await;
    let (asking, message) = room.ask("ten").await;
    let answer = room.press(&message, "erin", "Approve").await;
    assert_eq!(told(&answer), None, "{answer}");
    assert!(asking.await.unwrap().is_ok());
    room.settle().await;
    assert!(room.reads(&message).contains("erin approves"));
    // Asked once for the click, the vote and the claim.
    assert_eq!(room.microsoft.calls("member").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_finds_nobody_where_the_host_did_not_turn_it_on() {
    let room = Room::new().await;
    room.directory.person("erin", ["reviewers"]).unwrap();
    room.directory.address("erin", "erin@example.com").unwrap();
    let erin = json!({"email": "erin@example.com"});
    room.microsoft.member_who(&id("erin"), &erin);
    let (asking, message) = room.ask("ten").await;
    let answer = room.press(&message, "erin", "Approve").await;
    let words = told(&answer).unwrap();
    assert!(words.contains("nobody that the directory knows"), "{words}");
    room.settle().await;
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_vote_does_not_by_an_address_either() {
    let room = room(one()).await;
    let (asking, message) = room.ask("ten").await;
    let erins = "erin@example.com";
    for (n, (other, why)) in [
        (json!({"email": erins, "userRole": "guest"}), "guests"),
        (json!({"email": erins, "userRole": "anonymous"}), "guests"),
        (
            json!({"email": erins, "userPrincipalName": "erin_x.example#EXT#@example.com"}),
            "guests",
        ),
        (
            json!({"email": erins, "tenantId": "33333333-0000-0000-0000-000000000000"}),
            "another organisation",
        ),
        (json!({"email": erins, "userRole": "bot"}), "bots"),
        // The name under which somebody signs in is no address.
        (json!({"userPrincipalName": erins}), "nobody that"),
        (json!({"email": ""}), "nobody that"),
        (json!({"email": "erin@evil.example"}), "nobody that"),
        (json!({"email": "nobody@example.com"}), "nobody that"),
        // Who has an account in the directory already.
        (json!({"email": "alice@example.com"}), "nobody that"),
        // For whom the agent acts.
        (
            json!({"email": "bob@example.com"}),
            "has a part in the request",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("x{n}");
        room.microsoft.member_who(&id(&name), &other);
        let answer = room.press(&message, &name, "Approve").await;
        let words = told(&answer).unwrap();
        assert!(words.contains(why), "{other}: {words}");
    }
    room.settle().await;
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn while_teams_does_not_say_whose_an_account_is_nothing_counts_and_whoever_clicked_is_told() {
    let room = room(one()).await;
    let (asking, message) = room.ask("ten").await;
    for fault in [Fault::Unavailable, Fault::Lost, Fault::Torn] {
        room.microsoft.fail("member", &[fault]);
        let answer = room.press(&message, "erin", "Approve").await;
        let words = told(&answer).unwrap();
        assert!(words.contains("try again"), "{words}");
    }
    room.settle().await;
    assert!(!asking.is_finished());
    room.press(&message, "erin", "Approve").await;
    assert!(asking.await.unwrap().is_ok());
}

/// Erin votes, minutes pass, and Alice completes the quorum.
async fn two_votes_with_time_between(change: impl FnOnce(&Room)) -> (Room, bool) {
    let room = room(Requirement::some_of(2, "reviewers").unwrap()).await;
    let (asking, message) = room.ask("ten").await;
    room.press(&message, "erin", "Approve").await;
    room.settle().await;
    assert!(room.reads(&message).contains("erin approves"));
    tokio::time::sleep(2 * MINUTE).await;
    // So that only what is asked about Erin goes wrong.
    room.press(&room.now(&message), "alice", "Take my vote back")
        .await;
    change(&room);
    room.press(&message, "alice", "Approve").await;
    let ran = asking.await.unwrap().is_ok();
    (room, ran)
}

#[tokio::test(start_paused = true)]
async fn whoever_was_found_by_their_address_is_asked_about_again_at_the_claim() {
    let (_, ran) = two_votes_with_time_between(|_| {}).await;
    assert!(ran);
    let (_, ran) = two_votes_with_time_between(|room| {
        let guest = json!({"email": "erin@example.com", "userRole": "guest"});
        room.microsoft.member_who(&id("erin"), &guest);
    })
    .await;
    assert!(!ran, "a guest agrees to nothing");
    let (_, ran) = two_votes_with_time_between(|room| {
        room.microsoft.fail("member", &[Fault::Unavailable; 9]);
    })
    .await;
    assert!(!ran, "of whom Teams does not tell, neither");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_whoever_voted_is_found_in_the_chat_of_their_own_or_where_it_was_posted() {
    for own in [true, false] {
        let room = room(Requirement::some_of(2, "reviewers").unwrap()).await;
        let (asking, message) = room.ask("ten").await;
        room.press(&message, "erin", "Approve").await;
        room.settle().await;
        if own {
            let chat = format!("a:{}", id("erin"));
            room.microsoft.conversation(&chat);
            let chat = Conversation {
                id: chat,
                service_url: room.microsoft.service(),
                user: Some(id("erin")),
            };
            room.conversations.keep(&chat).await.unwrap();
        }
        // A channel that has seen nobody yet takes the place of the one that has.
        let by_email = Arc::new(ByEmail::over(room.directory.clone(), ["example.com"]).unwrap());
        let settings = crate::room::settings(&room.microsoft, &room.conversations);
        let fresh = settings.people_by_email(by_email.clone());
        let _fresh = fresh.build(room.desk.channel(teams())).unwrap();
        let identity = ChannelIdentity::new(teams(), TENANT, &id("erin"));
        use approvals_core::Directory;
        let person = by_email.person(&identity).await.unwrap();
        assert_eq!(person.map(|p| p.to_string()).as_deref(), Some("erin"));
        drop(asking);
    }
}
