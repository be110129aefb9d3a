//! The log: an audit sink that keeps what it acknowledges, in a directory that anybody can verify.

mod commitment;
mod committing;
mod directory;
mod disk;
mod entry;
mod error;
mod files;
mod known;
mod shown;
mod tail;
mod values;
mod writer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use approvals_core::{AuditError, AuditSink, Event, async_trait};
use tokio::sync::{mpsc, oneshot};

pub use self::commitment::{Disclosure, DisclosureError};
pub use self::directory::{AsOf, Directory};
pub(crate) use self::disk::{read_note, write_note};
pub use self::entry::SCHEMA;
pub(crate) use self::entry::hex;
use self::entry::{Entry, Writing};
pub use self::error::LogError;
pub(crate) use self::files::Files;
use self::writer::{Keys, Reached, Writer};
use crate::note::{Signer, VerifierKey};

/// How many calls of [`AuditLog::record`] wait for the writer before more are held back.
const QUEUE: usize = 1024;

/// How many entries are appended by one commit.
const BATCH: usize = 1024;

/// How a log is opened.
#[derive(Debug)]
pub struct AuditLogBuilder {
    path: PathBuf,
    signers: Vec<Arc<dyn Signer>>,
    formerly: Vec<VerifierKey>,
    sensitive: BTreeSet<String>,
}

impl AuditLogBuilder {
    /// Has the values of these names enter the log as salted commitments: arguments, extra fields
    /// and labels of any action, and the texts `resource`, `summary`, `justification`, `key` and
    /// `comment`. Any other text of the same request in which such a value of four characters or
    /// more is found enters as a commitment too, and so do the hashes over it.
    ///
    /// The values lie beside the log, where [`Directory::disclosures`] finds them until
    /// [`Directory::shred`] destroys them.
    #[must_use]
    pub fn sensitive<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.sensitive.extend(names.into_iter().map(Into::into));
        self
    }

    /// Signs with another key as well, while keys are changed: readers that know either key can
    /// verify the log.
    #[must_use]
    pub fn also_signed_by(mut self, signer: Arc<dyn Signer>) -> Self {
        self.signers.push(signer);
        self
    }

    /// A key that signed the log before, and does not any more.
    #[must_use]
    pub fn formerly_signed_by(mut self, key: VerifierKey) -> Self {
        self.formerly.push(key);
        self
    }

    /// Opens the log, or begins one in an empty directory. What a crash left past the last
    /// checkpoint is dropped: nobody was told that it is kept.
    ///
    /// # Errors
    /// [`LogError`] when another process writes it, when it is not as its checkpoint says, when its
    /// checkpoint is not signed by one of the keys, or when the directory holds something else.
    pub async fn open(self) -> Result<AuditLog, LogError> {
        let Some(first) = self.signers.first() else {
            return Err(LogError::NoKey);
        };
        let origin = first.key().name().to_owned();
        let own = self.signers.iter().map(|signer| signer.key());
        let trusted: Vec<VerifierKey> = own.chain(&self.formerly).cloned().collect();
        if let Some(other) = trusted.iter().find(|key| key.name() != origin) {
            return Err(LogError::KeyName {
                origin,
                found: other.name().to_owned(),
            });
        }
        let keys = Keys {
            origin,
            signers: self.signers,
            trusted,
        };
        let files = Files::of(&self.path);
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (opened, told) = oneshot::channel();
        let (closed, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("approvals-audit".to_owned())
            .spawn(move || {
                serve(&files, &keys, opened, queue);
                // Whoever waits may have gone.
                let _ = closed.send(());
            })
            .map_err(LogError::disk("starting a thread for", &self.path))?;
        told.await.map_err(|_| LogError::Closed)??;
        Ok(AuditLog {
            path: self.path,
            sensitive: self.sensitive,
            jobs,
            ended,
        })
    }
}

/// A tamper-evident log: an [`AuditSink`] that returns when its events, and a signed checkpoint
/// over them, would survive the machine losing power.
///
/// Events that are recorded at the same time share a commit. Only one process writes a log; whoever
/// drains the store's outbox does.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    sensitive: BTreeSet<String>,
    jobs: mpsc::Sender<Job>,
    ended: oneshot::Receiver<()>,
}

/// Whoever waits for events to be kept.
type Done = oneshot::Sender<Result<(), AuditError>>;

