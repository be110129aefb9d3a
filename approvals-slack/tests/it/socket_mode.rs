//! Callbacks over a connection that goes out.

use std::sync::Arc;

use approvals_core::{Requirement, Risk};
use approvals_slack::{Endpoints, Http, HttpError};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::room::{Room, id};
use crate::stand_in::Workspace;

/// The stand-in, which also says where to connect.
#[derive(Debug)]
struct Connecting {
    workspace: Workspace,
    address: String,
}

#[approvals_core::async_trait]
impl Http for Connecting {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        if request.uri().path() != "/api/apps.connections.open" {
            return self.workspace.answer(&request);
        }
        let bearer = request.headers()["authorization"].to_str().unwrap();
        assert_eq!(bearer, "Bearer xapp-stand-in");
        let opened = json!({"ok": true, "url": self.address});
        Ok(Response::new(Bytes::from(opened.to_string())))
    }
}

/// Slack's end of a connection.
struct Line(WebSocketStream<TcpStream>);

impl Line {
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let mut line = Self(accept_async(stream).await.unwrap());
        line.send(&json!({"type": "hello", "num_connections": 1}))
            .await;
        line
    }

    async fn send(&mut self, json: &Value) {
        self.0.send(Message::text(json.to_string())).await.unwrap();
    }

    /// Sends an interaction and returns its acknowledgement.
    async fn interact(&mut self, envelope: &str, payload: &Value) -> Value {
        self.envelope("interactive", envelope, payload).await
    }

    /// Sends something of a kind and returns its acknowledgement.
    async fn envelope(&mut self, kind: &str, id: &str, payload: &Value) -> Value {
        let envelope = json!({"type": kind, "envelope_id": id,
                              "accepts_response_payload": true, "payload": payload});
        self.send(&envelope).await;
        let answer = self.0.next().await.unwrap().unwrap();
        serde_json::from_str(answer.to_text().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn without_a_public_address_clicks_come_over_a_connection_and_survive_a_new_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = listener.local_addr().unwrap();
    let requirement = Requirement::one_of("reviewers")
        .unwrap()
        .at_least(Risk::Critical);
    let room = Room::with(requirement, |settings| settings).await;
    let http = Connecting {
        workspace: room.workspace.clone(),
        address: format!("ws://{origin}/link/?ticket=1"),
    };
    let endpoints = Endpoints::stand_in(&format!("http://{origin}")).unwrap();
    let requirement = Requirement::one_of("reviewers")
        .unwrap()
        .at_least(Risk::Critical);
    let room = Room::again(room, requirement, |settings| {
        settings.http(Arc::new(http)).endpoints(endpoints)
    })
    .await;
    let slack = room.slack.clone();
    let listening = tokio::spawn(async move { slack.listen("xapp-stand-in".into()).await });
    let mut line = Line::accept(&listener).await;

    let asking = room.asking("ten");
    room.until(|| room.workspace.messages().len() == 1).await;
    let message = room.workspace.messages().remove(0);
    let button = Workspace::button(&message, "form.approve").unwrap();
    let press = room.workspace.press(&message, &id("alice"), &button);
    assert_eq!(
        line.interact("one", &press).await,
        json!({"envelope_id": "one"})
    );
    room.until(|| room.workspace.views().len() == 1).await;

    // Slack lets go of a connection now and then, and says so.
    line.send(&json!({"type": "disconnect", "reason": "refresh_requested"}))
        .await;
    let mut line = Line::accept(&listener).await;
    let form = room.workspace.views().pop().unwrap();
    let wrong = room
        .workspace
        .submit(&form, &id("alice"), &[("code", "0000-0000")]);
    let answer = line.interact("two", &wrong).await;
    assert_eq!(answer["payload"]["response_action"], "errors", "{answer}");
    assert!(!asking.is_finished());
    let code = room.reads(&message);
    let code = code
        .split("Code  ")
        .nth(1)
        .unwrap()
        .get(..9)
        .unwrap()
        .to_owned();
    let right = room
        .workspace
        .submit(&form, &id("alice"), &[("code", &code)]);
    assert_eq!(
        line.interact("three", &right).await,
        json!({"envelope_id": "three"})
    );
    assert!(asking.await.unwrap().is_ok());

    // What is no envelope, or of another app, is left alone, and the connection goes on.
    line.0.send(Message::text("nonsense")).await.unwrap();
    let mut foreign = press.clone();
    foreign["api_app_id"] = json!("A0OTHER");
    assert_eq!(
        line.interact("four", &foreign).await,
        json!({"envelope_id": "four"})
    );

    // The command comes the same way: answered at once, or by a message that only they see.
    let usage = room.workspace.command(&id("alice"), "help");
    let answer = line.envelope("slash_commands", "five", &usage).await;
    assert_eq!(answer["payload"]["response_type"], "ephemeral", "{answer}");
    let link = room.workspace.command(&id("alice"), "link 7K2QX");
    assert_eq!(
        line.envelope("slash_commands", "six", &link).await,
        json!({"envelope_id": "six"})
    );
    room.until(|| !room.workspace.whispers().is_empty()).await;
    let (to, told) = room.workspace.whispers().pop().unwrap();
    assert!(
        to == id("alice") && told.contains("takes no codes"),
        "{told}"
    );
    let mut foreign = link;
    foreign["team_id"] = json!("T0OTHER");
    assert_eq!(
        line.envelope("slash_commands", "seven", &foreign).await,
        json!({"envelope_id": "seven"})
    );
    listening.abort();
}

/// A room that listens over connections to this listener.
async fn listening() -> (Room, TcpListener, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = listener.local_addr().unwrap();
    let one = || Requirement::one_of("reviewers").unwrap();
    let room = Room::with(one(), |settings| settings).await;
    let http = Connecting {
        workspace: room.workspace.clone(),
        address: format!("ws://{origin}/link/?ticket=1"),
    };
    let endpoints = Endpoints::stand_in(&format!("http://{origin}")).unwrap();
    let room = Room::again(room, one(), |settings| {
        settings.http(Arc::new(http)).endpoints(endpoints)
    })
    .await;
    let slack = room.slack.clone();
    let listening = tokio::spawn(async move { slack.listen("xapp-stand-in".into()).await });
    (room, listener, listening)
}

#[tokio::test]
async fn what_is_clicked_while_slack_changes_connections_is_not_lost() {
    let (room, listener, listening) = listening().await;
    let usage = |n: u32| (n.to_string(), room.workspace.command("U0ALICE", "help"));
    let ask = async |line: &mut Line, n: u32| {
        let (envelope, payload) = usage(n);
        let answer = line.envelope("slash_commands", &envelope, &payload).await;
        assert_eq!(answer["envelope_id"], json!(envelope), "{answer}");
    };
    let mut old = Line::accept(&listener).await;
    ask(&mut old, 1).await;
    for reason in ["warning", "refresh_requested"] {
        old.send(&json!({"type": "disconnect", "reason": reason}))
            .await;
        // There is no other connection yet.
        ask(&mut old, 2).await;
        let mut new = Line::accept(&listener).await;
        // Each is sent over any of both.
        ask(&mut old, 3).await;
        ask(&mut new, 4).await;
        old.0.close(None).await.unwrap();
        ask(&mut new, 5).await;
        old = new;
    }
    listening.abort();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_given_up_for_another() {
    let (_room, listener, listening) = listening().await;
    // Somebody takes the connection and speaks no WebSocket,
    let (_mute, _) = listener.accept().await.unwrap();
    // or does, and says no hello,
    let (stream, _) = listener.accept().await.unwrap();
    let _silent = accept_async(stream).await.unwrap();
    // or says hello, and nothing after that, not even that it is there.
    let _hello = Line::accept(&listener).await;
    let mut line = Line::accept(&listener).await;
    // Whoever is asked for a sign of life and gives one is listened to.
    let asked = line.0.next().await.unwrap().unwrap();
    assert!(asked.is_ping(), "{asked:?}");
    let asked = line.0.next().await.unwrap().unwrap();
    assert!(asked.is_ping(), "{asked:?}");
    listening.abort();
}

#[tokio::test(start_paused = true)]
async fn where_socket_mode_is_turned_off_it_is_tried_ever_less_often() {
    let (_room, listener, listening) = listening().await;
    let mut times = Vec::new();
    for _ in 0..5 {
        let mut line = Line::accept(&listener).await;
        times.push(tokio::time::Instant::now());
        line.send(&json!({"type": "disconnect", "reason": "link_disabled"}))
            .await;
    }
    let between: Vec<u64> = times.windows(2).map(|t| (t[1] - t[0]).as_secs()).collect();
    assert!(between.windows(2).all(|b| b[1] > b[0]), "{between:?}");
    listening.abort();
}
