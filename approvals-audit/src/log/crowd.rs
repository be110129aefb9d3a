//! How many record events at the same time, so that one commit serves them all.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// After so long without another one nobody is waited for, or after an eighth of what a commit takes
/// where that is longer: a second commit would take all of it.
const GAP: Duration = Duration::from_micros(50);
const SHARE: u32 = 8;

/// What is too short to sleep.
const MOMENT: Duration = Duration::from_micros(300);

/// Over how many commits it is seen who comes.
const SPAN: u32 = 32;

/// Who came together of late.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// The most that were served by a commit or waited at its end, of the present span.
    most: usize,
    /// The same of the span before.
    before: usize,
    commits: u32,
    /// How long the last commit took.
    took: Duration,
}

impl Crowd {
    /// Waits for those who came with others of late and were not taken from the queue yet, of which
    /// there are so many. They are encoding what they record; a commit without them would have them
    /// wait for the next one. Whoever comes alone is not waited for.
    pub(super) fn wait<T>(&self, taken: usize, queue: &mpsc::Receiver<T>) {
        let usual = self.most.max(self.before);
        let (begun, gap) = (Instant::now(), GAP.max(self.took / SHARE));
        let (mut here, mut last) = (taken + queue.len(), begun);
        while here < usual && !queue.is_closed() {
            let now = Instant::now();
            let come = taken + queue.len();
            if come > here {
                (here, last) = (come, now);
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
        self.most = self.most.max(jobs + waiting);
        self.took = took;
        self.commits += 1;
        if self.commits == SPAN {
            (self.before, self.most, self.commits) = (self.most, 0, 0);
        }
    }
}
