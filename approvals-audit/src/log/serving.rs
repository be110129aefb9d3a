//! The thread that writes a log: it commits whatever is queued, and tells whoever waits.

use std::fs::File;
use std::time::{Duration, Instant};

use approvals_core::AuditError;
use tokio::sync::{mpsc, oneshot};

use super::crowd::Crowd;
use super::entry::Entry;
use super::seal::Seals;
use super::waiting::{self, Next};
use super::writer::{Keys, Reached, Writer};
use super::{Directory, Files, LogError};

/// How many entries are appended by one commit.
const BATCH: usize = 1024;

/// How late the published files are by default, at most.
pub(super) const LATENESS: Duration = Duration::from_millis(200);

/// After so small a part of it they are made anew when nothing comes.
const QUIET: u32 = 16;

/// Where it takes long it is done less often, so that it takes such a part of the time at most.
const SHARE: u32 = 16;

/// After how long publishing is tried again when it failed.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a process that shares a log keeps it when it has nothing to write.
const IDLE: Duration = Duration::from_secs(1);

/// How long it waits for the one before to let go of it. Well below the time after which a gate
/// gives its sink up to others.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);

/// Whoever waits for events to be kept.
type Done = oneshot::Sender<Result<(), AuditError>>;

/// What is to be done.
pub(super) enum Job {
    /// Events that somebody waits for.
    Record { entries: Vec<Entry>, done: Done },
    /// Somebody waits for the published files.
    Publish(oneshot::Sender<Result<(), LogError>>),
}

/// A log that this process writes.
pub(super) struct Serving {
    pub(super) files: Files,
    pub(super) keys: Keys,
    /// Where several processes write it in turn.
    pub(super) seals: Option<Seals>,
    /// How late the published files may be.
    pub(super) lateness: Duration,
    lock: Option<File>,
    /// `None` when it has to be opened again.
    writer: Option<Writer>,
    /// What was acknowledged: opened again, the log has to have it.
    reached: Option<Reached>,
    /// When the published files have to be made anew, however much there is to write.
    due: Option<Instant>,
    /// How long making them anew took the last time.
    publishing: Duration,
    crowd: Crowd,
}

impl Serving {
    pub(super) fn new(files: Files, keys: Keys, seals: Option<Seals>, lateness: Duration) -> Self {
        Self {
            files,
            keys,
            seals,
            lateness,
            lock: None,
            writer: None,
            reached: None,
            due: None,
            publishing: Duration::ZERO,
            crowd: Crowd::default(),
        }
    }

    /// Writes whatever is queued, until nobody can queue anything any more. A log of this process
    /// alone is opened first; one that is shared, when there is something to write.
    pub(super) fn run(
        mut self,
        opened: oneshot::Sender<Result<(), LogError>>,
        mut queue: mpsc::Receiver<Job>,
    ) {
        let first = match &self.seals {
            Some(_) => Writer::judge(&self.files, &self.keys),
            None => self.take().map(|writer| self.writer = Some(writer)),
        };
        let failed = first.is_err();
        if opened.send(first).is_err() || failed {
            return;
        }
        let mut next = None;
        while let Some(job) = next.take().or_else(|| self.next(&mut queue)) {
            match job {
                Job::Record { entries, done } => {
                    next = self.record(entries, done, &mut queue);
                }
                Job::Publish(done) => {
                    // Whoever waited may have gone.
                    let _ = done.send(self.publish());
                }
            }
            if self.due.is_some_and(|due| due <= Instant::now()) {
                self.publish_and_tell();
            }
        }
        self.publish_and_tell();
    }

    /// Commits these entries with all that are queued, as far as there is room. What is to be done
    /// next, if it was taken from the queue.
    fn record(
        &mut self,
        entries: Vec<Entry>,
        done: Done,
        queue: &mut mpsc::Receiver<Job>,
    ) -> Option<Job> {
        self.crowd.wait(1, queue);
        let mut count = entries.len();
        let mut waiting = vec![(entries, done)];
        let mut other = None;
        while count < BATCH && other.is_none() {
            match queue.try_recv() {
                Ok(Job::Record { entries, done }) => {
                    count += entries.len();
                    waiting.push((entries, done));
                }
                Ok(job) => other = Some(job),
                Err(_) => break,
            }
        }
        let (jobs, begun) = (waiting.len(), Instant::now());
        self.commit(waiting);
        self.crowd.served(jobs, queue.len(), begun.elapsed());
        other
    }

    /// The next job. What was acknowledged is published when there is none for a moment, and a log
    /// that is shared is let go of when there is none for a while.
    fn next(&mut self, queue: &mut mpsc::Receiver<Job>) -> Option<Job> {
        loop {
            let now = Instant::now();
            let idle = self.seals.is_some() && self.lock.is_some();
            let until = match self.due {
                Some(due) => Some(due.min(now + self.lateness / QUIET)),
                None => idle.then(|| now + IDLE),
            };
            match waiting::next(queue, until) {
                Next::Queued(job) => return Some(job),
                Next::Closed => return None,
                Next::Late if self.due.is_some() => self.publish_and_tell(),
                Next::Late => self.let_go(),
            }
        }
    }

