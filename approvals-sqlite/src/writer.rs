//! The one writer: takes whatever is queued, commits it at once, and answers after the commit.
//!
//! A commit that survives a power cut waits for the disk, and that takes far longer than what is
//! written. So changes share one: while it is under way, the next ones gather.

use std::sync::Arc;
use std::time::{Duration, Instant};

use approvals_core::store::{Hints, StoreError};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use crate::clock::StoreClock;
use crate::error::{Kind, OpenError, kind, told};
use crate::file::File;
use crate::script::Script;
use crate::transaction::{Failure, Head, Transaction};
use crate::unpanicked::{Panicked, Unpanicked};
use crate::watching::Watching;
use crate::work::{Done, Queued, Work};
use crate::{archive, changing, copies, duties, file, opening, swapping};

/// How many changes share one commit at most: none should wait for long behind others.
const SHARED: usize = 256;

/// How often what is over is cleared away, at most.
const CLEARED_EVERY: Duration = Duration::from_secs(60);

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
    connection: Option<SqliteConnection>,
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
    let (queue, queued) = mpsc::channel(SHARED * 4);
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
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let failed = OpenError::Failed {
                path: setup.file.path,
                why: error.to_string(),
            };
            // Whoever opened it may be gone.
            let _ = opened.send(Err(failed));
            return;
        }
    };
    runtime.block_on(async move {
        let connection = match file::open(&setup.file).await {
            Ok(connection) => connection,
            Err(error) => {
                let _ = opened.send(Err(error));
                return;
            }
        };
        let mut writer = Writer {
            setup,
            connection: Some(connection),
            watching: Watching::default(),
            blind: false,
            cleared: Instant::now(),
        };
        writer.look_around().await;
        if opened.send(Ok(())).is_ok() {
            writer.serve(queued).await;
        }
        if let Some(connection) = writer.connection.take() {
            // The last connection folds the log into the file; without that, the next one does.
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "the store's file was not closed in order");
            }
        }
    });
}

impl Writer {
    async fn serve(&mut self, mut queued: mpsc::Receiver<Queued>) {
        let mut looked = Instant::now();
        loop {
            let wait = self.setup.look_every.saturating_sub(looked.elapsed());
            match tokio::time::timeout(wait, queued.recv()).await {
                Ok(None) => return,
                Ok(Some(first)) => {
                    let mut batch = vec![first];
                    while batch.len() < SHARED
                        && let Ok(next) = queued.try_recv()
                    {
                        batch.push(next);
                    }
                    self.carry_out(batch).await;
                }
                Err(_) => {}
            }
            if looked.elapsed() >= self.setup.look_every {
                self.look_around().await;
                looked = Instant::now();
            }
        }
    }

    /// What other processes changed, and what is over.
    async fn look_around(&mut self) {
        let Some(connection) = self.connection.as_mut() else {
            return;
        };
        let looked = self.watching.look(connection, &self.setup.hints).await;
        let was_blind = std::mem::replace(&mut self.blind, looked.is_err());
        // Said once. Waiters look for themselves from time to time.
        if let Err(error) = looked
            && !was_blind
        {
            tracing::warn!(%error, "it is not known what other processes changed");
            self.setup.hints.all_changed();
        }
        if self.cleared.elapsed() >= CLEARED_EVERY {
            self.cleared = Instant::now();
            if let Err(error) = crate::clearing::clear(connection, &self.setup.clock).await {
                tracing::warn!(?error, "what is over was not cleared away");
                self.roll_back().await;
            }
        }
    }

    /// Carries out a batch, answers every part of it, and wakes whoever waits for what changed.
    async fn carry_out(&mut self, mut batch: Vec<Queued>) {
        // An opening that nobody waits for any more would ask people for nobody.
        batch
            .retain(|queued| !(queued.answer.is_closed() && matches!(queued.work, Work::Open(..))));
        if batch.is_empty() {
            return;
        }
        match self.attempt(&batch).await {
            Err(Lost::Alone(_)) if batch.len() > 1 => {
                // Nothing was done. One change that cannot be carried out takes no other with it.
                for queued in batch {
                    let one = [queued];
                    let attempted = self.attempt(&one).await;
                    answer(one, attempted.map_err(Lost::into_error));
                }
            }
            attempted => answer(batch, attempted.map_err(Lost::into_error)),
        }
    }

