//! Callers that come back after a restart, beside reading the rows of what they wait for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use approvals_core::store::Filter;
use approvals_core::{ApprovalError, Call, RequestId, RequestStore, detached, requires_approval};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::Failure;
use crate::effort::Effort;
use crate::gate::Bench;
use crate::sampling::{Contestant, Samples, interleave};
use crate::table::{Table, ratio, time};

/// How many callers ask at once while the requests are made.
const ASKING: usize = 256;

/// How many read at once, and how many come back at once where not all of them do: as many as there
/// are threads.
pub const RETURNING: usize = 2;

/// How many records are read at once for their calls.
const PAGE: usize = 1_000;

/// Where requests wait while their callers are gone.
pub trait Place {
    /// What is opened there.
    type Store: RequestStore + 'static;

    /// Opens it as a process that starts does.
    fn open(&self) -> impl Future<Output = Result<Arc<Self::Store>, Failure>>;

    /// Ends what was opened.
    fn close(&self, store: &Self::Store) -> impl Future<Output = ()>;

    /// How many rows a statement of a floor reads: a floor for each.
    fn rows() -> &'static [usize];

    /// Reads and decodes the rows of these requests, so many by a statement, one statement after the
    /// other on each of [`RETURNING`] connections.
    ///
    /// # Errors
    /// When one of them cannot be read.
    fn read(
        &self,
        runtime: &Runtime,
        ids: &[RequestId],
        by_a_statement: usize,
    ) -> Result<Duration, Failure>;
}

/// An export that is known by its key.
///
/// # Errors
/// When the gate refuses.
#[requires_approval(policy = "benches", action = "bench.reviewed_by_key", key = key)]
async fn export(key: &str, database: &str, rows: u64) -> Result<(), ApprovalError> {
    std::hint::black_box((database, rows));
    Ok(())
}

/// Makes the call, which does not wait: the request that it asks or finds.
async fn call(number: usize) -> Result<RequestId, Failure> {
    let key = format!("step-{number}");
    match detached(export(&key, "customers", 250_000)).await {
        Err(error) if error.is_pending() => {
            Ok(error.request_id().ok_or("a request should be named")?)
        }
        other => Err(format!("people should be asked: {other:?}").into()),
    }
}

/// Makes the calls of these numbers, so many at once.
async fn calls(
    bench: &Bench,
    count: usize,
    at_once: usize,
) -> Result<Vec<(usize, RequestId)>, Failure> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..at_once {
        let next = Arc::clone(&next);
        let (gate, requester) = (bench.gate.clone(), bench.requester.clone());
        callers.spawn(async move {
            let calling = async {
                let mut asked = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok::<_, Failure>(asked);
                    }
                    asked.push((number, call(number).await?));
                }
            };
            gate.scope(requester.scope(calling)).await
        });
    }
    let mut asked = Vec::with_capacity(count);
    while let Some(more) = callers.join_next().await {
        asked.extend(more??);
    }
    Ok(asked)
}

/// So many keyed requests are pending there from now on; returns which they are.
fn asked<P: Place>(runtime: &Runtime, place: &P, count: usize) -> Result<Vec<RequestId>, Failure> {
    runtime.block_on(async {
        let store = place.open().await?;
        let mut bench = Bench::over(Arc::<P::Store>::clone(&store), 1).await?;
        let mut ids = calls(&bench, count, ASKING).await?;
        for _ in 0..count {
            bench.notices.recv().await.ok_or("nobody was shown it")?;
        }
        bench.gate.flush().await;
        place.close(&store).await;
        ids.sort_unstable();
        Ok(ids.into_iter().map(|(_, id)| id).collect())
    })
}

/// A process that starts, and whose callers come back, so many at once.
fn come_back<P: Place>(
    runtime: &Runtime,
    place: &P,
    ids: &[RequestId],
    how: How,
    at_once: usize,
) -> Result<Duration, Failure> {
    runtime.block_on(async {
        let store = place.open().await?;
        let bench = Bench::over(Arc::<P::Store>::clone(&store), 1).await?;
        let took = match how {
            How::Called => {
                let start = Instant::now();
                calls(&bench, ids.len(), at_once).await?;
                start.elapsed()
            }
            How::Resumed => resumed(&bench, ids, at_once).await?,
        };
        place.close(&store).await;
        Ok(took)
    })
}

