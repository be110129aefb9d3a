//! The one writer: takes whatever is queued, commits it at once, and answers after the commit.
//!
//! A commit that survives a power cut waits for the disk, and that takes far longer than what is
//! written. So changes share one: while it is under way, the next ones gather.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use approvals_core::RequestId;
use approvals_core::store::{Hints, StoreError};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::clock::StoreClock;
use crate::error::{Kind, OpenError, kind, told};
use crate::file::File;
use crate::lately::Lately;
use crate::script::Script;
use crate::transaction::{Failure, Transaction};
use crate::watching::Watching;
use crate::work::{Done, Queued, Work};
use crate::{archive, changing, copies, duties, file, opening, swapping};

/// How many changes share one commit at most: none should wait for long behind others.
const SHARED: usize = 256;

/// How long a shared commit waits for more, at most: less than the disk takes for one.
const GATHERED_FOR: Duration = Duration::from_micros(100);

/// How often what is over is cleared away, at most.
const CLEARED_EVERY: Duration = Duration::from_secs(60);

/// What became of each change of a batch, in its order.
type Answers = Vec<Result<Done, StoreError>>;

/// What a writer works with.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) file: File,
    pub(crate) look_every: Duration,
    pub(crate) clock: Arc<StoreClock>,
    pub(crate) hints: Arc<Hints>,
}

#[derive(Debug)]
struct Writer {
    setup: Setup,
    /// None after it failed, until the next change.
    connection: Option<Connection>,
    lately: Lately,
    watching: Watching,
    /// Whether the last look at what others changed failed.
    blind: bool,
    cleared: Instant,
}

