//! Who may call Slack next: never more often than Slack publishes, most urgent and oldest first.
//!
//! Each call waits for its method's tier; a message also for its conversation (one a second) and for
//! the workspace. A pause that Slack asks for holds for one method. Limits are windows that slide: of
//! the last so many calls the first has to be a whole window ago.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use approvals_core::{Risk, Timestamp};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::id::ConversationId;
use crate::method::Method;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// What comes first. Smaller is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u64);

impl Rank {
    /// Somebody is waiting for this with a finger on the button.
    pub(crate) const NOW: Self = Self(0);

    /// What was asked earlier comes earlier, and risk has a head start. A head start ends, so that
    /// nothing waits for ever behind what is more urgent.
    pub(crate) fn of(risk: Risk, asked_at: Timestamp) -> Self {
        let head_start = match risk {
            Risk::Low => 0,
            Risk::Medium => 60,
            Risk::High => 5 * 60,
            Risk::Critical => 30 * 60,
        };
        let rank = asked_at.minus(Duration::from_secs(head_start));
        Self(rank.as_millis().max(1))
    }
}

/// What calls wait in line for: a method, and where it is of one, a conversation.
pub(crate) type Line = (Method, Option<Arc<str>>);

/// A limit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Limit {
    Method(Method),
    Conversation(Arc<str>),
    Workspace,
}

#[derive(Debug)]
pub(crate) struct Schedule {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    arrived: Notify,
    posts_per_minute: usize,
}

#[derive(Debug, Default)]
struct State {
    lines: HashMap<Line, BTreeMap<(Rank, u64), oneshot::Sender<()>>>,
    windows: HashMap<Limit, VecDeque<Instant>>,
    paused: HashMap<Method, Instant>,
    count: u64,
    driven: bool,
}

impl Schedule {
    pub(crate) fn new(posts_per_minute: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                arrived: Notify::new(),
                posts_per_minute: posts_per_minute.max(1),
            }),
        }
    }

    /// Waits until this call may be made.
    pub(crate) async fn turn(
        &self,
        method: Method,
        conversation: Option<&ConversationId>,
        rank: Rank,
    ) {
        let line = (method, conversation.map(|id| id.as_str().into()));
        let (granted, waiting) = oneshot::channel();
        {
            let mut state = self.shared.state();
            state.count += 1;
            let place = (rank, state.count);
            state.lines.entry(line).or_default().insert(place, granted);
            if !state.driven {
                state.driven = true;
                tokio::spawn(drive(Driving {
                    shared: Arc::downgrade(&self.shared),
                    over: false,
                }));
            }
        }
        self.shared.arrived.notify_one();
        // The schedule lives as long as `self` does, so somebody answers.
        let _ = waiting.await;
    }

    /// Slack asked for a pause.
    pub(crate) fn pause(&self, method: Method, pause: Duration) {
        let until = Instant::now() + pause;
        let mut state = self.shared.state();
        let known = state.paused.entry(method).or_insert(until);
        *known = until.max(*known);
    }
}

/// Marks that nobody drives any more, also when the runtime ends first.
struct Driving {
    shared: Weak<Shared>,
    /// It was marked already, and somebody else may drive by now.
    over: bool,
}

impl Drop for Driving {
    fn drop(&mut self) {
        if !self.over
            && let Some(shared) = self.shared.upgrade()
        {
            shared.state().driven = false;
        }
    }
}

/// Gives turns for as long as anybody waits.
async fn drive(mut driving: Driving) {
    loop {
        let Some(shared) = driving.shared.upgrade() else {
            return;
        };
        let next = {
            let mut state = shared.state();
            let next = state.pump(shared.posts_per_minute);
            if next.is_none() {
                state.driven = false;
                driving.over = true;
                return;
            }
            next
        };
        let Some(next) = next else { return };
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = shared.arrived.notified() => {}
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives every turn that can be given now, and says when to look again.
    fn pump(&mut self, posts_per_minute: usize) -> Option<Instant> {
        let now = Instant::now();
        let mut heads: BinaryHeap<Reverse<((Rank, u64), Line)>> = self
            .lines
            .iter()
            .filter_map(|(line, waiting)| Some(Reverse((*waiting.keys().next()?, line.clone()))))
            .collect();
        let mut next: Option<Instant> = None;
        while let Some(Reverse((place, line))) = heads.pop() {
            let free = self.free_at(&line, posts_per_minute, now);
            if free > now {
                next = Some(next.map_or(free, |next| next.min(free)));
                continue;
            }
            let Some(waiting) = self.lines.get_mut(&line) else {
                continue;
            };
            let granted = waiting.remove(&place);
            if let Some(following) = waiting.keys().next() {
                heads.push(Reverse((*following, line.clone())));
            } else {
                self.lines.remove(&line);
            }
            // Whoever gave up waiting takes no turn.
            if granted.is_some_and(|granted| granted.send(()).is_ok()) {
                for limit in limits(&line) {
                    self.windows.entry(limit).or_default().push_back(now);
                }
            }
        }
        self.forget(now);
        next
    }

    fn free_at(&mut self, line: &Line, posts_per_minute: usize, now: Instant) -> Instant {
        let paused = self.paused.get(&line.0).copied().unwrap_or(now);
        limits(line).fold(paused.max(now), |free, limit| {
            let (count, window) = match &limit {
                Limit::Method(method) => (method.per_minute(), MINUTE),
                Limit::Conversation(_) => (1, SECOND),
                Limit::Workspace => (posts_per_minute, MINUTE),
            };
            let Some(calls) = self.windows.get_mut(&limit) else {
                return free;
            };
            while calls.front().is_some_and(|first| *first + window <= now) {
                calls.pop_front();
            }
            let reached = calls.len() >= count;
            match calls.front() {
                Some(first) if reached => free.max(*first + window),
                _ => free,
            }
        })
    }

    /// Lets go of limits of conversations that nobody has posted to for long.
    fn forget(&mut self, now: Instant) {
        if self.windows.len() > 4_096 {
            self.windows
                .retain(|_, calls| calls.back().is_some_and(|last| *last + MINUTE > now));
        }
        self.paused.retain(|_, until| *until > now);
    }
}

/// The limits of a call.
fn limits((method, conversation): &Line) -> impl Iterator<Item = Limit> + use<> {
    let post = *method == Method::PostMessage;
    let conversation = conversation.as_ref().filter(|_| post);
    [
        (!post).then_some(Limit::Method(*method)),
        post.then_some(Limit::Workspace),
        conversation.map(|id| Limit::Conversation(Arc::clone(id))),
    ]
    .into_iter()
    .flatten()
}
