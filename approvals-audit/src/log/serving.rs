//! The thread that writes a log: it commits whatever is queued, and tells whoever waits.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use approvals_core::EventId;
use tokio::sync::oneshot;

use super::crowd::Crowd;
use super::entry::Entry;
use super::queue::{Done, Exit, Job, Next, Queue};
use super::seal::Seals;
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

/// A log that this process writes.
pub(super) struct Serving {
    pub(super) files: Files,
    pub(super) keys: Keys,
    /// Where several processes write it in turn.
    pub(super) seals: Option<Seals>,
    /// How late the published files may be.
    pub(super) lateness: Duration,
    /// Whether anything lies beside the log that earlier events may have told.
    has_values: Arc<AtomicBool>,
    /// `None` when it has to be opened again. Dropped before the lock, it waits for what it is
    /// publishing.
    writer: Option<Writer>,
    lock: Option<File>,
    /// What was acknowledged: opened again, the log has to have it.
    reached: Option<Reached>,
    /// When the published files have to be made anew, however much there is to write.
    due: Option<Instant>,
    /// Whether making them anew failed the last time: then nobody is quicker than that.
    is_again: bool,
    /// How long making them anew took the last time, beside what was written meanwhile or not.
    publishing: Duration,
    crowd: Crowd,
}

impl Serving {
    pub(super) fn new(
        files: Files,
        keys: Keys,
        seals: Option<Seals>,
        lateness: Duration,
        has_values: Arc<AtomicBool>,
    ) -> Self {
        Self {
            files,
            keys,
            seals,
            lateness,
            has_values,
            writer: None,
            lock: None,
            reached: None,
            due: None,
            is_again: false,
            publishing: Duration::ZERO,
            crowd: Crowd::default(),
        }
    }

    /// Writes whatever is queued, until nobody can queue anything any more. A log of this process
    /// alone is opened first; one that is shared, when there is something to write.
    pub(super) fn run(mut self, opened: oneshot::Sender<Result<(), LogError>>, exit: &Exit) {
        let first = match &self.seals {
            Some(_) => Writer::judge(&self.files, &self.keys),
            None => self.take().map(|writer| self.writer = Some(writer)),
        };
        let failed = first.is_err();
        if failed {
            // Before whoever opens it is told, who may do so again at once.
            self.let_go();
        }
        if opened.send(first).is_err() || failed {
            return;
        }
        let queue = &exit.0;
        let mut jobs = Vec::new();
        while self.wait(queue) {
            self.crowd.gather(queue, &mut jobs);
            self.work(queue, &mut jobs);
            if self.due.is_some_and(|due| due <= Instant::now()) {
                self.begin_publishing(queue);
            }
        }
        if let Err(error) = self.publish() {
            unpublished(&error);
        }
    }

    /// Does all of these, in order, with as few commits as there is room for.
    fn work(&mut self, queue: &Queue, jobs: &mut Vec<Job>) {
        let (all, begun) = (jobs.len(), Instant::now());
        let (mut waiting, mut count) = (Vec::with_capacity(all), 0);
        for job in jobs.drain(..) {
            match job {
                Job::Record { entries, done } => {
                    count += entries.len();
                    waiting.push((entries, done));
                    if count >= BATCH {
                        self.commit(queue, std::mem::take(&mut waiting));
                        count = 0;
                    }
                }
                Job::Publish(done) => {
                    self.commit(queue, std::mem::take(&mut waiting));
                    count = 0;
                    // Whoever waited may have gone.
                    let _ = done.send(self.publish());
                }
            }
        }
        self.commit(queue, waiting);
        self.crowd.served(all, queue.len(), begun.elapsed());
    }

    /// Waits for something to do; `false` when there never will be. What was acknowledged is
    /// published when there is nothing for a moment, and a log that is shared is let go of when
    /// there is nothing for a while.
    fn wait(&mut self, queue: &Arc<Queue>) -> bool {
        loop {
            let now = Instant::now();
            let idle = self.seals.is_some() && self.lock.is_some();
            let until = match self.due {
                // There is news of it when it ends.
                _ if self.is_publishing() => None,
                Some(due) if self.is_again => Some(due),
                Some(due) => Some(due.min(now + self.lateness / QUIET)),
                None => idle.then(|| now + IDLE),
            };
            match queue.wait(until) {
                Next::Queued => return true,
                Next::Closed => return false,
                Next::News => {
                    // Where that failed, it is due again.
                    let _ = self.end_publishing(Writer::end_publishing);
                }
                Next::Late if self.due.is_some() => self.begin_publishing(queue),
                Next::Late => self.let_go(),
            }
        }
    }

    fn is_publishing(&self) -> bool {
        self.writer.as_ref().is_some_and(Writer::is_publishing)
    }

