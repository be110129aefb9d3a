//! The keys of whoever signs: fetched, kept, and fetched anew.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::room::{Room, id};
use crate::stand_in::Fault;
use crate::stand_in::issuer::Signer;

async fn sent(room: &Room) -> StatusCode {
    let message = room.microsoft.messages().pop().unwrap();
    let typing = json!({"type": "typing"});
    let activity = room.microsoft.activity(&message, &id("alice"), typing);
    room.hand_in(&activity).await.status()
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_once_for_many_callbacks_and_again_after_a_day() {
    let room = Room::new().await;
    let (_asking, _) = room.ask("ten").await;
    let all = tokio::join!(sent(&room), sent(&room), sent(&room));
    assert_eq!(all, (StatusCode::OK, StatusCode::OK, StatusCode::OK));
    assert_eq!(room.microsoft.calls("keys").len(), 1);
    tokio::time::sleep(Duration::from_secs(23 * 3_600)).await;
    sent(&room).await;
    assert_eq!(room.microsoft.calls("keys").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_found_and_unknown_ones_start_few_looks() {
    let room = Room::new().await;
    let (_asking, _) = room.ask("ten").await;
    assert_eq!(sent(&room).await, StatusCode::OK);
    room.microsoft.keys(vec![Signer::other("k9", &["msteams"])]);
    // Too soon after the last look: anybody can name a key.
    for _ in 0..50 {
        assert_eq!(sent(&room).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(room.microsoft.calls("keys").len(), 1);
    tokio::time::sleep(Duration::from_secs(601)).await;
    assert_eq!(sent(&room).await, StatusCode::OK);
    assert_eq!(room.microsoft.calls("keys").len(), 2);
    // What was taken away is good no more.
    room.microsoft.keys(vec![Signer::good()]);
    tokio::time::sleep(Duration::from_secs(601)).await;
    assert_eq!(sent(&room).await, StatusCode::OK);
    room.microsoft.keys(vec![Signer::other("k9", &["msteams"])]);
    assert_eq!(sent(&room).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn while_keys_cannot_be_fetched_the_last_ones_are_good_and_none_is_no_yes() {
    let room = Room::new().await;
    let (_asking, _) = room.ask("ten").await;
    room.microsoft.fail("keys", &[Fault::Unavailable]);
    assert_eq!(sent(&room).await, StatusCode::SERVICE_UNAVAILABLE);
    // At once nobody is asked again.
    assert_eq!(sent(&room).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(room.microsoft.calls("keys").len(), 1);
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(sent(&room).await, StatusCode::OK);
    tokio::time::sleep(Duration::from_secs(25 * 3_600)).await;
    for fault in [Fault::Unreachable, Fault::Torn, Fault::Code(404, "gone")] {
        // The request has expired by now, and its card may be gone: any activity does.
        room.microsoft.fail("keys", &[fault]);
        assert_eq!(sent(&room).await, StatusCode::OK);
        tokio::time::sleep(Duration::from_secs(16)).await;
    }
}
