/// Appends `s` as one JSON string: quotes, and the escapes that RFC 8785 §3.2.2.2
/// prescribes (`\b \t \n \f \r \" \\`, `\u00xx` for other controls, nothing else).
pub fn write_str(s: &str, out: &mut String) {
    out.reserve(s.len() + 2);
    out.push('"');
    if needs_escape(s.as_bytes()) {
        write_escaped(s, out);
    } else {
        out.push_str(s);
    }
    out.push('"');
}

/// Appends the inside of the JSON string, without quotes.
pub(crate) fn write_escaped(s: &str, out: &mut String) {
    let mut rest = s;
    while let Some(at) = rest.bytes().position(is_escaped) {
        let Some((plain, tail)) = rest.split_at_checked(at) else {
            break;
        };
        out.push_str(plain);
        let mut characters = tail.chars();
        if let Some(character) = characters.next() {
            push_escape(character, out);
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

/// The length of the inside of the JSON string.
pub(super) fn escaped_len(s: &str) -> usize {
    s.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | 0x08 | 0x09 | 0x0a | 0x0c | 0x0d => 2,
            0x00..=0x1f => 6,
            _ => 1,
        })
        .sum()
}

/// Whether any byte has to be escaped. The fold over chunks vectorises; what is
/// left is looked at in words that may overlap.
#[inline]
pub(super) fn needs_escape(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else {
        return bytes.iter().any(|&byte| is_escaped(byte));
    };
    let (chunks, rest) = bytes.as_chunks::<16>();
    chunks.iter().any(|chunk| {
        chunk
            .iter()
            .fold(false, |any, &byte| any | is_escaped(byte))
    }) || rest
        .first_chunk::<8>()
        .is_some_and(|&word| any_escaped(word))
        || any_escaped(*last)
}

/// Eight bytes at once: a byte below `n` borrows from its highest bit when `n`
/// is subtracted, and a byte equal to `c` is below 1 after `^ c`.
#[inline]
fn any_escaped(word: [u8; 8]) -> bool {
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let below = |word: u64, bound: u8| word.wrapping_sub(all(bound)) & !word & all(0x80);
    let word = u64::from_ne_bytes(word);
    let controls = below(word, 0x20);
    let quotes = below(word ^ all(b'"'), 1);
    let backslashes = below(word ^ all(b'\\'), 1);
    (controls | quotes | backslashes) != 0
}

#[inline]
const fn is_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn push_escape(character: char, out: &mut String) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        control => {
            out.push_str("\\u00");
            for nibble in [u32::from(control) >> 4, u32::from(control) & 0xf] {
                out.extend(char::from_digit(nibble & 0xf, 16));
            }
        }
    }
}

/// Undoes [`write_escaped`], byte by byte. It knows only what this module writes.
pub(super) struct Unescaped<'a>(pub(super) std::slice::Iter<'a, u8>);

impl Iterator for Unescaped<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let byte = *self.0.next()?;
        if byte != b'\\' {
            return Some(byte);
        }
        Some(match *self.0.next()? {
            b'b' => 0x08,
            b't' => b'\t',
            b'n' => b'\n',
            b'f' => 0x0c,
            b'r' => b'\r',
            b'u' => {
                // `\u00xy`: the first two digits are always zero.
                let mut digits = self.0.by_ref().take(4).skip(2);
                let high = hex(*digits.next()?);
                let low = hex(*digits.next()?);
                high << 4 | low
            }
            itself => itself,
        })
    }
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_escaped, needs_escape};

    #[test]
    fn every_byte_is_judged_alike_at_every_place() {
        for length in 1..=50 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b' '; length];
                    bytes[at] = byte;
                    assert_eq!(
                        needs_escape(&bytes),
                        is_escaped(byte),
                        "{byte} at {at} of {length}"
                    );
                }
            }
        }
    }
}
