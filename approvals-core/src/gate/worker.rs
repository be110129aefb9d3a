//! The gate's one background task: whatever is due, abandoned, buffered or to be shown.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::archiving::archive;
use super::changes::{Change, Changes, gather};
use super::delivering::deliver;
use super::overdue::keep_waking;
use super::presenting::run_or_spawn;
use super::updating::update_copies;
use super::{Buffered, Job, Shared};
use crate::audit::NewEvent;
use crate::id::RequestId;
use crate::review::{Command, Refused, WithdrawnBy};
use crate::store::{Duty, Filter, Outcome, carry_out};

/// How often the worker looks at least, whether or not something is due.
const TICK: Duration = Duration::from_secs(1);
/// How many buffered events go to the store at once.
const BATCH: usize = 1024;
/// How long ago a request was made at most whose messages a crash may have left as they were.
const RECENT: Duration = Duration::from_secs(2 * 24 * 3600);
/// How long a store may go on committing an opening that its caller has given up.
const COMMITTING: Duration = Duration::from_secs(60);
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

/// Runs until the gate and everything that it has handed out are gone, and what they left is done.
pub(super) async fn run(
    last_word: LastWord,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    mut allowed: mpsc::Receiver<Buffered>,
    changes: broadcast::Receiver<RequestId>,
) {
    let shared = Arc::clone(&last_word.0);
    let mut changes = Changes::of(changes);
    run_or_spawn(Box::pin(catch_up(Arc::clone(&shared))));
    let _renewing = Aside(tokio::spawn(keep_renewing(Arc::clone(&shared))));
    let waking = keep_waking(Arc::clone(&shared), tick(&shared));
    let _waking = Aside(tokio::spawn(waking));
    let mut arrived: Vec<Buffered> = Vec::new();
    let mut buffered: Vec<NewEvent> = Vec::new();
    let mut look_at = Instant::now();
    let mut ticked = look_at;
    let mut gathers_until: Option<Instant> = None;
    let (mut jobs_open, mut allowed_open) = (true, true);
    while jobs_open || allowed_open || !buffered.is_empty() {
        // Push-back: what a sink would have to catch up with waits where callers wait.
        let behind = jobs_open && shared.sinks.behind();
        let room = allowed_open && buffered.len() < BATCH && !behind;
        let gathered = gathers_until.is_none();
        tokio::select! {
            biased;
            () = sleep_until(gathers_until.map_or(look_at, |until| until.min(look_at))) => {}
            job = jobs.recv(), if jobs_open => match job {
                Some(Job::LookAgain) => look_at = Instant::now(),
                Some(job) => {
                    carry(&shared, job, &mut allowed, &mut buffered, &mut changes).await;
                }
                None => jobs_open = false,
            },
            received = allowed.recv_many(&mut arrived, BATCH), if room => {
                allowed_open = received > 0;
                buffered.extend(arrived.drain(..).map(Buffered::into_event));
                store_buffered(&shared, &mut buffered).await;
                shared.sinks.news();
            }
            () = shared.sinks.progressed(), if behind => {}
            change = changes.next(), if gathered => {
                if shared.store().is_remote() {
                    changes.put_back(change);
                } else {
                    on_changes(&shared, change, &mut changes).await;
                }
                gathers_until = Some(Instant::now() + gather(&shared));
            }
        }
        if gathers_until.is_some_and(|until| until <= Instant::now()) {
            gathers_until = show_changes(&shared, &mut changes)
                .await
                .then(|| Instant::now() + gather(&shared));
        }
        // While it is busy it still looks on time.
        let now = Instant::now();
        if now >= look_at {
            store_buffered(&shared, &mut buffered).await;
            let tick = tick(&shared);
            if now.duration_since(ticked) >= tick {
                ticked = now;
                if shared.take_duties().await {
                    run_or_spawn(Box::pin(catch_up(Arc::clone(&shared))));
                }
                withdraw_again(&shared).await;
                run_or_spawn(Box::pin(deliver(Arc::clone(&shared))));
                run_or_spawn(Box::pin(archive(Arc::clone(&shared))));
            }
            // Counted from when it has looked, so that whatever else there is has its turn.
            let wait = look(&shared, tick).await;
            look_at = Instant::now() + wait;
        }
    }
    // What the last handle left behind is shown as well.
    show_changes(&shared, &mut changes).await;
    shared.give_duties_up().await;
    shared.sinks.close();
}

