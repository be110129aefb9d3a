//! Who may call a service next: never more often than it publishes, most urgent and oldest first.
//!
//! Calls wait in lines; each line has limits, which it may share with others. Limits are windows that
//! slide: of the last so many calls the first has to be a whole window ago.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use approvals_core::{Risk, Timestamp};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// What a service publishes about how often it may be called.
pub trait Pace: Debug + Send + Sync + 'static {
    /// What calls wait in line for: two of one line are as good as each other.
    type Line: Debug + Clone + Eq + Ord + Hash + Send;
    /// A limit, which several lines may share.
    type Limit: Debug + Clone + Eq + Hash + Send;
    /// What the service asks to leave alone for a while.
    type Pause: Debug + Clone + Eq + Hash + Send;

    /// The limits of a line. One limit may have several windows.
    fn limits(&self, line: &Self::Line) -> impl Iterator<Item = (Self::Limit, Window)>;

    /// The pause that holds a line up.
    fn pause(&self, line: &Self::Line) -> Self::Pause;
}

/// So many calls in so long a time, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// The calls.
    pub calls: usize,
    /// The time.
    pub within: Duration,
}

impl Window {
    /// So many calls within so many seconds.
    #[must_use]
    pub const fn of(calls: usize, seconds: u64) -> Self {
        let within = Duration::from_secs(seconds);
        Self { calls, within }
    }
}

/// What comes first. Smaller is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u64);

impl Rank {
    /// Somebody is waiting for this with a finger on the button.
    pub const NOW: Self = Self(0);

    /// What was asked earlier comes earlier, and risk has a head start. A head start ends, so that
    /// nothing waits for ever behind what is more urgent.
    #[must_use]
    pub fn of(risk: Risk, asked_at: Timestamp) -> Self {
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

/// Gives turns under the limits of a service. Each process counts for itself.
#[derive(Debug)]
pub struct Schedule<P: Pace> {
    shared: Arc<Shared<P>>,
}

#[derive(Debug)]
struct Shared<P: Pace> {
    state: Mutex<State<P>>,
    arrived: Notify,
    pace: P,
}

/// A place in a line: what is more urgent comes first, and then what came first.
type Place = (Rank, u64);

type Waiting = BTreeMap<Place, oneshot::Sender<()>>;

#[derive(Debug)]
struct State<P: Pace> {
    lines: HashMap<P::Line, Waiting>,
    windows: HashMap<(P::Limit, Window), VecDeque<Instant>>,
    paused: HashMap<P::Pause, Instant>,
    count: u64,
    driven: bool,
}

impl<P: Pace> Schedule<P> {
    /// A schedule under these limits, with nobody waiting.
    pub fn new(pace: P) -> Self {
        let state = State {
            lines: HashMap::new(),
            windows: HashMap::new(),
            paused: HashMap::new(),
            count: 0,
            driven: false,
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                arrived: Notify::new(),
                pace,
            }),
        }
    }

    /// Waits until this call may be made.
    pub async fn turn(&self, line: P::Line, rank: Rank) {
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

    /// The service asked for a pause.
    pub fn pause(&self, what: P::Pause, pause: Duration) {
        let until = Instant::now() + pause;
        let mut state = self.shared.state();
        let known = state.paused.entry(what).or_insert(until);
        *known = until.max(*known);
    }
}

/// Marks that nobody drives any more, also when the runtime ends first.
struct Driving<P: Pace> {
    shared: Weak<Shared<P>>,
    /// It was marked already, and somebody else may drive by now.
    over: bool,
}

impl<P: Pace> Drop for Driving<P> {
    fn drop(&mut self) {
        if !self.over
            && let Some(shared) = self.shared.upgrade()
        {
            shared.state().driven = false;
        }
    }
}

/// Gives turns for as long as anybody waits.
async fn drive<P: Pace>(mut driving: Driving<P>) {
    loop {
        let Some(shared) = driving.shared.upgrade() else {
            return;
        };
        let next = {
            let mut state = shared.state();
            let next = state.pump(&shared.pace);
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

impl<P: Pace> Shared<P> {
    fn state(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Pace> State<P> {
    /// Gives every turn that can be given now, and says when to look again.
    fn pump(&mut self, pace: &P) -> Option<Instant> {
        let now = Instant::now();
        let mut heads: BinaryHeap<Reverse<(Place, P::Line)>> = self
            .lines
            .iter()
            .filter_map(|(line, waiting)| Some(Reverse((*waiting.keys().next()?, line.clone()))))
            .collect();
        let mut next: Option<Instant> = None;
        while let Some(Reverse((place, line))) = heads.pop() {
            let free = self.free_at(pace, &line, now);
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
                for limit in pace.limits(&line) {
                    self.windows.entry(limit).or_default().push_back(now);
                }
            }
        }
        self.forget(now);
        next
    }

    fn free_at(&mut self, pace: &P, line: &P::Line, now: Instant) -> Instant {
        let paused = self.paused.get(&pace.pause(line)).copied();
        let paused = paused.unwrap_or(now).max(now);
        pace.limits(line).fold(paused, |free, limit| {
            let window = limit.1;
            let Some(calls) = self.windows.get_mut(&limit) else {
                return free;
            };
            while calls
                .front()
                .is_some_and(|first| *first + window.within <= now)
            {
                calls.pop_front();
            }
            let reached = calls.len() >= window.calls;
            match calls.front() {
                Some(first) if reached => free.max(*first + window.within),
                _ => free,
            }
        })
    }

    /// Lets go of limits that nobody has come near to for long.
    fn forget(&mut self, now: Instant) {
        if self.windows.len() > 4_096 {
            self.windows.retain(|(_, window), calls| {
                calls.back().is_some_and(|last| *last + window.within > now)
            });
        }
        self.paused.retain(|_, until| *until > now);
    }
}
