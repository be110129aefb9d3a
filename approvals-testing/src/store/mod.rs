//! The suite that any request store must pass.
//!
//! It judges every promise of [`RequestStore`]: openings and what is known before them, swaps, the trail, deliveries, what is
//! due, listing, archiving, freeze, hints, duties and time. Concurrency is provoked with tasks; run it in a
//! multi-threaded test where the store can be contended for by threads.

mod archived;
mod archiving;
mod knowing;
mod listing;
mod opening;
mod operating;
mod processes;
mod sharing;
mod steps;
mod swapping;
mod time;
mod trail;

use std::future::Future;
use std::sync::Arc;

use std::time::Duration;

use approvals_core::{Clock, RequestStore, StoreError};

use crate::ManualClock;
use crate::report::{Report, Rule};
use archiving::Archive;
use processes::Processes;
use steps::World;

/// Judges the stores that `make` makes: a new, empty one for each rule, on the clock it is given.
///
/// Call [`Report::assert_kept`] on what it returns. Needs a tokio runtime with time.
pub async fn conformance<F, S>(make: F) -> Report
where
    F: Fn(Arc<dyn Clock>) -> S,
    S: Future<Output = Arc<dyn RequestStore>>,
{
    judge(rules(), make).await
}

/// Judges whether the stores that `make` makes share out the duties of those who use them: for every
/// store that several processes may use at once. [`RequestStore::lease`] as provided is for one
/// process alone and does not pass.
pub async fn duties_conformance<F, S>(make: F) -> Report
where
    F: Fn(Arc<dyn Clock>) -> S,
    S: Future<Output = Arc<dyn RequestStore>>,
{
    judge(sharing::DUTIES.iter(), make).await
}

/// Judges stores that several processes may use at once: `make` makes two on the same data, empty
/// at first, for each rule. Run it in a multi-threaded test, so that they contend.
pub async fn processes_conformance<F, S>(make: F) -> Report
where
    F: Fn(Arc<dyn Clock>) -> S,
    S: Future<Output = [Arc<dyn RequestStore>; 2]>,
{
    let mut report = Report::new("request store of several processes");
    for rule in processes::RULES {
        let clock = Arc::new(ManualClock::new());
        let stores = make(Arc::clone(&clock) as Arc<dyn Clock>).await;
        report.judge(rule, Processes::new(stores, &clock)).await;
    }
    report
}

/// Judges what a store that archives does away with: `make` makes one, and `archive` has it archive
/// what finished so long ago and returns how many went.
pub async fn archive_conformance<F, S, T, A, D>(make: F, archive: A) -> Report
where
    F: Fn(Arc<dyn Clock>) -> S,
    S: Future<Output = Arc<T>>,
    T: RequestStore + 'static,
    A: Fn(Arc<T>, Duration) -> D + Copy + Send + Sync + 'static,
    D: Future<Output = Result<u64, StoreError>> + Send + 'static,
{
    let mut report = Report::new("request store that archives");
    for rule in archiving::RULES {
        let clock = Arc::new(ManualClock::new());
        let store = make(Arc::clone(&clock) as Arc<dyn Clock>).await;
        let world = World {
            store: Arc::clone(&store) as Arc<dyn RequestStore>,
            clock,
        };
        let archives = move |finished_for| {
            let archived: archiving::Archived = Box::pin(archive(Arc::clone(&store), finished_for));
            archived
        };
        let archives = Arc::new(archives);
        report.judge(rule, Archive { world, archives }).await;
    }
    report
}

async fn judge<F, S>(rules: impl Iterator<Item = &'static Rule<World>>, make: F) -> Report
where
    F: Fn(Arc<dyn Clock>) -> S,
    S: Future<Output = Arc<dyn RequestStore>>,
{
    let mut report = Report::new("request store");
    for rule in rules {
        let clock = Arc::new(ManualClock::new());
        let store = make(Arc::clone(&clock) as Arc<dyn Clock>).await;
        report.judge(rule, World { store, clock }).await;
    }
    report
}

fn rules() -> impl Iterator<Item = &'static Rule<World>> {
    opening::RULES
        .iter()
        .chain(knowing::RULES)
        .chain(swapping::RULES)
        .chain(trail::RULES)
        .chain(operating::RULES)
        .chain(listing::RULES)
        .chain(archived::RULES)
        .chain(sharing::RULES)
        .chain(time::RULES)
}
