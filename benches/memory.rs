//! What one parked request holds, with 500 bytes of arguments, as more and more are parked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use approvals_benches::Failure;
use approvals_benches::arguments::Arguments;
use approvals_benches::floor::Record;
use approvals_benches::gate::{Bench, ask};
use approvals_benches::memory::{COUNTING, CountingAllocator};
use approvals_benches::parking::{measure, until};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

#[global_allocator]
static ALLOCATOR: &CountingAllocator = &COUNTING;

fn main() -> Result<(), Failure> {
    measure(&[
        ("floor: task, oneshot, record", park_floor),
        ("gate, callers share their arguments", park_sharing),
        ("gate, callers own their arguments", park_owning),
    ])
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

fn park_sharing(
    runtime: &Runtime,
    count: usize,
    while_parked: &mut dyn FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let arguments = Arc::new(Arguments::five_hundred_bytes());
    park(runtime, count, while_parked, || Arc::clone(&arguments))
}

fn park_owning(
    runtime: &Runtime,
    count: usize,
    while_parked: &mut dyn FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    park(runtime, count, while_parked, Arguments::five_hundred_bytes)
}

fn park<A: AsArguments>(
    runtime: &Runtime,
    count: usize,
    while_parked: &mut dyn FnMut() -> Result<(), Failure>,
    arguments: impl Fn() -> A,
) -> Result<(), Failure> {
    runtime.block_on(async {
        let mut bench = Bench::new(1).await?;
        let (gate, requester) = (bench.gate.clone(), bench.requester.clone());
        gate.scope(requester.scope(async {
            let mut notices = Vec::with_capacity(count);
            let mut calls = Vec::with_capacity(count);
            for _ in 0..count {
                let arguments = arguments();
                let call = async move { ask(arguments.arguments(), || ()).await };
                calls.push(approvals_core::spawn(call));
                notices.extend(bench.notices.recv().await);
            }
            bench.gate.flush().await;
            while_parked()?;
            for notice in notices {
                bench.reviewer.approve(&notice).await?;
            }
            for call in calls {
                call.await??;
            }
            bench.gate.flush().await;
            Ok(())
        }))
        .await
    })
}

/// Arguments that a task owns or shares.
trait AsArguments: Send + Sync + 'static {
    fn arguments(&self) -> &Arguments;
}

impl AsArguments for Arc<Arguments> {
    fn arguments(&self) -> &Arguments {
        self
    }
}

impl AsArguments for Arguments {
    fn arguments(&self) -> &Arguments {
        self
    }
}
