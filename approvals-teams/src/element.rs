//! The part of Adaptive Cards that is used here, written as JSON.
//!
//! Text from outside stands only in [`run`]s, out of which Teams reads no link, mention, image or
//! list. A `TextBlock`, which is Markdown, takes only words that stand in this program, so nothing
//! else can be put there by mistake.

use approvals_channel::{Json, Kind, Paragraph, Piece, Style, holds};

/// A card: its version is the one that Teams' documentation names; what is used here is older. What
/// clients say that cannot show it are words of ours.
pub(crate) fn card(json: &mut Json, fallback: &str, body: impl FnOnce(&mut Json)) {
    json.ours(r#"{"type":"AdaptiveCard","version":"1.5","fallbackText":""#)
        .text(fallback)
        .ours(r#"","body":["#);
    body(json);
    json.ours("]}");
}

/// A title: words of ours and nothing else, since it is Markdown.
pub(crate) fn title(json: &mut Json, text: &'static str) {
    json.ours(r#"{"type":"TextBlock","text":""#)
        .text(text)
        .ours(r#"","size":"Large","weight":"Bolder","wrap":true}"#);
}

/// A paragraph after a comma; somebody else's words and what is long are set apart.
pub(crate) fn paragraph(json: &mut Json, Paragraph { kind, pieces }: Paragraph<'_, '_>) {
    let Some((first, rest)) = pieces.split_first() else {
        return;
    };
    // Each in one piece, with how long it is known when this is compiled: there are many in a card.
    match kind {
        Kind::Line => json
            .ours(r#",{"type":"RichTextBlock","inlines":[{"type":"TextRun","text":""#),
        Kind::Frame | Kind::Quote => json.ours(
            r#",{"type":"Container","style":"emphasis","items":[{"type":"RichTextBlock","inlines":[{"type":"TextRun","text":""#,
        ),
    };
    run(json, first, kind);
    for piece in rest {
        run(json.ours(BETWEEN), piece, kind);
    }
    match kind {
        Kind::Line => json.ours("]}"),
        Kind::Frame | Kind::Quote => json.ours("]}]}"),
    };
}

/// A note of the channel's own, after a comma.
pub(crate) fn note(json: &mut Json, text: String) {
    paragraph(json, Paragraph::line(&[Piece::italic(text)]));
}

/// Between two runs, and where the second one's text begins.
const BETWEEN: &str = r#",{"type":"TextRun","text":""#;

/// These characters and nothing else, where the text of a run begins. Two braces in one run could
/// begin a macro that is shown as a date: they are parted, which nobody sees.
fn run(json: &mut Json, piece: &Piece<'_>, kind: Kind) {
    if parted(&piece.text).is_none() {
        json.words(piece);
        return end(json, piece.style, kind);
    }
    json.text(piece.before);
    let mut rest = &*piece.text;
    while let Some((before, after)) = parted(rest) {
        end(json.text(before), piece.style, kind);
        json.ours(BETWEEN);
        rest = after;
    }
    end(json.text(rest).text(piece.after), piece.style, kind);
}

/// Where the text of a run ends.
fn end(json: &mut Json, style: Option<Style>, kind: Kind) {
    let code = style == Some(Style::Code) || kind == Kind::Frame;
    match (style, code) {
        (None | Some(Style::Code), false) => json.ours(r#""}"#),
        (None | Some(Style::Code), true) => json.ours(r#"","fontType":"Monospace"}"#),
        (Some(Style::Bold), false) => json.ours(r#"","weight":"Bolder"}"#),
        (Some(Style::Bold), true) => json.ours(r#"","weight":"Bolder","fontType":"Monospace"}"#),
        (Some(Style::Italic), false) => json.ours(r#"","italic":true}"#),
        (Some(Style::Italic), true) => json.ours(r#"","italic":true,"fontType":"Monospace"}"#),
    };
}

/// Between the first two braces that stand together.
fn parted(text: &str) -> Option<(&str, &str)> {
    // A brace alone is looked for quickly, and most texts have none.
    if !holds(text, b'{') {
        return None;
    }
    let at = text.find("{{")?;
    text.split_at_checked(at + 1)
}

/// Where something is typed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input {
    pub(crate) id: &'static str,
    pub(crate) label: &'static str,
    pub(crate) is_multiline: bool,
    pub(crate) max_length: u16,
}

impl Input {
    pub(crate) fn write(self, json: &mut Json) {
        json.ours(r#"{"type":"Input.Text","id":""#)
            .text(self.id)
            .ours(r#"","label":""#)
            .text(self.label)
            .ours(r#"","isMultiline":"#)
            .ours(if self.is_multiline { "true" } else { "false" })
            .ours(r#","maxLength":"#)
            .number(self.max_length.into())
            .ours("}");
    }
}

/// Buttons: at most five.
pub(crate) fn actions<T>(
    json: &mut Json,
    all: impl IntoIterator<Item = T>,
    write: impl FnMut(&mut Json, T),
) {
    json.ours(r#"{"type":"ActionSet","actions":["#)
        .list(all, write)
        .ours("]}");
}

/// A button that tells this program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Execute<'a> {
    pub(crate) title: &'static str,
    pub(crate) style: Option<&'static str>,
    pub(crate) verb: &'static str,
    /// Names and values that come back.
    pub(crate) data: [(&'static str, &'a str); 2],
}

impl Execute<'_> {
    pub(crate) fn write(self, json: &mut Json) {
        json.ours(r#"{"type":"Action.Execute""#);
        self.looks(json);
        json.ours(r#","verb":""#).text(self.verb).ours("\"");
        self.carries(json);
        // What clients do that are too old for the other.
        json.ours(r#","fallback":{"type":"Action.Submit""#);
        self.looks(json);
        self.carries(json);
        json.ours("}}");
    }

    fn looks(self, json: &mut Json) {
        json.ours(r#","title":""#).text(self.title).ours("\"");
        if let Some(style) = self.style {
            json.ours(r#","style":""#).text(style).ours("\"");
        }
    }

    fn carries(self, json: &mut Json) {
        json.ours(r#","data":{"#)
            .list(self.data, |json, (name, value)| {
                json.ours("\"").text(name).ours(r#"":""#);
                json.text(value).ours("\"");
            })
            .ours("}");
    }
}

/// A button that opens our own page.
pub(crate) fn open(json: &mut Json, title: &'static str, url: &str) {
    json.ours(r#"{"type":"Action.OpenUrl","title":""#)
        .text(title)
        .ours(r#"","url":""#)
        .text(url)
        .ours("\"}");
}
