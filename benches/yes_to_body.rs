//! From the yes to the body, with 10 000 other requests parked, and where the time goes.

use std::sync::Arc;

use approvals_benches::arguments::Arguments;
use approvals_benches::effort::Effort;
use approvals_benches::floor::{self, Then};
use approvals_benches::sampling::{Contestant, clock_cost, interleave};
use approvals_benches::table::{Table, time};
use approvals_benches::{Failure, machine};

const PARKED: usize = 10_000;

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let rounds = effort.rounds(20_000);
    let arguments = Arc::new(Arguments::everyday());
    println!(
        "## Yes to body, {PARKED} others parked\n\n{}\n",
        machine::describe()
    );
    println!(
        "Reading the clock twice takes {}; every sample holds it once.\n",
        time(clock_cost())
    );

    let place = floor::current_thread()?;
    let others = floor::park(&place, PARKED)?;
    let hash = || Then::Hash(Arc::clone(&arguments));
    let samples = interleave(
        rounds,
        vec![
            Contestant::new("floor: wake-up, serialise, hash", 1, |_| {
                place.block_on(floor::wake_up(hash()))
            }),
            Contestant::new("of that, the wake-up", 1, |_| {
                place.block_on(floor::wake_up(Then::Nothing))
            }),
            Contestant::repeat("of that, serialise and hash", 1, || {
                floor::serialise_and_hash(&arguments.borrowed())
            }),
        ],
    )?;
    println!("### One thread\n\n{}", Table::of_latencies(&samples));
    drop((others, place));

    let place = floor::two_workers()?;
    let others = floor::park(&place, PARKED)?;
    let inside = |then: Then| place.block_on(async { tokio::spawn(floor::wake_up(then)).await? });
    let outside = |then: Then| place.block_on(floor::wake_up(then));
    let samples = interleave(
        rounds,
        vec![
            Contestant::new(
                "floor: wake-up, serialise, hash; yes from a task",
                1,
                |_| inside(hash()),
            ),
            Contestant::new("of that, the wake-up", 1, |_| inside(Then::Nothing)),
        ],
    )?;
    println!(
        "### Two workers, the yes comes from a task on them\n\n{}",
        Table::of_latencies(&samples)
    );
    let samples = interleave(
        rounds,
        vec![
            Contestant::new(
                "floor: wake-up, serialise, hash; yes from another thread",
                1,
                |_| outside(hash()),
            ),
            Contestant::new("of that, the wake-up", 1, |_| outside(Then::Nothing)),
        ],
    )?;
    println!(
        "### Two workers, the yes comes from a thread that is none of them\n\n{}",
        Table::of_latencies(&samples)
    );
    drop(others);
    Ok(())
}
