//! What a gate on a SQLite file holds while many requests are pending that nobody here waits for.

use std::sync::Arc;
use std::time::Duration;

use approvals_benches::effort::Effort;
use approvals_benches::files::{directory, filled};
use approvals_benches::gate::Bench;
use approvals_benches::memory::{COUNTING, CountingAllocator, live_bytes, resident_bytes};
use approvals_benches::table::Table;
use approvals_benches::{Failure, floor, machine};
use approvals_core::RequestStore;
use approvals_core::store::Filter;
use approvals_sqlite::SqliteStore;

#[global_allocator]
static ALLOCATOR: &CountingAllocator = &COUNTING;

/// How long the gate's worker is left to do what it does beside callers: several turns of it.
const WORKING: Duration = Duration::from_secs(4);

fn main() -> Result<(), Failure> {
    let counts: &[usize] = match Effort::from_command_line() {
        Effort::Full => &[1, 1_000, 100_000, 1_000_000],
        Effort::Quick => &[1, 1_000, 100_000],
        Effort::Smoke => &[1, 100],
    };
    let directory = directory()?;
    let measured = measure(&directory, counts);
    std::fs::remove_dir_all(&directory)?;
    println!(
        "## Memory of a gate on a SQLite file\n\n{}\n\n{}",
        machine::describe(),
        measured?
    );
    Ok(())
}

fn measure(directory: &std::path::Path, counts: &[usize]) -> Result<Table, Failure> {
    let mut table = Table::new([
        "pending, none waited for here",
        "live bytes of gate and store",
        "after a page of the list",
        "resident bytes",
    ]);
    // One goes first, and fills whatever is filled once.
    for (turn, count) in std::iter::once(&1).chain(counts).enumerate() {
        let runtime = floor::current_thread()?;
        let directory = directory.join(turn.to_string());
        std::fs::create_dir_all(&directory)?;
        let (working, listed, resident) = runtime.block_on(async {
            filled(&directory, *count, 0).await?.close().await;
            let (before, resident) = (live_bytes(), resident_bytes()?);
            let path = directory.join(format!("{count}.db"));
            let store: Arc<dyn RequestStore> = Arc::new(SqliteStore::open(path).await?);
            let bench = Bench::over(Arc::clone(&store), 1).await?;
            tokio::time::sleep(WORKING).await;
            let working = live_bytes().saturating_sub(before);
            store.list(&Filter::default(), None, 50).await?;
            bench.gate.flush().await;
            let listed = live_bytes().saturating_sub(before);
            Ok::<_, Failure>((working, listed, resident_bytes()?.saturating_sub(resident)))
        })?;
        if turn > 0 {
            table.row([
                count.to_string(),
                working.to_string(),
                listed.to_string(),
                resident.to_string(),
            ]);
        }
    }
    Ok(table)
}
