//! Callbacks as anybody may send them.

use approvals_core::Phase;
use approvals_slack::{EnterpriseId, Installation, MOST_CALLBACK_BYTES};
use bytes::Bytes;
use http::{Request, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::end_to_end::message_request;
use crate::room::{Room, deliver, id, refused_votes, settings, slack};
use crate::stand_in::clicks::{body, now, signed};
use crate::stand_in::{Fault, Message, SECRET, TEAM, Workspace};

#[tokio::test(start_paused = true)]
async fn clicks_of_an_installation_in_a_whole_organisation_count() {
    let organisation = Installation::Organisation(EnterpriseId::new("E0ORG").unwrap());
    let requirement = approvals_core::Requirement::one_of("reviewers").unwrap();
    let room = Room::with(requirement, |settings| settings.installed_in(organisation)).await;
    room.workspace.in_organisation("E0ORG");
    let in_organisation = json!({"enterprise_user": {"id": "W0ALICE", "enterprise_id": "E0ORG"}});
    room.workspace.user_who(&id("alice"), in_organisation);
    let identity = approvals_core::ChannelIdentity::new(slack(), "E0ORG", "W0ALICE");
    room.directory.link(identity, "alice").unwrap();
    let (asking, message) = room.ask("ten").await;
    // Somebody of the same workspace whom the organisation does not know.
    room.press(&message, "carol", "vote.approve").await;
    let (_, told) = room.workspace.whispers().pop().unwrap();
    assert!(told.contains("another workspace"), "{told}");
    assert_eq!(
        room.press(&message, "alice", "vote.approve").await,
        StatusCode::OK
    );
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn callbacks_of_another_app_or_workspace_are_refused() {
    let room = Room::new().await;
    let (asking, message) = room.ask("ten").await;
    let button = Workspace::button(&message, "vote.approve").unwrap();
    let good = room.workspace.press(&message, &id("alice"), &button);
    for (field, value) in [
        ("api_app_id", json!("A0OTHER")),
        ("api_app_id", Value::Null),
        ("team", json!({"id": "T0OTHER"})),
        ("team", Value::Null),
    ] {
        let mut payload = good.clone();
        payload[field] = value;
        assert_eq!(
            room.hand_in(&payload).await.status(),
            StatusCode::FORBIDDEN,
            "{payload}"
        );
    }
    assert!(!asking.is_finished());
}

#[tokio::test(start_paused = true)]
async fn answers_are_sent_to_slack_alone_whatever_address_a_callback_names() {
    let room = Room::new().await;
    let (_asking, message) = room.ask("ten").await;
    let button = Workspace::button(&message, "vote.approve").unwrap();
    let mut payload = room.workspace.press(&message, &id("mallory"), &button);
    payload["response_url"] = json!("http://169.254.169.254/actions/U0MALLORY/1");
    room.hand_in(&payload).await;
    // Told all the same, by Slack's own method.
    let told = room.workspace.whispers();
    assert!(told.len() == 1 && told[0].0 == id("mallory"), "{told:?}");
    assert_eq!(room.workspace.calls("chat.postEphemeral").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn slacks_questions_are_answered_when_they_are_signed() {
    let room = Room::new().await;
    let question = r#"{"type":"url_verification","challenge":"3eZbrw1a","token":"t"}"#;
    let mut asked = signed(question, SECRET, now());
    asked
        .headers_mut()
        .insert("content-type", "application/json".parse().unwrap());
    let answer = deliver(&room.slack, &asked).await;
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(answer, json!({"challenge": "3eZbrw1a"}));
    *asked.body_mut() = Bytes::from(question.replace("3e", "4e"));
    assert_eq!(
        deliver(&room.slack, &asked).await.status(),
        StatusCode::UNAUTHORIZED
    );
    let check = signed("ssl_check=1&token=t", SECRET, now());
    assert_eq!(deliver(&room.slack, &check).await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_in_order_is_refused_and_what_is_not_ours_is_left_alone() {
    let room = Room::new().await;
    let (_asking, message) = room.ask("ten").await;
    let button = Workspace::button(&message, "vote.approve").unwrap();
    let good = room.workspace.press(&message, &id("alice"), &button);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut payload = good.clone();
        change(&mut payload);
        body(&payload)
    };
    let twice = format!("{}&{}", body(&good), body(&good));
    for (sent, status) in [
        (String::new(), StatusCode::BAD_REQUEST),
        ("payload=".to_owned(), StatusCode::BAD_REQUEST),
        ("payload=%7B".to_owned(), StatusCode::BAD_REQUEST),
        ("payload=%FF%FE".to_owned(), StatusCode::BAD_REQUEST),
        (twice, StatusCode::BAD_REQUEST),
        (with(&|p| p["user"] = Value::Null), StatusCode::BAD_REQUEST),
        (
            with(&|p| p["actions"][0]["value"] = json!("v1 nonsense")),
            StatusCode::BAD_REQUEST,
        ),
        (
            with(&|p| p["actions"][0]["value"] = Value::Null),
            StatusCode::BAD_REQUEST,
        ),
        (
            with(&|p| p["actions"][0]["action_id"] = json!("somebody_elses")),
            StatusCode::OK,
        ),
        (with(&|p| p["actions"] = json!([])), StatusCode::OK),
        (with(&|p| p["actions"] = Value::Null), StatusCode::OK),
        (with(&|p| p["type"] = json!("shortcut")), StatusCode::OK),
        (
            with(&|p| p["type"] = json!("view_submission")),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let received = room.slack.receive(&signed(&sent, SECRET, now()));
        assert_eq!(received.response.status(), status, "{sent}");
        assert!(received.work.is_none(), "{sent}");
    }
    let large = "x".repeat(MOST_CALLBACK_BYTES + 1);
    let status = room
        .slack
        .receive(&signed(&large, SECRET, now()))
        .response
        .status();
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let get = Request::get("/").body(Bytes::new()).unwrap();
    assert_eq!(
        room.slack.receive(&get).response.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test(start_paused = true)]
async fn a_callback_is_answered_before_anything_slow_happens() {
    let room = Room::new().await;
    let (_asking, message) = room.ask("ten").await;
    let button = Workspace::button(&message, "vote.approve").unwrap();
    let payload = room.workspace.press(&message, &id("alice"), &button);
    // Not even what is asked of Slack is asked before the answer.
    let received = room.slack.receive(&room.workspace.callback(&payload));
    assert_eq!(received.response.status(), StatusCode::OK);
    assert!(received.response.body().is_empty());
    assert!(room.workspace.calls("users.info").is_empty());
    let work = received.work.unwrap();
    work.await;
    assert_eq!(room.workspace.calls("users.info").len(), 1);
}

#[test]
fn settings_that_would_ask_nobody_or_believe_anybody_are_refused() {
    let workspace = Workspace::new();
    let desk = approvals_core::Desk::new(
        std::sync::Arc::new(approvals_core::memory::MemoryStore::new()),
        std::sync::Arc::new(approvals_core::memory::InMemoryDirectory::new()),
    );
    let desk = || desk.channel(slack());
    let secrets = || approvals_slack::SigningSecrets::new(&SECRET.into()).unwrap();
    let app = || approvals_slack::AppId::new("A0APP").unwrap();
    let new = |token: &str| approvals_slack::SlackBuilder::new(token.into(), secrets(), app());
    use approvals_slack::{Destination, Route, Routes, SettingsError};
    assert_eq!(new(" ").build(desk()).unwrap_err(), SettingsError::Token);
    assert_eq!(
        new("xoxb-1").build(desk()).unwrap_err(),
        SettingsError::NotInstalled
    );
    let build = |routes| settings(&workspace).routes(routes).build(desk());
    assert_eq!(build(Routes::new()).unwrap_err(), SettingsError::NoRoute);
    assert_eq!(
        build(Routes::new().to(Route::all(), [])).unwrap_err(),
        SettingsError::NoRoute
    );
    let reviewers = Routes::new().to(Route::all(), [Destination::reviewers()]);
    assert_eq!(build(reviewers).unwrap_err(), SettingsError::NoDirectory);
    let link = settings(&workspace)
        .link("javascript:alert(1)")
        .build(desk());
    assert!(matches!(link.unwrap_err(), SettingsError::Link(_)));
    for name in ["#ops", "ops", "c0ops", "C", "C0OPS>", "U0OPS"] {
        assert!(Destination::channel(name).is_err(), "{name}");
    }
}

/// Bytes that somebody could send: changed, cut, doubled or made up.
fn sent(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let (changed, cut, mixed) = (good.clone(), good.clone(), good);
    prop_oneof![
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(move |(at, byte)| {
            let mut body = changed.clone();
            let at = at.index(body.len());
            body[at] = byte;
            body
        }),
        any::<prop::sample::Index>().prop_map(move |at| cut[..at.index(cut.len())].to_vec()),
        prop::collection::vec(any::<u8>(), 0..300)
            .prop_map(move |tail| [mixed.clone(), tail].concat()),
        prop::collection::vec(any::<u8>(), 0..600),
    ]
}

/// A room with a message that waits for a click, in a runtime of its own.
fn waiting() -> (tokio::runtime::Runtime, Room, Message) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let (room, message) = runtime.block_on(async {
        let room = Room::new().await;
        let (_, message) = room.ask("ten").await;
        (room, message)
    });
    (runtime, room, message)
}

#[test]
fn nothing_that_is_sent_without_slacks_signature_counts_or_panics() {
    let (runtime, room, message) = waiting();
    let button = Workspace::button(&message, "vote.approve").unwrap();
    let payload = room.workspace.press(&message, &id("alice"), &button);
    let good = body(&payload);
    let signature = room.workspace.callback(&payload).headers()["x-slack-signature"].clone();
    let strategy = (
        sent(good.clone().into_bytes()),
        any::<bool>(),
        "[ -~]{0,80}",
        "[ -~]{0,20}",
    );
    let config = ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&strategy, |(sent, genuine, other, time)| {
            let mut request = Request::post("/").body(Bytes::from(sent.clone())).unwrap();
            let headers = request.headers_mut();
            headers.insert(
                "content-type",
                "application/x-www-form-urlencoded".parse().unwrap(),
            );
            let (signature, time) = match genuine {
                // The right signature, of another body.
                true => (signature.clone(), now().to_string()),
                false => (other.parse().unwrap(), time),
            };
            headers.insert("x-slack-signature", signature);
            headers.insert("x-slack-request-timestamp", time.parse().unwrap());
            let received = room.slack.receive(&request);
            if sent != good.as_bytes() {
                prop_assert!(received.work.is_none());
                prop_assert!(!received.response.status().is_success());
            }
            Ok(())
        })
        .unwrap();
    let phase = runtime.block_on(async {
        let record = room
            .desk
            .channel(slack())
            .look(message_request(&message))
            .await
            .unwrap();
        (record.state.phase(), record.votes.len())
    });
    assert_eq!(phase, (Phase::Pending, 0));
}

/// Who may not vote, and why.
const INELIGIBLE: [(&str, &str); 6] = [
    ("guest", "guests cannot vote"),
    ("single", "guests cannot vote"),
    ("robot", "apps and bots cannot vote"),
    ("gone", "this account was deactivated"),
    ("foreign", "people of another workspace cannot vote here"),
    ("stranger", "people of another workspace cannot vote here"),
];

fn ineligible(room: &Room) {
    for (name, other) in [
        ("guest", json!({"is_restricted": true})),
        ("single", json!({"is_ultra_restricted": true})),
        ("robot", json!({"is_bot": true})),
        ("gone", json!({"deleted": true})),
        ("foreign", json!({"team_id": "T0OTHER"})),
        ("stranger", json!({"is_stranger": true})),
    ] {
        room.workspace.user_who(&id(name), other);
    }
}

#[tokio::test(start_paused = true)]
async fn a_vote_that_the_channel_refuses_is_in_the_trail_as_one_that_the_desk_refuses() {
    let room = Room::new().await;
    ineligible(&room);
    assert_eq!(refused_votes(&room.store).await, []);
    let (asking, message) = room.ask("ten").await;
    let mut expected = Vec::new();
    for (name, why) in INELIGIBLE {
        room.press(&message, name, "vote.approve").await;
        let tenant = if name == "foreign" { "T0OTHER" } else { TEAM };
        let identity = format!("slack:{tenant}:{}", id(name));
        expected.push((identity, why.to_owned()));
    }
    room.press(&message, "nobody", "vote.approve").await;
    let nobody = format!("slack:{TEAM}:{}", id("nobody"));
    expected.push((nobody, "Slack does not know this user".to_owned()));
    assert_eq!(refused_votes(&room.store).await, expected);
    // Of somebody of whom Slack does not tell now it is known that they tried.
    room.workspace.fail("users.info", &[Fault::Unavailable]);
    room.press(&message, "alice", "vote.approve").await;
    // As the desk does for whoever it refuses.
    room.press(&message, "mallory", "vote.approve").await;
    let refused = refused_votes(&room.store).await;
    let [.., (alice, unsaid), (mallory, unknown)] = refused.as_slice() else {
        panic!("{refused:?}");
    };
    assert!(
        alice.ends_with("U0ALICE") && unsaid.contains("try again"),
        "{unsaid}"
    );
    assert!(
        mallory.ends_with("U0MALLORY") && unknown.contains("nobody that"),
        "{unknown}"
    );
    assert_eq!(refused.len(), expected.len() + 2);
    assert!(!asking.is_finished());
}

#[test]
fn whatever_slack_signs_is_read_without_a_panic_and_without_a_vote_that_nobody_cast() {
    let (runtime, room, message) = waiting();
    // Everybody who may not vote, each in their own way: changing a byte makes nobody of them Alice.
    ineligible(&room);
    let everybody: Vec<String> = INELIGIBLE
        .iter()
        .map(|(name, _)| *name)
        .chain(["bob", "mallory", "nobody"])
        .flat_map(|name| {
            let pressed = |button| {
                let button = Workspace::button(&message, button).unwrap();
                body(&room.workspace.press(&message, &id(name), &button))
            };
            [pressed("vote.approve"), pressed("form.deny")]
        })
        .collect();
    let config = ProptestConfig {
        cases: 1_024,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let sent = prop::sample::select(everybody).prop_flat_map(|good| {
        let whole = Just(good.clone().into_bytes());
        prop_oneof![whole, sent(good.into_bytes())]
    });
    runner
        .run(&sent, |sent| {
            let Ok(sent) = String::from_utf8(sent) else {
                return Ok(());
            };
            let received = room.slack.receive(&signed(&sent, SECRET, now()));
            if let Some(work) = received.work {
                runtime.block_on(work);
            }
            Ok(())
        })
        .unwrap();
    let votes = runtime.block_on(async {
        let record = room
            .desk
            .channel(slack())
            .look(message_request(&message))
            .await
            .unwrap();
        record.votes.len()
    });
    assert_eq!(votes, 0);
}
