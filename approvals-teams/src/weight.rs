//! How much of a message JSON takes at most, in UTF-16 units, however whoever counts writes it: with
//! every character escaped that can be, and with spaces.

/// The weight, byte by byte.
pub(crate) fn weight(json: &str) -> usize {
    let (mut weight, mut inside, mut escaped) = (0, false, false);
    for byte in json.bytes() {
        weight += match byte {
            // No space follows it inside of a text.
            b',' | b':' if inside => 1,
            other => usize::from(heaviest(other)),
        };
        if escaped {
            escaped = false;
        } else if inside && byte == b'\\' {
            escaped = true;
        } else if byte == b'"' {
            inside = !inside;
        }
    }
    weight
}

/// What the weight is at most, without looking at what is inside of texts. Most cards are far from
/// full, and have nothing but ASCII: of that only commas and colons weigh more than one, and counting
/// them vectorises.
pub(crate) fn at_most(json: &str) -> usize {
    let (chunks, rest) = json.as_bytes().as_chunks::<CHUNK>();
    let chunks = chunks.iter().map(|chunk| {
        let (all, heavier) = chunk.iter().fold((0, 0_u8), |(all, heavier), byte| {
            let heavy = u8::from(*byte == b',') | u8::from(*byte == b':');
            // Not more than there are bytes in a chunk.
            (all | byte, heavier.wrapping_add(heavy))
        });
        match all {
            0..=0x7f => CHUNK + usize::from(heavier),
            0x80..=0xff => one_by_one(chunk),
        }
    });
    chunks.sum::<usize>() + one_by_one(rest)
}

const CHUNK: usize = 64;

fn one_by_one(bytes: &[u8]) -> usize {
    bytes.iter().map(|byte| usize::from(heaviest(*byte))).sum()
}

/// What a byte weighs at most. The first of a character stands for all of it.
const fn heaviest(byte: u8) -> u8 {
    match byte {
        b',' | b':' => 2,
        0..=0x7f => 1,
        0x80..=0xbf => 0,
        0xc0..=0xef => 6,
        0xf0..=0xff => 12,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_counts_escapes_and_spaces_that_others_would_write() {
        // As another writer has it: `{"a": "\u00e9", "b": [1, 2]}`.
        let value = serde_json::json!({"a": "é", "b": [1, 2]});
        let theirs = r#"{"a": "\u00e9", "b": [1, 2]}"#.len();
        assert_eq!(weight(&value.to_string()), theirs);
        assert_eq!(weight("\"💾\""), 2 + 12);
        assert_eq!(weight(r#""a,b:c\"d""#), r#""a,b:c\"d""#.len());
    }

    #[test]
    fn nothing_weighs_more_than_it_does_at_most() {
        let text = "a,b:\"c\"\\ é💾{[".repeat(20);
        for (end, _) in text.char_indices() {
            let json = serde_json::json!({"a": text[..end], "b": [1, 2]}).to_string();
            assert!(weight(&json) <= at_most(&json), "{json}");
        }
        let plain = serde_json::json!({"a": "b".repeat(100), "c": [1, "é", "💾"]}).to_string();
        assert_eq!(weight(&plain), at_most(&plain));
    }
}
