//! Socket Mode: callbacks over a connection that goes out, for hosts without a public address.
//!
//! Slack gives an address that is good for one connection, sends over it what it would post, and
//! wants each acknowledged within three seconds. Who sends is known by TLS and by the app's own
//! token, so there is no signature. Slack lets go of a connection every few hours and says so before:
//! another one is open by the time that it is closed.

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
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
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
/// How long connecting may take, and then how long Slack may take to say hello.
const CONNECTED: Duration = Duration::from_secs(15);
const HELLO: Duration = Duration::from_secs(15);
/// How long a connection may be silent before it is asked for a sign of life, and then for how long.
/// Slack itself asks for one every few seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a message may take to be handed over.
const SENT: Duration = Duration::from_secs(10);
/// How long a connection is listened to that Slack is about to close.
const LEAVING: Duration = Duration::from_secs(60);
/// A connection that ends sooner does not show that all is well.
const SHORT: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[derive(Deserialize)]
struct Opened {
    url: String,
}

/// What comes over the connection. It may hold a code, so there is no `Debug`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    #[serde(rename = "type")]
    kind: Option<String>,
    envelope_id: Option<String>,
    accepts_response_payload: Option<bool>,
    reason: Option<String>,
    payload: Option<Value>,
}

/// What came, once it is dealt with.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    /// Slack is there.
    Hello,
    /// Slack is about to close this connection, and wants another one.
    Leave,
    /// Something else.
    Other,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Ended(String);

fn ended(why: impl ToString) -> Ended {
    Ended(why.to_string())
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
        // Those that Slack is about to close. They end with this.
        let mut leaving = JoinSet::new();
        let mut pause = FIRST;
        loop {
            while leaving.try_join_next().is_some() {}
            let mut lasted = Duration::ZERO;
            let why = match self.0.greeted(&api).await {
                Err(ended) => Some(ended),
                Ok(mut socket) => {
                    let since = Instant::now();
                    let asked = self.0.serve(&mut socket).await;
                    lasted = since.elapsed();
                    asked.err().or_else(|| {
                        let inner = Arc::clone(&self.0);
                        leaving.spawn(async move { inner.serve_to_the_end(socket).await });
                        None
                    })
                }
            };
            if lasted >= SHORT {
                pause = FIRST;
            }
            if why.is_none() && lasted >= SHORT {
                continue;
            }
            match why {
                Some(why) => {
                    tracing::error!(%why, ?pause, "callbacks do not come from Slack for now");
                }
                None => tracing::warn!(?pause, "Slack wants another connection soon"),
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST);
        }
    }
}

impl Inner {
    /// Takes what comes, until Slack wants another connection.
    async fn serve(self: &Arc<Self>, socket: &mut Socket) -> Result<(), Ended> {
        while self.next(socket).await? != Came::Leave {}
        Ok(())
    }

    /// Takes what comes until Slack closes the connection, which it has said that it will.
    async fn serve_to_the_end(self: Arc<Self>, mut socket: Socket) {
        let serving = async { while self.next(&mut socket).await.is_ok() {} };
        if timeout(LEAVING, serving).await.is_err() {
            let closed = timeout(SENT, socket.close(None)).await;
            tracing::debug!(?closed, "a connection that Slack did not close was closed");
        }
    }

    /// A connection over which Slack has said hello.
    async fn greeted(self: &Arc<Self>, api: &Api) -> Result<Socket, Ended> {
        let mut socket = self.connect(api).await?;
        let greeting = async {
            loop {
                match self.next(&mut socket).await? {
                    Came::Hello => return Ok(()),
                    Came::Leave => return Err(ended("Slack wants another connection at once")),
                    Came::Other => {}
                }
            }
        };
        match timeout(HELLO, greeting).await {
            Ok(greeted) => greeted.map(|()| socket),
            Err(_) => Err(ended("Slack did not say hello in time")),
        }
    }

    async fn connect(&self, api: &Api) -> Result<Socket, Ended> {
        let nothing = json!({});
        let opened = api.call::<Opened>(Method::ConnectionsOpen, Rank::NOW, &nothing);
        let opened = opened.await.map_err(ended)?;
        if !self.api.endpoints().is_socket(&opened.url) {
            return Err(ended("the address for a connection is not Slack's"));
        }
        let limits = WebSocketConfig::default().max_message_size(Some(MOST_CALLBACK_BYTES));
        let connector = connector().map_err(ended)?;
        let connecting = connect_async_tls_with_config(
            opened.url.as_str(),
            Some(limits),
            false,
            Some(connector),
        );
        match timeout(CONNECTED, connecting).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(error)) => Err(ended(error)),
            Err(_) => Err(ended("no connection in time")),
        }
    }

    /// The next thing that came, dealt with.
    async fn next(self: &Arc<Self>, socket: &mut Socket) -> Result<Came, Ended> {
        let text = text(socket).await?;
        let Ok(envelope) = serde_json::from_str::<Envelope>(&text) else {
            tracing::warn!("something that is no envelope came over the connection");
            return Ok(Came::Other);
        };
        match (envelope.kind.as_deref(), envelope.reason.as_deref()) {
            (Some("hello"), _) => Ok(Came::Hello),
            (Some("disconnect"), Some("link_disabled")) => {
                Err(ended("Socket Mode is turned off in the app's settings"))
            }
            (Some("disconnect"), _) => Ok(Came::Leave),
            _ => self.enveloped(socket, envelope).await.map(|()| Came::Other),
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
        send(socket, Message::text(acknowledged.to_string())).await?;
        if let Some(work) = work {
            tokio::spawn(work(Arc::clone(self)));
        }
        Ok(())
    }
}

/// The next text. Of a connection that is silent a sign of life is asked for, once.
async fn text(socket: &mut Socket) -> Result<String, Ended> {
    let mut asked = false;
    loop {
        match timeout(SILENCE, socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => return Ok(text.as_str().to_owned()),
            Ok(Some(Ok(Message::Close(_))) | None) => return Err(ended("Slack closed it")),
            // A ping is answered below us.
            Ok(Some(Ok(_))) => asked = false,
            Ok(Some(Err(error))) => return Err(ended(error)),
            Err(_) if asked => return Err(ended("the connection is silent")),
            Err(_) => {
                asked = true;
                send(socket, Message::Ping(Vec::new().into())).await?;
            }
        }
    }
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), Ended> {
    match timeout(SENT, socket.send(message)).await {
        Ok(sent) => sent.map_err(ended),
        Err(_) => Err(ended("the connection takes nothing")),
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
