//! Bytes that somebody spoilt: the same ones in every run, so that what they find is found again.

/// What spoils bytes, from a seed.
#[derive(Debug, Clone)]
pub struct Mutations(u64);

/// Pieces that mean something to those who read callbacks.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "-1",
    "1e999",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "%00",
    "%",
    "&payload=",
    "=",
    ".",
    "..",
    "A",
    "\0",
    "\u{202e}",
    "💾",
    "Bearer ",
    "v0=",
    "RS256",
    "none",
    "[[[[[[[[",
    "{\"a\":",
    "\n",
    "\r\n",
    " ",
];

impl Mutations {
    /// From this seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed | 1)
    }

    /// A number below `most`, or zero.
    pub fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let most = u64::try_from(most).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.0 % most).unwrap_or(0)
    }

    /// The same bytes with up to eight things wrong with them.
    #[must_use]
    pub fn spoil(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut spoilt = bytes.to_vec();
        for _ in 0..=self.below(8) {
            let (from, to) = (self.below(spoilt.len()), self.below(spoilt.len()));
            let (from, to) = (from.min(to), from.max(to));
            match self.below(7) {
                0 => {
                    if let Some(byte) = spoilt.get_mut(from) {
                        *byte ^= 1 << (to % 8);
                    }
                }
                1 => spoilt.truncate(to),
                2 => {
                    spoilt.drain(from..to.min(from + 40));
                }
                3 => {
                    let again: Vec<u8> = spoilt.drain(from..to).collect();
                    spoilt.splice(
                        from..from,
                        again.iter().chain(&again).copied().take(100_000),
                    );
                }
                4 => spoilt
                    .splice(from..from, std::iter::repeat_n(b'[', to))
                    .for_each(drop),
                5 => {
                    let number = u8::try_from(self.below(256)).unwrap_or_default();
                    if let Some(byte) = spoilt.get_mut(from) {
                        *byte = number;
                    }
                }
                _ => {
                    let piece = PIECES.get(self.below(PIECES.len())).copied();
                    let piece = piece.unwrap_or_default();
                    spoilt.splice(from..from, piece.bytes());
                }
            }
        }
        spoilt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_spoils_in_the_same_way_and_nothing_is_too_short() {
        let spoil = |seed| {
            let mut mutations = Mutations::seeded(seed);
            (0..100)
                .map(|n| mutations.spoil(&vec![b'x'; n]))
                .collect::<Vec<_>>()
        };
        assert_eq!(spoil(7), spoil(7));
        assert_ne!(spoil(7), spoil(8));
    }
}
