//! How much a run measures.

/// How much a run measures, from its command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// The real measurement: `cargo bench`.
    Full,
    /// A tenth of the rounds, for a first look: `cargo bench … -- --quick`.
    Quick,
    /// Just enough to show that the bench runs: no `--bench` on the command line.
    Smoke,
}

impl Effort {
    /// Reads the effort from the command line of this process.
    pub fn from_command_line() -> Self {
        let given = |flag: &str| std::env::args().any(|argument| argument == flag);
        if !given("--bench") {
            Self::Smoke
        } else if given("--quick") {
            Self::Quick
        } else {
            Self::Full
        }
    }

    /// The number of rounds to measure, out of those of a full run.
    pub fn rounds(self, full: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Quick => (full / 10).max(5),
            Self::Smoke => 2,
        }
    }

    /// How many requests to park in each step: 1 000 to 1 000 000 in a full run.
    pub fn parked_counts(self) -> &'static [usize] {
        match self {
            Self::Full => &[1_000, 10_000, 100_000, 1_000_000],
            Self::Quick => &[1_000, 10_000, 100_000],
            Self::Smoke => &[100],
        }
    }
}
