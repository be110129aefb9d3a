//! A scripted agent at a small SQLite database: it reads, exports, grants a role and drops a table.
//!
//! `cargo run --example quickstart` asks at the terminal; `-- --answers approve,approve,approve`
//! answers for a script; `-- --help` says the rest.

mod actions;
mod agent;
mod answers;
mod database;
mod house;
pub(crate) mod settings;
mod trail;

use std::process::ExitCode;

use approvals_terminal::Console;
use settings::{Misuse, Settings};

/// What an action or the quickstart itself can fail with. A refusal is one of them.
type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let settings = match Settings::read(lexopt::Parser::from_env()) {
        Ok(settings) => settings,
        Err(Misuse::Help) => {
            println!("{}", settings::HELP);
            return ExitCode::SUCCESS;
        }
        Err(misuse) => {
            eprintln!("{misuse}\n\n{}", settings::HELP);
            return ExitCode::from(2);
        }
    };
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the quickstart failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Everything, in the order in which it happens.
pub(crate) async fn run(settings: Settings) -> Result<(), Error> {
    if settings.answers.is_none()
        && let Err(why) = approvals_terminal::Tty.ready()
    {
        // The gate refuses what it cannot ask about; say beforehand how to be asked.
        eprintln!("{why} (or give --answers approve,approve,approve)\n");
    }
    let database = database::Database::create(&settings.directory).await?;
    let trail = trail::Trail::create(&settings.directory.join("audit.jsonl"))?;
    let gate = house::gate(&settings, &trail).await?;
    let requester = house::requester()?;

    println!("A scripted agent works at a small SQLite database, behind an approval gate.");
    println!("  files      {}", settings.directory.display());
    println!("  asked by   {requester}");
    println!("  you are    {}", settings.identities.join(", then "));

    gate.scope(requester.scope(agent::work(&database))).await;
    gate.flush().await;

    println!("\n━━ What is there now");
    database.describe().await?;
    println!("\n━━ The trail, as written to audit.jsonl");
    trail.print()?;
    println!("\nLook for yourself: {}", settings.directory.display());
    Ok(())
}