    /// One transaction. An error is about all of it.
    async fn attempt(&mut self, batch: &[Queued]) -> Result<Vec<Result<Done, StoreError>>, Lost> {
        let path = self.setup.file.path.clone();
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => file::open(&self.setup.file)
                .await
                .map_err(|e| Lost::All(StoreError::Unreachable(e.to_string())))?,
        };
        let outcome = self.transact(&mut connection, batch).await;
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
                self.roll_back().await;
                return Err(lost.told(&path));
            }
        };
        for id in changed {
            self.setup.hints.changed(id);
        }
        Ok(answers)
    }

    async fn transact(
        &self,
        connection: &mut SqliteConnection,
        batch: &[Queued],
    ) -> Result<
        (
            Vec<Result<Done, StoreError>>,
            Vec<approvals_core::RequestId>,
        ),
        Ended,
    > {
        let mut transaction = Transaction::begin(connection, &self.setup.clock)
            .await
            .map_err(Ended::Begin)?;
        let mut answers = Vec::with_capacity(batch.len());
        for queued in batch {
            let before = transaction.head.clone();
            let done = Unpanicked(Box::pin(one(&mut transaction, &queued.work))).await;
            answers.push(match done {
                Ok(Ok(done)) => Ok(done),
                Ok(Err(Failure::Refused(error))) => {
                    undo(&mut transaction, before).await?;
                    Err(error)
                }
                Ok(Err(Failure::Sql(error))) if kind(&error) == Kind::Statement => {
                    undo(&mut transaction, before).await?;
                    Err(told(&self.setup.file.path, &error))
                }
                Ok(Err(Failure::Sql(error))) => return Err(Ended::Within(error)),
                Err(Panicked) => {
                    undo(&mut transaction, before).await?;
                    Err(StoreError::Invalid(
                        "the store panicked over this change and left it out: report it".to_owned(),
                    ))
                }
            });
        }
        let changed = transaction.commit().await.map_err(Ended::Commit)?;
        Ok((answers, changed))
    }

    /// Leaves whatever transaction is open.
    async fn roll_back(&mut self) {
        if let Some(connection) = self.connection.as_mut() {
            // After some errors SQLite has left it already.
            let _ = Script::new("ROLLBACK").run(connection).await;
        }
    }
}

fn answer(
    batch: impl IntoIterator<Item = Queued>,
    attempted: Result<Vec<Result<Done, StoreError>>, StoreError>,
) {
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

/// Takes back what a change wrote before it failed.
async fn undo(transaction: &mut Transaction<'_>, before: Head) -> Result<(), Ended> {
    transaction.head = before;
    let undone = Script::new("ROLLBACK TO change; RELEASE change")
        .run(transaction.connection)
        .await;
    match undone {
        // It had written nothing yet: there is no savepoint.
        Err(error) if kind(&error) == Kind::Statement => Ok(()),
        undone => undone.map_err(Ended::Within),
    }
}

async fn one(transaction: &mut Transaction<'_>, work: &Work) -> Result<Done, Failure> {
    Ok(match work {
        Work::Open(opening, deliveries) => {
            Done::Opened(opening::open(transaction, opening, deliveries).await?)
        }
        Work::Swap(swap) => Done::Swapped(swapping::swap(transaction, swap).await?),
        Work::Append(events) => Done::Appended(changing::append(transaction, events).await?),
        Work::RegisterSink(sink) => {
            changing::register_sink(transaction, sink).await?;
            Done::Nothing
        }
        Work::Acknowledge(sink, number) => {
            changing::acknowledge(transaction, sink, *number).await?;
            Done::Nothing
        }
        Work::NoteDelivery(id, delivery) => {
            copies::note(transaction, *id, delivery).await?;
            Done::Nothing
        }
        Work::SetFreeze(freeze, event) => {
            changing::set_freeze(transaction, freeze.as_ref(), event).await?;
            Done::Nothing
        }
        Work::Heartbeat(owner, lease) => {
            changing::heartbeat(transaction, *owner, *lease).await?;
            Done::Nothing
        }
        Work::Lease(duty, owner, lease) => {
            Done::Leased(duties::lease(transaction, duty, *owner, *lease).await?)
        }
        Work::Archive(selection) => Done::Archived(archive::archive(transaction, selection).await?),
    })
}

/// Where a transaction ended.
#[derive(Debug)]
enum Ended {
    /// It did not begin.
    Begin(Failure),
    /// A statement ended it: nothing was done.
    Within(sqlx::Error),
    /// The commit failed.
    Commit(sqlx::Error),
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
            Self::Begin(Failure::Sql(error)) | Self::Within(error) | Self::Commit(error) => error,
            Self::Begin(Failure::Refused(_)) => return false,
        };
        matches!(
            kind(error),
            Kind::Broken | Kind::Damaged | Kind::NotADatabase
        )
    }

    fn told(self, path: &std::path::Path) -> Lost {
        match self {
            Self::Begin(Failure::Refused(error)) => Lost::All(error),
            Self::Begin(Failure::Sql(error)) => Lost::All(told(path, &error)),
            Self::Within(error) => Lost::Alone(told(path, &error)),
            // What does not fit was not written, not even in part.
            Self::Commit(error) if kind(&error) == Kind::Full => Lost::Alone(told(path, &error)),
            Self::Commit(error) => Lost::All(StoreError::Unreachable(format!(
                "{}: {error}: the commit failed, and it may stand all the same: look after the disk, then look again",
                path.display()
            ))),
        }
    }
}
