//! How often Slack lets a method be called.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Limits {
    windows: HashMap<String, VecDeque<Instant>>,
    pub(super) posts: usize,
    pub(super) exceeded: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            windows: HashMap::new(),
            posts: 300,
            exceeded: 0,
        }
    }
}

impl Limits {
    /// Whether a call is too early, and then for how long.
    pub(super) fn too_early(&mut self, method: &str, channel: Option<&str>) -> Option<Duration> {
        let tier = match method {
            "chat.postMessage" => {
                let workspace = ("workspace".to_owned(), self.posts, MINUTE);
                let second = Duration::from_secs(1);
                // A user's direct messages are one conversation, under either name.
                let of = |id: &str| match id.strip_prefix(['U', 'D']) {
                    Some(user) => format!("post to {user}"),
                    None => format!("post {id}"),
                };
                let channel = channel.map(|id| (of(id), 1, second));
                return self.take([Some(workspace), channel]);
            }
            "chat.update" | "users.lookupByEmail" | "apps.connections.open" => 50,
            "usergroups.users.list" => 20,
            _ => 100,
        };
        self.take([Some((method.to_owned(), tier, MINUTE)), None])
    }

    fn take(&mut self, limits: [Option<(String, usize, Duration)>; 2]) -> Option<Duration> {
        let now = Instant::now();
        let limits: Vec<_> = limits.into_iter().flatten().collect();
        for (name, count, window) in &limits {
            let calls = self.windows.entry(name.clone()).or_default();
            while calls.front().is_some_and(|first| *first + *window <= now) {
                calls.pop_front();
            }
            if calls.len() >= *count {
                self.exceeded += 1;
                return Some(calls[0] + *window - now);
            }
        }
        for (name, _, _) in limits {
            self.windows.entry(name).or_default().push_back(now);
        }
        None
    }
}
