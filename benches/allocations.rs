//! What each kind of call asks of the allocator.
//!
//! Apart from the benches that measure time, because counting costs time.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use approvals_benches::arguments::Arguments;
use approvals_benches::effort::Effort;
use approvals_benches::floor::{self, Registry, ReviewedRegistry};
use approvals_benches::gate::{Bench, allowed_by_arguments, allowed_by_name, ask};
use approvals_benches::memory::{COUNTING, CountingAllocator, PerCall, allocations};
use approvals_benches::table::Table;
use approvals_benches::{Failure, machine};
use approvals_core::ApprovalError;
use tokio::sync::mpsc;

#[global_allocator]
static ALLOCATOR: &CountingAllocator = &COUNTING;

fn main() -> Result<(), Failure> {
    let times = Effort::from_command_line().rounds(10_000);
    let runtime = floor::current_thread()?;
    let arguments = Arguments::everyday();
    let mut channel = mpsc::channel(1);
    let registry = Registry::default();
    let reviewed = runtime.block_on(async { ReviewedRegistry::start() });

    let mut table = Table::new(["what", "allocations", "reallocations", "bytes"]);
    let mut add = |what: &str, each: PerCall| {
        table.row([
            what.to_owned(),
            format!("{:.2}", each.allocations),
            format!("{:.2}", each.reallocations),
            format!("{:.0}", each.bytes),
        ]);
    };
    add(
        "floor: serde_json + SHA-256 of four arguments",
        allocations(times, || {
            Ok(floor::serialise_and_hash(&arguments.borrowed()).map(drop)?)
        })?,
    );
    add(
        "floor: one `try_send`",
        allocations(times, || floor::try_send(&mut channel, 1).map(drop))?,
    );
    add(
        "floor: oneshot registry, asked and answered by one task",
        allocations(times, || {
            runtime.block_on(async {
                let (number, answer) = registry.ask();
                registry.answer(number, true);
                answer.await?;
                Ok(())
            })
        })?,
    );
    add(
        "floor: oneshot registry, answered by a reviewing task",
        allocations(times, || runtime.block_on(reviewed.cycle()))?,
    );

    let Arguments {
        database,
        rows,
        columns,
        options,
    } = &arguments;
    // The worker takes the events out of the buffer only when the calls are over.
    let times = times.min(10_000);
    let bench = runtime.block_on(Bench::new(1))?;
    add(
        "gate: allowed, decided by name",
        allocations(times, || {
            poll_once(bench.scope(allowed_by_name(database, *rows, columns, options)))
        })?,
    );
    add(
        "gate: allowed, four arguments captured",
        allocations(times, || {
            poll_once(bench.scope(allowed_by_arguments(database, *rows, columns, options)))
        })?,
    );
    let approving = runtime.block_on(async { bench.approve_everything() });
    add(
        "gate: whole cycle, answered by a reviewing task, every event in the sink",
        allocations(times, || {
            runtime.block_on(approving.scope(async {
                ask(&arguments, || ()).await?;
                approving.gate.flush().await;
                Ok(())
            }))
        })?,
    );

    println!(
        "## Allocations per call\n\n{}\n\n{table}",
        machine::describe()
    );
    Ok(())
}

/// Polls a call that has nothing to wait for, so that no other task runs meanwhile.
fn poll_once<T>(call: impl Future<Output = Result<T, ApprovalError>>) -> Result<(), Failure> {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Ok(done.map(drop)?),
        Poll::Pending => Err("an allowed call had something to wait for".into()),
    }
}
