//! The gate's one background task: whatever is due, abandoned, buffered or to be shown.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep_until};

use super::presenting::update_copies;
use super::sinks::Flushing;
use super::{Job, Shared};
use crate::audit::NewEvent;
use crate::id::RequestId;
use crate::review::{Command, WithdrawnBy};
use crate::store::{Filter, Outcome, carry_out};

/// How often the worker looks, whether or not something is due.
const TICK: Duration = Duration::from_secs(1);
/// How many buffered events go to the store at once.
const BATCH: usize = 1024;
/// How many due requests are handled before anything else is looked at.
const DUE: usize = 256;

/// Runs until the gate and everything that it has handed out are gone. It knows of every change
/// from now on, whenever it is first polled.
pub(super) fn run(
    shared: Arc<Shared>,
    jobs: mpsc::UnboundedReceiver<Job>,
    allowed: mpsc::Receiver<NewEvent>,
) -> impl Future<Output = ()> + Send {
    let changes = shared.store().hints().subscribe();
    work(shared, jobs, allowed, changes)
}

async fn work(
    shared: Arc<Shared>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    mut allowed: mpsc::Receiver<NewEvent>,
    mut changes: broadcast::Receiver<RequestId>,
) {
    let feeders = feeders(&shared);
    let mut buffered: Vec<NewEvent> = Vec::new();
    let mut looked = Instant::now();
    let mut look_at = looked;
    let mut open = true;
    while open || !buffered.is_empty() {
        // Push-back: events that a sink would have to catch up with wait where callers wait.
        let behind = shared.sinks.behind();
        let room = buffered.len() < BATCH && !behind;
        tokio::select! {
            biased;
            () = sleep_until(look_at) => {}
            job = jobs.recv(), if open => match job {
                Some(Job::Flush(flushing)) => {
                    flush(&shared, &mut allowed, &mut buffered, &mut changes).await;
                    for feeder in &feeders {
                        // A feeder lives as long as this sender.
                        let _ = feeder.send(flushing.clone());
                    }
                }
                Some(job) => carry(&shared, job).await,
                // Every handle is gone, so that nothing is added to what is buffered now.
                None => {
                    open = false;
                    take_allowed(&mut allowed, &mut buffered);
                }
            },
            _ = allowed.recv_many(&mut buffered, BATCH), if open && room => {
                store_buffered(&shared, &mut buffered).await;
            }
            () = shared.sinks.progressed(), if behind => {}
            change = changes.recv() => on_change(&shared, change).await,
        }
        let now = Instant::now();
        if !open || now >= look_at || !buffered.is_empty() {
            store_buffered(&shared, &mut buffered).await;
        }
        // While it is busy it still looks on time.
        if now >= look_at {
            look_at = now + look(&shared, now.duration_since(looked)).await;
            looked = now;
        }
    }
    // What came before the last handle was dropped is still carried out, and shown.
    while let Ok(job) = jobs.try_recv() {
        carry(&shared, job).await;
    }
    flush(&shared, &mut allowed, &mut buffered, &mut changes).await;
}

/// Starts a task for each sink. They feed it a last time when their senders are dropped, and end.
fn feeders(shared: &Arc<Shared>) -> Vec<mpsc::UnboundedSender<Flushing>> {
    (0..shared.sinks.count())
        .map(|index| {
            let (flush, flushes) = mpsc::unbounded_channel();
            let shared = Arc::clone(shared);
            tokio::spawn(async move {
                let store = shared.store();
                shared.sinks.keep_fed(index, store, flushes).await;
            });
            flush
        })
        .collect()
}

/// Moves buffered events to the store. What the store does not take stays, and calls are held up
/// when the buffer behind it is full.
async fn store_buffered(shared: &Shared, buffered: &mut Vec<NewEvent>) {
    if buffered.is_empty() {
        return;
    }
    match shared.store().append(buffered.clone()).await {
        Ok(number) => {
            buffered.clear();
            shared.sinks.stored(number);
            shared.sinks.feed();
        }
        Err(error) => {
            tracing::error!(%error, count = buffered.len(), "allowed calls are not recorded yet");
        }
    }
}

/// Stores everything that was buffered, and shows every change that was made.
async fn flush(
    shared: &Arc<Shared>,
    allowed: &mut mpsc::Receiver<NewEvent>,
    buffered: &mut Vec<NewEvent>,
    changes: &mut broadcast::Receiver<RequestId>,
) {
    take_allowed(allowed, buffered);
    store_buffered(shared, buffered).await;
    loop {
        match changes.try_recv() {
            Ok(request) => on_change(shared, Ok(request)).await,
            // Told once only: whoever overlooks it leaves messages as they were.
            Err(TryRecvError::Lagged(missed)) => {
                on_change(shared, Err(RecvError::Lagged(missed))).await;
            }
            Err(TryRecvError::Empty | TryRecvError::Closed) => return,
        }
    }
}

