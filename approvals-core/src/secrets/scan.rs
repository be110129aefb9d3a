use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::Found;
use super::context::CONTEXTS;
use super::tokens::{Body, Length, TOKENS, Token, Wants, secret_offset};

/// All literals: first the tokens', then the contexts'. `None` only if the table
/// were wrong, which a test rules out.
static LITERALS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let tokens = TOKENS.iter().map(|token| token.literal);
    let contexts = CONTEXTS.iter().map(|(literal, _)| *literal);
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .kind(Some(AhoCorasickKind::DFA))
        .build(tokens.chain(contexts))
        .ok()
});

pub(super) fn scan(text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    if text.is_empty() {
        return found;
    }
    let Some(literals) = LITERALS.as_ref() else {
        // Not reached. If it were, hiding everything is the safe side.
        return vec![Found {
            range: 0..text.len(),
            kind: "unchecked text",
        }];
    };
    let text = Text(text.as_bytes());
    let mut runs = [0; TOKENS.len() + CONTEXTS.len()];
    let mut covered = 0;
    for literal in literals.find_iter(text.0) {
        if literal.end() <= covered {
            continue;
        }
        let rule = literal.pattern().as_usize();
        let Some(run) = runs.get_mut(rule) else {
            continue;
        };
        let hit = match TOKENS.get(rule) {
            Some(token) => text.token(token, literal.range(), run),
            None => CONTEXTS
                .get(rule - TOKENS.len())
                .and_then(|(_, context)| context.find(&text, literal.range(), run)),
        };
        if let Some(mut hit) = hit {
            hit.range.start = hit.range.start.max(covered);
            if hit.range.start < hit.range.end {
                covered = hit.range.end;
                found.push(hit);
            }
        }
    }
    found
}

/// The text as bytes. Secrets are ASCII at their ends, or end where a delimiter
/// does, so that ranges fall on character boundaries.
#[derive(Clone, Copy)]
pub(super) struct Text<'t>(pub(super) &'t [u8]);

impl Text<'_> {
    pub(super) fn at(&self, position: usize) -> Option<u8> {
        self.0.get(position).copied()
    }

    /// As much of the range as there is.
    pub(super) fn slice(&self, range: Range<usize>) -> &[u8] {
        let end = range.end.min(self.0.len());
        self.0.get(range.start..end).unwrap_or_default()
    }

    /// The end of the run of bytes that `wanted` accepts.
    pub(super) fn run(&self, from: usize, mut wanted: impl FnMut(u8) -> bool) -> usize {
        let rest = self.0.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|&&byte| wanted(byte)).count()
    }

    /// The same, of at most `most` bytes.
    pub(super) fn bounded_run(
        &self,
        from: usize,
        most: usize,
        wanted: impl Fn(u8) -> bool,
    ) -> usize {
        let rest = self.0.get(from..).unwrap_or_default();
        from + rest
            .iter()
            .take(most)
            .take_while(|&&byte| wanted(byte))
            .count()
    }

    /// Whether a word can begin here: at the start, after anything but a letter
    /// or digit, and after an escape such as `\n`, `\u000a` or `%3D`.
    pub(super) fn is_edge(&self, position: usize) -> bool {
        let before = self.slice(position.saturating_sub(6)..position);
        match before {
            [.., last] if !last.is_ascii_alphanumeric() => true,
            [] | [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] => true,
            [.., b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => true,
            [b'\\', b'u', digits @ ..] => digits.iter().all(u8::is_ascii_hexdigit),
            _ => false,
        }
    }

    /// `run` is the end of the last stretch that this rule refused. A literal
    /// inside it would be refused for the same reason, and is not read again.
    fn token(&self, token: &Token, literal: Range<usize>, run: &mut usize) -> Option<Found> {
        if literal.start < *run || self.slice(literal.clone()) != token.literal.as_bytes() {
            return None;
        }
        if token.wants != Wants::Nothing && !self.is_edge(literal.start) {
            return None;
        }
        let mut end = self.run(literal.end, |byte| token.body.holds(byte));
        *run = end;
        // A full stop at the end belongs to the sentence.
        while end > literal.end && self.at(end - 1) == Some(b'.') {
            end -= 1;
        }
        let body = self.slice(literal.end..end);
        let long_enough = match token.length {
            Length::Exactly(length) => {
                body.len() == length && !self.at(end).is_some_and(|b| b.is_ascii_alphanumeric())
            }
            Length::AtLeast(length) => body.len() >= length,
        };
        if !long_enough || (token.wants == Wants::Randomness && !looks_random(body)) {
            return None;
        }
        Some(Found {
            range: literal.start + secret_offset(token)..end,
            kind: token.kind,
        })
    }
}

/// Whether 16 letters and digits in a row have both among them.
pub(super) fn looks_random(body: &[u8]) -> bool {
    body.split(|&byte| !Body::Alphanumeric.holds(byte))
        .any(|word| {
            word.len() >= 16
                && word.iter().any(u8::is_ascii_digit)
                && word.iter().any(u8::is_ascii_alphabetic)
        })
}
