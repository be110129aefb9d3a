//! The gate's one background task: whatever is due, abandoned, buffered or to be shown.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep_until};

use super::presenting::update_copies;
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

/// Tells whoever waits that no deadline will take effect by this gate any more.
pub(super) struct LastWord(pub(super) Arc<Shared>);

impl Drop for LastWord {
    fn drop(&mut self) {
        self.0.worker_gone.store(true, Ordering::Release);
        self.0.store().hints().all_changed();
    }
}

/// Runs until the gate and everything that it has handed out are gone.
pub(super) async fn run(
    last_word: LastWord,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    mut allowed: mpsc::Receiver<NewEvent>,
) {
    let shared = Arc::clone(&last_word.0);
    let mut changes = shared.store().hints().subscribe();
    let mut buffered: Vec<NewEvent> = Vec::new();
    let mut looked = Instant::now();
    let mut look_at = looked;
    let mut open = true;
    while open || !buffered.is_empty() {
        tokio::select! {
            biased;
            () = sleep_until(look_at) => {}
            job = jobs.recv(), if open => match job {
                Some(Job::LookAgain) => look_at = Instant::now(),
                Some(job) => carry(&shared, job, &mut allowed, &mut buffered, &mut changes).await,
                None => open = false,
            },
            received = allowed.recv_many(&mut buffered, BATCH), if open && buffered.len() < BATCH => {
                if received == 0 {
                    open = false;
                }
                store_buffered(&shared, &mut buffered).await;
                shared.sinks.feed(shared.store()).await;
            }
            change = changes.recv() => on_change(&shared, change).await,
        }
        if !open {
            // Both channels closed at once: whatever the last handle left is still recorded.
            while let Ok(event) = allowed.try_recv() {
                buffered.push(event);
            }
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
    // What came before the last handle was dropped is still carried out.
    while let Ok(job) = jobs.try_recv() {
        carry(&shared, job, &mut allowed, &mut buffered, &mut changes).await;
    }
    shared.sinks.feed(shared.store()).await;
}

/// Moves buffered events to the store. What the store does not take stays, and calls are held up
/// when the buffer behind it is full.
async fn store_buffered(shared: &Shared, buffered: &mut Vec<NewEvent>) {
    if buffered.is_empty() {
        return;
    }
    match shared.store().append(buffered.clone()).await {
        Ok(_) => buffered.clear(),
        Err(error) => {
            tracing::error!(%error, count = buffered.len(), "allowed calls are not recorded yet");
        }
    }
}

async fn carry(
    shared: &Arc<Shared>,
    job: Job,
    allowed: &mut mpsc::Receiver<NewEvent>,
    buffered: &mut Vec<NewEvent>,
    changes: &mut broadcast::Receiver<RequestId>,
) {
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
        Job::LookAgain => {}
        Job::Flush(done) => {
            while let Ok(event) = allowed.try_recv() {
                buffered.push(event);
            }
            store_buffered(shared, buffered).await;
            while let Ok(change) = changes.try_recv() {
                on_change(shared, Ok(change)).await;
            }
            shared.sinks.feed(shared.store()).await;
            // Nobody waiting any more is no error.
            let _ = done.send(());
        }
    }
}

/// Carries a command out, and says whether the store answered.
async fn command(shared: &Shared, request: RequestId, command: &Command) -> bool {
    match carry_out(shared.store(), request, command, None).await {
        Ok(Outcome::Done { .. } | Outcome::Unknown) => true,
        Ok(Outcome::Refused { refused, .. }) => {
            tracing::debug!(%request, %refused, "nothing to do");
            true
        }
        // Leases and heartbeats run out instead.
        Err(error) => {
            tracing::error!(%request, %error, "a command could not be carried out");
            false
        }
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
    shared.sinks.feed(shared.store()).await;
}

/// After changes were missed: every record whose copies show an older revision.
async fn update_everything(shared: &Arc<Shared>) {
    let mut after = None;
    loop {
        let page = shared.store().list(&Filter::default(), after, BATCH).await;
        let Ok(page) = page else {
            return;
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
    let due = match store.due(DUE).await {
        Ok(due) => due,
        Err(error) => {
            tracing::error!(%error, "what is due cannot be read");
            return TICK;
        }
    };
    let mut answered = true;
    for request in &due.requests {
        answered &= command(shared, *request, &Command::Due).await;
    }
    for request in &due.abandoned {
        let lost = Command::Withdraw(WithdrawnBy::WaiterLost);
        answered &= command(shared, *request, &lost).await;
    }
    shared.sinks.feed(store).await;
    if !answered {
        // What is due stays due: a store that is away is not asked again at once.
        return TICK;
    }
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
