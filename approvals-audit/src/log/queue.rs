//! What is recorded, on its way to the thread that writes the log, and the answers on their way
//! back.
//!
//! Whoever records something locks the queue once and waits for one answer. The writer is woken
//! only when it sleeps. Of those whom a commit answers it wakes one after the other, and whoever of
//! them runs first wakes all others: on the thread that they run on, where it costs next to nothing.

use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use approvals_core::AuditError;
use tokio::sync::oneshot;

use super::LogError;
use super::entry::Entry;

/// What is to be done.
pub(super) enum Job {
    /// Events that somebody waits for.
    Record { entries: Vec<Entry>, done: Done },
    /// Somebody waits for the published files.
    Publish(oneshot::Sender<Result<(), LogError>>),
}

/// What became of waiting.
pub(super) enum Next {
    Queued,
    /// Nobody can queue anything any more.
    Closed,
    /// Nothing was queued in time.
    Late,
    /// What is done beside has ended.
    News,
}

/// Where jobs wait for the thread that does them.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    queued: Condvar,
    waking: Waking,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    /// Whether the thread sleeps until something is queued.
    is_asleep: bool,
    /// What is done beside has ended.
    has_news: bool,
    /// Nobody queues anything any more.
    is_closed: bool,
    /// Nobody does anything any more.
    is_ended: bool,
}

impl Queue {
    /// Has entries kept, and waits until they are.
    pub(super) async fn record(self: &Arc<Self>, entries: Vec<Entry>) -> Result<(), AuditError> {
        let answer = Arc::new(Answer::default());
        let done = Done {
            answer: Arc::clone(&answer),
            queue: Arc::clone(self),
        };
        self.push(Job::Record { entries, done });
        poll_fn(|context| answer.poll(context, &self.waking)).await
    }

