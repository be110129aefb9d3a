//! What one parked request holds, with 500 bytes of arguments, as more and more are parked.
//!
//! Every figure comes from a process of its own, so that what one measurement leaves behind
//! in the allocator does not show in the next.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use approvals_benches::arguments::Arguments;
use approvals_benches::effort::Effort;
use approvals_benches::floor::{self, Record};
use approvals_benches::memory::{COUNTING, CountingAllocator, live_bytes, resident_bytes};
use approvals_benches::table::Table;
use approvals_benches::{Failure, machine};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::yield_now;

#[global_allocator]
static ALLOCATOR: &CountingAllocator = &COUNTING;

/// The argument that makes this process measure one figure instead of all.
const ONE: &str = "--one";

/// Parks that many requests, calls back while all are parked, and lets them go.
type Park = fn(&Runtime, usize, &mut dyn FnMut() -> Result<(), Failure>) -> Result<(), Failure>;

const SUBJECTS: &[(&str, Park)] = &[
    ("floor: task, oneshot, record", park_floor),
    #[cfg(feature = "comparators")]
    ("`echo_agent` 0.2", published::park_echo),
    #[cfg(feature = "comparators")]
    ("`entelix-agents` 0.5", published::park_entelix),
];

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args()
        .skip_while(|argument| argument != ONE)
        .skip(1);
    if let (Some(name), Some(count)) = (arguments.next(), arguments.next()) {
        return measure_one(&name, count.parse()?);
    }
    let mut table = Table::new([
        "what",
        "parked",
        "live bytes each",
        "resident bytes each",
        "live bytes left after all",
    ]);
    for (name, _) in SUBJECTS {
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

fn measure_one(name: &str, count: usize) -> Result<(), Failure> {
    let (_, park) = SUBJECTS
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
async fn until(counter: &AtomicUsize, now: usize) {
    while counter.load(Ordering::Relaxed) < now {
        yield_now().await;
    }
}

fn park_floor(
    runtime: &Runtime,
    count: usize,
    while_parked: &mut dyn FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let shared: Arc<str> = "shared by all".into();
    let arguments = Arguments::five_hundred_bytes();
    let (parked, finished) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    runtime.block_on(async {
        let mut senders = Vec::with_capacity(count);
        for id in 0..count {
            let (sender, receiver) = oneshot::channel::<bool>();
            senders.push(sender);
            let record = Record::new(id as u128, &shared, &arguments)?;
            let (parked, finished) = (Arc::clone(&parked), Arc::clone(&finished));
            tokio::spawn(async move {
                parked.fetch_add(1, Ordering::Relaxed);
                let _ = receiver.await;
                drop(record);
                finished.fetch_add(1, Ordering::Relaxed);
            });
        }
        until(&parked, count).await;
        while_parked()?;
        for sender in senders {
            let _ = sender.send(true);
        }
        until(&finished, count).await;
        Ok(())
    })
}

#[cfg(feature = "comparators")]
mod published {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use approvals_benches::Failure;
    use approvals_benches::arguments::Arguments;
    use approvals_benches::comparators::{Echo, Entelix};
    use echo_orchestration::human_loop::HumanLoopEvent;
    use entelix_agents::ApprovalDecision;
    use tokio::runtime::Runtime;

    use super::until;

    pub(super) fn park_echo(
        runtime: &Runtime,
        count: usize,
        while_parked: &mut dyn FnMut() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let arguments = serde_json::to_value(Arguments::five_hundred_bytes())?;
        let finished = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            let echo = Echo::new();
            let mut questions = Vec::with_capacity(count);
            for _ in 0..count {
                let (agent, arguments, finished) =
                    (echo.clone(), arguments.clone(), Arc::clone(&finished));
                tokio::spawn(async move {
                    let _ = agent.call(arguments).await;
                    finished.fetch_add(1, Ordering::Relaxed);
                });
                questions.extend(echo.next_question().await);
            }
            while_parked()?;
            for question in questions {
                if let HumanLoopEvent::ApprovalRequest { responder, .. } = question {
                    responder.approve();
                }
            }
            until(&finished, count).await;
            Ok(())
        })
    }

    pub(super) fn park_entelix(
        runtime: &Runtime,
        count: usize,
        while_parked: &mut dyn FnMut() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let arguments = serde_json::to_value(Arguments::five_hundred_bytes())?;
        let finished = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            let (entelix, mut asked) = Entelix::new()?;
            let mut questions = Vec::with_capacity(count);
            for _ in 0..count {
                let (agent, arguments, finished) =
                    (entelix.clone(), arguments.clone(), Arc::clone(&finished));
                tokio::spawn(async move {
                    let _ = agent.call(arguments).await;
                    finished.fetch_add(1, Ordering::Relaxed);
                });
                questions.extend(asked.recv().await);
            }
            while_parked()?;
            for question in questions {
                let _ = question.reply.send(ApprovalDecision::Approve);
            }
            until(&finished, count).await;
            Ok(())
        })
    }
}
