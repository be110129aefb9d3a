//! The part of Adaptive Cards that is used here.
//!
//! Text from outside stands only in [`Run`]s, out of which Teams reads no link, mention, image or
//! list. There is no way here to put it into a `TextBlock`, which is Markdown, so none can be put
//! there by mistake.

use approvals_channel::{Kind, Paragraph, Piece, Style};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// The version that Teams' documentation names; what is used here is older.
const VERSION: &str = "1.5";

/// A card.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "type", rename = "AdaptiveCard")]
pub(crate) struct Card {
    version: &'static str,
    /// For clients that cannot show it: words of ours.
    fallback_text: String,
    pub(crate) body: Vec<Element>,
}

impl Card {
    pub(crate) fn new(fallback_text: String, body: Vec<Element>) -> Self {
        Self {
            version: VERSION,
            fallback_text,
            body,
        }
    }
}

/// What a card consists of.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type")]
pub(crate) enum Element {
    /// A title: words of ours and nothing else, since it is Markdown.
    TextBlock {
        text: &'static str,
        size: &'static str,
        weight: &'static str,
        wrap: bool,
    },
    /// A paragraph.
    RichTextBlock { inlines: Vec<Run> },
    /// Somebody else's words, set apart.
    Container {
        style: &'static str,
        items: Vec<Element>,
    },
    /// Where something is typed.
    #[serde(rename = "Input.Text", rename_all = "camelCase")]
    Input {
        id: &'static str,
        label: &'static str,
        is_multiline: bool,
        max_length: u16,
    },
    /// Buttons: at most five.
    ActionSet { actions: Vec<Action> },
}

impl Element {
    pub(crate) fn title(text: &'static str) -> Self {
        Self::TextBlock {
            text,
            size: "Large",
            weight: "Bolder",
            wrap: true,
        }
    }
}

impl From<Paragraph> for Element {
    fn from(Paragraph { kind, pieces }: Paragraph) -> Self {
        let runs = pieces.into_iter().flat_map(|piece| runs(piece, kind));
        let block = Self::RichTextBlock {
            inlines: runs.collect(),
        };
        match kind {
            Kind::Line => block,
            Kind::Frame | Kind::Quote => Self::Container {
                style: "emphasis",
                items: vec![block],
            },
        }
    }
}

/// These characters and nothing else.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "type", rename = "TextRun")]
pub(crate) struct Run {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    italic: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    font_type: Option<&'static str>,
}

/// A piece as runs. Two braces in one run could begin a macro that is shown as a date: they are
/// parted, which nobody sees.
fn runs(Piece { text, style }: Piece, kind: Kind) -> Vec<Run> {
    let code = style == Some(Style::Code) || kind == Kind::Frame;
    let run = |text: String| Run {
        text,
        weight: (style == Some(Style::Bold)).then_some("Bolder"),
        italic: (style == Some(Style::Italic)).then_some(true),
        font_type: code.then_some("Monospace"),
    };
    let mut all = Vec::with_capacity(1);
    let mut rest = text.as_str();
    while let Some(at) = rest.find("{{") {
        let (before, after) = rest.split_at(at + 1);
        all.push(run(before.to_owned()));
        rest = after;
    }
    all.push(run(rest.to_owned()));
    all
}

/// A button.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Tells this program.
    Execute {
        title: &'static str,
        style: Option<&'static str>,
        verb: &'static str,
        data: Value,
    },
    /// Opens our own page.
    Open { title: &'static str, url: String },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Wire<'a> {
    #[serde(rename = "Action.Execute")]
    Execute {
        title: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        style: Option<&'a str>,
        verb: &'a str,
        data: &'a Value,
        fallback: Box<Wire<'a>>,
    },
    /// What clients do that are too old for the other.
    #[serde(rename = "Action.Submit")]
    Submit {
        title: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        style: Option<&'a str>,
        data: &'a Value,
    },
    #[serde(rename = "Action.OpenUrl")]
    Open { title: &'a str, url: &'a str },
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = match self {
            Self::Execute {
                title,
                style,
                verb,
                data,
            } => {
                let style = *style;
                let fallback = Box::new(Wire::Submit { title, style, data });
                Wire::Execute {
                    title,
                    style,
                    verb,
                    data,
                    fallback,
                }
            }
            Self::Open { title, url } => Wire::Open { title, url },
        };
        wire.serialize(serializer)
    }
}

/// How much of a message this takes at most, in UTF-16 units, however whoever counts writes JSON:
/// with every character escaped that can be, and with spaces.
pub(crate) fn weight(value: &impl Serialize) -> usize {
    let mut scale = Scale::default();
    // Nothing that it is written to can fail.
    let _ = serde_json::to_writer(&mut scale, value);
    scale.weight
}

/// Weighs JSON as it is written, and keeps none of it.
#[derive(Default)]
struct Scale {
    weight: usize,
    inside: bool,
    escaped: bool,
}

impl std::io::Write for Scale {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            self.weight += match byte {
                b',' | b':' if !self.inside => 2,
                0..=0x7f => 1,
                // The rest of a character, which its first byte stood for.
                0x80..=0xbf => 0,
                0xc0..=0xef => 6,
                0xf0..=0xff => 12,
            };
            if self.escaped {
                self.escaped = false;
            } else if self.inside && *byte == b'\\' {
                self.escaped = true;
            } else if *byte == b'"' {
                self.inside = !self.inside;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_counts_escapes_and_spaces_that_others_would_write() {
        // As another writer has it: `{"a": "\u00e9", "b": [1, 2]}`.
        let value = serde_json::json!({"a": "é", "b": [1, 2]});
        assert_eq!(weight(&value), r#"{"a": "\u00e9", "b": [1, 2]}"#.len());
        assert_eq!(weight(&"💾"), 2 + 12);
        assert_eq!(weight(&"a,b:c\"d"), r#""a,b:c\"d""#.len());
    }
}
