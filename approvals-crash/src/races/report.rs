//! What the races came to.

use std::collections::BTreeMap;
use std::fmt;

use approvals_core::Phase;

use super::told::{Told, Want};
use super::{MANY, RACERS, Races};
use crate::trail::{Broken, Violation};

/// What the races came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// Who wanted what of which.
    pub seed: u64,
    /// Which store.
    pub backend: String,
    /// How many requests were raced for.
    pub races: u64,
    /// By how the request ended.
    pub ended: BTreeMap<String, u64>,
    /// How often each of the six things took effect. A yes is followed by another one.
    pub took_effect: BTreeMap<String, u64>,
    /// How often somebody was told that what they wanted took effect.
    pub won: BTreeMap<String, u64>,
    /// How often somebody was told what stood instead.
    pub lost: BTreeMap<String, u64>,
    /// How often they were told by name who had decided.
    pub named: u64,
    /// What must not be.
    pub violations: Vec<Violation>,
}

impl Report {
    pub(super) fn new(races: &Races) -> Self {
        Self {
            seed: races.seed,
            backend: races.backend.to_string(),
            races: races.races,
            ended: BTreeMap::new(),
            took_effect: Want::ALL.map(|want| (want.to_string(), 0)).into(),
            won: BTreeMap::new(),
            lost: BTreeMap::new(),
            named: 0,
            violations: Vec::new(),
        }
    }

    pub(super) fn told(&mut self, want: Want, told: &Told) {
        self.named += u64::from(matches!(told, Told::Lost(_, Some(_))));
        let counts = match told {
            Told::Won(_) => &mut self.won,
            Told::Lost(..) | Told::Odd(_) => &mut self.lost,
        };
        *counts.entry(want.to_string()).or_default() += 1;
    }

    pub(super) fn took_effect(&mut self, want: Want, times: usize) {
        let times = u64::try_from(times).unwrap_or(u64::MAX);
        *self.took_effect.entry(want.to_string()).or_default() += times;
    }

    /// Races that one of the six things never wins are none.
    pub(super) fn judge_itself(&mut self) {
        if self.races < MANY {
            return;
        }
        for (want, _) in self.took_effect.iter().filter(|(_, times)| **times == 0) {
            self.violations.push(Violation {
                broken: Broken::NeverWon,
                found: format!("{want} never took effect in {} races", self.races),
            });
        }
    }

    pub(super) fn ended(&mut self, phase: Phase) {
        *self.ended.entry(phase.to_string()).or_default() += 1;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "backend {}, seed {}", self.backend, self.seed)?;
        writeln!(
            f,
            "races {} of {RACERS} processes, each of which wants everything",
            self.races
        )?;
        writeln!(f, "requests ended: {}", Counts(&self.ended))?;
        writeln!(f, "took effect: {}", Counts(&self.took_effect))?;
        writeln!(f, "told that they won: {}", Counts(&self.won))?;
        writeln!(f, "told what stood: {}", Counts(&self.lost))?;
        writeln!(f, "of these, told who had decided it: {}", self.named)?;
        write!(f, "violations {}", self.violations.len())?;
        for violation in self.violations.iter().take(20) {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}

struct Counts<'a>(&'a BTreeMap<String, u64>);

impl fmt::Display for Counts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (name, count) in self.0 {
            write!(f, "{comma}{name} {count}")?;
            comma = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::Backend;

    fn judged(races: u64, without: Option<Want>) -> Vec<String> {
        let mut report = Report::new(&Races {
            program: PathBuf::new(),
            backend: Backend::Sqlite,
            races,
            seed: 0,
        });
        let took_effect = Want::ALL.into_iter().filter(|want| Some(*want) != without);
        took_effect.for_each(|want| report.took_effect(want, 1));
        report.judge_itself();
        let violations = report.violations.iter();
        violations.map(ToString::to_string).collect()
    }

    #[test]
    fn many_races_that_one_of_the_six_never_wins_are_recognised() {
        assert_eq!(judged(MANY, None), [""; 0]);
        for want in Want::ALL {
            let found = format!("NeverWon: {want} never took effect in {MANY} races");
            assert_eq!(judged(MANY, Some(want)), [found]);
            // In a few it may be chance.
            assert_eq!(judged(MANY - 1, Some(want)), [""; 0]);
        }
    }
}
