//! What a call costs that policy allows: the bare call, and the two floors.

use std::hint::black_box;
use std::time::Instant;

use approvals_benches::arguments::{Arguments, Options};
use approvals_benches::effort::Effort;
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::Table;
use approvals_benches::{Failure, floor, machine};
use tokio::sync::mpsc;

const BATCH: usize = 1_000;

async fn export(database: &str, rows: u64, columns: &[String], options: &Options) -> u64 {
    rows + (database.len() + columns.len() + options.format.len()) as u64
}

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let runtime = floor::current_thread()?;
    let arguments = Arguments::everyday();
    let mut channel = mpsc::channel(BATCH);

    let contestants = vec![
        Contestant::repeat(
            "floor: serde_json + SHA-256 of four arguments",
            BATCH,
            || floor::serialise_and_hash(&black_box(&arguments).borrowed()),
        ),
        Contestant::repeat("of that, serde_json", BATCH, || {
            serde_json::to_string(&black_box(&arguments).borrowed())
        }),
        Contestant::new("floor: one `try_send`", BATCH, |times| {
            floor::try_send(&mut channel, times)
        }),
        Contestant::new("the bare async call", BATCH, |times| {
            runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..times {
                    let Arguments {
                        database,
                        rows,
                        columns,
                        options,
                    } = black_box(&arguments);
                    black_box(export(database, *rows, columns, options).await);
                }
                Ok(start.elapsed())
            })
        }),
    ];
    let samples = interleave(effort.rounds(501), contestants)?;

    println!(
        "## Allowed calls\n\n{}\n\n{}",
        machine::describe(),
        Table::of_medians(&samples)
    );
    Ok(())
}