    /// Publishes what was acknowledged.
    fn publish(&mut self) -> Result<(), LogError> {
        if self.due.is_none() {
            return Ok(());
        }
        let begun = Instant::now();
        let published = self.take().and_then(|mut writer| {
            writer.publish()?;
            self.writer = Some(writer);
            Ok(())
        });
        self.publishing = begun.elapsed();
        self.due = None;
        if published.is_err() {
            self.due = Some(Instant::now() + AGAIN);
            self.failed();
        }
        published
    }

    fn publish_and_tell(&mut self) {
        if let Err(error) = self.publish() {
            tracing::error!(%error, "audit events are kept, and could not be published; nothing more is kept until they can");
        }
    }

    /// Whoever takes the log next publishes what there is.
    fn let_go(&mut self) {
        self.writer = None;
        self.lock = None;
        self.due = None;
    }

    /// Takes the log: its lock, and what it takes to go on from where it is.
    fn take(&mut self) -> Result<Writer, LogError> {
        if let Some(lock) = &self.lock {
            self.files.holds(lock)?;
        } else {
            Writer::judge(&self.files, &self.keys)?;
            self.lock = Some(self.lock()?);
        }
        match self.writer.take() {
            Some(writer) => Ok(writer),
            None => {
                let seals = self.seals.as_ref();
                let writer = Writer::open(&self.files, &self.keys, self.reached, seals)?;
                self.reached = Some(writer.reached());
                Ok(writer)
            }
        }
    }

    /// Where others write it too, they let go of it in a moment.
    fn lock(&self) -> Result<File, LogError> {
        let begun = Instant::now();
        loop {
            match self.files.lock() {
                Err(LogError::Locked(_)) if self.seals.is_some() && begun.elapsed() < PATIENCE => {
                    std::thread::sleep(LOOK);
                }
                locked => return locked,
            }
        }
    }

    /// Commits entries and tells whoever waits for them.
    fn commit(&mut self, jobs: Vec<(Vec<Entry>, Done)>) {
        let mut writer = match self.take() {
            Ok(writer) => writer,
            Err(error) => {
                self.failed();
                return tell(jobs.into_iter().map(|(_, done)| done), &Err(error));
            }
        };
        let mut fresh = Vec::new();
        let mut waiting = Vec::new();
        for (entries, done) in jobs {
            match add_unknown(&mut fresh, &writer, &self.files, entries) {
                Ok(()) => waiting.push(done),
                Err(error) => tell([done], &Err(error)),
            }
        }
        if fresh.is_empty() {
            tell(waiting, &Ok(()));
            self.writer = Some(writer);
            return;
        }
        if let Err(error) = writer.append(&fresh) {
            tracing::error!(%error, "audit events could not be kept; the log is opened again");
            self.failed();
            return tell(waiting, &Err(error));
        }
        self.reached = Some(writer.reached());
        tell(waiting, &Ok(()));
        if !writer.is_published() {
            let late = self.lateness.max(self.publishing * SHARE);
            let soon = || Instant::now() + late;
            self.due = Some(self.due.unwrap_or_else(soon));
        }
        self.writer = Some(writer);
    }

    /// Another process may do better with a log that is shared.
    fn failed(&mut self) {
        if self.seals.is_some() {
            self.let_go();
        }
    }
}

/// Adds those of a job's entries that the log has not got. Events may be offered again; the numbers
/// have no gap, and one number is one event.
fn add_unknown(
    fresh: &mut Vec<Entry>,
    writer: &Writer,
    files: &Files,
    entries: Vec<Entry>,
) -> Result<(), LogError> {
    let before = fresh.len();
    for entry in entries {
        let newest = fresh
            .last()
            .map(|last: &Entry| last.number.saturating_add(1));
        let next = newest.or_else(|| writer.known().next());
        let judged = match next {
            Some(next) if entry.number > next => Err(LogError::Gap {
                expected: next,
                found: entry.number,
            }),
            Some(next) if entry.number < next => {
                match fresh.iter().find(|other| other.number == entry.number) {
                    Some(other) if other.id == entry.id => Ok(()),
                    Some(_) => Err(LogError::OtherTrail(entry.number)),
                    None => {
                        writer
                            .known()
                            .check(&Directory::of(files.clone()), writer.size(), &entry)
                    }
                }
            }
            Some(_) | None => {
                let same = fresh.iter().find(|other| other.id == entry.id);
                let same = same.map(|other| other.number);
                let entry = match same.or_else(|| writer.known().number_of(entry.id)) {
                    Some(number) => entry.repeated(number),
                    None => Ok(entry),
                };
                entry.map(|entry| fresh.push(entry))
            }
        };
        if let Err(error) = judged {
            fresh.truncate(before);
            return Err(error);
        }
    }
    Ok(())
}

fn tell(waiting: impl IntoIterator<Item = Done>, outcome: &Result<(), LogError>) {
    for done in waiting {
        let told = outcome.as_ref().copied();
        // Whoever waited may have gone.
        let _ = done.send(told.map_err(|error| AuditError(error.to_string())));
    }
}