/// How callers come back.
#[derive(Debug, Clone, Copy)]
enum How {
    /// The guarded function is called again, with the same key.
    Called,
    /// `Gate::resume`, with the id and the same call.
    Resumed,
}

/// Takes up these requests, each with the call as its caller has it: the same but for its key.
async fn resumed(bench: &Bench, ids: &[RequestId], at_once: usize) -> Result<Duration, Failure> {
    let mut calls: HashMap<RequestId, Call> = HashMap::with_capacity(ids.len());
    let mut after = None;
    while calls.len() < ids.len() {
        let page = bench.gate.requests(&Filter::default(), after, PAGE).await?;
        let last = page.last().ok_or("some of them are not listed")?;
        after = Some(last.id());
        calls.extend(
            page.iter()
                .map(|one| (one.id(), Call::clone(&one.asked.call))),
        );
    }
    let mut shares = Vec::with_capacity(at_once);
    for ids in ids.chunks(ids.len().div_ceil(at_once).max(1)) {
        let share: Option<Vec<_>> = ids.iter().map(|id| calls.remove_entry(id)).collect();
        shares.push(share.ok_or("one of them is not listed")?);
    }
    let start = Instant::now();
    let mut callers = JoinSet::new();
    for calls in shares {
        let gate = bench.gate.clone();
        callers.spawn(async move {
            for (id, call) in calls {
                match gate.resume(id, call).await {
                    Err(error) if error.is_pending() => {}
                    other => return Err(format!("it should be pending: {other:?}").into()),
                }
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(start.elapsed())
}

/// How many there are: 100 000, or as many as the command line says.
fn how_many(effort: Effort) -> usize {
    let said = std::env::args().find_map(|argument| argument.parse().ok());
    said.unwrap_or(match effort {
        Effort::Full => 100_000,
        Effort::Quick => 10_000,
        Effort::Smoke => 100,
    })
}

/// How long callers take that come back, a few at once and all at once as they do after a restart,
/// beside reading their rows.
///
/// # Errors
/// When the store fails, or one of them does not find its request.
pub fn returning<P: Place>(runtime: &Runtime, place: &P, effort: Effort) -> Result<Table, Failure> {
    let count = how_many(effort);
    let ids = &asked(runtime, place, count)?;
    let mut contestants = Vec::new();
    for rows in P::rows() {
        let name = match rows {
            1 => "their rows are read and decoded, one by one".to_owned(),
            rows => format!("the same, {rows} rows by a statement"),
        };
        contestants.push(Contestant::new(name, count, move |_| {
            place.read(runtime, ids, *rows)
        }));
    }
    for (at_once, how_many) in [(RETURNING, "two at once"), (count, "all at once")] {
        for (how, what) in [
            (How::Called, "called again with their keys"),
            (How::Resumed, "resumed by their ids"),
        ] {
            let name = format!("{what}, {how_many}");
            contestants.push(Contestant::new(name, count, move |_| {
                come_back(runtime, place, ids, how, at_once)
            }));
        }
    }
    let samples = interleave(effort.rounds(5).min(5), contestants)?;
    let mut table = Table::new([
        "what",
        "waiting",
        "all of them",
        "to the first",
        "to the quickest floor",
    ]);
    let floors = samples.iter().take(P::rows().len()).map(Samples::median);
    let quickest = floors.fold(f64::NAN, f64::min);
    let first = samples.first().map_or(f64::NAN, Samples::median);
    for one in &samples {
        table.row([
            one.name.clone(),
            count.to_string(),
            time(one.median() * count as f64),
            ratio(one.median(), first),
            ratio(one.median(), quickest),
        ]);
    }
    Ok(table)
}
