//! An agent that has to ask in Slack before it exports.
//!
//! `cargo run --example slack` runs against a stand-in for Slack on this machine, where a scripted
//! reviewer presses the buttons. With `SLACK_BOT_TOKEN` and its companions in the environment it
//! runs against the real one; see `approvals-slack/README.md` for the set-up. `-- --judged DIR`
//! serves callbacks until standard input ends, for whoever judges them, with a click in DIR.

mod failing;
mod house;
mod real;
mod rehearsal;
mod serving;
#[path = "../../approvals-slack/tests/stand_in/mod.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a stand-in is for tests, which stop at what they did not expect"
)]
mod stand_in;

use std::path::PathBuf;
use std::process::ExitCode;

/// What the example can fail with. A refusal is one of them.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match judged() {
        Err(error) => Err(error.into()),
        Ok(Some(directory)) => rehearsal::judged(&directory).await,
        Ok(None) => match real::Settings::from_environment() {
            Ok(Some(settings)) => real::run(settings).await,
            Ok(None) => rehearsal::run().await,
            Err(error) => Err(error),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the example failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The directory of `--judged`.
fn judged() -> Result<Option<PathBuf>, lexopt::Error> {
    use lexopt::{Arg, Parser};
    let mut parser = Parser::from_env();
    let mut directory = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("judged") => directory = Some(parser.value()?.into()),
            other => return Err(other.unexpected()),
        }
    }
    Ok(directory)
}
