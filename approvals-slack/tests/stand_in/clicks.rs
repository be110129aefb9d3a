//! What somebody does in Slack, as Slack tells of it: signed callbacks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::Request;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::time::Instant;

use super::{APP, Message, TEAM, Workspace, text_of};

/// The seconds since 1970, now.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A callback with these bytes, signed under a secret as of a time.
pub(crate) fn signed(body: &str, secret: &str, at: u64) -> Request<Bytes> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("v0:{at}:{body}").as_bytes());
    let tag = mac.finalize().into_bytes();
    let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    Request::post("/slack/interactions")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("X-Slack-Request-Timestamp", at.to_string())
        .header("X-Slack-Signature", format!("v0={hex}"))
        .body(Bytes::from(body.to_owned()))
        .unwrap()
}

/// A payload as a form.
pub(crate) fn body(payload: &Value) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("payload", &payload.to_string());
    form.finish()
}

impl Workspace {
    /// What Slack would send now, signed.
    pub(crate) fn callback(&self, payload: &Value) -> Request<Bytes> {
        let secret = self.state().secret.clone();
        signed(&body(payload), &secret, now())
    }

    fn tenant(&self) -> (Value, Value) {
        match &self.state().organisation {
            None => (json!({"id": TEAM, "domain": "example"}), Value::Null),
            Some(id) => (Value::Null, json!({"id": id, "name": "Example"})),
        }
    }

    /// The button of a message that begins its id so.
    pub(crate) fn button(message: &Message, id: &str) -> Option<Value> {
        let blocks = message.body["blocks"].as_array().into_iter().flatten();
        blocks
            .flat_map(|block| block["elements"].as_array().into_iter().flatten())
            .find(|element| {
                element["type"] == "button"
                    && element["action_id"]
                        .as_str()
                        .is_some_and(|own| own.ends_with(id))
            })
            .cloned()
    }

    /// What Slack tells of when somebody presses this button.
    pub(crate) fn press(&self, message: &Message, user: &str, button: &Value) -> Value {
        let (team, enterprise) = self.tenant();
        let mut state = self.state();
        state.count += 1;
        let count = state.count;
        let trigger = format!("{count}.{}.abc", now());
        let until = Instant::now() + Duration::from_secs(3);
        state.triggers.insert(trigger.clone(), (until, false));
        let team_id = state
            .users
            .get(user)
            .map_or(json!(TEAM), |user| user["team_id"].clone());
        json!({
            "type": "block_actions", "api_app_id": APP, "token": "ignored",
            "team": team, "enterprise": enterprise,
            "is_enterprise_install": !enterprise.is_null(),
            "user": {"id": user, "username": user, "name": user, "team_id": team_id},
            "container": {"type": "message", "message_ts": message.ts,
                          "channel_id": message.channel, "is_ephemeral": false},
            "channel": {"id": message.channel, "name": "ops"},
            "message": {"ts": message.ts, "bot_id": "B0BOT", "blocks": message.body["blocks"]},
            "trigger_id": trigger,
            "response_url": format!("{}/actions/{user}/{count}", state.origin),
            "state": {"values": {}},
            "actions": [{"type": "button", "action_id": button["action_id"], "block_id": "b",
                         "value": button["value"], "text": button["text"],
                         "action_ts": format!("{}.{count:06}", now())}]
        })
    }

    /// What Slack tells of when somebody submits a form with this typed into it.
    pub(crate) fn submit(
        &self,
        view: &(String, Value),
        user: &str,
        typed: &[(&str, &str)],
    ) -> Value {
        let (team, enterprise) = self.tenant();
        let mut values = json!({});
        for block in view.1["blocks"].as_array().unwrap() {
            if block["type"] == "input" {
                let name = block["block_id"].as_str().unwrap();
                let found = typed.iter().find(|(field, _)| *field == name);
                let value = found.map(|(_, value)| *value);
                values[name] = json!({name: {"type": "plain_text_input", "value": value}});
            }
        }
        json!({
            "type": "view_submission", "api_app_id": APP,
            "team": team, "enterprise": enterprise,
            "is_enterprise_install": !enterprise.is_null(),
            "user": {"id": user, "name": user, "team_id": TEAM},
            "trigger_id": "after", "response_urls": [],
            "view": {"id": view.0, "type": "modal", "hash": "h",
                     "callback_id": view.1["callback_id"],
                     "private_metadata": view.1["private_metadata"],
                     "state": {"values": values}}
        })
    }

    /// What Slack tells of when somebody gives the app's command with this text.
    pub(crate) fn command(&self, user: &str, text: &str) -> Value {
        let (_, enterprise) = self.tenant();
        let mut state = self.state();
        state.count += 1;
        let count = state.count;
        let mut payload = json!({
            "token": "ignored", "team_id": TEAM, "team_domain": "example",
            "channel_id": "C0OPS", "channel_name": "ops",
            "user_id": user, "user_name": user.to_lowercase(),
            "command": "/approvals", "text": text, "api_app_id": APP,
            "is_enterprise_install": (!enterprise.is_null()).to_string(),
            "response_url": format!("{}/actions/{user}/{count}", state.origin),
            "trigger_id": format!("{count}.{}.abc", now())
        });
        if !enterprise.is_null() {
            payload["enterprise_id"] = enterprise["id"].clone();
        }
        payload
    }

    /// A command as Slack would send it now, signed.
    pub(crate) fn commanded(&self, payload: &Value) -> Request<Bytes> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in payload.as_object().unwrap() {
            form.append_pair(name, value.as_str().unwrap());
        }
        let secret = self.state().secret.clone();
        signed(&form.finish(), &secret, now())
    }

    /// All text of a message and what follows it in its thread.
    pub(crate) fn reads(&self, message: &Message) -> String {
        let mut text = text_of(&message.body);
        for further in self.thread(&message.ts) {
            text.push_str(&text_of(&further.body));
        }
        text
    }
}
