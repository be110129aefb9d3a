//! The Web API.

use std::time::Duration;

use approvals_slack::HttpError;
use bytes::Bytes;
use http::{Method, Request, Response, header};
use serde_json::{Value, json};

use super::{Fault, Message, State, TEAM, TOKEN, Workspace, checks};

type Code = &'static str;

impl Workspace {
    /// Answers one request.
    pub(crate) fn answer(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut state = self.state();
        if state.down {
            return Err(HttpError("connection refused".to_owned()));
        }
        let path = request.uri().path().to_owned();
        if let Some(user) = path.strip_prefix("/actions/") {
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            let user = user.split('/').next().unwrap().to_owned();
            state.whispers.push((user, body));
            return Ok(Response::new(Bytes::from_static(b"ok")));
        }
        let Some(method) = path.strip_prefix("/api/") else {
            return Ok(status(404));
        };
        let now = self.started.elapsed();
        state.calls.push((method.to_owned(), now));
        let given = arguments(request);
        let named = |name: &str| given.as_ref().ok().and_then(|a| a[name].as_str());
        let place = named("channel").or_else(|| named("user"));
        let here = place.map(|channel| format!("{method} {channel}"));
        let mut next = |name: &str| {
            let faults = state.faults.get_mut(name)?;
            faults.pop_front()
        };
        let fault = here.and_then(|here| next(&here)).or_else(|| next(method));
        match fault {
            Some(Fault::Limited(seconds)) => return Ok(limited(Duration::from_secs(seconds))),
            Some(Fault::Unavailable) => return Ok(status(503)),
            Some(Fault::Unreachable) => return Err(HttpError("connection refused".to_owned())),
            Some(Fault::Code(code)) => return Ok(with(&json!({"ok": false, "error": code}))),
            _ => {}
        }
        let arguments = match given {
            Ok(arguments) => arguments,
            Err(code) => {
                state.refused.push(format!("{method}: {code}"));
                return Ok(with(&json!({"ok": false, "error": code})));
            }
        };
        let channel = arguments["channel"].as_str();
        if let Some(wait) = state.limits.too_early(method, channel) {
            return Ok(limited(wait));
        }
        let answer = match state.act(method, &arguments, now) {
            Ok(mut answer) => {
                answer["ok"] = json!(true);
                answer
            }
            Err((code, detail)) => {
                state.refused.push(format!("{method}: {code}: {detail}"));
                json!({"ok": false, "error": code, "response_metadata": {"messages": [detail]}})
            }
        };
        match fault {
            Some(Fault::Lost) => Err(HttpError("the connection was reset".to_owned())),
            Some(Fault::FailedAfterActing) => Ok(status(500)),
            Some(Fault::FatalAfterActing) => {
                Ok(with(&json!({"ok": false, "error": "fatal_error"})))
            }
            Some(Fault::Nowhere) => Ok(with(&json!({"ok": answer["ok"]}))),
            Some(Fault::Torn) => Ok(Response::new(Bytes::from_static(b"{\"ok\":tr"))),
            _ => Ok(with(&answer)),
        }
    }
}

fn arguments(request: &Request<Bytes>) -> Result<Value, Code> {
    let bearer = request.headers().get(header::AUTHORIZATION);
    if bearer.and_then(|value| value.to_str().ok()) != Some(&format!("Bearer {TOKEN}")) {
        return Err("not_authed");
    }
    if request.method() == Method::GET {
        let query = request.uri().query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        return Ok(pairs
            .map(|(k, v)| (k.into_owned(), Value::from(v)))
            .collect());
    }
    let kind = request.headers().get(header::CONTENT_TYPE);
    if kind.and_then(|value| value.to_str().ok()) != Some("application/json; charset=utf-8") {
        return Err("invalid_post_type");
    }
    serde_json::from_slice(request.body()).map_err(|_| "invalid_json")
}

