//! The bot's token, the keys, and the Connector's calls.

use std::time::Duration;

use approvals_teams::HttpError;
use bytes::Bytes;
use http::{Method, Request, Response, header};
use serde_json::{Value, json};

use super::{APP, Fault, Message, Microsoft, SECRET, State, TENANT};

/// What a refused call is answered: status, code, and what was wrong with it.
type Refused = (u16, &'static str, String);

impl Microsoft {
    /// Answers one request.
    pub(crate) fn answer(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut state = self.state();
        if state.down {
            return Err(HttpError("connection refused".to_owned()));
        }
        let path = request.uri().path().to_owned();
        let parts: Vec<String> = path.split('/').skip(1).map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (kind, at) = match (request.method(), parts.as_slice()) {
            (&Method::POST, [TENANT, "oauth2", "v2.0", "token"]) => ("token", ""),
            (&Method::GET, ["openid"]) => ("openid", ""),
            (&Method::GET, ["keys"]) => ("keys", ""),
            (&Method::POST, ["teams", "v3", "conversations"]) => ("make", ""),
            (&Method::POST, ["teams", "v3", "conversations", at, "activities"]) => ("send", *at),
            (&Method::PUT, ["teams", "v3", "conversations", at, "activities", _]) => {
                ("change", *at)
            }
            (&Method::GET, ["teams", "v3", "conversations", at, "members", _]) => ("member", *at),
            (&Method::GET, ["teams", "v3", "conversations", at, "pagedmembers"]) => {
                ("members", *at)
            }
            _ => {
                state.refused.push(format!("{} {path}", request.method()));
                return Ok(error(404, "NotFound", "no such address"));
            }
        };
        let now = self.started.elapsed();
        state.calls.push((kind, now));
        let faults = state.faults.get_mut(kind);
        let fault = faults.and_then(std::collections::VecDeque::pop_front);
        match fault {
            Some(Fault::Limited(seconds)) => return Ok(limited(Duration::from_secs(seconds))),
            Some(Fault::Unavailable) => return Ok(status(503)),
            Some(Fault::Unreachable) => return Err(HttpError("connection refused".to_owned())),
            Some(Fault::Code(status, code)) => return Ok(error(status, code, "as asked for")),
            _ => {}
        }
        let answer = match kind {
            "token" => state.token(request),
            "openid" => Ok(json!({
                "issuer": "https://api.botframework.com",
                "jwks_uri": format!("{}/keys", state.origin),
                "id_token_signing_alg_values_supported": ["RS256"]
            })),
            "keys" => Ok(json!({"keys": state.keys})),
            _ => {
                if let Err(refused) = state.authorised(request) {
                    Err(refused)
                } else {
                    let body = serde_json::from_slice(request.body()).unwrap_or_default();
                    let place = if kind == "make" {
                        place(&body)
                    } else {
                        at.to_owned()
                    };
                    if let Some(wait) = state.limits.too_early(kind.starts_with("member"), &place) {
                        return Ok(limited(wait));
                    }
                    let last = parts.last().copied().unwrap_or_default();
                    state.act(kind, at, last, &body, now)
                }
            }
        };
        let answer = match answer {
            Ok(answer) => with(&answer),
            Err((status, code, why)) => {
                state.refused.push(format!("{kind}: {code}: {why}"));
                error(status, code, &why)
            }
        };
        match fault {
            Some(Fault::Lost) => Err(HttpError("the connection was reset".to_owned())),
            Some(Fault::FailedAfterActing) => Ok(status(502)),
            Some(Fault::Nowhere) => Ok(with(&json!({}))),
            Some(Fault::Torn) => Ok(Response::new(Bytes::from_static(b"{\"id\":"))),
            _ => Ok(answer),
        }
    }
}

/// Whom a new conversation is with, or the channel that it is in.
fn place(body: &Value) -> String {
    let named = body.pointer("/channelData/channel/id");
    let named = named.or_else(|| body.pointer("/members/0/id"));
    named.and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl State {
    fn token(&mut self, request: &Request<Bytes>) -> Result<Value, Refused> {
        let form: Vec<(String, String)> = form_urlencoded::parse(request.body())
            .into_owned()
            .collect();
        let right = [
            ("grant_type", "client_credentials"),
            ("client_id", APP),
            ("client_secret", SECRET),
            ("scope", "https://api.botframework.com/.default"),
        ];
        let right = right.map(|(name, value)| (name.to_owned(), value.to_owned()));
        if form != right {
            return Err((401, "invalid_client", "AADSTS7000215".to_owned()));
        }
        let token = format!("bot-token-{}", self.token);
        Ok(json!({"token_type": "Bearer", "expires_in": 3_599, "access_token": token}))
    }

    fn authorised(&self, request: &Request<Bytes>) -> Result<(), Refused> {
        let bearer = request.headers().get(header::AUTHORIZATION);
        let right = format!("Bearer bot-token-{}", self.token);
        match bearer.and_then(|value| value.to_str().ok()) == Some(&right) {
            true => Ok(()),
            false => Err((401, "Unauthorized", "another token".to_owned())),
        }
    }

    fn act(
        &mut self,
        kind: &str,
        at: &str,
        last: &str,
        body: &Value,
        now: Duration,
    ) -> Result<Value, Refused> {
        match kind {
            "make" if body["isGroup"] == true => {
                let channel = place(body);
                self.known(&channel)?;
                let activity = body["activity"].clone();
                check(&activity)?;
                self.count += 1;
                let id = format!("{}", 1_700_000_000_000 + self.count);
                let thread = format!("{channel};messageid={id}");
                self.keep(&thread, &id, activity, now);
                Ok(json!({"id": thread, "activityId": id}))
            }
            "make" => {
                let user = place(body);
                if body["tenantId"] != TENANT || !self.members.contains_key(&user) {
                    return Err((403, "ForbiddenOperationException", user));
                }
                let chat = format!("a:{user}");
                if !self.conversations.contains(&chat) {
                    self.conversations.push(chat.clone());
                }
                Ok(json!({"id": chat}))
            }
            "send" => {
                self.known(at)?;
                check(body)?;
                self.count += 1;
                let id = format!("{}", 1_700_000_000_000 + self.count);
                self.keep(at, &id, body.clone(), now);
                Ok(json!({"id": id}))
            }
            "change" => {
                check(body)?;
                let mut all = self.messages.iter_mut();
                let found = all.find(|m| m.conversation == at && m.id == last);
                let message = found
                    .ok_or_else(|| (404, "ActivityNotFoundInConversation", last.to_owned()))?;
                message.activity = body.clone();
                message.edits += 1;
                Ok(json!({"id": last}))
            }
            "member" => {
                self.known(at)?;
                let member = self.members.get(last);
                let member =
                    member.ok_or_else(|| (404, "MemberNotFoundInConversation", last.to_owned()))?;
                Ok(member.clone())
            }
            "members" => {
                self.known(at)?;
                let members: Vec<&Value> = self.members.values().collect();
                Ok(json!({"members": members}))
            }
            other => Err((404, "NotFound", other.to_owned())),
        }
    }

    fn known(&self, conversation: &str) -> Result<(), Refused> {
        let channel = conversation.split(";messageid=").next().unwrap();
        match self.conversations.iter().any(|known| known == channel) {
            true => Ok(()),
            false => Err((403, "BotNotInConversationRoster", conversation.to_owned())),
        }
    }

    fn keep(&mut self, conversation: &str, id: &str, activity: Value, at: Duration) {
        self.messages.push(Message {
            conversation: conversation.to_owned(),
            id: id.to_owned(),
            activity,
            edits: 0,
            at,
        });
    }
}

/// What Teams refuses of a message.
fn check(activity: &Value) -> Result<(), Refused> {
    let bad = |why: &str| Err((400, "BadSyntax", why.to_owned()));
    if activity["type"] != "message" || !activity["summary"].is_string() {
        return bad("no message with a summary");
    }
    if activity.to_string().encode_utf16().count() * 2 > 100_000 {
        return Err((413, "MessageSizeTooBig", String::new()));
    }
    let text = activity["text"].as_str().unwrap_or_default();
    for entity in activity["entities"].as_array().into_iter().flatten() {
        let called = entity["text"].as_str().unwrap_or_default();
        if !text.contains(called) || !called.starts_with("<at>") {
            return bad("somebody is called who does not stand in the text");
        }
    }
    let Some(attachment) = activity["attachments"].get(0) else {
        return if text.is_empty() {
            bad("nothing")
        } else {
            Ok(())
        };
    };
    let card = &attachment["content"];
    let right = attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        && card["type"] == "AdaptiveCard"
        && card["version"] == "1.5";
    let body = card["body"].as_array();
    let actions = body
        .into_iter()
        .flatten()
        .filter(|e| e["type"] == "ActionSet");
    let few = actions
        .flat_map(|set| set["actions"].as_array())
        .all(|actions| actions.len() <= 6);
    if !right || !few || body.is_none_or(Vec::is_empty) {
        return bad("no card that can be shown");
    }
    Ok(())
}

/// A part of an address as it is meant.
fn decoded(part: &str) -> String {
    // A plus stands for itself in a path.
    let form = format!("p={}", part.replace('+', "%2B"));
    let pair = form_urlencoded::parse(form.as_bytes()).next();
    pair.map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn with(json: &Value) -> Response<Bytes> {
    Response::new(Bytes::from(json.to_string()))
}

fn status(status: u16) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"<html>no</html>"));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    response
}

fn error(status: u16, code: &str, why: &str) -> Response<Bytes> {
    let mut response = with(&json!({"error": {"code": code, "message": why}}));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    response
}

fn limited(wait: Duration) -> Response<Bytes> {
    let mut response = error(429, "Throttled", "too often");
    let seconds = wait.as_millis().div_ceil(1_000).to_string();
    let seconds = header::HeaderValue::from_str(&seconds).unwrap();
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}
