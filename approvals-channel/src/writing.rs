//! Text as it is read: paragraphs of pieces, each with a style and none of it markup.

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

/// A paragraph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph {
    /// How it is set.
    pub kind: Kind,
    /// What stands in it.
    pub pieces: Vec<Piece>,
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

impl Paragraph {
    /// One line.
    #[must_use]
    pub const fn line(pieces: Vec<Piece>) -> Self {
        let kind = Kind::Line;
        Self { kind, pieces }
    }

    /// A note of the channel's own.
    #[must_use]
    pub fn note(text: impl Into<String>) -> Self {
        Self::line(vec![Piece::italic(text)])
    }

    /// How much [`room`] its text takes, with what stands around each piece in a message.
    #[must_use]
    pub fn size(&self) -> usize {
        let pieces = self.pieces.iter();
        pieces.map(|piece| WRAPPED + room(&piece.text)).sum()
    }
}

/// A piece of a paragraph: these characters and nothing else. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The characters. Where they are from outside they were escaped by the presentation.
    pub text: String,
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

impl Piece {
    /// Plain text.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::styled(text, None)
    }

    /// Bold.
    pub fn bold(text: impl Into<String>) -> Self {
        Self::styled(text, Some(Style::Bold))
    }

    /// Italic.
    pub fn italic(text: impl Into<String>) -> Self {
        Self::styled(text, Some(Style::Italic))
    }

    /// Of one width.
    pub fn code(text: impl Into<String>) -> Self {
        Self::styled(text, Some(Style::Code))
    }

    fn styled(text: impl Into<String>, style: Option<Style>) -> Self {
        let text = text.into();
        if text.is_empty() {
            return Self {
                text: "(empty)".to_owned(),
                style: Some(Style::Italic),
            };
        }
        Self { text, style }
    }
}

/// The name of what follows in the same line.
#[must_use]
pub fn label(name: &str) -> Piece {
    Piece::bold(format!("{name}  "))
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
    text.chars().map(room_of).sum()
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