    /// Publishes what was acknowledged, and waits until it is.
    fn publish(&mut self) -> Result<(), LogError> {
        if self.due.is_none() && !self.is_publishing() {
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
        self.is_again = false;
        if published.is_err() {
            self.publish_again();
        }
        published
    }

    /// Begins to publish what was acknowledged, beside what is written from now on. While something
    /// is being published already, that is waited for.
    fn begin_publishing(&mut self, queue: &Arc<Queue>) {
        if !self.end_publishing(Writer::ended_publishing) || self.is_publishing() {
            return;
        }
        self.due = None;
        self.is_again = false;
        let begun = self.take().and_then(|mut writer| {
            writer.publish_beside(queue.news())?;
            self.writer = Some(writer);
            Ok(())
        });
        match begun {
            Ok(()) => {}
            // Whoever has taken it since has published it.
            Err(LogError::Locked(_)) if self.seals.is_some() => {}
            Err(error) => {
                unpublished(&error);
                self.publish_again();
            }
        }
    }

    /// Takes note of what was published beside. Where it failed, `false`: then the log is opened
    /// again by whoever wants something of it next.
    fn end_publishing(
        &mut self,
        end: impl FnOnce(&mut Writer) -> Result<Option<Duration>, LogError>,
    ) -> bool {
        let ended = self.writer.as_mut().map_or(Ok(None), end);
        match &ended {
            Ok(took) => self.publishing = took.unwrap_or(self.publishing),
            Err(error) => {
                unpublished(error);
                self.writer = None;
                self.publish_again();
            }
        }
        ended.is_ok()
    }

    fn publish_again(&mut self) {
        self.failed();
        self.due = Some(Instant::now() + AGAIN);
        self.is_again = true;
    }

    /// Whoever takes the log next publishes what there is.
    fn let_go(&mut self) {
        self.writer = None;
        self.lock = None;
        self.due = None;
    }

    /// Takes the log: its lock, and what it takes to go on from where it is.
    fn take(&mut self) -> Result<Writer, LogError> {
        // Where that failed, the log is opened again here.
        let _ = self.end_publishing(Writer::ended_publishing);
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
                let has_values = self.files.has_values()?;
                self.has_values.store(has_values, Ordering::Release);
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
    fn commit(&mut self, queue: &Queue, jobs: Vec<(Vec<Entry>, Done)>) {
        if jobs.is_empty() {
            return;
        }
        let mut writer = match self.take() {
            Ok(writer) => writer,
            Err(error) => {
                self.failed();
                return queue.tell(jobs.into_iter().map(|(_, done)| done), &Err(error));
            }
        };
        let mut fresh = Fresh::default();
        let mut waiting = Vec::with_capacity(jobs.len());
        for (entries, done) in jobs {
            match fresh.add_unknown(&writer, &self.files, entries) {
                Ok(()) => waiting.push(done),
                Err(error) => queue.tell([done], &Err(error)),
            }
        }
        let fresh = fresh.entries;
        if fresh.is_empty() {
            queue.tell(waiting, &Ok(()));
            self.writer = Some(writer);
            return;
        }
        if fresh.iter().any(|entry| !entry.values.is_empty()) {
            // Before anybody is told, who may then tell of the same request.
            self.has_values.store(true, Ordering::Release);
        }
        if let Err(error) = writer.append(&fresh) {
            tracing::error!(%error, "audit events could not be kept; the log is opened again");
            // Before anybody else may open it.
            drop(writer);
            self.failed();
            return queue.tell(waiting, &Err(error));
        }
        self.reached = Some(writer.reached());
        queue.tell(waiting, &Ok(()));
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

fn unpublished(error: &LogError) {
    tracing::error!(%error, "audit events are kept, and could not be published; nothing more is kept until they can");
}

/// What is to be appended.
#[derive(Default)]
struct Fresh {
    entries: Vec<Entry>,
    /// The numbers of the events.
    ids: HashMap<EventId, u64>,
}

impl Fresh {
    /// Adds those of a job's entries that the log has not got. Events may be offered again; the
    /// numbers have no gap, and one number is one event.
    fn add_unknown(
        &mut self,
        writer: &Writer,
        files: &Files,
        entries: Vec<Entry>,
    ) -> Result<(), LogError> {
        let before = self.entries.len();
        for entry in entries {
            if let Err(error) = self.add(writer, files, entry) {
                for entry in self.entries.drain(before..) {
                    // It may be one that another job has as well.
                    if self.ids.get(&entry.id) == Some(&entry.number) {
                        self.ids.remove(&entry.id);
                    }
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn add(&mut self, writer: &Writer, files: &Files, entry: Entry) -> Result<(), LogError> {
        let newest = self.entries.last();
        let newest = newest.map(|last| last.number.saturating_add(1));
        match newest.or_else(|| writer.known().next()) {
            Some(next) if entry.number > next => Err(LogError::Gap {
                expected: next,
                found: entry.number,
            }),
            Some(next) if entry.number < next => {
                let number = entry.number;
                match self.entries.iter().find(|other| other.number == number) {
                    Some(other) if other.id == entry.id => Ok(()),
                    Some(_) => Err(LogError::OtherTrail(number)),
                    None => {
                        let directory = Directory::of(files.clone());
                        writer.known().check(&directory, writer.size(), &entry)
                    }
                }
            }
            Some(_) | None => {
                let same = self.ids.get(&entry.id).copied();
                let entry = match same.or_else(|| writer.known().number_of(entry.id)) {
                    Some(number) => entry.repeated(number)?,
                    None => {
                        self.ids.insert(entry.id, entry.number);
                        entry
                    }
                };
                self.entries.push(entry);
                Ok(())
            }
        }
    }
}
