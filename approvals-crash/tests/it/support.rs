//! What runs are made of.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use approvals_crash::harness::{self, NotStarted, Report, Run};
use approvals_crash::{Backend, races};

pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_approvals-crash"))
}

pub(crate) fn kills(backend: Backend, kills: u64, seed: u64) -> Run {
    Run {
        program: program(),
        backend,
        kills,
        seed,
        flaw: None,
        settles_within: Duration::from_secs(30),
        progress: None,
    }
}

/// `None` where there is no server. Says so on the real standard error.
fn started<T>(outcome: Result<T, NotStarted>) -> Option<T> {
    match outcome {
        Ok(report) => Some(report),
        Err(why @ NotStarted::NotInstalled) => {
            assert!(
                std::env::var_os("APPROVALS_POSTGRES_REQUIRED").is_none(),
                "tests of PostgreSQL are required, but {why}"
            );
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: a test of PostgreSQL, since {why}"
            );
            None
        }
        Err(NotStarted::Failed(error)) => panic!("{error}"),
    }
}

pub(crate) async fn run(run: &Run) -> Option<Report> {
    let report = started(harness::run(run).await)?;
    told(&report);
    Some(report)
}

/// What was counted, where it is seen also when the test passes.
fn told(report: &impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{report}");
}

pub(crate) async fn race(backend: Backend, races: u64, seed: u64) -> Option<races::Report> {
    let races = races::Races {
        program: program(),
        backend,
        races,
        seed,
    };
    let report = started(races::run(&races).await)?;
    told(&report);
    Some(report)
}

/// Another one in every run; it is printed, and played again with the command.
pub(crate) fn seed() -> u64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    now.as_secs()
}
