//! The floors: the least work that a gate with the same guarantee must do.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

use crate::Failure;
use crate::arguments::Arguments;

/// Serialises `arguments` and hashes the text: what binding a decision to a call needs.
///
/// # Errors
/// When the arguments cannot be serialised.
pub fn serialise_and_hash(arguments: &impl Serialize) -> Result<[u8; 32], serde_json::Error> {
    Ok(Sha256::digest(serde_json::to_string(arguments)?).into())
}

/// What a caller hands to a sink at the least: as large as four words.
pub type SmallEvent = [u64; 4];

/// Sends `times` events with `try_send` and empties the channel after the clock has stopped.
///
/// # Errors
/// When the channel holds fewer than `times` events.
pub fn try_send(
    channel: &mut (mpsc::Sender<SmallEvent>, mpsc::Receiver<SmallEvent>),
    times: usize,
) -> Result<Duration, Failure> {
    let (sender, receiver) = channel;
    let start = Instant::now();
    for count in 0..times {
        sender.try_send(black_box([count as u64, 1, 2, 3]))?;
    }
    let took = start.elapsed();
    while receiver.try_recv().is_ok() {}
    Ok(took)
}

/// A runtime that lives on the thread that drives it, with timers, as a gate with deadlines has.
///
/// # Errors
/// When the operating system refuses what it needs.
pub fn current_thread() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_time().build()?)
}

/// A runtime with as many workers as the machines that the tables are made on have cores: two.
///
/// # Errors
/// When the operating system refuses what it needs.
pub fn two_workers() -> Result<Runtime, Failure> {
    Ok(Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()?)
}

/// Tasks that wait for a oneshot each, until this is dropped.
#[derive(Debug)]
pub struct Parked {
    _senders: Vec<oneshot::Sender<()>>,
}

/// Parks `count` tasks, and answers once each has been polled.
///
/// # Errors
/// When `count` tasks cannot be counted.
pub fn park(runtime: &Runtime, count: usize) -> Result<Parked, Failure> {
    let polled = Arc::new(AtomicU64::new(0));
    let all = u64::try_from(count)?;
    runtime.block_on(async {
        let mut senders = Vec::with_capacity(count);
        for _ in 0..count {
            let (sender, receiver) = oneshot::channel();
            senders.push(sender);
            let polled = Arc::clone(&polled);
            tokio::spawn(async move {
                polled.fetch_add(1, Ordering::Relaxed);
                receiver.await
            });
        }
        while polled.load(Ordering::Relaxed) < all {
            yield_now().await;
        }
        Ok(Parked { _senders: senders })
    })
}

/// Awaits `future`, and sets `pending` once it has been polled and is not ready.
pub async fn and_tell_when_pending<F: Future>(future: F, pending: Arc<AtomicBool>) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let poll = future.as_mut().poll(context);
        if poll.is_pending() {
            pending.store(true, Ordering::Release);
        }
        poll
    })
    .await
}

/// How long a thread that finds nothing to do may take until it sleeps.
const ASLEEP_AFTER: Duration = Duration::from_micros(200);

/// Waits until a task waits, and the thread that polled it has gone to sleep: people take longer
/// than that. Without it a worker may still be looking for work when the answer comes, and then
/// again may just be on its way to sleep, which is the slowest moment to be woken at.
pub async fn parked(pending: &AtomicBool) {
    while !pending.load(Ordering::Acquire) {
        yield_now().await;
    }
    let since = Instant::now();
    while since.elapsed() < ASLEEP_AFTER {
        std::hint::spin_loop();
    }
}

/// What a woken task does before it stops the clock.
#[derive(Clone)]
pub enum Then {
    /// Nothing: the wake-up alone.
    Nothing,
    /// Serialise and hash these arguments.
    Hash(Arc<Arguments>),
}

/// The time from `oneshot::Sender::send` to the task that waited having done `then`.
/// The waiting task is parked before the clock starts.
///
/// # Errors
/// When a task panics.
pub async fn wake_up(then: Then) -> Result<Duration, Failure> {
    let (sender, receiver) = oneshot::channel::<Instant>();
    let pending = Arc::new(AtomicBool::new(false));
    let waiter = tokio::spawn({
        let pending = Arc::clone(&pending);
        async move {
            let sent = and_tell_when_pending(receiver, pending).await?;
            if let Then::Hash(arguments) = then {
                black_box(serialise_and_hash(&arguments.borrowed())?);
            }
            Ok::<_, Failure>(sent.elapsed())
        }
    });
    parked(&pending).await;
    let _ = sender.send(Instant::now());
    waiter.await?
}

/// The least that keeps questions and finds them again: no policy, identity, binding,
/// deadline or record.
#[derive(Debug, Default)]
pub struct Registry {
    next: AtomicU64,
    pending: Mutex<HashMap<u64, oneshot::Sender<bool>>>,
}

impl Registry {
    /// Asks: the number of the question, and where its answer will be.
    pub fn ask(&self) -> (u64, oneshot::Receiver<bool>) {
        let (sender, receiver) = oneshot::channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number, sender);
        (number, receiver)
    }

    /// Answers, if the question is still open.
    pub fn answer(&self, number: u64, yes: bool) -> bool {
        let sender = self
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&number);
        sender.is_some_and(|sender| sender.send(yes).is_ok())
    }
}

/// A registry whose questions are answered yes by a task of their own.
pub struct ReviewedRegistry {
    registry: Arc<Registry>,
    questions: mpsc::UnboundedSender<u64>,
}

impl ReviewedRegistry {
    /// A registry and its reviewing task on the runtime that this is called in.
    pub fn start() -> Self {
        let registry = Arc::new(Registry::default());
        let (questions, mut asked) = mpsc::unbounded_channel();
        tokio::spawn({
            let registry = Arc::clone(&registry);
            async move {
                while let Some(number) = asked.recv().await {
                    registry.answer(number, true);
                }
            }
        });
        Self {
            registry,
            questions,
        }
    }

    /// The registry behind it.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Asks, waits for the yes, and runs a body.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn cycle(&self) -> Result<(), Failure> {
        let (number, answer) = self.registry.ask();
        self.questions.send(number)?;
        if answer.await? {
            black_box(number);
        }
        Ok(())
    }
}

/// About what a record of one request needs besides its arguments: ids, digest, what was
/// shown, revision, state, three times, and what it shares with others.
#[derive(Clone, Debug)]
pub struct Record {
    /// The request's id.
    pub id: u128,
    /// The action's name, shared.
    pub action: Arc<str>,
    /// Who asks, shared.
    pub requester: Arc<str>,
    /// What must be met, shared.
    pub requirement: Arc<str>,
    /// The digest of the call.
    pub digest: [u8; 32],
    /// The hash of what reviewers see.
    pub shown: [u8; 32],
    /// Asked, to be decided by, to be run by.
    pub times: [u64; 3],
    /// Revision and state.
    pub revision: [u64; 2],
    /// The arguments as text.
    pub arguments: Box<str>,
}

impl Record {
    /// A record of a call with these arguments.
    ///
    /// # Errors
    /// When the arguments cannot be serialised.
    pub fn new(id: u128, shared: &Arc<str>, arguments: &Arguments) -> Result<Self, Failure> {
        Ok(Self {
            id,
            action: Arc::clone(shared),
            requester: Arc::clone(shared),
            requirement: Arc::clone(shared),
            digest: serialise_and_hash(arguments)?,
            shown: [0; 32],
            times: [0; 3],
            revision: [0; 2],
            arguments: serde_json::to_string(arguments)?.into_boxed_str(),
        })
    }
}
