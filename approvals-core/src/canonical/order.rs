use std::cmp::Ordering;

use super::string::Unescaped;

/// One member of an object that is being written, as offsets into the output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// The opening quote of the key.
    pub(super) start: usize,
    /// The closing quote of the key.
    pub(super) key_end: usize,
    /// One past the value; zero until it is written.
    pub(super) end: usize,
    /// Whether the written key holds escapes.
    pub(super) escaped: bool,
}

impl Member {
    /// The key as written, between its quotes.
    fn written_key<'a>(&self, out: &'a [u8]) -> &'a [u8] {
        out.get(self.start + 1..self.key_end).unwrap_or_default()
    }

    /// The key itself.
    pub(super) fn key(&self, out: &[u8]) -> String {
        let bytes: Vec<u8> = Unescaped(self.written_key(out).iter()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// RFC 8785 §3.2.3: by the UTF-16 code units of the unescaped keys.
    #[inline]
    pub(super) fn order(&self, other: &Self, out: &[u8]) -> Ordering {
        let (ours, theirs) = (self.written_key(out), other.written_key(out));
        if self.escaped || other.escaped {
            utf16_order(Unescaped(ours.iter()), Unescaped(theirs.iter()))
        } else {
            utf16_order(ours.iter().copied(), theirs.iter().copied())
        }
    }
}

/// Compares two UTF-8 texts as if they were UTF-16.
///
/// Byte order of UTF-8 is code point order. UTF-16 differs in one place:
/// characters past U+FFFF (lead bytes from F0) start with a surrogate, which
/// sorts before U+E000 to U+FFFF (lead bytes EE and EF).
#[inline]
pub(super) fn utf16_order(
    mut a: impl Iterator<Item = u8>,
    mut b: impl Iterator<Item = u8>,
) -> Ordering {
    loop {
        match (a.next(), b.next()) {
            (Some(x), Some(y)) if x == y => {}
            (Some(x), Some(y)) if x >= 0xee && y >= 0xee => {
                return (x < 0xf0, x).cmp(&(y < 0xf0, y));
            }
            (x, y) => return x.cmp(&y),
        }
    }
}
