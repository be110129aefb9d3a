//! The SQLite store beside bare commits to a file of its own, with the same durability.

mod bare;
mod cycle;
mod lookups;
mod returning;
mod rows;

use approvals_benches::effort::Effort;
use approvals_benches::files::directory;
use approvals_benches::{Failure, machine};

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let directory = directory()?;
    // `-- cycles`: only the first table.
    if std::env::args().any(|argument| argument == "cycles") {
        let rates = cycle::rates(&runtime, &directory, effort);
        std::fs::remove_dir_all(&directory)?;
        println!("{}\n\n{}", machine::describe(), rates?);
        return Ok(());
    }
    let tables = cycle::rates(&runtime, &directory, effort)
        .and_then(|rates| Ok((rates, lookups::lookups(&runtime, &directory, effort)?)))
        .and_then(|(rates, lookups)| {
            let returning = returning::returning(&runtime, &directory, effort)?;
            Ok((rates, lookups, returning))
        });
    std::fs::remove_dir_all(&directory)?;
    let (rates, lookups, returning) = tables?;
    println!(
        "## SQLite: a whole cycle beside the bare commits it needs\n\n{}\n\n{rates}\n\n{lookups}\n\n{returning}",
        machine::describe()
    );
    Ok(())
}
