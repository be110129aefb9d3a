//! Hostile text, the same in every run of a seed.

/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, good enough to pick fragments.
pub(crate) struct Hostile(u64);

/// What has deceived people elsewhere, and the words that our own lines begin with.
const FRAGMENTS: &[&str] = &[
    "\u{202e}",
    "\u{202a}",
    "\u{2066}",
    "\u{2069}",
    "\u{200b}",
    "\u{200d}",
    "\u{feff}",
    "\u{2060}",
    "\u{ad}",
    "\u{3164}",
    "\u{2800}",
    "\u{e0041}",
    "\u{fe0f}",
    "\x1b[2J",
    "\x1b]8;;http://x\x07",
    "\x1b[1A\x1b[2K",
    "\r",
    "\n",
    "\r\n",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\t",
    "\0",
    "\u{8}",
    "\u{7f}",
    "`",
    "```",
    "\"",
    "'",
    "\\",
    "\\n",
    "\\u{202e}",
    "\\u202e",
    "</b>",
    "[ok](http://x)",
    "*",
    "_",
    "<!channel>",
    " = ",
    "=",
    "(",
    ")",
    ", ",
    ": ",
    "; ",
    "risk: low",
    "\nrisk: low",
    "\nargument     rows = 1",
    "argument     rows = 1",
    " (bound by this text)",
    "\" (bound by",
    "not shown and not bound",
    "\nthe agent claims: \"\"",
    "\"\nmasked       ",
    "digest       ",
    "\nwho agrees   nobody",
    "person:alice",
    "дb",
    "שלום",
    "مرحبا",
    "é",
    "e\u{301}",
    "漢",
    "😂",
    "a",
    "b",
    "1",
    "",
    " ",
    "   ",
];

impl Hostile {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// Up to eight fragments, one in four any character that there is.
    pub(crate) fn text(&mut self) -> String {
        let count = self.below(9);
        (0..count).map(|_| self.fragment()).collect()
    }

    fn fragment(&mut self) -> String {
        if self.below(4) > 0 {
            return FRAGMENTS[self.below(FRAGMENTS.len())].to_owned();
        }
        loop {
            let code = u32::try_from(self.below(0x11_0000)).unwrap();
            if let Some(character) = char::from_u32(code) {
                return character.to_string();
            }
        }
    }

    /// A value with hostile text at every place where one can be.
    pub(crate) fn value(&mut self, depth: usize) -> serde_json::Value {
        match self.below(if depth == 0 { 4 } else { 6 }) {
            0 => self.next().into(),
            1 => serde_json::Value::Null,
            2 | 3 => self.text().into(),
            4 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let members = (0..self.below(4)).map(|_| (self.text(), self.value(depth - 1)));
                serde_json::Value::Object(members.collect())
            }
        }
    }
}