/// Shows what has changed until now, and says whether anything has. What changes while it does so
/// waits for the next time: leases and deadlines are looked after in between, however busy it is.
async fn show_changes(shared: &Arc<Shared>, changes: &mut Changes) -> bool {
    let mut any = false;
    for _ in 0..=changes.len() / BATCH {
        match changes.next_now() {
            Ok(request) => on_changes(shared, Ok(request), changes).await,
            // Told once only: whoever overlooks it leaves messages as they were.
            Err(TryRecvError::Lagged(missed)) => {
                on_changes(shared, Err(RecvError::Lagged(missed)), changes).await;
            }
            Err(TryRecvError::Empty | TryRecvError::Closed) => return any,
        }
        any = true;
    }
    any
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
        }
        Err(error) => {
            tracing::error!(%error, count = buffered.len(), "allowed calls are not recorded yet");
        }
    }
}

async fn carry(
    shared: &Arc<Shared>,
    job: Job,
    allowed: &mut mpsc::Receiver<Buffered>,
    buffered: &mut Vec<NewEvent>,
    changes: &mut Changes,
) {
    match job {
        Job::Cancelled(request) => {
            withdraw(shared, request).await;
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
                buffered.push(event.into_event());
            }
            store_buffered(shared, buffered).await;
            show_changes(shared, changes).await;
            let shared = Arc::clone(shared);
            tokio::spawn(async move {
                shared.sinks.feed(shared.store()).await;
                // Nobody waiting any more is no error.
                let _ = done.send(());
            });
        }
    }
}

/// What became of a command that nobody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carried {
    /// It took effect, or there is nothing for it to do.
    Done,
    /// The store knows no such request.
    Unknown,
    /// It is to be tried again later.
    NotYet,
}

/// Says whether the store answered.
async fn command(shared: &Shared, request: RequestId, command: &Command) -> bool {
    attempt(shared, request, command).await != Carried::NotYet
}

async fn attempt(shared: &Shared, request: RequestId, command: &Command) -> Carried {
    match carry_out(shared.store(), request, command, None).await {
        Ok(Outcome::Done { .. } | Outcome::Stale) => Carried::Done,
        Ok(Outcome::Unknown) => Carried::Unknown,
        Ok(Outcome::Refused { refused, .. }) => {
            tracing::debug!(%request, %refused, "nothing to do");
            // What cannot take effect now is not tried again at once.
            let not_yet = matches!(
                refused,
                Refused::NewerSchema(_) | Refused::ClockWentBack { .. }
            );
            if not_yet {
                Carried::NotYet
            } else {
                Carried::Done
            }
        }
        // Leases run out instead; a withdrawal is tried again.
        Err(error) => {
            tracing::error!(%request, %error, "a command could not be carried out");
            Carried::NotYet
        }
    }
}

/// Takes back a request that nobody waits for any more.
async fn withdraw(shared: &Shared, request: RequestId) {
    let withdraw = Command::Withdraw(WithdrawnBy::Cancelled);
    let carried = attempt(shared, request, &withdraw).await;
    let now = Instant::now();
    let mut unwithdrawn = shared.unwithdrawn();
    let known = unwithdrawn.get(&request).copied().flatten();
    match carried {
        Carried::Done => {
            unwithdrawn.remove(&request);
        }
        // Its opening was given up while the store was at it: it may be there in a moment.
        Carried::Unknown if known.is_none_or(|until| now < until) => {
            unwithdrawn.insert(request, known.or(Some(now + COMMITTING)));
        }
        Carried::Unknown => {
            unwithdrawn.remove(&request);
        }
        Carried::NotYet => {
            unwithdrawn.insert(request, known);
        }
    }
}

