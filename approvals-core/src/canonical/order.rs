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
    /// Orders as the key does, unless it is equal to another's.
    pub(super) prefix: u128,
}

impl Member {
    #[inline]
    pub(super) fn new(out: &[u8], start: usize, key_end: usize, escaped: bool) -> Self {
        let mut member = Self {
            start,
            key_end,
            end: 0,
            escaped,
            prefix: 0,
        };
        let key = member.written_key(out);
        member.prefix = if escaped {
            prefix(&Unescaped(key.iter()).take(16).collect::<Vec<u8>>())
        } else {
            prefix(key)
        };
        member
    }

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
        self.prefix
            .cmp(&other.prefix)
            .then_with(|| self.order_whole(other, out))
    }

    fn order_whole(&self, other: &Self, out: &[u8]) -> Ordering {
        let (ours, theirs) = (self.written_key(out), other.written_key(out));
        if self.escaped || other.escaped {
            utf16_order(Unescaped(ours.iter()), Unescaped(theirs.iter()))
        } else {
            utf16_order(ours.iter().copied(), theirs.iter().copied())
        }
    }
}

/// The first 16 bytes of a key, padded with zeros, so that most comparisons
/// are one of integers.
#[inline]
fn prefix(key: &[u8]) -> u128 {
    const NOT_ASCII: u128 = u128::from_be_bytes([0x80; 16]);
    let bytes = if let Some(head) = key.first_chunk::<16>() {
        u128::from_be_bytes(*head)
    } else if let (Some(head), Some(tail)) = (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        // Two loads that overlap; the shift drops what is in both.
        let tail = u128::from(u64::from_be_bytes(*tail)) << (8 * (16 - key.len()));
        u128::from(u64::from_be_bytes(*head)) << 64 | tail & u128::from(u64::MAX)
    } else {
        let packed = key
            .iter()
            .fold(0, |packed, &byte| packed << 8 | u64::from(byte));
        u128::from(packed) << 64 << (8 * (8 - key.len()))
    };
    if bytes & NOT_ASCII == 0 {
        bytes
    } else {
        u128::from_be_bytes(bytes.to_be_bytes().map(utf16_rank))
    }
}

/// Compares two UTF-8 texts as if they were UTF-16.
fn utf16_order(a: impl Iterator<Item = u8>, b: impl Iterator<Item = u8>) -> Ordering {
    a.map(utf16_rank).cmp(b.map(utf16_rank))
}

/// Where a byte of UTF-8 sorts when the text is to sort as UTF-16.
///
/// Byte order of UTF-8 is code point order. UTF-16 differs in one place:
/// characters past U+FFFF (lead bytes F0 to F4) start with a surrogate, which
/// sorts before U+E000 to U+FFFF (lead bytes EE and EF).
const fn utf16_rank(byte: u8) -> u8 {
    match byte {
        0xee..=0xef => byte + 5,
        0xf0..=0xf4 => byte - 2,
        _ => byte,
    }
}
