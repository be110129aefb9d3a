//! Whole cycles, beside the bare transactions that they need.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use approvals_benches::Failure;
use approvals_benches::arguments::Arguments;
use approvals_benches::bare::Bare;
use approvals_benches::gate::{Approving, Bench, ask};
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::Table;
use approvals_core::review::{ClaimNow, Command, VoterNow, apply};
use approvals_core::store::{Delivery, DeliveryState, Opened, Swap, Swapped};
use approvals_core::{
    Choice, Coverage, GroupId, Limits, NewEvent, OwnerId, Reasons, Receipt, RequestId,
    RequestStore, Verdict,
};
use approvals_postgres::PostgresStore;
use approvals_testing::sample::{REVIEWERS, Sample, ballot, person};
use tokio::runtime::Runtime;

use crate::rows::Rows;
use crate::store;

const BATCH: usize = 10;

/// Opened, delivered, approved, claimed and started, finished.
pub(crate) const STEPS: usize = 5;

pub(crate) fn cycle(runtime: &Runtime, url: &str, rounds: usize) -> Result<(), Failure> {
    let mut bare = runtime.block_on(Bare::new(url))?;
    let mut rows = runtime.block_on(Rows::of_a_cycle(url))?;
    let approving = runtime.block_on(async {
        let bench = Bench::over(store(url, "cycle").await?, 1).await?;
        Ok::<_, Failure>(bench.approve_everything())
    })?;
    let alone = runtime.block_on(store(url, "alone"))?;
    let arguments = Arguments::everyday();
    let samples = interleave(
        rounds,
        vec![
            Contestant::new("floor: the bare transactions", BATCH, |times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        bare.cycle().await?;
                    }
                    Ok(start.elapsed())
                })
            }),
            Contestant::new("the same rows, with nothing judged", BATCH, |times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        rows.cycle().await?;
                    }
                    Ok(start.elapsed())
                })
            }),
            Contestant::new("the store alone", BATCH, |times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        commands(&alone, STEPS).await?;
                    }
                    Ok(start.elapsed())
                })
            }),
            Contestant::new("gate, with its worker and a sink", BATCH, |times| {
                runtime.block_on(whole(&approving, &arguments, times))
            }),
        ],
    )?;
    println!("### A whole cycle\n\n{}", Table::of_medians(&samples));
    Ok(())
}

/// What a cycle asks of the store, with nobody around it: open, note the delivery, vote, claim and
/// start, finish. Only the first steps where fewer are asked for.
pub(crate) async fn commands(store: &PostgresStore, steps: usize) -> Result<RequestId, Failure> {
    let plenty = Limits {
        pending: u32::MAX,
        asks_per_hour: u32::MAX,
        ..Limits::default()
    };
    let opening = Sample::at(store.now().await?).limits(plenty).opening();
    let delivery = Delivery {
        channel: "bench".parse()?,
        coverage: Coverage::Whole,
        state: DeliveryState::Intended,
        revision: 1,
    };
    let opened = store.open(opening, vec![delivery.clone()]).await?;
    let Opened::Asked { mut record, .. } = opened else {
        return Err(format!("people should be asked: {opened:?}").into());
    };
    let delivered = Delivery {
        state: DeliveryState::Delivered(Receipt::none()),
        ..delivery
    };
    if steps > 1 {
        store.note_delivery(record.id(), delivered).await?;
    }
    let owner = OwnerId::new();
    let lease = Duration::from_secs(30);
    let alice = VoterNow {
        person: person("alice"),
        groups: BTreeSet::from([GroupId::new(REVIEWERS)?]).into(),
    };
    let commands = [
        Command::Vote(Box::new(ballot(&record.asked, 1, "alice", Choice::Approve))),
        Command::ClaimAndStart(Box::new(ClaimNow {
            owner,
            lease,
            frozen: false,
            verdict: Verdict::Allow(Reasons::rule("bench", "allowed now")?),
            policy_version: None,
            voters: vec![alice],
            excluded: BTreeSet::new().into(),
        })),
        Command::Finish {
            fence: 1,
            succeeded: true,
            summary: None,
        },
    ];
    for command in commands.into_iter().take(steps.saturating_sub(2)) {
        let runs = matches!(command, Command::ClaimAndStart(_));
        let transition = apply(&record, &command, record.changed_at)?;
        let (id, revision) = (record.id(), transition.record.revision);
        let about = |what| NewEvent::about(id, revision, what);
        let swap = Swap {
            expected: record.revision,
            record: Arc::new(transition.record),
            events: transition.events.into_iter().map(about).collect(),
            not_after: record.due_at(),
            unfrozen: runs,
            stands: runs,
        };
        record = match store.compare_and_swap(swap).await? {
            Swapped::Done { record, .. } => record,
            other => return Err(format!("it should be done: {other:?}").into()),
        };
    }
    Ok(record.id())
}

async fn whole(
    approving: &Approving,
    arguments: &Arguments,
    times: usize,
) -> Result<Duration, Failure> {
    approving
        .scope(async {
            let start = Instant::now();
            for _ in 0..times {
                ask(arguments, || ()).await?;
            }
            let took = start.elapsed();
            approving.gate.flush().await;
            Ok(took)
        })
        .await
}
