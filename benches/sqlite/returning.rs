//! Callers that come back after a restart, beside reading the rows of what they wait for.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use approvals_benches::Failure;
use approvals_benches::effort::Effort;
use approvals_benches::gate::Bench;
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::{Table, ratio, time};
use approvals_core::store::encoding;
use approvals_core::{ApprovalError, Call, Record, RequestId, detached, requires_approval};
use approvals_sqlite::SqliteStore;
use rusqlite::{Connection, OpenFlags};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// How many callers ask at once while the requests are made.
const ASKING: usize = 256;

/// How many come back at once: as many as there are threads.
const RETURNING: usize = 2;

/// An export that is known by its key.
///
/// # Errors
/// When the gate refuses.
#[requires_approval(policy = "benches", action = "bench.reviewed", key = key)]
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

/// A file in which so many keyed requests are pending, and which they are.
fn asked(runtime: &Runtime, path: &Path, count: usize) -> Result<Vec<RequestId>, Failure> {
    runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(path).await?);
        let mut bench = Bench::over(Arc::<SqliteStore>::clone(&store), 1).await?;
        let mut ids = calls(&bench, count, ASKING).await?;
        for _ in 0..count {
            bench.notices.recv().await.ok_or("nobody was shown it")?;
        }
        bench.gate.flush().await;
        store.close().await;
        ids.sort_unstable();
        Ok(ids.into_iter().map(|(_, id)| id).collect())
    })
}

/// Reads the rows as a thread with a connection of its own reads them, the fastest way there is.
fn read(path: &Path, ids: &[RequestId]) -> Result<(), Failure> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut statement = connection.prepare("SELECT record FROM requests WHERE id = ?")?;
    for id in ids {
        let text: String = statement.query_row([id.to_bytes()], |row| row.get(0))?;
        let record: Record = encoding::decode("a record", &text)?;
        std::hint::black_box(record);
    }
    Ok(())
}

fn read_all(path: &Path, ids: &[RequestId]) -> Result<Duration, Failure> {
    let start = Instant::now();
    let share = ids.len().div_ceil(RETURNING).max(1);
    std::thread::scope(|scope| {
        let readers: Vec<_> = ids
            .chunks(share)
            .map(|ids| scope.spawn(|| read(path, ids).map_err(|error| error.to_string())))
            .collect();
        for reader in readers {
            reader.join().map_err(|_| "a reader panicked")??;
        }
        Ok::<_, Failure>(())
    })?;
    Ok(start.elapsed())
}

/// A process that starts, and whose callers come back.
fn come_back(
    runtime: &Runtime,
    path: &Path,
    ids: &[RequestId],
    how: How,
) -> Result<Duration, Failure> {
    runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(path).await?);
        let bench = Bench::over(Arc::<SqliteStore>::clone(&store), 1).await?;
        let took = match how {
            How::Called => {
                let start = Instant::now();
                calls(&bench, ids.len(), RETURNING).await?;
                start.elapsed()
            }
            How::Resumed => resumed(&bench, ids).await?,
        };
        store.close().await;
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

async fn resumed(bench: &Bench, ids: &[RequestId]) -> Result<Duration, Failure> {
    let share = ids.len().div_ceil(RETURNING).max(1);
    let mut shares = Vec::new();
    for ids in ids.chunks(share) {
        // The call as its caller has it: the same each time but for its key.
        let mut calls = Vec::with_capacity(ids.len());
        for id in ids {
            let record = bench.gate.request(*id).await?;
            calls.push((*id, Call::clone(&record.asked.call)));
        }
        shares.push(calls);
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

pub(crate) fn returning(
    runtime: &Runtime,
    directory: &Path,
    effort: Effort,
) -> Result<Table, Failure> {
    let count = match effort {
        Effort::Full => 100_000,
        Effort::Quick => 10_000,
        Effort::Smoke => 100,
    };
    let path = directory.join("returning.db");
    let ids = asked(runtime, &path, count)?;
    let contestants = vec![
        Contestant::new("their rows are read and decoded", count, |_| {
            read_all(&path, &ids)
        }),
        Contestant::new("called again with their keys", count, |_| {
            come_back(runtime, &path, &ids, How::Called)
        }),
        Contestant::new("resumed by their ids", count, |_| {
            come_back(runtime, &path, &ids, How::Resumed)
        }),
    ];
    let samples = interleave(effort.rounds(5).min(5), contestants)?;
    let first = samples.first().map_or(f64::NAN, |one| one.median());
    let mut table = Table::new(["what", "waiting", "all of them", "to the first"]);
    for one in samples {
        table.row([
            one.name.clone(),
            count.to_string(),
            time(one.median() * count as f64),
            ratio(one.median(), first),
        ]);
    }
    Ok(table)
}
