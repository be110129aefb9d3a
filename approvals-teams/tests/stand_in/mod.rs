//! A stand-in for Microsoft: tokens, keys and the Connector, as the documentation says they behave,
//! in memory.
//!
//! It refuses what Teams refuses, limits what Teams limits (by tokio's clock, so also under paused
//! time), and fails on demand in the ways in which a service behind a network fails.

pub(crate) mod clicks;
mod connector;
pub(crate) mod issuer;
mod limits;
mod test_keys;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use approvals_teams::{Http, HttpError};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

use issuer::Signer;

pub(crate) const TENANT: &str = "22222222-0000-0000-0000-000000000000";
pub(crate) const APP: &str = "00000000-0000-0000-0000-00000000abcd";
pub(crate) const SECRET: &str = "a-secret-of-the-stand-in";
pub(crate) const ORIGIN: &str = "http://127.0.0.1:9";
/// The channel that the app is installed in.
pub(crate) const OPS: &str = "19:ops@thread.tacv2";

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Too often: come back after so many seconds.
    Limited(u64),
    /// A status of 503 and no JSON, without having acted.
    Unavailable,
    /// A status of 502, having acted.
    FailedAfterActing,
    /// Having acted, no answer.
    Lost,
    /// No connection.
    Unreachable,
    /// Half of an answer, having acted.
    Torn,
    /// That it was done, and not where, having acted.
    Nowhere,
    /// This status and error code, without having acted.
    Code(u16, &'static str),
}

/// A message as it stands in Teams.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) conversation: String,
    pub(crate) id: String,
    pub(crate) activity: Value,
    pub(crate) edits: usize,
    pub(crate) at: Duration,
}

impl Message {
    /// The card; null where it is no message with one.
    pub(crate) fn card(&self) -> &Value {
        &self.activity["attachments"][0]["content"]
    }
}

/// Microsoft. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Microsoft {
    state: Arc<Mutex<State>>,
    started: Instant,
}

#[derive(Debug)]
struct State {
    members: BTreeMap<String, Value>,
    conversations: Vec<String>,
    messages: Vec<Message>,
    faults: BTreeMap<&'static str, VecDeque<Fault>>,
    down: bool,
    calls: Vec<(&'static str, Duration)>,
    limits: limits::Limits,
    refused: Vec<String>,
    count: u64,
    /// Which bot token is good: tokens are numbered.
    token: u64,
    keys: Vec<Value>,
    signer: Arc<Signer>,
    origin: String,
}

impl Microsoft {
    /// One channel, and nobody in it.
    pub(crate) fn new() -> Self {
        Self::at(ORIGIN)
    }

    /// The same, as it is reached at this address.
    pub(crate) fn at(origin: &str) -> Self {
        let signer = Signer::good();
        Self {
            state: Arc::new(Mutex::new(State {
                members: BTreeMap::new(),
                conversations: vec![OPS.to_owned()],
                messages: Vec::new(),
                faults: BTreeMap::new(),
                down: false,
                calls: Vec::new(),
                limits: limits::Limits::default(),
                refused: Vec::new(),
                count: 0,
                token: 0,
                keys: vec![signer.jwk()],
                signer: Arc::new(signer),
                origin: origin.to_owned(),
            })),
            started: Instant::now(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The service that Teams names in activities.
    pub(crate) fn service(&self) -> String {
        format!("{}/teams/", self.state().origin)
    }

    /// Adds a member of the tenant.
    pub(crate) fn member(&self, id: &str) {
        self.member_who(id, &json!({}));
    }

    /// Adds somebody of whom something else is true.
    pub(crate) fn member_who(&self, id: &str, other: &Value) {
        let mut member = json!({
            "id": format!("29:{id}"), "name": "[Somebody](https://evil.example)",
            "objectId": id, "tenantId": TENANT, "userRole": "user",
            "userPrincipalName": format!("{id}@example.com")
        });
        for (name, value) in other.as_object().unwrap() {
            member[name] = value.clone();
        }
        self.state().members.insert(id.to_owned(), member);
    }

    /// Adds a channel or a chat that the app is installed in.
    pub(crate) fn conversation(&self, id: &str) {
        self.state().conversations.push(id.to_owned());
    }

    /// Makes the next calls of a kind (`token`, `keys`, `make`, `send`, `change`, `member`) go wrong,
    /// one each.
    pub(crate) fn fail(&self, call: &'static str, faults: &[Fault]) {
        let mut state = self.state();
        state.faults.entry(call).or_default().extend(faults);
    }

    /// Takes the service away, or gives it back.
    pub(crate) fn down(&self, down: bool) {
        self.state().down = down;
    }

    /// Makes every bot token bad that was given until now.
    pub(crate) fn revoke_tokens(&self) {
        self.state().token += 1;
    }

    /// Has these keys be good from now on, the first of which signs.
    pub(crate) fn keys(&self, signers: Vec<Signer>) {
        let mut state = self.state();
        state.keys = signers.iter().map(Signer::jwk).collect();
        state.signer = Arc::new(signers.into_iter().next().unwrap());
    }

    /// Takes messages out, as whoever may delete them does.
    pub(crate) fn delete_messages(&self) {
        self.state().messages.clear();
    }

    /// Every message with a card, in order.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let state = self.state();
        let cards = state.messages.iter().filter(|m| !m.card().is_null());
        cards.cloned().collect()
    }

    /// Every message without a card, in order.
    pub(crate) fn words(&self) -> Vec<Message> {
        let state = self.state();
        let words = state.messages.iter().filter(|m| m.card().is_null());
        words.cloned().collect()
    }

    /// When calls of this kind were made.
    pub(crate) fn calls(&self, call: &str) -> Vec<Duration> {
        let state = self.state();
        let all = state.calls.iter().filter(|(name, _)| *name == call);
        all.map(|(_, at)| *at).collect()
    }

    /// What was refused because it was not in order: a correct client leaves this empty.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.state().refused.clone()
    }

    /// How often a call came too early.
    pub(crate) fn too_early(&self) -> usize {
        self.state().limits.exceeded
    }
}

#[approvals_core::async_trait]
impl Http for Microsoft {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.answer(&request)
    }
}

/// All text that somebody reads in a card.
pub(crate) fn text_of(card: &Value) -> String {
    fn walk(value: &Value, out: &mut String) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(text)) = members.get("text") {
                    out.push_str(text);
                }
                for value in members.values() {
                    walk(value, out);
                }
                if matches!(
                    members.get("type").and_then(Value::as_str),
                    Some("RichTextBlock" | "TextBlock")
                ) {
                    out.push('\n');
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
            _ => {}
        }
    }
    let mut text = String::new();
    walk(card, &mut text);
    text
}
