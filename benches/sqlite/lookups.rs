//! Pages of the list and due scans, as more and more requests are pending.

use std::path::Path;
use std::time::Instant;

use approvals_benches::Failure;
use approvals_benches::effort::Effort;
use approvals_benches::files::filled;
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::{Table, ratio, time};
use approvals_core::RequestStore;
use approvals_core::store::Filter;
use approvals_sqlite::SqliteStore;
use tokio::runtime::Runtime;

/// How much is asked for at once: as much as a gate asks for.
const SCANNED: usize = 256;
/// How many are overdue, however many are pending.
const OVERDUE: usize = 300;
const DUE_SCAN: &str = "a due scan of 256, of 300 that are due";

/// Scans that find different things could not be compared.
async fn finds_as_much(store: &SqliteStore) -> Result<(), Failure> {
    let (some, all) = (store.due(SCANNED).await?, store.due(2 * OVERDUE).await?);
    let found = (some.requests.len(), all.requests.len(), all.abandoned.len());
    if found != (SCANNED, OVERDUE, 0) {
        return Err(format!("a due scan finds {found:?}").into());
    }
    Ok(())
}

pub(crate) fn lookups(
    runtime: &Runtime,
    directory: &Path,
    effort: Effort,
) -> Result<Table, Failure> {
    let counts: [usize; 2] = match effort {
        Effort::Full => [10_000, 1_000_000],
        Effort::Quick => [10_000, 100_000],
        Effort::Smoke => [500, 1_000],
    };
    let mut table = Table::new(["what", "pending", "median", "to the fewest"]);
    let stores = counts
        .iter()
        .map(|count| {
            Ok((
                *count,
                runtime.block_on(filled(directory, *count, OVERDUE))?,
            ))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    for (_, store) in &stores {
        runtime.block_on(finds_as_much(store))?;
    }
    for what in ["a page of 50", DUE_SCAN] {
        let contestants = stores.iter().map(|(count, store)| {
            Contestant::new(format!("{count}"), 20, move |times| {
                runtime.block_on(async {
                    let filter = Filter {
                        phases: vec![approvals_core::Phase::Pending],
                        ..Filter::default()
                    };
                    let start = Instant::now();
                    for _ in 0..times {
                        if what == "a page of 50" {
                            store.list(&filter, None, 50).await?;
                        } else {
                            store.due(SCANNED).await?;
                        }
                    }
                    Ok(start.elapsed())
                })
            })
        });
        let samples = interleave(effort.rounds(41), contestants.collect())?;
        let first = samples.first().map_or(f64::NAN, |one| one.median());
        for one in samples {
            table.row([
                what.to_owned(),
                one.name.clone(),
                time(one.median()),
                ratio(one.median(), first),
            ]);
        }
    }
    Ok(table)
}