impl State {
    fn act(
        &mut self,
        method: &str,
        arguments: &Value,
        at: Duration,
    ) -> Result<Value, (Code, String)> {
        let text = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
        match method {
            "chat.postMessage" => {
                let channel = self.conversation(&text("channel"))?;
                self.check(arguments)?;
                self.count += 1;
                let ts = format!("1700000000.{:06}", self.count);
                self.messages.push(Message {
                    channel: channel.clone(),
                    ts: ts.clone(),
                    thread: arguments["thread_ts"].as_str().map(str::to_owned),
                    body: arguments.clone(),
                    edits: 0,
                    at,
                });
                Ok(json!({"channel": channel, "ts": ts, "message": {"ts": ts}}))
            }
            "chat.update" => {
                let (channel, ts) = (text("channel"), text("ts"));
                self.check(arguments)?;
                let found = self
                    .messages
                    .iter_mut()
                    .find(|m| m.channel == channel && m.ts == ts);
                let message = found.ok_or(("message_not_found", ts.clone()))?;
                let ids = |body: &Value| -> Vec<Value> {
                    let blocks = body["blocks"].as_array().into_iter().flatten();
                    blocks.map(|block| block["block_id"].clone()).collect()
                };
                let before = message.body.clone();
                let same = ids(&before).iter().any(|id| ids(arguments).contains(id));
                // Slack asks for new ids with every update; the same update twice is no new one.
                if same && before["blocks"] != arguments["blocks"] {
                    return Err((
                        "block_mismatch",
                        "block ids of the former revision".to_owned(),
                    ));
                }
                message.body = arguments.clone();
                message.edits += 1;
                Ok(json!({"channel": channel, "ts": ts, "text": arguments["text"]}))
            }
            "chat.postEphemeral" => {
                self.conversation(&text("channel"))?;
                self.check_blocks(arguments)?;
                self.whispers.push((text("user"), arguments.clone()));
                Ok(json!({"message_ts": "1700000000.999999"}))
            }
            "views.open" => {
                let trigger = self.triggers.get_mut(&text("trigger_id"));
                let (until, used) = trigger.ok_or(("invalid_trigger_id", String::new()))?;
                if tokio::time::Instant::now() > *until {
                    return Err(("expired_trigger_id", String::new()));
                }
                if std::mem::replace(used, true) {
                    return Err(("exchanged_trigger_id", String::new()));
                }
                let view = &arguments["view"];
                checks::blocks(&view["blocks"], 100).map_err(|why| ("invalid_arguments", why))?;
                for (name, most) in [("title", 24), ("submit", 24), ("close", 24)] {
                    checks::plain(&view[name], most).map_err(|why| ("invalid_arguments", why))?;
                }
                let metadata = view["private_metadata"].as_str().unwrap_or_default();
                if metadata.chars().count() > 3_000 {
                    return Err(("invalid_arguments", "private_metadata".to_owned()));
                }
                let id = format!("V{}", self.views.len());
                self.views.push((id.clone(), view.clone()));
                Ok(json!({"view": {"id": id}}))
            }
            "users.info" => {
                let user = self.users.get(&text("user"));
                let user = user.ok_or(("user_not_found", text("user")))?;
                Ok(json!({"user": user}))
            }
            "users.lookupByEmail" => {
                let email = text("email");
                let has = |user: &&Value| {
                    let own = user["profile"]["email"].as_str();
                    own.is_some_and(|own| own.eq_ignore_ascii_case(&email))
                };
                let user = self.users.values().find(has);
                let user = user.ok_or(("users_not_found", email.clone()))?;
                Ok(json!({"user": user}))
            }
            "usergroups.users.list" => {
                let members = self.groups.get(&text("usergroup"));
                let members = members.ok_or(("no_such_subteam", text("usergroup")))?;
                Ok(json!({"users": members}))
            }
            "auth.test" => Ok(json!({"team_id": TEAM, "user_id": "U0BOT", "bot_id": "B0BOT"})),
            other => Err(("unknown_method", other.to_owned())),
        }
    }

    /// The conversation of this id; of a user, the direct messages with the app.
    fn conversation(&self, id: &str) -> Result<String, (Code, String)> {
        if self.users.contains_key(id) {
            return Ok(format!("D{}", &id[1..]));
        }
        let direct = id
            .strip_prefix('D')
            .is_some_and(|rest| self.users.contains_key(&format!("U{rest}")));
        if direct || self.channels.iter().any(|known| known == id) {
            return Ok(id.to_owned());
        }
        Err(("channel_not_found", id.to_owned()))
    }

    fn check(&self, arguments: &Value) -> Result<(), (Code, String)> {
        if arguments["parse"] != "none" || !arguments["link_names"].is_null() {
            return Err((
                "invalid_arguments",
                "outside text could be read as markup".to_owned(),
            ));
        }
        self.check_blocks(arguments)
    }

    fn check_blocks(&self, arguments: &Value) -> Result<(), (Code, String)> {
        let text = arguments["text"].as_str().unwrap_or_default();
        if text.is_empty() || text.chars().count() > 4_000 {
            return Err(("no_text", text.to_owned()));
        }
        checks::blocks(&arguments["blocks"], 50).map_err(|why| ("invalid_blocks", why))
    }
}

fn with(json: &Value) -> Response<Bytes> {
    Response::new(Bytes::from(json.to_string()))
}

fn status(status: u16) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"<html>no</html>"));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    response
}

fn limited(wait: Duration) -> Response<Bytes> {
    let mut response = with(&json!({"ok": false, "error": "ratelimited"}));
    *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
    let seconds = wait.as_millis().div_ceil(1_000).to_string();
    let seconds = header::HeaderValue::from_str(&seconds).unwrap();
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}
