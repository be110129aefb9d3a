//! Text as it is read: paragraphs of pieces, each with a style and none of it markup.

use std::borrow::Cow;

/// A text of ours to one person, of at most so many characters: where it was longer it says so.
#[must_use]
pub fn within(text: &str, most: usize) -> String {
    const CUT: &str = " … (cut here: it was longer)";
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let kept = most.saturating_sub(CUT.chars().count());
    text.chars().take(kept).chain(CUT.chars()).collect()
}

/// Paragraphs, one after another.
///
/// All their pieces are in one list: one for each paragraph takes longer to make than to fill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text<'a> {
    pieces: Vec<Piece<'a>>,
    /// How each paragraph is set, and where its pieces end.
    paragraphs: Vec<(Kind, usize)>,
}

impl<'a> Text<'a> {
    /// No paragraphs yet, with room for so many.
    #[must_use]
    pub fn with_room(paragraphs: usize) -> Self {
        Self {
            pieces: Vec::with_capacity(2 * paragraphs),
            paragraphs: Vec::with_capacity(paragraphs),
        }
    }

    /// Adds a paragraph.
    pub fn add(&mut self, kind: Kind, pieces: impl IntoIterator<Item = Piece<'a>>) {
        self.pieces.extend(pieces);
        self.paragraphs.push((kind, self.pieces.len()));
    }

    /// Adds one line.
    pub fn line(&mut self, pieces: impl IntoIterator<Item = Piece<'a>>) {
        self.add(Kind::Line, pieces);
    }

    /// Adds a note of the channel's own.
    pub fn note(&mut self, text: impl Into<Cow<'a, str>>) {
        self.line([Piece::italic(text)]);
    }

    /// Adds a paragraph of another text.
    pub(crate) fn copy(&mut self, paragraph: Paragraph<'_, 'a>) {
        self.add(paragraph.kind, paragraph.pieces.iter().cloned());
    }

    /// How many paragraphs there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.paragraphs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.paragraphs.is_empty()
    }

    /// All paragraphs.
    pub fn paragraphs(&self) -> impl Iterator<Item = Paragraph<'_, 'a>> {
        self.between(0, self.len())
    }

    /// The paragraphs from one up to another.
    pub fn between(&self, from: usize, to: usize) -> impl Iterator<Item = Paragraph<'_, 'a>> {
        let before = from.checked_sub(1).and_then(|at| self.paragraphs.get(at));
        let mut start = before.map_or(0, |(_, end)| *end);
        let paragraphs = self.paragraphs.get(from..to).unwrap_or_default();
        paragraphs.iter().map(move |(kind, end)| {
            let pieces = self.pieces.get(start..*end).unwrap_or_default();
            start = *end;
            Paragraph {
                kind: *kind,
                pieces,
            }
        })
    }

    /// The size of all paragraphs.
    #[must_use]
    pub fn size(&self) -> usize {
        self.pieces.iter().map(Piece::size).sum()
    }

    /// What [`size`](Self::size) is at most, without looking at what the texts consist of.
    #[must_use]
    pub fn at_most(&self) -> usize {
        self.pieces.iter().map(Piece::at_most).sum()
    }
}

/// A paragraph of a [`Text`], or of pieces that stand anywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paragraph<'t, 'a> {
    /// How it is set.
    pub kind: Kind,
    /// What stands in it.
    pub pieces: &'t [Piece<'a>],
}

impl<'t, 'a> Paragraph<'t, 'a> {
    /// One line.
    #[must_use]
    pub const fn line(pieces: &'t [Piece<'a>]) -> Self {
        let kind = Kind::Line;
        Self { kind, pieces }
    }

    /// How much [`room`] its text takes, with what stands around each piece in a message.
    #[must_use]
    pub fn size(&self) -> usize {
        self.pieces.iter().map(Piece::size).sum()
    }
}

/// How a paragraph is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Running text: one line, which breaks where it has to.
    Line,
    /// Text of one width, in a frame.
    Frame,
    /// Somebody else's words, set apart.
    Quote,
}

/// A piece of a paragraph: these characters and nothing else. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Words of ours before the text.
    pub before: &'static str,
    /// The text. Where it is from outside it was escaped by the presentation.
    pub text: Cow<'a, str>,
    /// Words of ours after the text.
    pub after: &'static str,
    /// How they look; `None` for plain.
    pub style: Option<Style>,
}

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A name of ours.
    Bold,
    /// A remark of ours, or somebody's words.
    Italic,
    /// A value.
    Code,
}

impl<'a> Piece<'a> {
    /// Plain text.
    pub fn plain(text: impl Into<Cow<'a, str>>) -> Self {
        Self::styled(text, None)
    }

    /// Bold.
    pub fn bold(text: impl Into<Cow<'a, str>>) -> Self {
        Self::styled(text, Some(Style::Bold))
    }

    /// Italic.
    pub fn italic(text: impl Into<Cow<'a, str>>) -> Self {
        Self::styled(text, Some(Style::Italic))
    }

    /// Of one width.
    pub fn code(text: impl Into<Cow<'a, str>>) -> Self {
        Self::styled(text, Some(Style::Code))
    }

    /// The same between words of ours.
    #[must_use]
    pub(crate) const fn between(mut self, before: &'static str, after: &'static str) -> Self {
        self.before = before;
        self.after = after;
        self
    }

    fn styled(text: impl Into<Cow<'a, str>>, style: Option<Style>) -> Self {
        let text = text.into();
        let (text, style) = match text.is_empty() {
            true => (Cow::Borrowed("(empty)"), Some(Style::Italic)),
            false => (text, style),
        };
        Self {
            before: "",
            text,
            after: "",
            style,
        }
    }

    /// What it consists of, in order.
    #[must_use]
    pub fn parts(&self) -> [&str; 3] {
        [self.before, &self.text, self.after]
    }

    fn size(&self) -> usize {
        WRAPPED + self.parts().into_iter().map(room).sum::<usize>()
    }

    pub(crate) fn at_most(&self) -> usize {
        // A character takes twice as many units as it has bytes where it is escaped, and else fewer.
        WRAPPED + 2 * self.parts().into_iter().map(str::len).sum::<usize>()
    }
}

/// The name of what follows in the same line.
pub fn label<'a>(name: impl Into<Cow<'a, str>>) -> Piece<'a> {
    Piece::bold(name).between("", "  ")
}

/// How many UTF-16 units a text has: what is longest of all that services count in.
#[must_use]
pub fn units(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.chars().map(char::len_utf16).sum()
}

/// What a message holds around a piece: its kind and its style.
const WRAPPED: usize = 48;

/// How much room a text takes in the JSON of a message: its units, and one more for each character
/// that is escaped there.
#[must_use]
pub fn room(text: &str) -> usize {
    let escaped = |byte: &u8| matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | b'\t');
    units(text) + text.bytes().filter(escaped).count()
}

pub(crate) const fn room_of(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        other => other.len_utf16(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_so_and_nothing_else_does() {
        assert_eq!(within("short", 100), "short");
        let whole = "é".repeat(100);
        assert_eq!(within(&whole, 100), whole);
        let cut = within(&"é".repeat(101), 100);
        assert_eq!(cut.chars().count(), 100);
        assert!(cut.ends_with("é … (cut here: it was longer)"), "{cut}");
    }
}
