//! A message: a card, and whom it calls.

use approvals_channel::{Saying, Written};
use approvals_core::Record;
use serde::Serialize;

use crate::card::summary;

/// An activity as it is sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    #[serde(rename = "type")]
    kind: &'static str,
    /// Which message it takes the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    summary: String,
    /// Words of ours, and names under which people are called. Nothing from outside.
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    /// How `text` is read, where that is not as Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    text_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entities: Vec<Mention>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Mention {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
    mentioned: Mentioned,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Mentioned {
    id: String,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attachment {
    content_type: &'static str,
    content: Written,
}

impl Attachment {
    pub(crate) const fn of(content: Written) -> Self {
        Self {
            content_type: "application/vnd.microsoft.card.adaptive",
            content,
        }
    }
}

impl Message {
    /// A card, calling these users by their ids.
    pub(crate) fn of(card: Written, record: &Record, calls: &[String]) -> Self {
        Self::with(
            summary(record),
            String::new(),
            calls,
            vec![Attachment::of(card)],
        )
    }

    /// The same in place of a message that is there.
    pub(crate) fn in_place_of(mut self, message: &str) -> Self {
        self.id = Some(message.to_owned());
        self
    }

    /// What is said beside a card.
    pub(crate) fn beside(record: &Record, what: Saying, calls: &[String]) -> Self {
        let words = match what {
            Saying::AlsoAsked => "By now you are asked as well.".to_owned(),
            Saying::StillWaiting => {
                let due = record.late_from().unwrap_or(record.asked.expires_at);
                format!("This still waits for an answer. It is to be decided by {due}.")
            }
        };
        Self::with(summary(record), words, calls, Vec::new())
    }

    /// Words for somebody who did something. Some may be from outside, so no markup is read in them.
    pub(crate) fn words(text: &str) -> Self {
        Self {
            text_format: Some("plain"),
            ..Self::with(text.to_owned(), text.to_owned(), &[], Vec::new())
        }
    }

    fn with(
        summary: String,
        mut text: String,
        calls: &[String],
        attachments: Vec<Attachment>,
    ) -> Self {
        let mut entities = Vec::with_capacity(calls.len());
        for (index, id) in calls.iter().enumerate() {
            // A name of ours: whatever they are called in the directory is text from outside.
            let name = format!("reviewer {}", index + 1);
            let called = format!("<at>{name}</at>");
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&called);
            entities.push(Mention {
                kind: "mention",
                text: called,
                mentioned: Mentioned {
                    id: id.clone(),
                    name,
                },
            });
        }
        Self {
            kind: "message",
            id: None,
            summary,
            text,
            text_format: None,
            entities,
            attachments,
        }
    }
}
