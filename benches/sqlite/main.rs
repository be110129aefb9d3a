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
    // `-- cycles`, `-- lookups`, `-- returning`: only that part.
    let parts = ["cycles", "lookups", "returning"];
    let named = |part: &str| std::env::args().any(|argument| argument == part);
    let all = !parts.into_iter().any(named);
    println!("## SQLite\n\n{}\n", machine::describe());
    let measured = (|| {
        if all || named("cycles") {
            println!("{}\n", cycle::rates(&runtime, &directory, effort)?);
        }
        if all || named("lookups") {
            println!("{}\n", lookups::lookups(&runtime, &directory, effort)?);
        }
        if all || named("returning") {
            println!("{}", returning::returning(&runtime, &directory, effort)?);
        }
        Ok(())
    })();
    std::fs::remove_dir_all(&directory)?;
    measured
}
