//! The suite that any request store must pass.
//!
//! It judges every promise of [`RequestStore`]: openings, swaps, the trail, deliveries, what is
//! due, listing, archiving, freeze, hints, duties and time. Concurrency is provoked with tasks; run it in a
//! multi-threaded test where the store can be contended for by threads.

mod archiving;
mod opening;
mod operating;
mod sharing;
mod steps;
mod swapping;
mod time;
mod trail;

use std::future::Future;
use std::sync::Arc;

use approvals_core::{Clock, RequestStore};

use crate::ManualClock;
use crate::report::{Report, Rule};
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
        .chain(swapping::RULES)
        .chain(trail::RULES)
        .chain(operating::RULES)
        .chain(archiving::RULES)
        .chain(sharing::RULES)
        .chain(time::RULES)
}
