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
use tokio::runtime::Runtime;

pub(crate) fn lookups(
    runtime: &Runtime,
    directory: &Path,
    effort: Effort,
) -> Result<Table, Failure> {
    let counts: [usize; 2] = match effort {
        Effort::Full => [10_000, 1_000_000],
        Effort::Quick => [10_000, 100_000],
        Effort::Smoke => [100, 1_000],
    };
    let mut table = Table::new(["what", "pending", "median", "to the fewest"]);
    let stores = counts
        .iter()
        .map(|count| Ok((*count, runtime.block_on(filled(directory, *count))?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    for what in ["a page of 50", "a due scan of 50"] {
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
                            store.due(50).await?;
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
