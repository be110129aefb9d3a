//! Measuring what parked requests hold, each figure in a process of its own, so that what one
//! measurement leaves behind in the allocator does not show in the next.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Runtime;
use tokio::task::yield_now;

use crate::effort::Effort;
use crate::memory::{live_bytes, resident_bytes};
use crate::table::Table;
use crate::{Failure, floor, machine};

/// The argument that makes this process measure one figure instead of all.
const ONE: &str = "--one";

/// Parks that many requests, calls back while all are parked, and lets them go.
pub type Park = fn(&Runtime, usize, &mut dyn FnMut() -> Result<(), Failure>) -> Result<(), Failure>;

/// Prints what each subject holds, for more and more parked. The process counts allocations with
/// [`COUNTING`](crate::memory::COUNTING).
///
/// # Errors
/// The first failure of a subject.
pub fn measure(subjects: &[(&str, Park)]) -> Result<(), Failure> {
    let mut arguments = std::env::args()
        .skip_while(|argument| argument != ONE)
        .skip(1);
    if let (Some(name), Some(count)) = (arguments.next(), arguments.next()) {
        return measure_one(subjects, &name, count.parse()?);
    }
    let mut table = Table::new([
        "what",
        "parked",
        "live bytes each",
        "resident bytes each",
        "live bytes left after all",
    ]);
    for (name, _) in subjects {
        for count in Effort::from_command_line().parked_counts() {
            let output = Command::new(std::env::current_exe()?)
                .args([ONE, name, &count.to_string()])
                .output()?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
            }
            let line = String::from_utf8(output.stdout)?;
            let mut figures = line.split_whitespace().map(str::to_owned);
            let mut next = || figures.next().unwrap_or_default();
            table.row([
                (*name).to_owned(),
                count.to_string(),
                next(),
                next(),
                next(),
            ]);
        }
    }
    println!(
        "## Memory per parked request\n\n{}\n\n{table}",
        machine::describe()
    );
    Ok(())
}

fn measure_one(subjects: &[(&str, Park)], name: &str, count: usize) -> Result<(), Failure> {
    let (_, park) = subjects
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or("nothing of that name is measured")?;
    let runtime = floor::current_thread()?;
    // One goes first, and fills whatever is filled once.
    park(&runtime, 1, &mut || Ok(()))?;
    let (live_before, resident_before) = (live_bytes(), resident_bytes()?);
    let mut figures = (0, 0);
    park(&runtime, count, &mut || {
        figures = (
            live_bytes().saturating_sub(live_before),
            resident_bytes()?.saturating_sub(resident_before),
        );
        Ok(())
    })?;
    let left = live_bytes().saturating_sub(live_before);
    println!(
        "{} {} {left}",
        figures.0.div_ceil(count.max(1)),
        figures.1.div_ceil(count.max(1))
    );
    Ok(())
}

/// Awaits until `now` tasks have counted themselves.
pub async fn until(counter: &AtomicUsize, now: usize) {
    while counter.load(Ordering::Relaxed) < now {
        yield_now().await;
    }
}