fn take_allowed(allowed: &mut mpsc::Receiver<NewEvent>, buffered: &mut Vec<NewEvent>) {
    while let Ok(event) = allowed.try_recv() {
        buffered.push(event);
    }
}

async fn carry(shared: &Arc<Shared>, job: Job) {
    match job {
        Job::Cancelled(request) => {
            command(shared, request, &Command::Withdraw(WithdrawnBy::Cancelled)).await;
        }
        Job::Abandoned {
            request,
            fence,
            why,
        } => {
            let why = why.into();
            command(shared, request, &Command::Abandon { fence, why }).await;
        }
        Job::Released { request, fence } => {
            command(shared, request, &Command::Release { fence }).await;
        }
        // A flush is carried out by the loop, which has what it needs.
        Job::LookAgain | Job::Flush(_) => {}
    }
}

async fn command(shared: &Shared, request: RequestId, command: &Command) {
    match carry_out(shared.store(), request, command, None).await {
        Ok(Outcome::Done { .. } | Outcome::Unknown) => {}
        Ok(Outcome::Refused { refused, .. }) => {
            tracing::debug!(%request, %refused, "nothing to do");
        }
        // Leases and heartbeats run out instead.
        Err(error) => tracing::error!(%request, %error, "a command could not be carried out"),
    }
}

/// Shows a change on every copy of the request, and feeds the trail.
async fn on_change(shared: &Arc<Shared>, change: Result<RequestId, RecvError>) {
    match change {
        Ok(request) => match shared.store().read(request).await {
            Ok(Some(snapshot)) => update_copies(shared, &snapshot.record).await,
            Ok(None) => {}
            Err(error) => tracing::error!(%request, %error, "messages were not updated"),
        },
        Err(RecvError::Lagged(missed)) => {
            tracing::debug!(missed, "looking at every request for messages to update");
            update_everything(shared).await;
        }
        Err(RecvError::Closed) => {}
    }
    shared.sinks.feed();
}

/// After changes were missed: every record whose copies show an older revision.
async fn update_everything(shared: &Arc<Shared>) {
    let mut after = None;
    loop {
        let page = shared.store().list(&Filter::default(), after, BATCH).await;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "messages were not updated");
                return;
            }
        };
        let Some(last) = page.last() else {
            return;
        };
        after = Some(last.id());
        for record in &page {
            update_copies(shared, record).await;
        }
    }
}

/// Lets everything that is due take effect, and says when to look again.
async fn look(shared: &Arc<Shared>, since: Duration) -> Duration {
    let store = shared.store();
    if let Err(error) = shared.read_freeze().await {
        tracing::error!(%error, "the freeze flag cannot be read");
    }
    if since >= TICK.min(shared.lease / 3) {
        renew(shared).await;
    }
    let mut due = store.due(DUE).await;
    if due.as_ref().is_ok_and(|due| !due.abandoned.is_empty()) {
        // After a suspended machine, this gate's own requests may be among them: it is alive.
        renew(shared).await;
        due = store.due(DUE).await;
    }
    let due = match due {
        Ok(due) => due,
        Err(error) => {
            tracing::error!(%error, "what is due cannot be read");
            return TICK;
        }
    };
    for request in &due.requests {
        command(shared, *request, &Command::Due).await;
    }
    for request in &due.abandoned {
        let lost = Command::Withdraw(WithdrawnBy::WaiterLost);
        command(shared, *request, &lost).await;
    }
    shared.sinks.feed();
    let more = due.requests.len() == DUE || due.abandoned.len() == DUE;
    match (more, due.next, store.now().await) {
        (true, _, _) => Duration::ZERO,
        (false, Some(next), Ok(now)) => {
            let looks_at = next.min(now.plus(TICK));
            shared
                .looks_at
                .store(looks_at.as_millis(), Ordering::Release);
            looks_at.since(now).max(Duration::from_millis(1))
        }
        (false, _, _) => TICK,
    }
}

/// Says that this gate is alive, and that what it executes goes on.
async fn renew(shared: &Shared) {
    if let Err(error) = shared.store().heartbeat(shared.owner, shared.lease).await {
        tracing::error!(%error, "the heartbeat was not noted");
    }
    let held: Vec<(RequestId, u64)> = shared
        .held()
        .iter()
        .map(|(id, fence)| (*id, *fence))
        .collect();
    for (request, fence) in held {
        let renew = Command::Renew {
            fence,
            lease: shared.lease,
        };
        command(shared, request, &renew).await;
    }
}
