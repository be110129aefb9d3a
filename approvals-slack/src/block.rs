//! The part of Block Kit that is used here.
//!
//! Text from outside stands only in [`Inline::Text`] and in plain text, which cannot be markup:
//! Slack reads no link, mention, image, emoji or entity out of them. There is no type here for text
//! that is markup, so none can be sent by mistake.

use approvals_channel::{Kind, Paragraph, Piece, Style};
use serde::Serialize;

/// A block of a message or of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Block {
    /// A title: at most 150 characters.
    Header { block_id: String, text: Plain },
    /// Paragraphs.
    RichText {
        block_id: String,
        elements: Vec<Rich>,
    },
    /// Buttons: at most 25.
    Actions {
        block_id: String,
        elements: Vec<Button>,
    },
    /// A field of a form.
    Input {
        block_id: String,
        label: Plain,
        hint: Option<Plain>,
        optional: bool,
        element: Field,
    },
}

/// Plain text, as Slack marks it. Without emoji, so that `:name:` stays what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "plain_text")]
pub(crate) struct Plain {
    text: String,
    emoji: bool,
}

impl Plain {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            emoji: false,
        }
    }
}

/// A paragraph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub(crate) enum Rich {
    /// Running text.
    #[serde(rename = "rich_text_section")]
    Section { elements: Vec<Inline> },
    /// Text of one width, in a frame.
    #[serde(rename = "rich_text_preformatted")]
    Preformatted { elements: Vec<Inline> },
    /// Somebody else's words, set apart.
    #[serde(rename = "rich_text_quote")]
    Quote { elements: Vec<Inline> },
}

impl From<Paragraph> for Rich {
    fn from(Paragraph { kind, pieces }: Paragraph) -> Self {
        let elements = pieces.into_iter().map(Inline::from).collect();
        match kind {
            Kind::Line => Self::Section { elements },
            Kind::Frame => Self::Preformatted { elements },
            Kind::Quote => Self::Quote { elements },
        }
    }
}

/// Lines that follow each other as one paragraph of several lines, as Slack's own editor writes
/// them. A value has no line feed of its own: it is escaped.
pub(crate) fn joined(paragraphs: impl IntoIterator<Item = Rich>) -> Vec<Rich> {
    let mut all: Vec<Rich> = Vec::new();
    for paragraph in paragraphs {
        match (paragraph, all.last_mut()) {
            (Rich::Section { mut elements }, Some(Rich::Section { elements: before })) => {
                match elements.first_mut() {
                    Some(Inline::Text { text, .. }) => text.insert(0, '\n'),
                    _ => before.push(Inline::from(Piece::plain("\n"))),
                }
                before.append(&mut elements);
            }
            (paragraph, _) => all.push(paragraph),
        }
    }
    all
}

/// A piece of a paragraph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Inline {
    /// These characters and nothing else. Never empty, which Slack refuses.
    Text {
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        style: Option<Looks>,
    },
    /// Notifies a user: an id that was configured or that the directory knows.
    User { user_id: String },
    /// Notifies a user group: an id that was configured.
    Usergroup { usergroup_id: String },
}

impl From<Piece> for Inline {
    fn from(Piece { text, style }: Piece) -> Self {
        let style = style.map(Looks);
        Self::Text { text, style }
    }
}

/// How a piece of text looks, as Slack writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Looks(Style);

impl Serialize for Looks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self.0 {
            Style::Bold => "bold",
            Style::Italic => "italic",
            Style::Code => "code",
        };
        serializer.collect_map([(name, true)])
    }
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "button")]
pub(crate) struct Button {
    pub(crate) action_id: String,
    pub(crate) text: Plain,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) style: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
}

/// Where something is typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "plain_text_input")]
pub(crate) struct Field {
    pub(crate) action_id: &'static str,
    pub(crate) multiline: bool,
    pub(crate) max_length: u16,
}

/// A form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "modal")]
pub(crate) struct Modal {
    pub(crate) callback_id: &'static str,
    pub(crate) private_metadata: String,
    pub(crate) title: Plain,
    pub(crate) submit: Plain,
    pub(crate) close: Plain,
    pub(crate) blocks: Vec<Block>,
}
