//! What somebody does in Teams, as the Bot Framework tells of it: activities with a token.

use bytes::Bytes;
use http::{Request, header};
use serde_json::{Value, json};

use super::{APP, Message, Microsoft, TENANT, text_of};

impl Microsoft {
    /// A token that is good now.
    pub(crate) fn token(&self) -> String {
        let service = self.service();
        let signer = std::sync::Arc::clone(&self.state().signer);
        signer.token(&service, &json!({}))
    }

    /// What the Bot Framework would send now, with a token.
    pub(crate) fn callback(&self, activity: &Value) -> Request<Bytes> {
        with_token(activity, &self.token())
    }

    /// The button of a message with this title.
    pub(crate) fn button(message: &Message, title: &str) -> Option<Value> {
        let body = message.card()["body"].as_array().into_iter().flatten();
        let mut actions = body.flat_map(|e| e["actions"].as_array().into_iter().flatten());
        actions.find(|action| action["title"] == title).cloned()
    }

    /// What is the same in every activity that is about this message.
    pub(crate) fn activity(&self, message: &Message, user: &str, other: Value) -> Value {
        let personal = message.conversation.starts_with("a:");
        let mut activity = json!({
            "id": "f:6f1", "timestamp": "2026-01-01T00:00:00.000Z", "channelId": "msteams",
            "serviceUrl": self.service(),
            "from": {"id": format!("29:{user}"), "name": "Somebody", "aadObjectId": user},
            "conversation": {
                "id": message.conversation, "tenantId": TENANT,
                "conversationType": if personal { "personal" } else { "channel" }
            },
            "recipient": {"id": format!("28:{APP}"), "name": "Approvals"},
            "replyToId": message.id,
            "channelData": {"tenant": {"id": TENANT}}
        });
        for (name, value) in other.as_object().unwrap() {
            activity[name] = value.clone();
        }
        activity
    }

    /// What is told when somebody presses this button, with this typed into the card.
    pub(crate) fn press(
        &self,
        message: &Message,
        user: &str,
        button: &Value,
        typed: &[(&str, &str)],
    ) -> Value {
        let data = merged(button, typed);
        self.activity(
            message,
            user,
            json!({
                "type": "invoke", "name": "adaptiveCard/action",
                "value": {
                    "action": {"type": "Action.Execute", "id": "", "verb": button["verb"], "data": data},
                    "trigger": "manual"
                }
            }),
        )
    }

    /// The same in a client that only knows what the button falls back to.
    pub(crate) fn submit(
        &self,
        message: &Message,
        user: &str,
        button: &Value,
        typed: &[(&str, &str)],
    ) -> Value {
        let value = merged(&button["fallback"], typed);
        self.activity(message, user, json!({"type": "message", "value": value}))
    }

    /// What is told when the app is installed in or taken out of a conversation.
    pub(crate) fn installation(&self, conversation: &str, user: &str, action: &str) -> Value {
        let message = Message {
            conversation: conversation.to_owned(),
            id: String::new(),
            activity: Value::Null,
            edits: 0,
            at: std::time::Duration::ZERO,
        };
        self.activity(
            &message,
            user,
            json!({"type": "installationUpdate", "action": action, "replyToId": null}),
        )
    }

    /// What is told when somebody writes to the bot in a conversation.
    pub(crate) fn written(&self, conversation: &str, user: &str, text: &str) -> Value {
        let mut activity = self.installation(conversation, user, "add");
        activity["type"] = json!("message");
        activity["text"] = json!(text);
        activity
    }

    /// All text of a message.
    pub(crate) fn reads(message: &Message) -> String {
        text_of(message.card())
    }
}

/// What a button carries with what was typed: whatever has the same name replaces it.
fn merged(button: &Value, typed: &[(&str, &str)]) -> Value {
    let mut data = button["data"].clone();
    for (name, value) in typed {
        data[*name] = json!(value);
    }
    data
}

/// An activity with a token.
pub(crate) fn with_token(activity: &Value, token: &str) -> Request<Bytes> {
    Request::post("/api/messages")
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Bytes::from(activity.to_string()))
        .unwrap()
}