/// Opens the file and writes to it on a thread of its own: it outlives the runtime of whoever
/// opened the store, and a clock that a test has paused does not stop it.
///
/// Returns where changes are queued, and what tells that it has ended.
pub(crate) async fn start(
    setup: Setup,
) -> Result<(mpsc::Sender<Queued>, oneshot::Receiver<()>), OpenError> {
    let (queue, queued) = mpsc::channel();
    let (opened, was_opened) = oneshot::channel();
    let (ending, ended) = oneshot::channel();
    let path = setup.file.path.clone();
    let failed = |why: String| OpenError::Failed {
        path: path.clone(),
        why,
    };
    std::thread::Builder::new()
        .name("approvals-sqlite".to_owned())
        .spawn(move || {
            run(setup, queued, opened);
            // Nobody may wait for it.
            let _ = ending.send(());
        })
        .map_err(|e| failed(e.to_string()))?;
    match was_opened.await {
        Ok(Ok(())) => Ok((queue, ended)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(failed("its writer ended".to_owned())),
    }
}

fn run(
    setup: Setup,
    queued: mpsc::Receiver<Queued>,
    opened: oneshot::Sender<Result<(), OpenError>>,
) {
    let connection = match file::open(&setup.file) {
        Ok(connection) => connection,
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    let mut writer = Writer {
        setup,
        connection: Some(connection),
        lately: Lately::default(),
        watching: Watching::default(),
        blind: false,
        cleared: Instant::now(),
    };
    writer.look_around();
    if opened.send(Ok(())).is_ok() {
        writer.serve(&queued);
    }
    if let Some(connection) = writer.connection.take() {
        // The last connection folds the log into the file; without that, the next one does.
        if let Err((_, error)) = connection.close() {
            tracing::warn!(%error, "the store's file was not closed in order");
        }
    }
}

impl Writer {
    fn serve(&mut self, queued: &mpsc::Receiver<Queued>) {
        let mut looked = Instant::now();
        let mut before = 0;
        loop {
            let wait = self.setup.look_every.saturating_sub(looked.elapsed());
            match queued.recv_timeout(wait) {
                Ok(first) => {
                    let batch = gather(queued, first, before);
                    before = batch.len();
                    self.carry_out(batch);
                }
                Err(RecvTimeoutError::Timeout) => before = 0,
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if looked.elapsed() >= self.setup.look_every {
                self.look_around();
                looked = Instant::now();
            }
        }
    }

    /// What other processes changed, and what is over.
    fn look_around(&mut self) {
        let Some(connection) = self.connection.as_mut() else {
            return;
        };
        let looked = self.watching.look(connection, &self.setup.hints);
        let was_blind = std::mem::replace(&mut self.blind, looked.is_err());
        // Said once. Waiters look for themselves from time to time.
        if let Err(error) = looked
            && !was_blind
        {
            tracing::warn!(?error, "it is not known what other processes changed");
            self.setup.hints.all_changed();
        }
        if self.cleared.elapsed() >= CLEARED_EVERY {
            self.cleared = Instant::now();
            let lately = &mut self.lately;
            if let Err(error) = crate::clearing::clear(connection, &self.setup.clock, lately) {
                tracing::warn!(?error, "what is over was not cleared away");
                self.roll_back();
            }
        }
    }

    /// Carries out a batch, answers every part of it, and wakes whoever waits for what changed.
    fn carry_out(&mut self, mut batch: Vec<Queued>) {
        // An opening that nobody waits for any more would ask people for nobody.
        batch
            .retain(|queued| !(queued.answer.is_closed() && matches!(queued.work, Work::Open(..))));
        if batch.is_empty() {
            return;
        }
        match self.attempt(&batch) {
            Err(Lost::Alone(_)) if batch.len() > 1 => {
                // Nothing was done. One change that cannot be carried out takes no other with it.
                for queued in batch {
                    let one = [queued];
                    let attempted = self.attempt(&one);
                    answer(one, attempted.map_err(Lost::into_error));
                }
            }
            attempted => answer(batch, attempted.map_err(Lost::into_error)),
        }
    }

    /// One transaction. An error is about all of it.
    fn attempt(&mut self, batch: &[Queued]) -> Result<Answers, Lost> {
        let path = self.setup.file.path.clone();
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => file::open(&self.setup.file)
                .map_err(|e| Lost::All(StoreError::Unreachable(e.to_string())))?,
        };
        let outcome = self.transact(&mut connection, batch);
        let broken = match &outcome {
            Ok(_) => false,
            Err(lost) => lost.breaks_connection(),
        };
        if !broken {
            self.connection = Some(connection);
        }
        let (answers, changed) = match outcome {
            Ok(done) => done,
            Err(lost) => {
                self.roll_back();
                return Err(lost.told(&path));
            }
        };
        for id in changed {
            self.setup.hints.changed(id);
        }
        Ok(answers)
    }

    fn transact(
        &mut self,
        connection: &mut Connection,
        batch: &[Queued],
    ) -> Result<(Answers, Vec<RequestId>), Ended> {
        let mut transaction = Transaction::begin(connection, &self.setup.clock, &mut self.lately)
            .map_err(Ended::Begin)?;
        let mut answers = Vec::with_capacity(batch.len());
        for queued in batch {
            let before = transaction.head.clone();
            let work = AssertUnwindSafe(|| one(&mut transaction, &queued.work));
            let failure = match catch_unwind(work) {
                Ok(Ok(done)) => {
                    answers.push(Ok(done));
                    continue;
                }
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Refused(StoreError::Invalid(
                    "the store panicked over this change and left it out: report it".to_owned(),
                )),
            };
            let concerns_all = match &failure {
                Failure::Refused(_) => false,
                Failure::Sql(error) => kind(error) != Kind::Statement,
            };
            if transaction.half_written || concerns_all {
                return Err(Ended::Within(failure));
            }
            // It wrote nothing: the others go on.
            transaction.head = before;
            answers.push(Err(failure.told(&self.setup.file.path)));
        }
        let changed = transaction.commit().map_err(Ended::Commit)?;
        Ok((answers, changed))
    }

    /// Leaves whatever transaction is open.
    fn roll_back(&mut self) {
        self.lately = Lately::default();
        if let Some(connection) = self.connection.as_mut() {
            // After some errors SQLite has left it already.
            let _ = Script::new("ROLLBACK").run(connection);
        }
    }
}

/// What is queued, and what comes in a moment: as many as shared the last commit were answered by
/// it, and go on with their next change about now. Who is alone waits for nobody.
fn gather(queued: &mpsc::Receiver<Queued>, first: Queued, before: usize) -> Vec<Queued> {
    let mut batch = vec![first];
    let until = Instant::now() + GATHERED_FOR;
    while batch.len() < SHARED {
        match queued.try_recv() {
            Ok(next) => batch.push(next),
            Err(_) if batch.len() >= before / 2 => break,
            Err(_) => {
                let moment = until.saturating_duration_since(Instant::now());
                match queued.recv_timeout(moment) {
                    Ok(next) => batch.push(next),
                    Err(_) => break,
                }
            }
        }
    }
    batch
}

fn answer(batch: impl IntoIterator<Item = Queued>, attempted: Result<Answers, StoreError>) {
    match attempted {
        Ok(answers) => {
            for (queued, answer) in batch.into_iter().zip(answers) {
                // Whoever asked may be gone.
                let _ = queued.answer.send(answer);
            }
        }
        Err(error) => {
            for queued in batch {
                let _ = queued.answer.send(Err(error.clone()));
            }
        }
    }
}

fn one(transaction: &mut Transaction<'_>, work: &Work) -> Result<Done, Failure> {
    Ok(match work {
        Work::Open(opening, deliveries, worded) => {
            let (opened, text) = opening::open(transaction, opening, deliveries, worded)?;
            Done::Opened(opened, text)
        }
        Work::Swap(swap, written) => Done::Swapped(swapping::swap(transaction, swap, written)?),
        Work::Append(events) => Done::Appended(changing::append(transaction, events)?),
        Work::RegisterSink(sink) => {
            changing::register_sink(transaction, sink)?;
            Done::Nothing
        }
        Work::Acknowledge(sink, number) => {
            changing::acknowledge(transaction, sink, *number)?;
            Done::Nothing
        }
        Work::NoteDelivery(id, delivery) => {
            copies::note(transaction, *id, delivery)?;
            Done::Nothing
        }
        Work::SetFreeze(freeze, event) => {
            changing::set_freeze(transaction, freeze.as_ref(), event)?;
            Done::Nothing
        }
        Work::Heartbeat(owner, lease) => {
            changing::heartbeat(transaction, *owner, *lease)?;
            Done::Nothing
        }
        Work::Lease(duty, owner, lease) => {
            Done::Leased(duties::lease(transaction, duty, *owner, *lease)?)
        }
        Work::SwapSeal(sink, expected, seal) => {
            let expected = expected.as_deref();
            Done::Sealed(changing::swap_seal(transaction, sink, expected, seal)?)
        }
        Work::Archive(selection) => Done::Archived(archive::archive(transaction, selection)?),
    })
}

/// Where a transaction ended.
#[derive(Debug)]
enum Ended {
    /// It did not begin.
    Begin(Failure),
    /// A change ended it: nothing was done.
    Within(Failure),
    /// The commit failed.
    Commit(rusqlite::Error),
}

/// A transaction that was lost, as it is told.
#[derive(Debug)]
enum Lost {
    /// Perhaps because of one change: nothing was done.
    Alone(StoreError),
    /// Whatever had been in it.
    All(StoreError),
}

impl Lost {
    fn into_error(self) -> StoreError {
        match self {
            Self::Alone(error) | Self::All(error) => error,
        }
    }
}

impl Ended {
    fn breaks_connection(&self) -> bool {
        let error = match self {
            Self::Begin(Failure::Sql(error))
            | Self::Within(Failure::Sql(error))
            | Self::Commit(error) => error,
            Self::Begin(Failure::Refused(_)) | Self::Within(Failure::Refused(_)) => return false,
        };
        matches!(
            kind(error),
            Kind::Broken | Kind::Damaged | Kind::NotADatabase
        )
    }

    fn told(self, path: &std::path::Path) -> Lost {
        match self {
            Self::Begin(failure) => Lost::All(failure.told(path)),
            Self::Within(failure) => Lost::Alone(failure.told(path)),
            // What does not fit was not written, not even in part.
            Self::Commit(error) if kind(&error) == Kind::Full => Lost::Alone(told(path, &error)),
            Self::Commit(error) => Lost::All(StoreError::Unreachable(format!(
                "{}: {error}: the commit failed, and it may stand all the same: look after the disk, then look again",
                path.display()
            ))),
        }
    }
}
