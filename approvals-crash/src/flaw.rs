//! Flaws that the harness puts in itself, to show that it finds them.

use std::fmt;
use std::str::FromStr;

/// Something that is wrong on purpose. Only the harness's own tests ask for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// An agent that runs the body when it only asked for it.
    RunsUnclaimed,
    /// An agent whose keys are others after every restart, so that it asks and runs again.
    ForgetsKeys,
    /// A reviewer's store that acknowledges votes and keeps none.
    LosesVotes,
    /// Stores that never say that anything is due.
    NeverDue,
    /// An agent whose store acknowledges starts and keeps none.
    LosesStarts,
    /// An agent whose required sink acknowledges events and keeps none.
    LosesEvents,
    /// An agent whose store does not know of a freeze.
    IgnoresFreeze,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::RunsUnclaimed,
        Self::ForgetsKeys,
        Self::LosesVotes,
        Self::NeverDue,
        Self::LosesStarts,
        Self::LosesEvents,
        Self::IgnoresFreeze,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::RunsUnclaimed => "runs-unclaimed",
            Self::ForgetsKeys => "forgets-keys",
            Self::LosesVotes => "loses-votes",
            Self::NeverDue => "never-due",
            Self::LosesStarts => "loses-starts",
            Self::LosesEvents => "loses-events",
            Self::IgnoresFreeze => "ignores-freeze",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Flaw {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|flaw| flaw.as_str() == text)
            .ok_or_else(|| format!("there is no flaw `{text}`"))
    }
}
