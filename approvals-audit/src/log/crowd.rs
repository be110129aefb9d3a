//! How many record events at the same time, so that one commit serves them all.

use std::time::{Duration, Instant};

use super::queue::{Job, Queue};

/// After so long without another one nobody is waited for, or after an eighth of what a commit takes
/// where that is longer: a second commit would take all of it.
const GAP: Duration = Duration::from_micros(50);
const SHARE: u32 = 8;

/// What is too short to sleep.
const MOMENT: Duration = Duration::from_micros(300);

/// How slowly it is forgotten who came together: by such a part with each commit.
const FORGET: usize = 16;

/// Who came together of late.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// The most that a commit served or that waited at its end, of late.
    usual: usize,
    /// How long the last commit took.
    took: Duration,
}

impl Crowd {
    /// Takes what is queued, and waits for those who came with others of late. They are encoding
    /// what they record; a commit without them would have them wait for the next one. Whoever comes
    /// alone is not waited for.
    pub(super) fn gather(&self, queue: &Queue, jobs: &mut Vec<Job>) {
        queue.take(jobs);
        let (begun, gap) = (Instant::now(), GAP.max(self.took / SHARE));
        let mut last = begun;
        while jobs.len() < self.usual {
            let here = jobs.len();
            queue.take(jobs);
            let now = Instant::now();
            if jobs.len() > here {
                last = now;
            } else if now - last > gap || now - begun > self.took / 2 {
                return;
            }
            if now - begun < MOMENT {
                std::thread::yield_now();
            } else {
                std::thread::sleep(GAP);
            }
        }
    }

    /// Notes a commit: how many it served, and how many had come by its end.
    pub(super) fn served(&mut self, jobs: usize, waiting: usize, took: Duration) {
        let less = self.usual - self.usual.div_ceil(FORGET);
        self.usual = less.max(jobs + waiting);
        self.took = took;
    }
}