/// Shows changes on every copy of their requests, and feeds the trail. Changes of one request that
/// came meanwhile are shown once: a call that is claimed, started and finished in one go.
async fn on_changes(shared: &Arc<Shared>, first: Change, changes: &mut Changes) {
    let mut changed: Vec<RequestId> = Vec::new();
    let mut next = first;
    loop {
        match next {
            Ok(request) => changed.push(request),
            Err(RecvError::Lagged(missed)) => {
                tracing::debug!(missed, "looking at every request for messages to update");
                update_everything(shared, None).await;
            }
            Err(RecvError::Closed) => break,
        }
        if changed.len() >= BATCH {
            break;
        }
        next = match changes.next_now() {
            Ok(request) => Ok(request),
            Err(TryRecvError::Lagged(missed)) => Err(RecvError::Lagged(missed)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        };
    }
    changed.sort_unstable();
    changed.dedup();
    for request in changed {
        update_copies(shared, request, |on| shared.minds(on)).await;
    }
    shared.sinks.news();
}

/// After a channel has become this gate's: whoever had it may have died between a change and its
/// messages. Copies whose update failed are due by themselves, so a look at what is recent is
/// enough, however much the store has kept.
async fn catch_up(shared: Arc<Shared>) {
    match shared.store().now().await {
        Ok(now) => {
            let since = RequestId::first_at(now.minus(RECENT));
            update_everything(&shared, Some(since)).await;
        }
        Err(error) => tracing::error!(%error, "messages were not updated"),
    }
}

/// After changes were missed: every record whose copies show an older revision.
async fn update_everything(shared: &Arc<Shared>, mut after: Option<RequestId>) {
    // What has never changed has no copy that shows less: most of those that wait.
    let changed = Filter {
        changed: true,
        ..Filter::default()
    };
    loop {
        let page = shared.store().list(&changed, after, BATCH).await;
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
            update_copies(shared, record.id(), |on| shared.minds(on)).await;
        }
    }
}

/// Lets everything that is due take effect, and says when to look again.
async fn look(shared: &Arc<Shared>, tick: Duration) -> Duration {
    let store = shared.store();
    if let Err(error) = shared.read_freeze().await {
        tracing::error!(%error, "the freeze flag cannot be read");
    }
    if !shared.duties.has(&Duty::Deadlines) {
        shared.sinks.news();
        return tick;
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
            return tick;
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
    shared.sinks.news();
    if !answered {
        return tick;
    }
    shared.looked.now();
    let more = due.requests.len() == DUE || due.abandoned.len() == DUE;
    match (more, due.next, store.now().await) {
        (true, _, _) => Duration::from_millis(1),
        (false, Some(next), Ok(now)) => {
            let looks_at = next.min(now.plus(tick));
            shared
                .looks_at
                .store(looks_at.as_millis(), Ordering::Release);
            looks_at.since(now).max(Duration::from_millis(1))
        }
        (false, _, _) => tick,
    }
}

/// What could not be withdrawn before.
async fn withdraw_again(shared: &Shared) {
    let unwithdrawn: Vec<RequestId> = shared.unwithdrawn().keys().copied().collect();
    for request in unwithdrawn {
        withdraw(shared, request).await;
    }
}

/// How often the worker looks at least, and leases are renewed: often enough that one never runs out
/// while its holder is well.
fn tick(shared: &Shared) -> Duration {
    TICK.min(shared.lease / 3)
}

/// A task beside the worker, which ends with it.
struct Aside(JoinHandle<()>);

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Renews, whatever else the worker waits for meanwhile.
async fn keep_renewing(shared: Arc<Shared>) {
    let tick = tick(&shared);
    loop {
        sleep(tick).await;
        renew(&shared).await;
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
