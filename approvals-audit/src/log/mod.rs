//! The log: an audit sink that keeps what it acknowledges, in a directory that anybody can verify.

mod appending;
mod commitment;
mod committing;
mod completing;
mod crowd;
mod directory;
mod disk;
mod entry;
mod error;
mod files;
mod head;
mod known;
mod publishing;
mod queue;
mod recovery;
mod ring;
mod seal;
mod serving;
mod shown;
mod tail;
mod values;
mod writer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use approvals_core::{AuditError, AuditSink, Event, RequestStore, SinkId, async_trait};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub use self::commitment::{Disclosure, DisclosureError};
pub use self::directory::{AsOf, Directory};
pub(crate) use self::disk::{read_note, write_note};
pub use self::entry::SCHEMA;
pub(crate) use self::entry::hex;
use self::entry::{Entry, Writing};
pub use self::error::LogError;
pub(crate) use self::files::Files;
use self::queue::{Entrance, Exit, Job, Queue};
use self::seal::Seals;
use self::serving::Serving;
use self::writer::Keys;
use crate::note::{Signer, VerifierKey};

/// How a log is opened.
#[derive(Debug)]
pub struct AuditLogBuilder {
    path: PathBuf,
    signers: Vec<Arc<dyn Signer>>,
    formerly: Vec<VerifierKey>,
    sensitive: BTreeSet<String>,
    shared: Option<(Arc<dyn RequestStore>, SinkId)>,
    lateness: Duration,
}

impl AuditLogBuilder {
    /// How long after an event was acknowledged the published files may show it, at most: 200 ms
    /// unless this says otherwise, and a day at most. They are for whoever reads the log as C2SP says, such as a web
    /// server that hands them out. Writing them with every commit would take most of its time;
    /// [`Directory`] reads what was acknowledged without them.
    ///
    /// When nothing is recorded for a sixteenth of it, or the log is closed, they are written sooner;
    /// where writing them takes a disk longer than a sixteenth of it, in a sixteenth of the time.
    #[must_use]
    pub const fn published_within(mut self, lateness: Duration) -> Self {
        // Instants have an end.
        let most = Duration::from_secs(24 * 60 * 60);
        self.lateness = if lateness.as_nanos() < most.as_nanos() {
            lateness
        } else {
            most
        };
        self
    }

    /// Has several processes write the log in turn, each of which has a gate on this store with the
    /// log as the sink of this name: whichever feeds the sink opens the log, and lets go of it when
    /// there is nothing to write for a second.
    ///
    /// What the log comes to is recorded in the store before it is signed. So a log that was set
    /// back, forked or put in another one's place is refused by whoever takes it over, also where
    /// the processes have directories of their own by mistake; and what was recorded by one that
    /// died is completed exactly as it was recorded.
    #[must_use]
    pub fn shared(mut self, store: Arc<dyn RequestStore>, sink: SinkId) -> Self {
        self.shared = Some((store, sink));
        self
    }

    /// Has the values of these names enter the log as salted commitments: arguments, extra fields
    /// and labels of any action, and the texts `resource`, `summary`, `justification`, `key` and
    /// `comment`. Where such a value of four characters or more is found in another argument, field,
    /// label or one of those texts, in a reason that somebody or a policy gave, or in a proposal, of
    /// any event of the same request, that enters as a commitment too, and so do the hashes over it.
    /// Names are not looked into, nor what a requester says of itself (run, session, model, trace).
    ///
    /// What the author of an action marked with `sensitive(…)` enters so in every log, and need not
    /// be named here.
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

    /// Opens the log, or begins one in an empty directory; one that is shared, when there is
    /// something to write. What a crash left past the last
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
        let seals = self.shared.map(|(store, sink)| Seals {
            store,
            sink,
            runtime: Handle::current(),
        });
        let is_shared = seals.is_some();
        let has_values = Arc::new(AtomicBool::new(false));
        let serving = Serving::new(
            files.clone(),
            keys,
            seals,
            self.lateness,
            Arc::clone(&has_values),
        );
        let queue = Arc::new(Queue::default());
        let jobs = Entrance::of(Arc::clone(&queue));
        let (opened, told) = oneshot::channel();
        let (closed, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("approvals-audit".to_owned())
            .spawn(move || {
                // Dropped also when this panics.
                let exit = Exit(queue);
                serving.run(opened, &exit);
                // Whoever waits may have gone.
                let _ = closed.send(());
            })
            .map_err(LogError::disk("starting a thread for", &self.path))?;
        told.await.map_err(|_| LogError::Closed)??;
        Ok(AuditLog {
            files,
            sensitive: self.sensitive,
            is_shared,
            has_values,
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
    files: Files,
    sensitive: BTreeSet<String>,
    /// Whether other processes write it too.
    is_shared: bool,
    /// Whether anything lies beside the log that earlier events may have told, as far as this
    /// process writes it.
    has_values: Arc<AtomicBool>,
    jobs: Entrance,
    ended: oneshot::Receiver<()>,
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
            shared: None,
            lateness: serving::LATENESS,
        }
    }

    /// Has the published files show everything that was acknowledged, now.
    ///
    /// # Errors
    /// [`LogError`] when they cannot be written. What was acknowledged is kept all the same, and
    /// nothing more is until they can.
    pub async fn publish(&self) -> Result<(), LogError> {
        let (done, told) = oneshot::channel();
        self.jobs.queue().push(Job::Publish(done));
        told.await.map_err(|_| LogError::Closed)?
    }

    /// The log as others read it.
    #[must_use]
    pub fn directory(&self) -> Directory {
        Directory::of(self.files.clone())
    }

    /// Stops writing, once everything that was recorded is kept and published. Another process may write the log
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
        let has_values = match self.is_shared {
            true => self.files.has_values().map_err(failed)?,
            false => self.has_values.load(Ordering::Acquire),
        };
        let mut writing = Writing::new(&self.sensitive, &self.files, has_values);
        let entries = events.iter().map(|event| writing.entry(event));
        let entries: Result<Vec<Entry>, LogError> = entries.collect();
        self.jobs.queue().record(entries.map_err(failed)?).await
    }
}
