//! What somebody wants of a request, and what they are told.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use approvals_core::review::{Record, State};
use approvals_core::{ApprovalError, Choice, Kind, Phase};

/// What a racer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    Approve,
    Deny,
    Withdraw,
    Revoke,
    TimeOut,
    Claim,
}

impl Want {
    pub(crate) const ALL: [Self; 6] = [
        Self::Approve,
        Self::Deny,
        Self::Withdraw,
        Self::Revoke,
        Self::TimeOut,
        Self::Claim,
    ];

    /// How much later it may begin: what needs one read and one commit would always win over what
    /// asks the directory as well.
    pub(crate) const fn handicap(self) -> Duration {
        match self {
            Self::Approve | Self::Deny | Self::Claim | Self::TimeOut => Duration::from_millis(4),
            Self::Withdraw => Duration::from_millis(24),
            Self::Revoke => Duration::from_millis(60),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
            Self::Withdraw => "withdraw",
            Self::Revoke => "revoke",
            Self::TimeOut => "time-out",
            Self::Claim => "claim",
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Want {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut all = Self::ALL.into_iter();
        all.find(|want| want.as_str() == text).ok_or(())
    }
}

/// What a racer was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// It took effect, and left the request there.
    Won(Phase),
    /// It did not, since the request was there, which this person decided, if they were named.
    Lost(Phase, Option<String>),
    /// Something that names no winner.
    Odd(String),
}

impl Told {
    /// What the record says that stands.
    pub(crate) fn of_record(record: &Record) -> Self {
        let by = match &record.state {
            State::Denied { by, .. } | State::Revoked { by, .. } => Some(by.to_string()),
            State::Pending | State::Withdrawn { .. } | State::Expired { .. } => None,
            State::Approved { .. }
            | State::Claimed { .. }
            | State::Executing { .. }
            | State::Succeeded { .. }
            | State::Failed { .. }
            | State::InDoubt { .. }
            | State::Lapsed { .. } => {
                let mut votes = record.votes.iter();
                let yes = votes.find(|vote| vote.choice == Choice::Approve);
                yes.map(|vote| vote.person.to_string())
            }
        };
        Self::Lost(record.state.phase(), by)
    }

    /// What an error says about who won.
    pub(crate) fn of_error(error: &ApprovalError) -> Self {
        let mut by = error.denied_by().map(ToString::to_string);
        let phase = match error.kind() {
            Kind::Denied => Phase::Denied,
            Kind::TimedOut => Phase::Expired,
            Kind::Lapsed => Phase::Lapsed,
            Kind::Withdrawn => Phase::Withdrawn,
            Kind::Revoked => Phase::Revoked,
            Kind::InDoubt => Phase::InDoubt,
            // The yes won, whatever became of it since.
            Kind::Decided => {
                // Said in words: `it was approved by alice, and it is executing`.
                let said = error.to_string();
                let named = said.split_once("was approved by ");
                by = named.and_then(|(_, rest)| Some(rest.split_once(',')?.0.to_owned()));
                Phase::Approved
            }
            Kind::AlreadyFinished if error.finished_before() == Some(true) => Phase::Succeeded,
            Kind::AlreadyFinished => Phase::Failed,
            // Said in words: `the request is executing: this needs approved`.
            _ => {
                let said = error.to_string();
                let named = said.split_once("request is ").map(|(_, rest)| rest);
                let named = named.and_then(|rest| {
                    rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                        .next()
                });
                match named.and_then(phase) {
                    Some(phase) => phase,
                    None => return Self::Odd(format!("{:?}: {said}", error.kind())),
                }
            }
        };
        Self::Lost(phase, by)
    }
}

fn phase(name: &str) -> Option<Phase> {
    let all = [
        Phase::Pending,
        Phase::Approved,
        Phase::Claimed,
        Phase::Executing,
        Phase::Succeeded,
        Phase::Failed,
        Phase::InDoubt,
        Phase::Denied,
        Phase::Withdrawn,
        Phase::Expired,
        Phase::Revoked,
        Phase::Lapsed,
    ];
    all.into_iter().find(|phase| phase.as_str() == name)
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Won(phase) => write!(f, "won {phase}"),
            Self::Lost(phase, None) => write!(f, "lost {phase}"),
            Self::Lost(phase, Some(by)) => write!(f, "lost {phase} {by}"),
            Self::Odd(said) => write!(f, "odd {}", said.replace('\n', " ")),
        }
    }
}

impl FromStr for Told {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once(' ') {
            Some(("won", name)) => phase(name).map(Self::Won).ok_or(()),
            Some(("lost", rest)) => {
                let (name, by) = match rest.split_once(' ') {
                    Some((name, by)) => (name, Some(by.to_owned())),
                    None => (rest, None),
                };
                phase(name).map(|phase| Self::Lost(phase, by)).ok_or(())
            }
            Some(("odd", said)) => Ok(Self::Odd(said.to_owned())),
            _ => Err(()),
        }
    }
}
