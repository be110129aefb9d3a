//! Interleaved sampling: every contestant is measured in every round.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::Failure;

type Run<'a> = Box<dyn FnMut(usize) -> Result<Duration, Failure> + 'a>;

/// One thing to measure.
pub struct Contestant<'a> {
    name: String,
    batch: usize,
    run: Run<'a>,
}

impl<'a> Contestant<'a> {
    /// A contestant whose `run` does its work `batch` times and answers how long all of it
    /// took. What it does before it starts the clock and after it stops it is not counted.
    pub fn new(
        name: impl Into<String>,
        batch: usize,
        run: impl FnMut(usize) -> Result<Duration, Failure> + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            batch: batch.max(1),
            run: Box::new(run),
        }
    }

    /// A contestant whose work is a plain function, timed around the whole batch.
    pub fn repeat<T>(
        name: impl Into<String>,
        batch: usize,
        mut work: impl FnMut() -> T + 'a,
    ) -> Self {
        Self::new(name, batch, move |times| {
            let start = Instant::now();
            for _ in 0..times {
                black_box(work());
            }
            Ok(start.elapsed())
        })
    }
}

/// What one contestant took, in nanoseconds for one piece of work, smallest first.
#[derive(Clone, Debug)]
pub struct Samples {
    /// The contestant's name.
    pub name: String,
    nanoseconds: Vec<f64>,
}

impl Samples {
    /// Samples of a contestant that were taken elsewhere, in nanoseconds.
    pub fn new(name: impl Into<String>, mut nanoseconds: Vec<f64>) -> Self {
        nanoseconds.sort_by(f64::total_cmp);
        Self {
            name: name.into(),
            nanoseconds,
        }
    }

    /// The nearest-rank percentile in nanoseconds; not a number when nothing was sampled.
    pub fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.nanoseconds.len() * percent).div_ceil(100).max(1);
        self.nanoseconds.get(rank - 1).copied().unwrap_or(f64::NAN)
    }

    /// The median in nanoseconds.
    pub fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// How many samples there are.
    pub fn count(&self) -> usize {
        self.nanoseconds.len()
    }
}

/// Measures all contestants in each of `rounds` rounds, each time starting with another one,
/// after a tenth as many rounds that are not counted. Answers in the contestants' order.
///
/// # Errors
/// The first failure of a contestant.
pub fn interleave(
    rounds: usize,
    contestants: Vec<Contestant<'_>>,
) -> Result<Vec<Samples>, Failure> {
    let warm_up = rounds.div_ceil(10);
    let mut entrants: Vec<_> = contestants
        .into_iter()
        .enumerate()
        .map(|(place, one)| (place, one, Vec::with_capacity(rounds)))
        .collect();
    for round in 0..warm_up + rounds {
        for (_, contestant, nanoseconds) in &mut entrants {
            let took = (contestant.run)(contestant.batch)?;
            if round >= warm_up {
                nanoseconds.push(took.as_secs_f64() * 1e9 / contestant.batch as f64);
            }
        }
        if !entrants.is_empty() {
            entrants.rotate_left(1);
        }
    }
    entrants.sort_by_key(|(place, ..)| *place);
    Ok(entrants
        .into_iter()
        .map(|(_, contestant, nanoseconds)| Samples::new(contestant.name, nanoseconds))
        .collect())
}

/// What reading the clock twice costs here, in nanoseconds: part of every single-shot sample.
pub fn clock_cost() -> f64 {
    let readings = (0..10_001)
        .map(|_| Instant::now().elapsed().as_secs_f64() * 1e9)
        .collect();
    Samples::new("clock", readings).median()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let samples = Samples::new("some", (1..=200).rev().map(f64::from).collect());
        assert_eq!(
            [
                samples.percentile(1),
                samples.median(),
                samples.percentile(99)
            ],
            [2.0, 100.0, 198.0]
        );
        assert!(Samples::new("none", Vec::new()).median().is_nan());
    }

    #[test]
    fn every_contestant_is_measured_in_every_round_and_answers_keep_their_order() {
        let fixed = |name: &str, nanoseconds: u64| {
            Contestant::new(name, 10, move |_| Ok(Duration::from_nanos(nanoseconds)))
        };
        let samples = interleave(7, vec![fixed("first", 100), fixed("second", 200)]).unwrap();
        let seen: Vec<_> = samples
            .iter()
            .map(|one| (one.name.as_str(), one.count(), one.median().round()))
            .collect();
        assert_eq!(seen, [("first", 7, 10.0), ("second", 7, 20.0)]);
    }
}
