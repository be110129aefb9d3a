//! Secrets that are known by what stands around them.

use std::ops::Range;

use super::Found;
use super::scan::{Text, looks_random};
use super::tokens::Body;

/// How a secret relates to the literal that announces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// `scheme://user:SECRET@host`
    UserInfo,
    /// `password=SECRET`: any value is one.
    Password,
    /// `token=SECRET`: a value that looks random is one.
    Key(&'static str),
    /// `Bearer SECRET`, `Basic SECRET`
    Scheme(&'static str),
    /// A block of PEM from its first line to its last.
    PrivateKey,
    /// `eyJ….eyJ….…`
    Jwt,
    /// `1234567890:AA…`
    Telegram,
}

/// Literals without regard to case.
pub(super) const CONTEXTS: &[(&str, Context)] = &[
    ("://", Context::UserInfo),
    ("password", Context::Password),
    ("passwd", Context::Password),
    ("passphrase", Context::Password),
    ("pwd", Context::Password),
    ("secretaccesskey", Context::Key("AWS secret key")),
    ("secret_access_key", Context::Key("AWS secret key")),
    ("secret_key", Context::Key("secret key")),
    ("secretkey", Context::Key("secret key")),
    ("secret", Context::Key("secret")),
    ("accountkey", Context::Key("Azure account key")),
    ("sharedaccesskey", Context::Key("Azure access key")),
    ("sig", Context::Key("Azure signature")),
    ("api_key", Context::Key("API key")),
    ("api-key", Context::Key("API key")),
    ("apikey", Context::Key("API key")),
    ("access_key", Context::Key("access key")),
    ("private_key", Context::Key("private key")),
    ("token", Context::Key("token")),
    ("authorization", Context::Key("credentials")),
    ("bearer", Context::Scheme("bearer token")),
    ("basic", Context::Scheme("basic credentials")),
    ("-----BEGIN", Context::PrivateKey),
    ("eyJ", Context::Jwt),
    (":AA", Context::Telegram),
];

impl Context {
    /// `run` is a note that the rule keeps between its calls on one text.
    pub(super) fn find(
        self,
        text: &Text<'_>,
        literal: Range<usize>,
        run: &mut usize,
    ) -> Option<Found> {
        let (range, kind) = match self {
            Self::UserInfo => (user_info(text, literal.end)?, "password in a URL"),
            Self::Password => (password(text, literal, run)?, "password"),
            Self::Key(kind) => (key(text, literal.end, run)?, kind),
            Self::Scheme(kind) => (scheme(text, literal)?, kind),
            Self::PrivateKey => (private_key(text, literal)?, "private key"),
            Self::Jwt => (jwt(text, literal, run)?, "JWT"),
            Self::Telegram => (telegram(text, literal.start)?, "Telegram bot token"),
        };
        Some(Found { range, kind })
    }
}

/// Whether a name ends with a word after which any value, or a random one, is a secret.
pub(super) fn announces(name: &[u8]) -> bool {
    CONTEXTS.iter().any(|(word, context)| {
        let by_name = match context {
            Context::Password | Context::Key(_) => true,
            Context::UserInfo
            | Context::Scheme(_)
            | Context::PrivateKey
            | Context::Jwt
            | Context::Telegram => false,
        };
        let tail = name.len().checked_sub(word.len());
        let tail = tail.and_then(|start| name.get(start..));
        by_name && tail.is_some_and(|tail| tail.eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// The `/` of the next `://` ends the stretch, so none is read twice.
fn user_info(text: &Text<'_>, start: usize) -> Option<Range<usize>> {
    const ENDS: &[u8] = b"/?#\"'<>\\`";
    let end = text.run(start, |byte| byte > b' ' && !ENDS.contains(&byte));
    let authority = text.slice(start..end);
    let at = authority.iter().rposition(|&byte| byte == b'@')?;
    let colon = authority.iter().take(at).position(|&byte| byte == b':')?;
    let range = start + colon + 1..start + at;
    (!is_placeholder(text.slice(range.clone()))).then_some(range)
}

fn password(text: &Text<'_>, name: Range<usize>, run: &mut usize) -> Option<Range<usize>> {
    let value = value(text, name.end, run)?;
    let content = text.slice(value.range.clone());
    let directory = text.slice(name).eq_ignore_ascii_case(b"pwd") && content.starts_with(b"/");
    if directory || is_placeholder(content) {
        return None;
    }
    if !value.quoted {
        if text.at(value.range.end) == Some(b'(') {
            return None;
        }
        // `password: as agreed` is prose; `password: hunter2` is not.
        let head = content.get(..64).unwrap_or(content);
        let last = text
            .at(value.range.end)
            .is_none_or(|byte| matches!(byte, b'\n' | b'\r' | b','));
        let told = last && head.len() >= 6 && head.iter().any(u8::is_ascii_digit);
        if value.after_colon && !told {
            return None;
        }
    }
    Some(value.range)
}

fn key(text: &Text<'_>, name_end: usize, run: &mut usize) -> Option<Range<usize>> {
    // Enough to judge by. What is masked is the whole value.
    const HEAD: usize = 128;
    let value = value(text, name_end, run)?;
    let content = text.slice(value.range.clone());
    let head = content.get(..HEAD).unwrap_or(content);
    let one_word = head
        .iter()
        .all(|&byte| Body::Path.holds(byte) || matches!(byte, b'%' | b'~' | b':' | b'\\' | b'}'));
    let has = |class: fn(&u8) -> bool| head.iter().any(class);
    let base64 = head.len() >= 32
        && !head.starts_with(b"/")
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase);
    (one_word && (looks_random(head) || base64)).then_some(value.range)
}

/// What follows a name and `=` or `:`.
struct Value {
    range: Range<usize>,
    after_colon: bool,
    quoted: bool,
}

/// Reads `=value`, `: value`, `": "value"` and, from JSON inside JSON,
/// `\": \"value\"` after a name.
///
/// `run` is the end of the last unquoted value that the rule read, which is also
/// the end for every name inside that value. A quoted value ends at the next
/// opening quote at the latest. So no text is read more than a few times.
fn value(text: &Text<'_>, name_end: usize, run: &mut usize) -> Option<Value> {
    let spaces = |from| text.bounded_run(from, 16, |byte| byte == b' ' || byte == b'\t');
    let (after_name, _) = quote(text, name_end)?;
    let separator = spaces(after_name);
    let after_colon = match text.at(separator)? {
        b'=' => false,
        b':' => true,
        _ => return None,
    };
    // Also `==`, `=>` and `:=`.
    let after_separator = text.bounded_run(separator + 1, 2, |byte| matches!(byte, b'=' | b'>'));
    let (start, quote) = quote(text, spaces(after_separator))?;
    let end = match quote {
        Some(quote) => quoted_end(text, start, quote),
        None if start < *run => *run,
        None => {
            const ENDS: &[u8] = b"\"';&,<>`(";
            *run = text.run(start, |byte| byte > b' ' && !ENDS.contains(&byte));
            *run
        }
    };
    (end > start).then_some(Value {
        range: start..end,
        after_colon,
        quoted: quote.is_some(),
    })
}

/// A quote with the backslashes that stand before it.
#[derive(Clone, Copy)]
struct Quote {
    byte: u8,
    backslashes: usize,
}

/// Reads a quote if there is one. `None` if there are more backslashes than
/// JSON inside JSON inside JSON has.
fn quote(text: &Text<'_>, from: usize) -> Option<(usize, Option<Quote>)> {
    let at = text.bounded_run(from, 4, |byte| byte == b'\\');
    let backslashes = at - from;
    match text.at(at) {
        Some(byte @ (b'"' | b'\'')) if backslashes < 4 => {
            Some((at + 1, Some(Quote { byte, backslashes })))
        }
        Some(b'\\') => None,
        _ => Some((from, None)),
    }
}

/// Where the value ends that `quote` opened: at the same quote, or the line's end.
fn quoted_end(text: &Text<'_>, start: usize, quote: Quote) -> usize {
    let mut backslashes = 0;
    let end = text.run(start, |byte| {
        if byte == quote.byte {
            // Every level of JSON doubles the backslashes and adds one.
            let closes = backslashes % (2 * (quote.backslashes + 1)) == quote.backslashes;
            backslashes = 0;
            return !closes;
        }
        backslashes = if byte == b'\\' { backslashes + 1 } else { 0 };
        byte != b'\n'
    });
    match text.at(end) {
        Some(byte) if byte == quote.byte => end - quote.backslashes,
        _ => end,
    }
}

fn scheme(text: &Text<'_>, literal: Range<usize>) -> Option<Range<usize>> {
    let start = text.bounded_run(literal.end, 4, |byte| byte == b' ');
    if start == literal.end || !text.is_edge(literal.start) {
        return None;
    }
    let end = text.run(start, |byte| Body::Path.holds(byte) || byte == b'~');
    let content = text.slice(start..end);
    let random = content.len() >= 16
        && content.iter().any(u8::is_ascii_digit)
        && content.iter().any(u8::is_ascii_alphabetic);
    let secret = random || (content.len() >= 6 && follows_authorization(text, literal.start));
    secret.then_some(start..end)
}

/// Whether the header's name stands before `position`.
fn follows_authorization(text: &Text<'_>, position: usize) -> bool {
    let before = text.slice(position.saturating_sub(20)..position);
    let name_len = before
        .iter()
        .rposition(u8::is_ascii_alphabetic)
        .map_or(0, |at| at + 1);
    let name = before.get(..name_len).unwrap_or_default();
    name.len() < before.len() && name.to_ascii_lowercase().ends_with(b"authorization")
}

fn private_key(text: &Text<'_>, literal: Range<usize>) -> Option<Range<usize>> {
    const DASHES: &[u8] = b"-----";
    const LABEL: usize = 64;
    let first_line = text.slice(literal.end..literal.end + LABEL);
    let label_len = find(first_line, DASHES)?;
    find(first_line.get(..label_len)?, b"PRIVATE KEY")?;
    let body = literal.end + label_len + DASHES.len();
    // The dashes of the next block end the stretch, so none is read twice.
    let rest = text.slice(body..text.0.len());
    let body_end = body + find(rest, DASHES).unwrap_or(rest.len());
    let last_line = text.slice(body_end..body_end + LABEL + 8);
    if let Some(label) = last_line.strip_prefix(b"-----END") {
        let closing = find(label, DASHES).map_or(8, |at| 8 + at + DASHES.len());
        return Some(literal.start..body_end + closing);
    }
    // Cut off: base64, white space and headers, if they hold more than prose does.
    let end = Text(text.slice(0..body_end)).run(body, |byte| {
        Body::Path.holds(byte) || byte.is_ascii_whitespace() || matches!(byte, b'\\' | b':' | b',')
    });
    let long_word = text
        .slice(body..end)
        .split(|byte| !byte.is_ascii_alphanumeric())
        .any(|word| word.len() >= 16);
    long_word.then_some(literal.start..end)
}

/// `run` is the end of the last header that was refused.
fn jwt(text: &Text<'_>, literal: Range<usize>, run: &mut usize) -> Option<Range<usize>> {
    // The base64 of `{"`, which is the same in every JWT, case included.
    let starts = |at: usize| text.slice(at..at + 3) == b"eyJ";
    if literal.start < *run || !starts(literal.start) || !text.is_edge(literal.start) {
        return None;
    }
    let segment = |from: usize| text.run(from, |byte| Body::UrlSafe.holds(byte));
    let header = segment(literal.start);
    let is_jwt =
        header - literal.start >= 10 && text.at(header) == Some(b'.') && starts(header + 1);
    if !is_jwt {
        *run = header;
        return None;
    }
    let payload = segment(header + 1);
    if text.at(payload) != Some(b'.') {
        return Some(literal.start..payload);
    }
    Some(literal.start..segment(payload + 1))
}

fn telegram(text: &Text<'_>, colon: usize) -> Option<Range<usize>> {
    const SECRET: usize = 35;
    let before = text.slice(colon.saturating_sub(11)..colon);
    let digits = before
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let start = colon - digits;
    let after_bot = text.slice(start.saturating_sub(3)..start) == b"bot";
    if !(8..=10).contains(&digits) || !(after_bot || text.is_edge(start)) {
        return None;
    }
    let end = colon + 1 + SECRET;
    let secret = text.slice(colon + 1..end);
    let whole = secret.len() == SECRET
        && secret.starts_with(b"AA")
        && secret.iter().all(|&byte| Body::UrlSafe.holds(byte))
        && !text.at(end).is_some_and(|byte| Body::UrlSafe.holds(byte));
    whole.then_some(start..end)
}

/// Whether the whole value says where the secret comes from, or is already masked.
fn is_placeholder(value: &[u8]) -> bool {
    const WORDS: [&[u8]; 7] = [
        b"null",
        b"none",
        b"nil",
        b"true",
        b"false",
        b"undefined",
        b"redacted",
    ];
    match value {
        // Long ones are no placeholders.
        [] => true,
        long if long.len() > 64 => false,
        [b'$', b'{' | b'(', .., b'}' | b')'] => true,
        [b'{', .., b'}'] | [b'<', .., b'>'] | [b'[', .., b']'] => true,
        [b'$', name @ ..] => name
            .iter()
            .all(|&byte| byte.is_ascii_uppercase() || byte == b'_'),
        _ => {
            value.iter().all(|&byte| byte == b'*' || byte == b'.')
                || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
