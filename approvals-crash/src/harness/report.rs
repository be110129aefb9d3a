//! What a run did and found.

use std::fmt;
use std::path::PathBuf;

use crate::harness::Run;
use crate::trail::Violation;

/// What a run did and found.
#[derive(Debug, Clone)]
pub struct Report {
    /// The schedule.
    pub seed: u64,
    /// Which store.
    pub backend: String,
    /// Agents that were killed.
    pub agents: u64,
    /// Reviewers that were killed.
    pub reviewers: u64,
    /// Operators that were killed.
    pub operators: u64,
    /// Database servers that were killed.
    pub servers: u64,
    /// Those of the processes that ended at a named point.
    pub at_points: u64,
    /// Requests that people were asked.
    pub requests: u64,
    /// Votes that were acknowledged.
    pub decisions: u64,
    /// Votes in the trail.
    pub votes: u64,
    /// Bodies that left their line.
    pub bodies: u64,
    /// Executions that were started.
    pub started: u64,
    /// Executions that were abandoned, and are in doubt.
    pub in_doubt: u64,
    /// Those of them whose body had left its line.
    pub in_doubt_after_effect: u64,
    /// Claims that were lost and taken again.
    pub claimed_again: u64,
    /// Events that the required sink has.
    pub licences: u64,
    /// Requests that were denied.
    pub denied: u64,
    /// Requests about which nobody decided in time.
    pub expired: u64,
    /// Requests that were taken back.
    pub withdrawn: u64,
    /// Approvals that an operator took back.
    pub revoked: u64,
    /// How often everything was frozen.
    pub freezes: u64,
    /// Requests that another one's yes covered.
    pub granted: u64,
    /// Requests for which the glass was broken.
    pub opened: u64,
    /// What an operator was told is done.
    pub operations: u64,
    /// What callers were told.
    pub answers: u64,
    /// Events of the trail.
    pub events: u64,
    /// What must not be.
    pub violations: Vec<Violation>,
    /// Where the files are, when something was found.
    pub directory: Option<PathBuf>,
}

impl Report {
    pub(super) fn new(run: &Run) -> Self {
        Self {
            seed: run.seed,
            backend: run.backend.to_string(),
            agents: 0,
            reviewers: 0,
            operators: 0,
            servers: 0,
            at_points: 0,
            requests: 0,
            decisions: 0,
            votes: 0,
            bodies: 0,
            started: 0,
            in_doubt: 0,
            in_doubt_after_effect: 0,
            claimed_again: 0,
            licences: 0,
            denied: 0,
            expired: 0,
            withdrawn: 0,
            revoked: 0,
            freezes: 0,
            granted: 0,
            opened: 0,
            operations: 0,
            answers: 0,
            events: 0,
            violations: Vec::new(),
            directory: None,
        }
    }

    /// Counts the death of a process.
    pub(super) fn died(&mut self, role: &str, at_point: bool) {
        match role {
            "agent" => self.agents += 1,
            "operator" => self.operators += 1,
            _ => self.reviewers += 1,
        }
        self.at_points += u64::from(at_point);
    }

    /// How many were killed.
    #[must_use]
    pub const fn kills(&self) -> u64 {
        self.agents + self.reviewers + self.operators + self.servers
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "backend {}, seed {}", self.backend, self.seed)?;
        writeln!(
            f,
            "kills {} (agents {}, reviewers {}, operators {}, servers {}; at named points {})",
            self.kills(),
            self.agents,
            self.reviewers,
            self.operators,
            self.servers,
            self.at_points
        )?;
        writeln!(
            f,
            "requests {}, votes {} (acknowledged {}), denied {}, answers {}, events {} (in the required sink {})",
            self.requests,
            self.votes,
            self.decisions,
            self.denied,
            self.answers,
            self.events,
            self.licences
        )?;
        writeln!(
            f,
            "started {}, bodies {}, claimed again {}, in doubt {} (the body had run in {})",
            self.started,
            self.bodies,
            self.claimed_again,
            self.in_doubt,
            self.in_doubt_after_effect
        )?;
        writeln!(
            f,
            "expired {}, withdrawn {}, revoked {}, under a grant {}, glass broken {}, freezes {}, operations acknowledged {}",
            self.expired,
            self.withdrawn,
            self.revoked,
            self.granted,
            self.opened,
            self.freezes,
            self.operations
        )?;
        write!(f, "violations {}", self.violations.len())?;
        for violation in self.violations.iter().take(20) {
            write!(f, "\n  {violation}")?;
        }
        if let Some(directory) = &self.directory {
            write!(f, "\nthe files are in {}", directory.display())?;
        }
        Ok(())
    }
}
