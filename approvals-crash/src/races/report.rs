//! What the races came to.

use std::collections::BTreeMap;
use std::fmt;

use approvals_core::Phase;

use super::told::{Told, Want};
use super::{RACERS, Races};
use crate::trail::Violation;

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
