//! Tokens that come again: what was good once is judged again in everything that can have changed.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{Desk, TokioClock};
use approvals_teams::{Conversations, InMemoryConversations, Teams};
use http::StatusCode;
use serde_json::{Value, json};

use crate::room::{id, settings, teams};
use crate::stand_in::clicks::with_token;
use crate::stand_in::issuer::{Signer, now};
use crate::stand_in::{Message, Microsoft, OPS};

const DAY: u64 = 24 * 3_600;

struct Room {
    microsoft: Microsoft,
    teams: Teams,
}

/// A channel whose clock goes with paused time, without a gate, so that days pass quickly; and an
/// activity that is harmless.
fn room() -> (Room, Value) {
    let microsoft = Microsoft::new();
    let kept: Arc<dyn Conversations> = Arc::new(InMemoryConversations::default());
    let store = Arc::new(MemoryStore::on_tokio_time());
    let desk = Desk::new(store, Arc::new(InMemoryDirectory::new()));
    let teams = settings(&microsoft, &kept)
        .clock(Arc::new(TokioClock::new()))
        .build(desk.channel(teams()))
        .unwrap();
    let message = Message {
        conversation: OPS.to_owned(),
        id: "1".to_owned(),
        activity: Value::Null,
        edits: 0,
        at: Duration::ZERO,
    };
    let typing = json!({"type": "typing"});
    let activity = microsoft.activity(&message, &id("alice"), typing);
    (Room { microsoft, teams }, activity)
}

/// A token that is good for many days.
fn lasting(room: &Room, signer: &Signer) -> String {
    let service = room.microsoft.service();
    signer.token(&service, &json!({"exp": now() + 100 * DAY}))
}

async fn sent(room: &Room, activity: &Value, token: &str) -> StatusCode {
    let request = with_token(activity, token);
    room.teams.respond(&request).await.status()
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_good_before_is_for_its_own_service_and_bot_and_tenant_all_the_same() {
    let (room, activity) = room();
    let token = room.microsoft.token();
    for _ in 0..2 {
        assert_eq!(sent(&room, &activity, &token).await, StatusCode::OK);
        for (name, value, status) in [
            (
                "serviceUrl",
                json!("https://smba.trafficmanager.net/other/"),
                StatusCode::UNAUTHORIZED,
            ),
            ("serviceUrl", Value::Null, StatusCode::UNAUTHORIZED),
            ("channelId", json!("webchat"), StatusCode::FORBIDDEN),
            (
                "channelData",
                json!({"tenant": {"id": "other"}}),
                StatusCode::FORBIDDEN,
            ),
            (
                "recipient",
                json!({"id": "28:other"}),
                StatusCode::FORBIDDEN,
            ),
        ] {
            let mut other = activity.clone();
            other[name] = value;
            assert_eq!(sent(&room, &other, &token).await, status, "{name}");
        }
    }
    assert_eq!(sent(&room, &activity, &token).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_good_before_expires_all_the_same() {
    let (room, activity) = room();
    let token = room.microsoft.token();
    assert_eq!(sent(&room, &activity, &token).await, StatusCode::OK);
    tokio::time::sleep(Duration::from_secs(3_600 + 240)).await;
    assert_eq!(sent(&room, &activity, &token).await, StatusCode::OK);
    tokio::time::sleep(Duration::from_secs(120)).await;
    for _ in 0..2 {
        let status = sent(&room, &activity, &token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_good_before_is_none_when_its_key_is_withdrawn_or_another_has_its_name() {
    let (room, activity) = room();
    let token = lasting(&room, &Signer::good());
    assert_eq!(sent(&room, &activity, &token).await, StatusCode::OK);
    // Fetched anew, the same key is as good as it was.
    tokio::time::sleep(Duration::from_secs(DAY + 60)).await;
    assert_eq!(sent(&room, &activity, &token).await, StatusCode::OK);
    assert_eq!(room.microsoft.calls("keys").len(), 2);
    // Another key under its name.
    room.microsoft.keys(vec![Signer::other("k1", &["msteams"])]);
    tokio::time::sleep(Duration::from_secs(DAY + 60)).await;
    for _ in 0..2 {
        let status = sent(&room, &activity, &token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    // None under its name.
    room.microsoft.keys(vec![Signer::good()]);
    tokio::time::sleep(Duration::from_secs(DAY + 60)).await;
    assert_eq!(sent(&room, &activity, &token).await, StatusCode::OK);
    room.microsoft.keys(vec![Signer::other("k9", &["msteams"])]);
    tokio::time::sleep(Duration::from_secs(601)).await;
    // A token of a key that is new has the keys fetched, a long time before they are old.
    let newer = lasting(&room, &Signer::other("k9", &["msteams"]));
    assert_eq!(sent(&room, &activity, &newer).await, StatusCode::OK);
    let status = sent(&room, &activity, &token).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_loses_its_endorsement_takes_it_from_tokens_that_were_good_before() {
    let (room, activity) = room();
    let other = |endorsed: &'static str| Signer::other("k2", &[endorsed]);
    room.microsoft.keys(vec![other("msteams")]);
    let token = lasting(&room, &other("msteams"));
    assert_eq!(sent(&room, &activity, &token).await, StatusCode::OK);
    room.microsoft.keys(vec![other("webchat")]);
    tokio::time::sleep(Duration::from_secs(DAY + 60)).await;
    for _ in 0..2 {
        assert_eq!(sent(&room, &activity, &token).await, StatusCode::FORBIDDEN);
    }
}

#[tokio::test(start_paused = true)]
async fn no_bit_of_a_token_that_was_good_before_can_be_another() {
    let (room, activity) = room();
    let token = room.microsoft.token();
    assert_eq!(sent(&room, &activity, &token).await, StatusCode::OK);
    for at in 0..token.len() {
        for bit in [1, 2, 4] {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= bit;
            let other = String::from_utf8(bytes).unwrap();
            let status = sent(&room, &activity, &other).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "byte {at}");
        }
    }
    for other in [
        format!("{token}A"),
        format!("{token}="),
        token[1..].to_owned(),
    ] {
        let status = sent(&room, &activity, &other).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{other}");
    }
    assert_eq!(sent(&room, &activity, &token).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn more_tokens_than_are_remembered_are_all_judged_alike() {
    let (room, activity) = room();
    let service = room.microsoft.service();
    let good = Signer::good();
    let tokens: Vec<String> = (0..300)
        .map(|nonce| good.token(&service, &json!({"nonce": nonce})))
        .collect();
    for _ in 0..2 {
        for token in &tokens {
            assert_eq!(sent(&room, &activity, token).await, StatusCode::OK);
            let bad = format!("{token}x");
            let status = sent(&room, &activity, &bad).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
        }
    }
}