    /// Queues a job. One that nobody will do is dropped, which answers it.
    pub(super) fn push(&self, job: Job) {
        let mut waiting = lock(&self.waiting);
        if waiting.is_ended {
            drop(waiting);
            return drop(job);
        }
        waiting.jobs.push(job);
        let is_asleep = std::mem::take(&mut waiting.is_asleep);
        drop(waiting);
        if is_asleep {
            self.queued.notify_one();
        }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.waiting).jobs.len()
    }

    /// Adds all that are queued to `jobs`, in order.
    pub(super) fn take(&self, jobs: &mut Vec<Job>) {
        jobs.append(&mut lock(&self.waiting).jobs);
    }

    /// For a thread that does something beside, to tell of its end. Of what ended before there is
    /// nothing to tell any more.
    pub(super) fn news(self: &Arc<Self>) -> News {
        lock(&self.waiting).has_news = false;
        News(Arc::clone(self))
    }

    /// Sleeps until something is queued, for ever or until then.
    pub(super) fn wait(&self, until: Option<Instant>) -> Next {
        let mut waiting = lock(&self.waiting);
        loop {
            waiting.is_asleep = false;
            if !waiting.jobs.is_empty() {
                return Next::Queued;
            }
            if std::mem::take(&mut waiting.has_news) {
                return Next::News;
            }
            if waiting.is_closed {
                return Next::Closed;
            }
            waiting.is_asleep = true;
            waiting = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() => {
                    waiting.is_asleep = false;
                    return Next::Late;
                }
                Some(left) => {
                    let woken = self.queued.wait_timeout(waiting, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let woken = self.queued.wait(waiting);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Answers all of these alike.
    pub(super) fn tell(
        &self,
        waiting: impl IntoIterator<Item = Done>,
        outcome: &Result<(), LogError>,
    ) {
        let told = || {
            let told = outcome.as_ref().copied();
            told.map_err(|error| AuditError(error.to_string()))
        };
        let woken = waiting
            .into_iter()
            .filter_map(|done| done.answer.tell(told()));
        self.waking.add(woken);
        self.waking.wake_each();
    }
}

/// Dropped, it tells whoever does the jobs that what was done beside has ended.
#[derive(Debug)]
pub(super) struct News(Arc<Queue>);

impl Drop for News {
    fn drop(&mut self) {
        let mut waiting = lock(&self.0.waiting);
        waiting.has_news = true;
        let is_asleep = std::mem::take(&mut waiting.is_asleep);
        drop(waiting);
        if is_asleep {
            self.0.queued.notify_one();
        }
    }
}

/// The end of a queue at which jobs are queued: without it nobody queues any.
pub(super) struct Entrance(Arc<Queue>);

impl Entrance {
    pub(super) const fn of(queue: Arc<Queue>) -> Self {
        Self(queue)
    }

    pub(super) const fn queue(&self) -> &Arc<Queue> {
        &self.0
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        lock(&self.0.waiting).is_closed = true;
        self.0.queued.notify_one();
    }
}

impl std::fmt::Debug for Entrance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entrance")
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

/// The end of a queue at which jobs are done: without it none is, and whoever waits is told.
pub(super) struct Exit(pub(super) Arc<Queue>);

impl Drop for Exit {
    fn drop(&mut self) {
        let mut waiting = lock(&self.0.waiting);
        waiting.is_ended = true;
        let left = std::mem::take(&mut waiting.jobs);
        drop(waiting);
        // Which answers them.
        drop(left);
    }
}

/// Whom a job is done for. Dropped, it answers that nobody does it.
pub(super) struct Done {
    answer: Arc<Answer>,
    queue: Arc<Queue>,
}

impl Drop for Done {
    fn drop(&mut self) {
        if !self.answer.is_told() {
            let closed = AuditError(LogError::Closed.to_string());
            self.queue.waking.add(self.answer.tell(Err(closed)));
            self.queue.waking.wake_each();
        }
    }
}

/// What somebody waits for.
#[derive(Default)]
struct Answer(Mutex<Told>);

enum Told {
    /// Nothing. Who is to be woken, if somebody looked.
    Nothing(Option<Waker>),
    This(Result<(), AuditError>),
}

impl Default for Told {
    fn default() -> Self {
        Self::Nothing(None)
    }
}

impl Answer {
    /// Gives the answer, the first one for good. Who is to be woken by it.
    fn tell(&self, outcome: Result<(), AuditError>) -> Option<Waker> {
        let mut told = lock(&self.0);
        match &mut *told {
            Told::Nothing(waker) => {
                let waker = waker.take();
                *told = Told::This(outcome);
                waker
            }
            Told::This(_) => None,
        }
    }

    fn is_told(&self) -> bool {
        matches!(*lock(&self.0), Told::This(_))
    }

    /// Whoever has its answer wakes all others that have theirs.
    fn poll(&self, context: &Context<'_>, waking: &Waking) -> Poll<Result<(), AuditError>> {
        let mut told = lock(&self.0);
        let outcome = match &mut *told {
            Told::This(outcome) => outcome.clone(),
            Told::Nothing(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
                return Poll::Pending;
            }
        };
        drop(told);
        waking.wake_all();
        Poll::Ready(outcome)
    }
}

/// Who has an answer and does not know it yet, the last to be woken first.
#[derive(Default)]
struct Waking(Mutex<Vec<Waker>>);

impl Waking {
    fn add(&self, woken: impl IntoIterator<Item = Waker>) {
        let mut waking = lock(&self.0);
        let from = waking.len();
        waking.extend(woken);
        if let Some(new) = waking.get_mut(from..) {
            new.reverse();
        }
    }

    /// Wakes one after the other, as far as nobody else does: each may take a call of the system.
    fn wake_each(&self) {
        // Not locked while it wakes.
        let next = || lock(&self.0).pop();
        while let Some(waker) = next() {
            waker.wake();
        }
    }

    fn wake_all(&self) {
        let all = std::mem::take(&mut *lock(&self.0));
        for waker in all.into_iter().rev() {
            waker.wake();
        }
    }
}

/// Nothing that panics is done under a lock here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// How often somebody was woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    type Recording<'a> = Pin<Box<dyn Future<Output = Result<(), AuditError>> + 'a>>;

    /// So many who wait for one commit.
    fn waiting(queue: &Arc<Queue>, count: usize) -> Vec<(Recording<'_>, Arc<Woken>)> {
        let all = (0..count).map(|_| {
            let mut recording: Recording<'_> = Box::pin(queue.record(Vec::new()));
            let woken = Arc::new(Woken::default());
            assert!(poll(recording.as_mut(), &woken).is_pending());
            (recording, woken)
        });
        all.collect()
    }

    fn poll(
        recording: Pin<&mut (dyn Future<Output = Result<(), AuditError>> + '_)>,
        woken: &Arc<Woken>,
    ) -> Poll<Result<(), AuditError>> {
        let waker = Waker::from(Arc::clone(woken));
        recording.poll(&mut Context::from_waker(&waker))
    }

    fn taken(queue: &Queue) -> Vec<Done> {
        let mut jobs = Vec::new();
        queue.take(&mut jobs);
        let done = jobs.into_iter().map(|job| match job {
            Job::Record { done, .. } => done,
            Job::Publish(_) => panic!("nobody waits for that"),
        });
        done.collect()
    }

    #[test]
    fn everybody_whom_a_commit_answers_is_woken_once() {
        let queue = Arc::new(Queue::default());
        let mut all = waiting(&queue, 5);
        // Who does not wait any more is in nobody's way.
        drop(all.remove(0));
        queue.tell(taken(&queue), &Ok(()));
        for (recording, woken) in &mut all {
            assert_eq!(woken.0.load(Ordering::SeqCst), 1);
            assert!(matches!(
                poll(recording.as_mut(), woken),
                Poll::Ready(Ok(()))
            ));
        }
    }

    #[test]
    fn whoever_runs_first_wakes_all_others() {
        let queue = Arc::new(Queue::default());
        let mut all = waiting(&queue, 5);
        let wakers: Vec<Waker> = taken(&queue)
            .iter()
            .filter_map(|done| done.answer.tell(Ok(())))
            .collect();
        // The writer has answered them, and woken nobody yet.
        queue.waking.add(wakers);
        let (first, woken) = &mut all[2];
        assert!(poll(first.as_mut(), woken).is_ready());
        for (_, woken) in &all {
            assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        }
        queue.waking.wake_each();
        assert_eq!(all[0].1.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn whoever_waits_is_told_when_nobody_will_do_it() {
        let queue = Arc::new(Queue::default());
        let exit = Exit(Arc::clone(&queue));
        let mut all = waiting(&queue, 2);
        // One was taken up, and forgotten by a panic.
        drop(taken(&queue));
        all.extend(waiting(&queue, 1));
        drop(exit);
        for (recording, woken) in &mut all {
            assert_eq!(woken.0.load(Ordering::SeqCst), 1);
            assert!(matches!(
                poll(recording.as_mut(), woken),
                Poll::Ready(Err(_))
            ));
        }
        let mut late = pin!(queue.record(Vec::new()));
        assert!(matches!(
            poll(late.as_mut(), &Arc::default()),
            Poll::Ready(Err(_))
        ));
    }
}
