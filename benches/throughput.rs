//! Whole cycles per second on two cores, with more and more other requests pending.

use std::sync::Arc;
use std::time::{Duration, Instant};

use approvals_benches::arguments::Arguments;
use approvals_benches::effort::Effort;
use approvals_benches::floor::{self, ReviewedRegistry};
use approvals_benches::gate::{Approving, Bench, ask};
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::{Table, ratio, time};
use approvals_benches::{Failure, machine};
use tokio::runtime::Runtime;

const AGENTS: usize = 64;
const CYCLES: usize = 64 * 500;

struct Floor {
    runtime: Runtime,
    reviewed: Arc<ReviewedRegistry>,
}

impl Floor {
    fn with_pending(count: usize) -> Result<Self, Failure> {
        let runtime = floor::two_workers()?;
        let reviewed = runtime.block_on(async {
            let reviewed = Arc::new(ReviewedRegistry::start());
            for _ in 0..count {
                let (_, answer) = reviewed.registry().ask();
                tokio::spawn(answer);
            }
            reviewed
        });
        Ok(Self { runtime, reviewed })
    }

    fn run(&self, cycles: usize) -> Result<Duration, Failure> {
        self.runtime.block_on(async {
            let start = Instant::now();
            let agents: Vec<_> = (0..AGENTS)
                .map(|_| {
                    let reviewed = Arc::clone(&self.reviewed);
                    tokio::spawn(async move {
                        for _ in 0..cycles / AGENTS {
                            reviewed.cycle().await?;
                        }
                        Ok::<_, Failure>(())
                    })
                })
                .collect();
            for agent in agents {
                agent.await??;
            }
            Ok(start.elapsed())
        })
    }
}

struct Gate {
    runtime: Runtime,
    approving: Approving,
}

impl Gate {
    fn with_pending(count: usize) -> Result<Self, Failure> {
        let runtime = floor::two_workers()?;
        let approving = runtime.block_on(async {
            let mut bench = Bench::new(1).await?;
            let arguments = Arc::new(Arguments::everyday());
            let (gate, requester) = (bench.gate.clone(), bench.requester.clone());
            let notices = &mut bench.notices;
            gate.scope(requester.scope(async {
                for _ in 0..count {
                    let arguments = Arc::clone(&arguments);
                    approvals_core::spawn(async move { ask(&arguments, || ()).await });
                }
                // Nobody ever votes on these.
                for _ in 0..count {
                    notices.recv().await;
                }
            }))
            .await;
            bench.gate.flush().await;
            Ok::<_, Failure>(bench.approve_everything())
        })?;
        Ok(Self { runtime, approving })
    }

    fn run(&self, cycles: usize) -> Result<Duration, Failure> {
        self.runtime.block_on(self.approving.scope(async {
            let arguments = Arc::new(Arguments::everyday());
            let start = Instant::now();
            let agents: Vec<_> = (0..AGENTS)
                .map(|_| {
                    let arguments = Arc::clone(&arguments);
                    approvals_core::spawn(async move {
                        for _ in 0..cycles / AGENTS {
                            ask(&arguments, || ()).await?;
                        }
                        Ok::<_, Failure>(())
                    })
                })
                .collect();
            for agent in agents {
                agent.await??;
            }
            self.approving.gate.flush().await;
            Ok(start.elapsed())
        }))
    }
}

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let floors: Vec<(usize, Floor)> = effort
        .parked_counts()
        .iter()
        .map(|count| Ok::<_, Failure>((*count, Floor::with_pending(*count)?)))
        .collect::<Result<_, _>>()?;
    let gates: Vec<(usize, Gate)> = effort
        .parked_counts()
        .iter()
        .map(|count| Ok::<_, Failure>((*count, Gate::with_pending(*count)?)))
        .collect::<Result<_, _>>()?;
    let floors = floors.iter().map(|(count, floor)| {
        Contestant::new(format!("floor, {count} pending"), CYCLES, |cycles| {
            floor.run(cycles)
        })
    });
    let gates = gates.iter().map(|(count, gate)| {
        Contestant::new(format!("gate, {count} pending"), CYCLES, |cycles| {
            gate.run(cycles)
        })
    });
    let contestants = floors.chain(gates).collect();
    let samples = interleave(effort.rounds(21), contestants)?;

    let mut table = Table::new([
        "what",
        "cycles a second",
        "time for one",
        "rate to the same with the fewest pending",
    ]);
    let (floors, gates) = samples.split_at(samples.len() / 2);
    for group in [floors, gates] {
        let first = group.first().map_or(f64::NAN, |one| one.median());
        for one in group {
            table.row([
                one.name.clone(),
                format!("{:.0}", 1e9 / one.median()),
                time(one.median()),
                ratio(first, one.median()),
            ]);
        }
    }
    println!(
        "## Throughput, two workers, {AGENTS} agents, one reviewing task\n\n{}\n\n{table}",
        machine::describe()
    );
    Ok(())
}
