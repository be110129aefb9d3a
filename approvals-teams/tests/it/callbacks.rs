//! What is taken for a callback, and what is not.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::room::{Room, id, refused_votes};
use crate::stand_in::clicks::with_token;
use crate::stand_in::{Microsoft, OPS, TENANT};

async fn pressed(room: &Room) -> (crate::room::Asking, Value) {
    let (asking, message) = room.ask("ten").await;
    let button = Microsoft::button(&message, "Approve").unwrap();
    let activity = room.microsoft.press(&message, &id("alice"), &button, &[]);
    (asking, activity)
}

#[tokio::test(start_paused = true)]
async fn an_activity_of_another_tenant_channel_bot_or_service_counts_for_nobody() {
    let room = Room::new().await;
    let (asking, good) = pressed(&room).await;
    let other = "33333333-0000-0000-0000-000000000000";
    for (name, value, status) in [
        ("channelData", json!({"tenant": {"id": other}}), 403),
        ("channelData", json!({}), 403),
        ("channelData", Value::Null, 403),
        ("conversation", json!({"id": OPS, "tenantId": other}), 403),
        ("channelId", json!("webchat"), 403),
        ("channelId", Value::Null, 403),
        ("recipient", json!({"id": "28:somebody-else"}), 403),
        ("recipient", Value::Null, 403),
        ("serviceUrl", json!("https://evil.example/"), 401),
        ("serviceUrl", Value::Null, 401),
        ("conversation", Value::Null, 400),
    ] {
        let mut activity = good.clone();
        activity[name] = value.clone();
        let answer = room.hand_in(&activity).await;
        assert_eq!(answer.status().as_u16(), status, "{name} {value}");
    }
    room.settle().await;
    assert!(!asking.is_finished());
    assert_eq!(room.hand_in(&good).await.status(), StatusCode::OK);
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_without_a_good_token_counts_for_nobody() {
    let room = Room::new().await;
    let (asking, good) = pressed(&room).await;
    let right = room.microsoft.callback(&good);
    let mut without = right.clone();
    without.headers_mut().clear();
    let mut twice = right.clone();
    let token = right.headers()["authorization"].clone();
    twice.headers_mut().append("authorization", token.clone());
    let mut basic = right.clone();
    let scheme = token.to_str().unwrap().replace("Bearer", "Basic");
    basic
        .headers_mut()
        .insert("authorization", scheme.parse().unwrap());
    for request in [without, twice, basic] {
        let answer = room.teams.respond(&request).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let get = Request::get("/").body(Bytes::new()).unwrap();
    let answer = room.teams.respond(&get).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    let mut large = right.clone();
    *large.body_mut() = Bytes::from(vec![b' '; approvals_teams::MOST_CALLBACK_BYTES + 1]);
    let answer = room.teams.respond(&large).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let broken = with_token(&json!(7), &room.microsoft.token());
    assert_eq!(
        room.teams.respond(&broken).await.status(),
        StatusCode::BAD_REQUEST
    );
    room.settle().await;
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn what_a_client_does_by_itself_is_no_vote() {
    let room = Room::new().await;
    let (asking, good) = pressed(&room).await;
    for trigger in [json!("automatic"), Value::Null, json!("other")] {
        let mut activity = good.clone();
        activity["value"]["trigger"] = trigger;
        let answer = room.hand_in(&activity).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    for (pointer, value, status) in [
        ("verb", json!("approvals.deny"), 400),
        ("verb", json!("refresh"), 400),
        ("data", json!({}), 400),
        ("data", Value::Null, 400),
    ] {
        let mut activity = good.clone();
        activity["value"]["action"][pointer] = value;
        let answer = room.hand_in(&activity).await;
        assert_eq!(answer.status().as_u16(), status, "{pointer}");
    }
    let mut other = good.clone();
    other["name"] = json!("task/fetch");
    let answer = room.hand_in(&other).await;
    assert_eq!(answer.status(), StatusCode::NOT_IMPLEMENTED);
    room.settle().await;
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn data_that_was_changed_on_the_way_counts_for_nobody() {
    let room = Room::new().await;
    let (asking, good) = pressed(&room).await;
    let seen = good["value"]["action"]["data"]["approvals.seen"]
        .as_str()
        .unwrap();
    let parts: Vec<&str> = seen.split(' ').collect();
    let zeros = "0".repeat(64);
    for other in [
        [parts[0], parts[1], parts[2], &zeros, parts[4]],
        [parts[0], parts[1], parts[2], parts[3], &zeros],
        [parts[0], parts[1], "999", parts[3], parts[4]],
        [
            parts[0],
            "req_00000000000000000000000000000000",
            parts[2],
            parts[3],
            parts[4],
        ],
    ] {
        let mut activity = good.clone();
        activity["value"]["action"]["data"]["approvals.seen"] = json!(other.join(" "));
        let answer = room.hand_in(&activity).await;
        if answer.status() == StatusCode::OK {
            let body: Value = serde_json::from_slice(answer.body()).unwrap();
            assert!(crate::room::told(&body).is_some(), "{other:?}: {body}");
        }
    }
    room.settle().await;
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn everything_else_is_acknowledged_and_left_alone() {
    let room = Room::new().await;
    let (_asking, message) = room.ask("ten").await;
    for other in [
        json!({"type": "message", "text": "hello"}),
        json!({"type": "message", "value": {"x": 1}}),
        json!({"type": "typing"}),
        json!({"type": "messageReaction"}),
        json!({"type": "something of tomorrow"}),
        json!({}),
    ] {
        let activity = room.microsoft.activity(&message, &id("alice"), other);
        let answer = room.hand_in(&activity).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.body().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_vote_that_the_channel_refuses_is_in_the_trail_as_one_that_the_desk_refuses() {
    let room = Room::new().await;
    assert_eq!(refused_votes(&room.store).await, []);
    let (asking, message) = room.ask("ten").await;
    let mut expected = Vec::new();
    for (name, other, why) in [
        ("guest", json!({"userRole": "guest"}), "guests cannot vote"),
        (
            "robot",
            json!({"userRole": "bot"}),
            "apps and bots cannot vote",
        ),
        (
            "foreign",
            json!({"tenantId": "33333333-0000-0000-0000-000000000000"}),
            "people of another organisation cannot vote here",
        ),
    ] {
        room.microsoft.member_who(&id(name), &other);
        room.press(&message, name, "Approve").await;
        expected.push((format!("teams:{TENANT}:{}", id(name)), why.to_owned()));
    }
    // Of whom Teams says no object id, what it does say of them.
    let button = Microsoft::button(&message, "Approve").unwrap();
    let mut nobody = room.microsoft.press(&message, &id("nobody"), &button, &[]);
    nobody["from"] = json!({"id": "29:anonymous\u{202e}"});
    room.hand_in(&nobody).await;
    let why = "Teams does not say who you are, so you cannot vote".to_owned();
    expected.push((format!("teams:{TENANT}:29:anonymous"), why));
    assert_eq!(refused_votes(&room.store).await, expected);
    room.press(&message, "mallory", "Approve").await;
    assert_eq!(refused_votes(&room.store).await.len(), expected.len() + 1);
    assert!(!asking.is_finished());
}