/// Events that somebody waits for.
struct Job {
    entries: Vec<Entry>,
    done: Done,
}

impl AuditLog {
    /// A log in this directory, signed by this key. The key's name is the log's origin.
    #[must_use]
    pub fn at(path: impl AsRef<Path>, signer: Arc<dyn Signer>) -> AuditLogBuilder {
        AuditLogBuilder {
            path: path.as_ref().to_owned(),
            signers: vec![signer],
            formerly: Vec::new(),
            sensitive: BTreeSet::new(),
        }
    }

    /// The log as others read it.
    #[must_use]
    pub fn directory(&self) -> Directory {
        Directory::at(&self.path)
    }

    /// Stops writing, once everything that was recorded is kept. Another process may write the log
    /// afterwards.
    pub async fn close(self) {
        drop(self.jobs);
        // The writer has ended either way.
        let _ = self.ended.await;
    }
}

#[async_trait]
impl AuditSink for AuditLog {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        let failed = |error: LogError| AuditError(error.to_string());
        let files = Files::of(&self.path);
        let mut writing = Writing::new(&self.sensitive, &files);
        let entries = events.iter().map(|event| writing.entry(event));
        let entries: Result<Vec<Entry>, LogError> = entries.collect();
        let (done, told) = oneshot::channel();
        let job = Job {
            entries: entries.map_err(failed)?,
            done,
        };
        let sent = self.jobs.send(job).await;
        sent.map_err(|_| failed(LogError::Closed))?;
        told.await.map_err(|_| failed(LogError::Closed))?
    }
}

/// Writes whatever is queued, until nobody can queue anything any more.
fn serve(
    files: &Files,
    keys: &Keys,
    opened: oneshot::Sender<Result<(), LogError>>,
    mut queue: mpsc::Receiver<Job>,
) {
    let begun = Writer::judge(files, keys).and_then(|()| {
        let lock = files.lock()?;
        Ok((lock, Writer::open(files, keys, None)?))
    });
    let (lock, first) = match begun {
        Ok(begun) => begun,
        Err(error) => return drop(opened.send(Err(error))),
    };
    if opened.send(Ok(())).is_err() {
        return;
    }
    let mut log = Open {
        files,
        keys,
        lock,
        reached: first.reached(),
        writer: Some(first),
    };
    while let Some(job) = queue.blocking_recv() {
        let mut jobs = vec![job];
        let mut entries = jobs.iter().map(|job| job.entries.len()).sum::<usize>();
        while entries < BATCH
            && let Ok(job) = queue.try_recv()
        {
            entries += job.entries.len();
            jobs.push(job);
        }
        log.commit(jobs);
    }
}

/// A log that this process has the lock of.
struct Open<'a> {
    files: &'a Files,
    keys: &'a Keys,
    lock: std::fs::File,
    /// What was acknowledged: opened again, the log has to have it.
    reached: Reached,
    /// `None` when it has to be opened again.
    writer: Option<Writer>,
}

impl Open<'_> {
    /// Commits jobs and tells whoever waits.
    fn commit(&mut self, jobs: Vec<Job>) {
        let opened = match self.writer.take() {
            Some(writer) => Ok(writer),
            None => Writer::open(self.files, self.keys, Some(self.reached)),
        };
        let held = self.files.holds(&self.lock);
        let mut writer = match held.and(opened) {
            Ok(writer) => writer,
            Err(error) => return tell(jobs.into_iter().map(|job| job.done), &Err(error)),
        };
        let mut fresh = Vec::new();
        let mut waiting = Vec::new();
        for Job { entries, done } in jobs {
            match add_unknown(&mut fresh, &writer, self.files, entries) {
                Ok(()) => waiting.push(done),
                Err(error) => tell([done], &Err(error)),
            }
        }
        if fresh.is_empty() {
            tell(waiting, &Ok(()));
            self.writer = Some(writer);
            return;
        }
        let committed = match writer.append(&fresh) {
            Ok(committed) => committed,
            Err(error) => {
                tracing::error!(%error, "audit events could not be kept; the log is opened again");
                return tell(waiting, &Err(error));
            }
        };
        self.reached = writer.reached();
        tell(waiting, &Ok(()));
        match writer.settle_committed(&committed) {
            Ok(()) => self.writer = Some(writer),
            Err(error) => {
                tracing::error!(%error, "a full tile could not be put in its place; the log is opened again");
            }
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
