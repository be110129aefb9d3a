//! The SQLite store beside bare commits to a file of its own, with the same durability.

mod bare;
mod cycle;
mod lookups;

use std::path::PathBuf;

use approvals_benches::effort::Effort;
use approvals_benches::{Failure, machine};

/// Where the files are: on the disk that builds are on, which a directory for temporary files need
/// not be.
fn directory() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let beside = program.parent().ok_or("the program is nowhere")?;
    let directory = beside.join(format!("sqlite-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let directory = directory()?;
    let tables = cycle::rates(&runtime, &directory, effort)
        .and_then(|rates| Ok((rates, lookups::lookups(&runtime, &directory, effort)?)));
    std::fs::remove_dir_all(&directory)?;
    let (rates, lookups) = tables?;
    println!(
        "## SQLite: a whole cycle beside the bare commits it needs\n\n{}\n\n{rates}\n\n{lookups}",
        machine::describe()
    );
    Ok(())
}
