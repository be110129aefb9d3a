//! How often Teams lets a bot call.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Limits {
    windows: HashMap<(String, u64), VecDeque<Instant>>,
    pub(super) exceeded: usize,
}

impl Limits {
    /// Whether a call is too early, and then for how long.
    pub(super) fn too_early(&mut self, ask: bool, conversation: &str) -> Option<Duration> {
        let own: [(usize, u64); 4] = match ask {
            true => [(14, 1), (16, 2), (120, 30), (3_600, 3_600)],
            false => [(7, 1), (8, 2), (60, 30), (1_800, 3_600)],
        };
        let channel = conversation.split(";messageid=").next().unwrap();
        let name = format!("{ask} {channel}");
        let mut all: Vec<_> = own.map(|(n, s)| (name.clone(), n, s)).into();
        all.push(("tenant".to_owned(), 30, 1));
        let now = Instant::now();
        for (name, count, seconds) in &all {
            let window = Duration::from_secs(*seconds);
            let calls = self.windows.entry((name.clone(), *seconds)).or_default();
            while calls.front().is_some_and(|first| *first + window <= now) {
                calls.pop_front();
            }
            if calls.len() >= *count {
                self.exceeded += 1;
                return Some(calls[0] + window - now);
            }
        }
        for (name, _, seconds) in all {
            self.windows
                .entry((name, seconds))
                .or_default()
                .push_back(now);
        }
        None
    }
}
