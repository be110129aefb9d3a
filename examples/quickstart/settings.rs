//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use lexopt::{Arg, Parser, ValueExt};

use super::answers::{Answer, Answers};
use super::house;

pub(crate) const HELP: &str = "\
usage: cargo run --example quickstart -- [--as NAME]… [--answers LIST] [--dir DIRECTORY]

  --as NAME       who answers at this terminal: alice, bob or dana. The second one is asked
                  where two people must agree (default: alice, then bob)
  --answers LIST  answers for a script, one for each time somebody is asked:
                  approve, deny or deny:REASON, separated by commas. After the last: end of input
  --dir DIRECTORY where to put the files; must not exist yet (default: in the temporary directory)";

/// What was asked for on the command line.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) identities: Vec<String>,
    pub(crate) answers: Option<Answers>,
    pub(crate) directory: PathBuf,
}

/// Why the command line is not understood.
#[derive(Debug)]
pub(crate) enum Misuse {
    Help,
    Says(String),
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Help => f.write_str("help was asked for"),
            Self::Says(what) => f.write_str(what),
        }
    }
}

impl From<lexopt::Error> for Misuse {
    fn from(error: lexopt::Error) -> Self {
        Self::Says(error.to_string())
    }
}

impl Settings {
    pub(crate) fn read(mut arguments: Parser) -> Result<Self, Misuse> {
        let mut identities = Vec::new();
        let mut answers = None;
        let mut directory = None;
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Short('h') | Arg::Long("help") => return Err(Misuse::Help),
                Arg::Long("as") => identities.push(person(arguments.value()?.string()?)?),
                Arg::Long("answers") => {
                    answers = Some(Answers::new(read_answers(&arguments.value()?.string()?)?));
                }
                Arg::Long("dir") => directory = Some(PathBuf::from(arguments.value()?)),
                Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => {
                    return Err(argument.unexpected().into());
                }
            }
        }
        // Where two people must agree there have to be two.
        for (name, _) in house::PEOPLE {
            if identities.len() < 2 && !identities.iter().any(|known| known == name) {
                identities.push(name.to_owned());
            }
        }
        Ok(Self {
            identities,
            answers,
            directory: directory.unwrap_or_else(fresh),
        })
    }
}

fn person(name: String) -> Result<String, Misuse> {
    let names: Vec<_> = house::PEOPLE.iter().map(|(name, _)| *name).collect();
    if names.contains(&name.as_str()) {
        return Ok(name);
    }
    let names = names.join(", ");
    Err(Misuse::Says(format!(
        "--as `{name}`: the people of this example are {names}"
    )))
}

fn read_answers(list: &str) -> Result<Vec<Answer>, Misuse> {
    let read = |answer: &str| match answer.trim().split_once(':') {
        None if answer.trim() == "approve" => Ok(Answer::Approve),
        None if answer.trim() == "deny" => Ok(Answer::Deny("a scripted denial".to_owned())),
        Some(("deny", reason)) => Ok(Answer::Deny(reason.trim().to_owned())),
        _ => Err(Misuse::Says(format!(
            "--answers `{answer}`: write approve, deny or deny:REASON"
        ))),
    };
    list.split(',').map(read).collect()
}

/// A directory that does not exist yet.
fn fresh() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let millis = now.map_or(0, |since| since.as_millis());
    std::env::temp_dir().join(format!(
        "approvals-quickstart-{millis}-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ))
}
