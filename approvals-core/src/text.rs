//! Showing text from outside without letting it lie.
//!
//! A reviewer must see every character that an argument holds. Controls can
//! move a terminal's cursor, bidirectional controls can reorder a line, and
//! invisible characters can make two names look alike; [`escape`] shows all of
//! them as `\u{…}`. What remains prints as itself, wherever it is put.
//!
//! Lookalike letters (Latin `a`, Cyrillic `а`) and stacked combining marks are
//! visible and are left alone.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What [`escape`] does with line feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Line feeds stay, for a place that shows several lines. Carriage returns
    /// and other separators are escaped all the same.
    Keep,
    /// Line feeds are escaped, for a place that shows one line.
    Escape,
}

/// Shows everything that would be invisible, or change how other text looks, as
/// `\u{…}` with lower-case hexadecimal digits.
///
/// Different inputs give different outputs: a `\` that would look like the
/// beginning of an escape (that is, before `u{`) is itself escaped. Any other
/// `\` stays, so that paths remain readable. Borrows when nothing is escaped.
///
/// ```
/// use approvals_core::text::{Lines, escape};
///
/// assert_eq!(escape("invoice\u{202e}fdp.exe", Lines::Escape), r"invoice\u{202e}fdp.exe");
/// assert_eq!(escape("\x1b[2Jok\n", Lines::Keep), "\\u{1b}[2Jok\n");
/// assert_eq!(escape(r"C:\users \u{61}", Lines::Escape), r"C:\users \u{5c}u{61}");
/// ```
#[must_use]
pub fn escape(s: &str, lines: Lines) -> Cow<'_, str> {
    let Some((clean, rest)) = split_at_first_escaped(s, lines) else {
        return Cow::Borrowed(s);
    };
    let mut out = String::with_capacity(s.len() + 16);
    out.push_str(clean);
    let mut rest = rest;
    loop {
        let mut characters = rest.chars();
        let Some(character) = characters.next() else {
            break;
        };
        // Writing to a string does not fail.
        let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
        let after = characters.as_str();
        match split_at_first_escaped(after, lines) {
            Some((clean, next)) => {
                out.push_str(clean);
                rest = next;
            }
            None => {
                out.push_str(after);
                break;
            }
        }
    }
    Cow::Owned(out)
}

/// Whether [`escape`] with [`Lines::Escape`] would change nothing.
#[must_use]
pub fn is_plain(s: &str) -> bool {
    split_at_first_escaped(s, Lines::Escape).is_none()
}

/// Splits before the first character that has to be escaped.
fn split_at_first_escaped(s: &str, lines: Lines) -> Option<(&str, &str)> {
    if is_all_plain(s.as_bytes()) {
        return None;
    }
    let plain = plain_prefix(s.as_bytes());
    let tail = s.get(plain..)?;
    let at = tail
        .char_indices()
        .find(|&(at, character)| match character {
            ' '..='[' | ']'..='~' => false,
            '\\' => tail.get(at..).is_some_and(|text| text.starts_with("\\u{")),
            '\n' => lines == Lines::Escape,
            other => is_deceptive(other),
        })?
        .0;
    s.split_at_checked(plain + at)
}

/// How many bytes at the beginning, in whole chunks, are printable ASCII other
/// than `\`.
fn plain_prefix(bytes: &[u8]) -> usize {
    let (chunks, _) = bytes.as_chunks::<32>();
    32 * chunks
        .iter()
        .take_while(|chunk| is_plain_chunk(chunk))
        .count()
}

/// Whether all bytes are, which those of most texts are. What does not fill a
/// chunk is looked at in one that overlaps the one before.
fn is_all_plain(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<32>() {
        return is_plain_chunk(last) && plain_prefix(bytes) == bytes.len() / 32 * 32;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>()) {
        return is_plain_chunk(first) && is_plain_chunk(last);
    }
    match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => is_plain_chunk(first) && is_plain_chunk(last),
        _ => bytes.iter().all(|&byte| is_plain_byte(byte)),
    }
}

/// The fold vectorises.
fn is_plain_chunk<const N: usize>(chunk: &[u8; N]) -> bool {
    chunk
        .iter()
        .fold(true, |plain, &byte| plain & is_plain_byte(byte))
}

const fn is_plain_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'\\'
}

/// Whether a character is invisible, looks like a plain space without being
/// one, or acts on the text around it. After Unicode's general categories Cc,
/// Cf, Co, Zl, Zp and Zs, the property `Default_Ignorable_Code_Point`, and the
/// letters and symbols that fonts draw blank.
fn is_deceptive(character: char) -> bool {
    matches!(character,
        // Controls: C0, DEL, C1.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Spaces that are not U+0020.
        | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
        // Soft hyphen, combining grapheme joiner, Arabic letter mark.
        | '\u{ad}' | '\u{34f}' | '\u{61c}'
        // Fillers: Hangul, Khmer, Mongolian selectors and vowel separator, Khitan.
        | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{3164}' | '\u{ffa0}' | '\u{16fe4}'
        // Zero width, marks and embeddings, separators, isolates, invisible operators.
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        // Blank braille; blank musical note head.
        | '\u{2800}' | '\u{1d159}'
        // Variation selectors, byte order mark, interlinear annotation, object replacement.
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffc}'
        // Controls of Egyptian, shorthand and musical notation.
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        // Private use; tags and more variation selectors.
        | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}'
        // Non-characters.
        | '\u{fdd0}'..='\u{fdef}'
    ) || u32::from(character) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests;
