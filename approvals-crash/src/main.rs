//! The command: kills, or races, as many as asked for; or a role that the harness started.

use std::process::ExitCode;
use std::time::Duration;

use approvals_crash::harness::{self, Run};
use approvals_crash::races::{self, Races};
use approvals_crash::{Backend, Failure, roles};
use lexopt::prelude::*;

const USAGE: &str = "\
approvals-crash --backend BACKEND [--kills N] [--races N] [--seed N]

  --backend BACKEND  sqlite or postgres
  --kills N          kill so many processes, and compare the trail with what they left
  --races N          have eight processes want something else of so many requests
  --seed N           the schedule of an earlier run; a new one when not given
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = roles::play(&arguments).unwrap_or_else(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(command(arguments))
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("approvals-crash: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn command(arguments: Vec<String>) -> Result<(), Failure> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut backend, mut kills, mut races) = (None, 0, 0);
    let mut seed = new_seed()?;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("backend") => backend = Some(parser.value()?.parse::<Backend>()?),
            Long("kills") => kills = parser.value()?.parse()?,
            Long("races") => races = parser.value()?.parse()?,
            Long("seed") => seed = parser.value()?.parse()?,
            Long("help") => {
                print!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let Some(backend) = backend else {
        return Err(format!("no backend is given\n\n{USAGE}").into());
    };
    let program = std::env::current_exe()?;
    // Known also when the run is broken off.
    eprintln!("seed {seed}");
    if kills > 0 {
        let report = harness::run(&Run {
            program: program.clone(),
            backend,
            kills,
            seed,
            flaw: None,
            settles_within: Duration::from_secs(30),
            // A run that is broken off has said how far it came.
            progress: Some(|report| {
                eprintln!("{} kills, {} bodies", report.kills(), report.bodies)
            }),
        })
        .await?;
        println!("{report}");
        if !report.violations.is_empty() {
            return Err("what must hold does not".into());
        }
    }
    if races > 0 {
        let report = races::run(&Races {
            program,
            backend,
            races,
            seed,
        })
        .await?;
        println!("{report}");
        if !report.violations.is_empty() {
            return Err("what must hold does not".into());
        }
    }
    Ok(())
}

/// Another one every time.
fn new_seed() -> Result<u64, Failure> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(u64::from(now.subsec_nanos()) ^ now.as_secs())
}
