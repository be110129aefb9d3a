//! What is thrown at the Slack channel's callbacks: run here with a seeded loop, and by `fuzz/` with
//! whatever a fuzzer finds.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{ChannelId, Desk, async_trait};
use approvals_slack::{
    AppId, Destination, Http, HttpError, Installation, Route, Routes, SigningSecrets, Slack,
    SlackBuilder, TeamId,
};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderValue, Request, Response};
use sha2::Sha256;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// Nobody is there.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl Http for Nobody {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        Err(HttpError("nobody is there".to_owned()))
    }
}

/// A channel, and what runs its work.
pub(crate) struct Target {
    slack: Slack,
    runtime: tokio::runtime::Runtime,
}

impl Target {
    /// A channel over an empty store.
    pub(crate) fn new() -> Self {
        let desk = Desk::new(
            Arc::new(MemoryStore::new()),
            Arc::new(InMemoryDirectory::new()),
        );
        let secrets = SigningSecrets::new(&SECRET.into()).unwrap();
        let slack = SlackBuilder::new("xoxb-none".into(), secrets, AppId::new("A0APP").unwrap())
            .installed_in(Installation::Workspace(TeamId::new("T0TEAM").unwrap()))
            .routes(Routes::new().to(Route::all(), [Destination::channel("C0OPS").unwrap()]))
            .http(Arc::new(Nobody))
            .build(desk.channel(ChannelId::new("slack").unwrap()))
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        Self {
            slack,
            runtime: runtime.unwrap(),
        }
    }

    /// Three lines are headers, the rest is the body: nothing that the secret did not sign is
    /// acted on.
    pub(crate) fn unsigned(&self, data: &[u8]) {
        let mut lines = data.splitn(4, |byte| *byte == b'\n');
        let mut next = || lines.next().unwrap_or_default();
        let [time, signature, kind, body] = [next(), next(), next(), next()];
        let mut request = Request::post("/")
            .body(Bytes::copy_from_slice(body))
            .unwrap();
        for (name, value) in [
            ("x-slack-request-timestamp", time),
            ("x-slack-signature", signature),
            ("content-type", kind),
        ] {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                request.headers_mut().insert(name, value);
            }
        }
        let received = self.slack.receive(&request);
        assert!(received.work.is_none(), "acted on what nobody signed");
        assert!(received.response.status().is_client_error());
    }

    /// The same bytes as a body that is signed: whatever they say, it is answered.
    pub(crate) fn signed(&self, body: &[u8], kind: &str) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let at = since.as_secs().to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        for part in [b"v0:", at.as_bytes(), b":", body] {
            mac.update(part);
        }
        let tag = mac.finalize().into_bytes();
        let tag: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        let request = Request::post("/")
            .header("content-type", kind)
            .header("x-slack-request-timestamp", at)
            .header("x-slack-signature", format!("v0={tag}"))
            .body(Bytes::copy_from_slice(body))
            .unwrap();
        let received = self.slack.receive(&request);
        if let Some(work) = received.work {
            self.runtime.block_on(work);
        }
    }
}

/// Callbacks that are in order, to begin with.
pub(crate) fn bodies() -> [String; 4] {
    let zeros = "0".repeat(64);
    let seen = format!("v1 req_{} 1 {zeros} {zeros}", "0".repeat(32));
    let click = format!(
        r#"{{"type":"block_actions","api_app_id":"A0APP","team":{{"id":"T0TEAM"}},"enterprise":null,"user":{{"id":"U0ALICE","team_id":"T0TEAM"}},"container":{{"message_ts":"1.2","channel_id":"C0OPS"}},"trigger_id":"1.2.x","response_url":"https://hooks.slack.com/actions/x","actions":[{{"action_id":"approvals.vote.approve","value":"{seen}"}}]}}"#
    );
    let view = format!(
        r#"{{"type":"view_submission","api_app_id":"A0APP","team":{{"id":"T0TEAM"}},"user":{{"id":"U0ALICE","team_id":"T0TEAM"}},"view":{{"callback_id":"approvals.form","private_metadata":"{{\"seen\":\"{seen}\",\"choice\":\"deny\",\"code\":false,\"conversation\":null,\"ts\":null}}","state":{{"values":{{"comment":{{"comment":{{"value":"no"}}}}}}}}}}}}"#
    );
    let form = |payload: &str| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", payload).finish()
    };
    [
        form(&click),
        form(&view),
        "command=%2Fapprovals&text=link+00000&api_app_id=A0APP&team_id=T0TEAM&user_id=U0ALICE&\
         channel_id=C0OPS&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2Fx"
            .to_owned(),
        r#"{"type":"url_verification","challenge":"x"}"#.to_owned(),
    ]
}
