//! The part of Block Kit that is used here.
//!
//! Text from outside stands only in [`Inline::Text`] and in plain text, which cannot be markup:
//! Slack reads no link, mention, image, emoji or entity out of them. There is no type here for text
//! that is markup, so none can be sent by mistake.

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

impl Rich {
    /// What stands in it.
    pub(crate) fn elements(&self) -> &[Inline] {
        match self {
            Self::Section { elements }
            | Self::Preformatted { elements }
            | Self::Quote { elements } => elements,
        }
    }

    /// How much room its text takes.
    pub(crate) fn size(&self) -> usize {
        self.elements().iter().map(Inline::size).sum()
    }
}

/// A piece of a paragraph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Inline {
    /// These characters and nothing else. Never empty, which Slack refuses.
    Text {
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        style: Option<Style>,
    },
    /// Notifies a user: an id that was configured or that the directory knows.
    User { user_id: String },
    /// Notifies a user group: an id that was configured.
    Usergroup { usergroup_id: String },
}

impl Inline {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::styled(text, None)
    }

    pub(crate) fn bold(text: impl Into<String>) -> Self {
        Self::styled(text, Some(Style::Bold))
    }

    pub(crate) fn italic(text: impl Into<String>) -> Self {
        Self::styled(text, Some(Style::Italic))
    }

    pub(crate) fn code(text: impl Into<String>) -> Self {
        Self::styled(text, Some(Style::Code))
    }

    fn styled(text: impl Into<String>, style: Option<Style>) -> Self {
        let text = text.into();
        if text.is_empty() {
            return Self::Text {
                text: "(empty)".to_owned(),
                style: Some(Style::Italic),
            };
        }
        Self::Text { text, style }
    }

    fn size(&self) -> usize {
        match self {
            Self::Text { text, .. } => units(text),
            Self::User { .. } | Self::Usergroup { .. } => 16,
        }
    }
}

/// How many UTF-16 units a text has: what is longest of all that Slack may count in.
pub(crate) fn units(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.chars().map(char::len_utf16).sum()
}

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Bold,
    Italic,
    Code,
}

impl Serialize for Style {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self {
            Self::Bold => "bold",
            Self::Italic => "italic",
            Self::Code => "code",
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
