//! A stand-in for Slack: what its documentation says it does with what is sent to it, in memory.
//!
//! It refuses what Slack refuses, limits what Slack limits (by tokio's clock, so also under paused
//! time), and fails on demand in the ways in which a service behind a network fails.

mod checks;
pub(crate) mod clicks;
mod limits;
pub(crate) mod serve;
mod web_api;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use approvals_slack::{Http, HttpError};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

pub(crate) const TEAM: &str = "T0TEAM";
pub(crate) const APP: &str = "A0APP";
pub(crate) const TOKEN: &str = "xoxb-stand-in";
pub(crate) const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub(crate) const ORIGIN: &str = "http://127.0.0.1:9";

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Too often: come back after so many seconds.
    Limited(u64),
    /// A status of 503 and no JSON, without having acted.
    Unavailable,
    /// A status of 500, having acted.
    FailedAfterActing,
    /// `fatal_error`, having acted.
    FatalAfterActing,
    /// Having acted, no answer.
    Lost,
    /// No connection.
    Unreachable,
    /// Half of an answer, having acted.
    Torn,
    /// That it was done, and not where, having acted.
    Nowhere,
    /// This error code, without having acted.
    Code(&'static str),
}

/// A message as it stands in Slack.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) channel: String,
    pub(crate) ts: String,
    pub(crate) thread: Option<String>,
    pub(crate) body: Value,
    pub(crate) edits: usize,
    pub(crate) at: Duration,
}

/// A workspace of the stand-in. Cheap to clone; all clones are one workspace.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    state: Arc<Mutex<State>>,
    started: Instant,
}

#[derive(Debug)]
struct State {
    users: BTreeMap<String, Value>,
    channels: Vec<String>,
    groups: BTreeMap<String, Vec<String>>,
    messages: Vec<Message>,
    whispers: Vec<(String, Value)>,
    views: Vec<(String, Value)>,
    triggers: BTreeMap<String, (Instant, bool)>,
    faults: BTreeMap<String, VecDeque<Fault>>,
    down: bool,
    calls: Vec<(String, Duration)>,
    limits: limits::Limits,
    refused: Vec<String>,
    count: u64,
    secret: String,
    organisation: Option<String>,
    origin: String,
}

impl Workspace {
    /// A workspace with the channel `C0OPS` and nobody in it.
    pub(crate) fn new() -> Self {
        Self::at(ORIGIN)
    }

    /// The same, as it is reached at this address.
    pub(crate) fn at(origin: &str) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                users: BTreeMap::new(),
                channels: vec!["C0OPS".to_owned()],
                groups: BTreeMap::new(),
                messages: Vec::new(),
                whispers: Vec::new(),
                views: Vec::new(),
                triggers: BTreeMap::new(),
                faults: BTreeMap::new(),
                down: false,
                calls: Vec::new(),
                limits: limits::Limits::default(),
                refused: Vec::new(),
                count: 0,
                secret: SECRET.to_owned(),
                organisation: None,
                origin: origin.to_owned(),
            })),
            started: Instant::now(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Adds a member.
    pub(crate) fn user(&self, id: &str) {
        self.user_who(id, json!({}));
    }

    /// Adds somebody of whom something else is true.
    pub(crate) fn user_who(&self, id: &str, other: Value) {
        let mut user = json!({
            "id": id, "team_id": TEAM, "name": id.to_lowercase(), "deleted": false,
            "is_bot": false, "is_restricted": false, "is_ultra_restricted": false,
            "is_email_confirmed": true, "profile": {"display_name": id}
        });
        for (name, value) in other.as_object().unwrap() {
            user[name] = value.clone();
        }
        self.state().users.insert(id.to_owned(), user);
    }

    /// Adds a channel that the app is a member of.
    pub(crate) fn channel(&self, id: &str) {
        self.state().channels.push(id.to_owned());
    }

    /// Adds a user group.
    pub(crate) fn group(&self, id: &str, members: &[&str]) {
        let members = members.iter().map(|id| (*id).to_owned()).collect();
        self.state().groups.insert(id.to_owned(), members);
    }

    /// From now on clicks are of an installation in a whole organisation.
    pub(crate) fn in_organisation(&self, id: &str) {
        self.state().organisation = Some(id.to_owned());
    }

    /// Makes the next calls of a method go wrong, one each.
    pub(crate) fn fail(&self, method: &str, faults: &[Fault]) {
        let mut state = self.state();
        let queue = state.faults.entry(method.to_owned()).or_default();
        queue.extend(faults);
    }

    /// Makes the next call of a method for this conversation, or about this user, go wrong.
    pub(crate) fn fail_at(&self, method: &str, channel: &str, fault: Fault) {
        let mut state = self.state();
        let queue = state
            .faults
            .entry(format!("{method} {channel}"))
            .or_default();
        queue.push_back(fault);
    }

    /// How many calls are still to go wrong: of a test whose faults all happened, none.
    pub(crate) fn faults_left(&self) -> usize {
        let state = self.state();
        state.faults.values().map(VecDeque::len).sum()
    }

    /// Takes the service away, or gives it back.
    pub(crate) fn down(&self, down: bool) {
        self.state().down = down;
    }

    /// Takes messages out, as whoever may delete them does.
    pub(crate) fn delete_messages(&self) {
        self.state().messages.clear();
    }

    /// Every message that is no further one, in order.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let state = self.state();
        let first = state.messages.iter().filter(|m| m.thread.is_none());
        first.cloned().collect()
    }

    /// How many messages there are, further ones too.
    pub(crate) fn count(&self) -> usize {
        self.state().messages.len()
    }

    /// What follows a message in its thread, in order.
    pub(crate) fn thread(&self, ts: &str) -> Vec<Message> {
        let state = self.state();
        let in_thread = |message: &&Message| message.thread.as_deref() == Some(ts);
        state.messages.iter().filter(in_thread).cloned().collect()
    }

    /// What was said privately: to whom, and what.
    pub(crate) fn whispers(&self) -> Vec<(String, String)> {
        let state = self.state();
        let all = state.whispers.iter();
        all.map(|(to, body)| (to.clone(), text_of(body))).collect()
    }

    /// Forms that are open: their ids and what they show.
    pub(crate) fn views(&self) -> Vec<(String, Value)> {
        self.state().views.clone()
    }

    /// The calls that were made: method, and when.
    pub(crate) fn calls(&self, method: &str) -> Vec<Duration> {
        let state = self.state();
        let all = state.calls.iter().filter(|(name, _)| name == method);
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

    /// All messages to the workspace in a minute, at most.
    pub(crate) fn allow_posts(&self, a_minute: usize) {
        self.state().limits.posts = a_minute;
    }
}

#[approvals_core::async_trait]
impl Http for Workspace {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.answer(&request)
    }
}

/// All text that somebody reads in blocks.
pub(crate) fn text_of(body: &Value) -> String {
    fn walk(value: &Value, out: &mut String) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(text)) = members.get("text") {
                    out.push_str(text);
                }
                if matches!(
                    members.get("type").and_then(Value::as_str),
                    Some(
                        "rich_text_section"
                            | "rich_text_preformatted"
                            | "rich_text_quote"
                            | "header"
                    )
                ) {
                    out.push('\n');
                }
                for (name, value) in members {
                    if name != "value" {
                        walk(value, out);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
            _ => {}
        }
    }
    let mut text = String::new();
    walk(&body["blocks"], &mut text);
    text
}
