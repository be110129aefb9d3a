use std::borrow::Cow;
use std::collections::HashMap;

use super::{Lines, escape, is_plain};

fn one_line(s: &str) -> String {
    escape(s, Lines::Escape).into_owned()
}

#[test]
fn everything_that_does_not_show_is_shown() {
    let ranges: &[(u32, u32)] = &[
        (0x00, 0x1f),
        (0x7f, 0xa0),
        (0xad, 0xad),
        (0x34f, 0x34f),
        (0x61c, 0x61c),
        (0x115f, 0x1160),
        (0x1680, 0x1680),
        (0x17b4, 0x17b5),
        (0x180b, 0x180f),
        (0x2000, 0x200f),
        (0x2028, 0x202f),
        (0x205f, 0x206f),
        (0x2800, 0x2800),
        (0x3000, 0x3000),
        (0x3164, 0x3164),
        (0xe000, 0xf8ff),
        (0xfdd0, 0xfdef),
        (0xfe00, 0xfe0f),
        (0xfeff, 0xfeff),
        (0xffa0, 0xffa0),
        (0xfff9, 0xfffb),
        (0xfffe, 0xffff),
        (0x1d173, 0x1d17a),
        (0x1fffe, 0x1ffff),
        (0xe0000, 0xe0fff),
        (0xf0000, 0x10ffff),
    ];
    for code in ranges.iter().flat_map(|&(from, to)| from..=to) {
        let character = char::from_u32(code).unwrap();
        let text = format!("a{character}b");
        assert_eq!(one_line(&text), format!("a\\u{{{code:x}}}b"));
        assert!(!is_plain(&text));
    }
}

#[test]
fn what_shows_is_left_alone_and_borrowed() {
    let long = "plain ascii, ~ and all ".repeat(100);
    for text in [
        "",
        " ",
        "~",
        "é ü ß",
        "日本語",
        "Ωmega",
        "שלום",
        "مرحبا",
        "😂",
        "→ ✓",
        "C:\\users\\u",
        "\\",
        "\u{fffd}",
        long.as_str(),
    ] {
        assert!(
            matches!(escape(text, Lines::Escape), Cow::Borrowed(same) if same == text),
            "{text}"
        );
        assert!(is_plain(text), "{text}");
    }
}

#[test]
fn line_feeds_stay_only_where_asked_for() {
    assert_eq!(
        escape("a\nb\r\n\t\u{2028}", Lines::Keep),
        "a\nb\\u{d}\n\\u{9}\\u{2028}"
    );
    assert_eq!(one_line("a\nb"), "a\\u{a}b");
    assert!(matches!(escape("a\nb", Lines::Keep), Cow::Borrowed(_)));
    assert!(!is_plain("a\nb"));
}

#[test]
fn terminal_sequences_become_inert() {
    let attack = "ok\u{1b}[1A\u{1b}[2Kdenied\u{9b}31m\u{1b}]0;title\u{7}\u{8}";
    let shown = one_line(attack);
    assert!(shown.chars().all(|c| !c.is_control()), "{shown}");
}

#[test]
fn no_two_texts_look_the_same() {
    const PIECES: [char; 8] = ['\\', 'u', '{', '}', 'a', '\n', '\u{a0}', '5'];
    for lines in [Lines::Keep, Lines::Escape] {
        let mut seen: HashMap<String, String> = HashMap::new();
        for length in 0..=6 {
            for number in 0..8usize.pow(length) {
                let text: String = (0..length)
                    .map(|at| PIECES[number >> (3 * at) & 7])
                    .collect();
                let shown = escape(&text, lines).into_owned();
                assert_eq!(unescape(&shown), text);
                if let Some(other) = seen.insert(shown, text.clone()) {
                    panic!("{text:?} and {other:?}");
                }
            }
        }
    }
}

#[test]
fn every_character_can_be_read_back() {
    for character in '\0'..=char::MAX {
        for text in [
            format!("{character}"),
            format!("\\{character}u{{61}}{character}\\u"),
        ] {
            assert_eq!(unescape(&one_line(&text)), text, "{text:?}");
        }
    }
}

/// Reads `\u{…}` back, from left to right.
fn unescape(shown: &str) -> String {
    let mut out = String::new();
    let mut rest = shown;
    while let Some((before, after)) = rest.split_once("\\u{") {
        let (code, tail) = after.split_once('}').unwrap();
        out.push_str(before);
        out.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        rest = tail;
    }
    out + rest
}
