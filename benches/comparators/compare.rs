//! Published crates with a comparable gate, beside the floor: ask, approve, run.
//!
//! What they hold for a parked request is in `compare_memory`.

use std::time::Instant;

use approvals_benches::arguments::Arguments;
use approvals_benches::effort::Effort;
use approvals_benches::floor::{self, ReviewedRegistry};
use approvals_benches::gate::{Bench, ask};
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::Table;
use approvals_benches::{Failure, machine};

/// Few enough that most samples are taken in one slice of the processor.
const BATCH: usize = 20;

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let runtime = floor::current_thread()?;
    let reviewed = runtime.block_on(async { ReviewedRegistry::start() });
    let arguments = Arguments::everyday();
    let bench = runtime.block_on(Bench::new(1))?;
    let approving = runtime.block_on(async { bench.approve_everything() });

    let contestants = vec![
        Contestant::new(
            "floor: oneshot registry, answered by a reviewing task",
            BATCH,
            |times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        reviewed.cycle().await?;
                    }
                    Ok(start.elapsed())
                })
            },
        ),
        Contestant::new(
            "this gate: identity, binding, every event in a sink",
            BATCH,
            |times| {
                runtime.block_on(approving.scope(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        ask(&arguments, || ()).await?;
                    }
                    approving.gate.flush().await;
                    Ok(start.elapsed())
                }))
            },
        ),
        published::echo(&runtime)?,
        published::entelix(&runtime)?,
    ];
    let samples = interleave(effort.rounds(3_001), contestants)?;

    println!(
        "## Published gates, one thread\n\n{}\n\n{}",
        machine::describe(),
        Table::of_medians(&samples)
    );
    Ok(())
}

mod published {
    use std::time::Instant;

    use approvals_benches::Failure;
    use approvals_benches::arguments::Arguments;
    use approvals_benches::sampling::Contestant;
    use approvals_comparators::{Echo, Entelix};
    use tokio::runtime::Runtime;

    use super::BATCH;

    pub(super) fn echo(runtime: &Runtime) -> Result<Contestant<'_>, Failure> {
        let arguments = serde_json::to_value(Arguments::everyday())?;
        let echo = Echo::new();
        runtime.block_on(async { echo.approve_everything() });
        Ok(Contestant::new(
            "`echo_agent` 0.2 `HumanLoopManager`",
            BATCH,
            move |times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        echo.call(arguments.clone()).await?;
                    }
                    Ok(start.elapsed())
                })
            },
        ))
    }

    pub(super) fn entelix(runtime: &Runtime) -> Result<Contestant<'_>, Failure> {
        let arguments = serde_json::to_value(Arguments::everyday())?;
        let (entelix, questions) = Entelix::new()?;
        runtime.block_on(async { Entelix::approve_everything(questions) });
        Ok(Contestant::new(
            "`entelix-agents` 0.5 `ApprovalLayer` + `ChannelApprover`",
            BATCH,
            move |times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        entelix.call(arguments.clone()).await?;
                    }
                    Ok(start.elapsed())
                })
            },
        ))
    }
}
