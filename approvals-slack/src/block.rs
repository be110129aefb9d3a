//! The part of Block Kit that is used here, written as JSON.
//!
//! Text from outside stands only in [`RichText`] and in plain text, which cannot be markup: Slack
//! reads no link, mention, image, emoji or entity out of them. Nothing here writes text that is
//! markup, so none can be sent by mistake.

use std::borrow::Cow;

use approvals_channel::{Json, Kind, Paragraph, Piece, Style, label};

use crate::message::Mention;

/// The name of a block. An update has blocks of its own: Slack wants new ids for them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockId {
    name: &'static str,
    numbers: [Option<u64>; 2],
}

impl BlockId {
    pub(crate) const fn of(name: &'static str) -> Self {
        let numbers = [None, None];
        Self { name, numbers }
    }

    pub(crate) const fn numbered(name: &'static str, number: u64) -> Self {
        let numbers = [Some(number), None];
        Self { name, numbers }
    }

    pub(crate) const fn updated(name: &'static str, revision: u64, part: u64) -> Self {
        let numbers = [Some(revision), Some(part)];
        Self { name, numbers }
    }

    fn write(self, json: &mut Json) {
        json.ours(r#""block_id":""#).text(self.name);
        for number in self.numbers.into_iter().flatten() {
            json.ours("-").number(number);
        }
        json.ours("\"");
    }
}

/// A title: at most 150 characters.
pub(crate) fn header(json: &mut Json, id: BlockId, text: &str) {
    json.ours(r#"{"type":"header","#);
    id.write(json);
    plain(json.ours(r#","text":"#), text).ours("}");
}

/// Plain text, as Slack marks it. Without emoji, so that `:name:` stays what it is.
fn plain<'j>(json: &'j mut Json, text: &str) -> &'j mut Json {
    json.ours(r#"{"type":"plain_text","text":""#)
        .text(text)
        .ours(r#"","emoji":false}"#)
}

/// Paragraphs, while they are being written.
///
/// Lines that follow each other are one paragraph of several lines, as Slack's own editor writes
/// them. A value has no line feed of its own: it is escaped.
#[derive(Debug)]
pub(crate) struct RichText<'j> {
    json: &'j mut Json,
    /// How the paragraph is set that was written last: it is still open.
    open: Option<Kind>,
}

impl<'j> RichText<'j> {
    pub(crate) fn begin(json: &'j mut Json, id: BlockId) -> Self {
        json.ours(r#"{"type":"rich_text","#);
        id.write(json);
        json.ours(r#","elements":["#);
        Self { json, open: None }
    }

    pub(crate) fn end(self) {
        self.json.ours(match self.open {
            Some(_) => "]}]}",
            None => "]}",
        });
    }

    pub(crate) fn paragraph(&mut self, Paragraph { kind, pieces }: Paragraph<'_, '_>) {
        let Some((first, rest)) = pieces.split_first() else {
            return;
        };
        self.first(kind, first);
        rest.iter().for_each(|piece| self.further(piece));
    }

    /// A note of the channel's own.
    pub(crate) fn note<'a>(&mut self, text: impl Into<Cow<'a, str>>) {
        self.paragraph(Paragraph::line(&[Piece::italic(text)]));
    }

    /// A line that notifies whoever it names.
    pub(crate) fn calls(&mut self, mentions: &[Mention]) {
        if mentions.is_empty() {
            return;
        }
        self.first(Kind::Line, &label("For"));
        for mention in mentions {
            self.json.ours(match mention {
                Mention::User(_) => r#",{"type":"user","user_id":""#,
                Mention::Group(_) => r#",{"type":"usergroup","usergroup_id":""#,
            });
            self.json.text(mention.id()).ours(r#""}"#);
            self.further(&Piece::plain(" "));
        }
    }

    /// The first piece of a paragraph.
    fn first(&mut self, kind: Kind, piece: &Piece<'_>) {
        let before = self.open.replace(kind);
        // Each in one piece: there is one for every line of every message.
        match (before, kind) {
            (Some(Kind::Line), Kind::Line) => self.json.ours(r#",{"type":"text","text":"\n"#),
            _ => {
                if before.is_some() {
                    self.json.ours("]},");
                }
                self.json.ours(match kind {
                    Kind::Line => {
                        r#"{"type":"rich_text_section","elements":[{"type":"text","text":""#
                    }
                    Kind::Frame => {
                        r#"{"type":"rich_text_preformatted","elements":[{"type":"text","text":""#
                    }
                    Kind::Quote => {
                        r#"{"type":"rich_text_quote","elements":[{"type":"text","text":""#
                    }
                })
            }
        };
        inside(self.json, piece);
    }

    /// Another piece of it.
    fn further(&mut self, piece: &Piece<'_>) {
        self.json.ours(r#",{"type":"text","text":""#);
        inside(self.json, piece);
    }
}

/// The characters of a piece and nothing else, after `"text":"`. Never empty, which Slack refuses.
fn inside(json: &mut Json, piece: &Piece<'_>) {
    json.words(piece);
    // Each by itself: how long it is, is known when this is compiled.
    match piece.style {
        None => json.ours(r#""}"#),
        Some(Style::Bold) => json.ours(r#"","style":{"bold":true}}"#),
        Some(Style::Italic) => json.ours(r#"","style":{"italic":true}}"#),
        Some(Style::Code) => json.ours(r#"","style":{"code":true}}"#),
    };
}

/// Buttons: at most 25.
pub(crate) fn actions<'a>(
    json: &mut Json,
    id: BlockId,
    buttons: impl IntoIterator<Item = Button<'a>>,
) {
    json.ours(r#"{"type":"actions","#);
    id.write(json);
    json.ours(r#","elements":["#)
        .list(buttons, |json, button| button.write(json))
        .ours("]}");
}

/// A button.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Button<'a> {
    /// What it is called by: two parts of one word.
    pub(crate) action_id: [&'static str; 2],
    pub(crate) text: &'static str,
    pub(crate) does: Does<'a>,
}

/// What pressing a button does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Does<'a> {
    /// Tells this program, with what was seen.
    Tell {
        style: Option<&'static str>,
        value: &'a str,
    },
    /// Opens our own page.
    Open { url: &'a str },
}

impl Button<'_> {
    fn write(self, json: &mut Json) {
        json.ours(r#"{"type":"button","action_id":""#);
        self.action_id.into_iter().for_each(|part| {
            json.text(part);
        });
        plain(json.ours(r#"","text":"#), self.text);
        match self.does {
            Does::Tell { style, value } => {
                if let Some(style) = style {
                    json.ours(r#","style":""#).text(style).ours("\"");
                }
                json.ours(r#","value":""#).text(value);
            }
            Does::Open { url } => {
                json.ours(r#","url":""#).text(url);
            }
        }
        json.ours(r#""}"#);
    }
}

/// A field of a form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input {
    pub(crate) id: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) optional: bool,
    pub(crate) multiline: bool,
    pub(crate) max_length: u16,
}

impl Input {
    pub(crate) fn write(self, json: &mut Json) {
        json.ours(r#"{"type":"input","#);
        BlockId::of(self.id).write(json);
        plain(json.ours(r#","label":"#), self.label);
        plain(json.ours(r#","hint":"#), self.hint);
        json.ours(r#","optional":"#)
            .shown(self.optional)
            .ours(r#","element":{"type":"plain_text_input","action_id":""#)
            .text(self.id)
            .ours(r#"","multiline":"#)
            .shown(self.multiline)
            .ours(r#","max_length":"#)
            .shown(self.max_length)
            .ours("}}");
    }
}

/// A form, up to its blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Modal<'a> {
    pub(crate) callback_id: &'static str,
    pub(crate) private_metadata: &'a str,
    pub(crate) title: &'static str,
    pub(crate) submit: &'static str,
    pub(crate) close: &'static str,
}

impl Modal<'_> {
    pub(crate) fn write(self, json: &mut Json, blocks: impl FnOnce(&mut Json)) {
        json.ours(r#"{"type":"modal","callback_id":""#)
            .text(self.callback_id)
            .ours(r#"","private_metadata":""#)
            .text(self.private_metadata);
        plain(json.ours(r#"","title":"#), self.title);
        plain(json.ours(r#","submit":"#), self.submit);
        plain(json.ours(r#","close":"#), self.close);
        json.ours(r#","blocks":["#);
        blocks(json);
        json.ours("]}");
    }
}
