//! Socket Mode: callbacks over a connection that goes out, for hosts without a public address.
//!
//! Slack gives an address that is good for one connection, sends over it what it would post, and
//! wants each acknowledged within three seconds. Who sends is known by TLS and by the app's own
//! token, so there is no signature.

use std::sync::Arc;
use std::time::Duration;

use approvals_channel::Rank;
use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use hyper_rustls::ConfigBuilderExt;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

use crate::api::Api;
use crate::callback::{Answer, MOST_CALLBACK_BYTES};
use crate::channel::{Inner, Slack};
use crate::command::Command;
use crate::method::Method;
use crate::payload::Interaction;

/// How long after a failure it is tried again, at first and at most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// How long a connection may be silent. Slack asks for a sign of life every few seconds.
const SILENCE: Duration = Duration::from_secs(90);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[derive(Deserialize)]
struct Opened {
    url: String,
}

/// What comes over the connection.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Envelope {
    #[serde(rename = "type")]
    kind: Option<String>,
    envelope_id: Option<String>,
    accepts_response_payload: Option<bool>,
    payload: Option<Value>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("Slack asked for another connection")]
    Asked,
    #[error("{0}")]
    Failed(String),
}

impl Slack {
    /// Takes callbacks over a connection to Slack, for as long as the future is polled, with the
    /// app-level token (`xapp-…`, scope `connections:write`). What fails is tried again, ever less
    /// often. What is clicked while nobody is connected is lost, and Slack tells whoever clicked.
    ///
    /// Events are acknowledged; the work is done in tasks of its own, as with
    /// [`Slack::respond`].
    pub async fn listen(&self, app_token: SecretString) {
        let api = self.0.api.with_token(app_token);
        let mut pause = FIRST;
        loop {
            match self.0.connected(&api, &mut pause).await {
                Ended::Asked => {}
                Ended::Failed(why) => {
                    tracing::error!(why, ?pause, "callbacks do not come from Slack for now");
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2).min(LONGEST);
                }
            }
        }
    }
}

impl Inner {
    /// One connection, from its address to its end.
    async fn connected(self: &Arc<Self>, api: &Api, pause: &mut Duration) -> Ended {
        let mut socket = match self.connect(api).await {
            Ok(socket) => socket,
            Err(ended) => return ended,
        };
        loop {
            let next = tokio::time::timeout(SILENCE, socket.next()).await;
            let text = match next {
                Err(_) => return Ended::Failed("the connection is silent".to_owned()),
                Ok(None) => return Ended::Failed("the connection was closed".to_owned()),
                Ok(Some(Err(error))) => return Ended::Failed(error.to_string()),
                Ok(Some(Ok(Message::Text(text)))) => text,
                Ok(Some(Ok(Message::Close(_)))) => return Ended::Asked,
                // A ping is answered below us.
                Ok(Some(Ok(_))) => continue,
            };
            let Ok(envelope) = serde_json::from_str::<Envelope>(&text) else {
                tracing::warn!("something that is no envelope came over the connection");
                continue;
            };
            match envelope.kind.as_deref() {
                Some("hello") => *pause = FIRST,
                Some("disconnect") => return Ended::Asked,
                _ => {
                    if let Err(ended) = self.enveloped(&mut socket, envelope).await {
                        return ended;
                    }
                }
            }
        }
    }

    async fn connect(&self, api: &Api) -> Result<Socket, Ended> {
        let nothing = json!({});
        let opened = api.call::<Opened>(Method::ConnectionsOpen, Rank::NOW, &nothing);
        let opened = opened
            .await
            .map_err(|error| Ended::Failed(error.to_string()))?;
        if !self.api.endpoints().is_socket(&opened.url) {
            return Err(Ended::Failed(
                "the address for a connection is not Slack's".to_owned(),
            ));
        }
        let limits = WebSocketConfig::default().max_message_size(Some(MOST_CALLBACK_BYTES));
        let connector = connector().map_err(Ended::Failed)?;
        let connecting = connect_async_tls_with_config(
            opened.url.as_str(),
            Some(limits),
            false,
            Some(connector),
        );
        let connected = tokio::time::timeout(Duration::from_secs(15), connecting).await;
        match connected {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(error)) => Err(Ended::Failed(error.to_string())),
            Err(_) => Err(Ended::Failed("no connection in time".to_owned())),
        }
    }

    /// Acknowledges what came, and then does it.
    async fn enveloped(
        self: &Arc<Self>,
        socket: &mut Socket,
        envelope: Envelope,
    ) -> Result<(), Ended> {
        let Some(id) = envelope.envelope_id else {
            return Ok(());
        };
        let payload = envelope.payload.unwrap_or_default();
        let answer = match envelope.kind.as_deref() {
            Some("interactive") => serde_json::from_value::<Interaction>(payload)
                .map(|interaction| self.interaction(interaction)),
            Some("slash_commands") => {
                serde_json::from_value::<Command>(payload).map(|command| self.command(command))
            }
            // Events are acknowledged.
            Some(_) | None => Ok(Ok(Answer::nothing())),
        };
        // What it says is not told: a command may hold a code.
        let answer = answer.unwrap_or(Err((StatusCode::BAD_REQUEST, "not to be read")));
        let Answer { json, work } = answer.unwrap_or_else(|(status, why)| {
            tracing::warn!(%status, why, "a callback was refused");
            Answer::nothing()
        });
        let mut acknowledged = json!({"envelope_id": id});
        if let (Some(json), Some(true)) = (json, envelope.accepts_response_payload)
            && let Some(members) = acknowledged.as_object_mut()
        {
            members.insert("payload".to_owned(), json);
        }
        let sent = socket.send(Message::text(acknowledged.to_string())).await;
        sent.map_err(|error| Ended::Failed(error.to_string()))?;
        if let Some(work) = work {
            tokio::spawn(work(Arc::clone(self)));
        }
        Ok(())
    }
}

/// TLS by the same provider and roots as all else.
fn connector() -> Result<Connector, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_native_roots()
        .map_err(|error| error.to_string())?
        .with_no_client_auth();
    Ok(Connector::Rustls(Arc::new(config)))
}
