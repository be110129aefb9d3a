//! What the published crates hold for a parked request; the gate's own figures are in `memory`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use approvals_benches::Failure;
use approvals_benches::arguments::Arguments;
use approvals_benches::memory::{COUNTING, CountingAllocator};
use approvals_benches::parking::{measure, until};
use approvals_comparators::{Echo, Entelix};
use echo_orchestration::human_loop::HumanLoopEvent;
use entelix_agents::ApprovalDecision;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: &CountingAllocator = &COUNTING;

fn main() -> Result<(), Failure> {
    measure(&[
        ("`echo_agent` 0.2", park_echo),
        ("`entelix-agents` 0.5", park_entelix),
    ])
}

fn park_echo(
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

fn park_entelix(
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
