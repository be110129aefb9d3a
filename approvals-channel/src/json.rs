//! JSON written straight into one text, as a template is filled in.
//!
//! What is ours and what came from outside go in through two doors: [`Json::ours`] takes only words
//! that stand in a program, and [`Json::text`] and [`Json::shown`] escape whatever they are given,
//! so that it never ends the string that it stands in.

use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::writing::Piece;

/// JSON that is being written.
#[derive(Debug)]
pub struct Json(String);

impl Json {
    /// Nothing yet, with room for so many bytes.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// Writes JSON of ours as it stands.
    #[inline]
    pub fn ours(&mut self, json: &'static str) -> &mut Self {
        self.0.push_str(json);
        self
    }

    /// Writes text from anywhere as a part of a string that [`ours`](Self::ours) began and ends.
    #[inline]
    pub fn text(&mut self, text: &str) -> &mut Self {
        if is_plain(text.as_bytes()) {
            self.0.push_str(text);
        } else {
            self.escaped(text);
        }
        self
    }

    /// Writes the characters of a piece in the same way.
    #[inline]
    pub fn words(&mut self, piece: &Piece<'_>) -> &mut Self {
        let Piece {
            before,
            text,
            after,
            style: _,
        } = piece;
        if !before.is_empty() {
            self.text(before);
        }
        self.text(text);
        if !after.is_empty() {
            self.text(after);
        }
        self
    }

    /// Writes a whole number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        // As many digits as the largest has.
        let mut digits = [b'0'; 20];
        let (mut rest, mut from) = (number, digits.len());
        for digit in digits.iter_mut().rev() {
            *digit += u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            from -= 1;
            if rest == 0 {
                break;
            }
        }
        let digits = digits.get(from..).map(str::from_utf8);
        if let Some(Ok(digits)) = digits {
            self.0.push_str(digits);
        }
        self
    }

    /// Writes what a value prints as, in the same way.
    pub fn shown(&mut self, value: impl fmt::Display) -> &mut Self {
        // Writing to a text does not fail.
        let _ = write!(Inside(self), "{value}");
        self
    }

    /// Writes items with commas between them.
    pub fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.ours(",");
            }
            write(self, item);
        }
        self
    }

    /// Writes JSON that was written before.
    pub fn value(&mut self, Written(json): &Written) -> &mut Self {
        self.0.push_str(json);
        self
    }

    /// How much was written, in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was written since there were so many bytes.
    #[must_use]
    pub fn since(&self, bytes: usize) -> &str {
        self.0.get(bytes..).unwrap_or_default()
    }

    /// Takes back what was written since there were so many bytes.
    pub fn back_to(&mut self, bytes: usize) {
        self.0.truncate(bytes);
    }

    /// What was written, which is one value by now.
    #[must_use]
    pub fn written(self) -> Written {
        Written(self.0)
    }

    fn escaped(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = first_escaped(rest.as_bytes())
            && let Some((plain, after)) = rest.split_at_checked(at)
        {
            self.0.push_str(plain);
            let mut characters = after.chars();
            match characters.next() {
                None => {}
                Some('"') => self.0.push_str("\\\""),
                Some('\\') => self.0.push_str("\\\\"),
                Some('\n') => self.0.push_str("\\n"),
                Some('\r') => self.0.push_str("\\r"),
                Some('\t') => self.0.push_str("\\t"),
                Some('\u{8}') => self.0.push_str("\\b"),
                Some('\u{c}') => self.0.push_str("\\f"),
                Some(control) => {
                    // Writing to a text does not fail.
                    let _ = write!(self.0, "\\u{:04x}", u32::from(control));
                }
            }
            rest = characters.as_str();
        }
        self.0.push_str(rest);
    }
}

/// The inside of a string that is being written.
struct Inside<'a>(&'a mut Json);

impl fmt::Write for Inside<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.text(text);
        Ok(())
    }
}

const fn is_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Whether no byte has to be escaped.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    !any(bytes, is_escaped)
}

/// Whether a text has this ASCII character, for texts that are short and most often have none.
#[must_use]
#[inline]
pub fn holds(text: &str, character: u8) -> bool {
    any(text.as_bytes(), |byte| byte == character)
}

/// Whether one of the bytes is such a one. The fold over a chunk vectorises; what does not fill one is
/// looked at in one that overlaps the one before.
#[inline]
fn any(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    fn one_of<const N: usize>(chunk: &[u8; N], is: impl Fn(u8) -> bool) -> bool {
        chunk.iter().fold(false, |any, byte| any | is(*byte))
    }
    if let Some(last) = bytes.last_chunk::<16>() {
        let chunks = bytes.as_chunks::<16>().0;
        return chunks.iter().any(|chunk| one_of(chunk, &is)) || one_of(last, &is);
    }
    match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => one_of(first, &is) || one_of(last, &is),
        _ => bytes.iter().any(|byte| is(*byte)),
    }
}

/// Where the first byte is that has to be escaped.
fn first_escaped(bytes: &[u8]) -> Option<usize> {
    let (chunks, _) = bytes.as_chunks::<16>();
    let plain = 16 * chunks.iter().take_while(|chunk| is_plain(*chunk)).count();
    let mut rest = bytes.get(plain..)?.iter();
    rest.position(|byte| is_escaped(*byte)).map(|at| plain + at)
}

/// One JSON value that was written by [`Json`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written(String);

impl Written {
    /// The JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as its own text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl Serialize for Written {
    /// As it stands. That it is JSON is looked at once more: what is not is an error.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_others_escape_it() {
        let every: String = ('\0'..='\u{2ff}').chain(['\u{2028}', '💾']).collect();
        for text in [
            "",
            "plain",
            "\"",
            "a\\",
            "\n\n",
            "a text of more than sixteen bytes, \"quoted\"",
            &every,
        ] {
            for shift in 0..17 {
                let text = format!("{}{text}", "x".repeat(shift));
                let mut json = Json::with_room(0);
                json.ours("\"").text(&text).ours("\"");
                assert_eq!(json.since(0), serde_json::to_string(&text).unwrap());
                let mut json = Json::with_room(0);
                json.ours("\"").shown(&text).ours("\"");
                assert_eq!(json.since(0), serde_json::to_string(&text).unwrap());
            }
        }
    }

    #[test]
    fn a_character_is_found_wherever_it_stands() {
        for length in 0..70 {
            let text = "x".repeat(length);
            assert!(!holds(&text, b'{'));
            for place in 0..length {
                let mut text = text.clone();
                text.replace_range(place..=place, "{");
                assert!(holds(&text, b'{'), "{text}");
            }
        }
    }

    #[test]
    fn a_number_is_written_as_others_write_it() {
        let edges = (0..20).flat_map(|zeros| {
            let power = 10_u64.pow(zeros);
            [power - 1, power, power + 7]
        });
        for number in edges.chain([u64::MAX]) {
            let mut json = Json::with_room(0);
            json.number(number);
            assert_eq!(json.since(0), number.to_string());
        }
    }

    #[test]
    fn what_is_no_json_is_not_sent() {
        let mut json = Json::with_room(0);
        json.ours("[").list(["a", "b"], |json, text| {
            json.ours("\"").text(text).ours("\"");
        });
        assert!(serde_json::to_string(&json.written()).is_err());
        let mut json = Json::with_room(0);
        json.ours("[1").ours("]");
        let written = json.written();
        assert_eq!(serde_json::to_string(&written).unwrap(), written.as_str());
        assert_eq!(
            serde_json::to_value(&written).unwrap(),
            serde_json::json!([1])
        );
    }
}
