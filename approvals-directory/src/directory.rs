//! The directory that a file is.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use approvals_core::{Clock, DirectoryError, PersonId, Timestamp};

use crate::mistake::LoadError;
use crate::opening::Opening;
use crate::snapshot::{Both, Files, Hashes, Snapshot};

/// People, groups and channel identities from a file.
///
/// Cheap to clone; all clones are one directory. Each question, also
/// [`Directory::resolve`](approvals_core::Directory::resolve) as a
/// whole, is answered from one version of the files.
///
/// ```no_run
/// # async fn host() -> Result<(), Box<dyn std::error::Error>> {
/// use std::{sync::Arc, time::Duration};
/// use approvals_core::{Gate, memory::MemoryStore};
/// use approvals_directory::FileDirectory;
///
/// let directory = FileDirectory::open("people.toml")?; // everything that is wrong, by line
/// tokio::spawn(directory.watch(Duration::from_secs(5)));
/// let gate = Gate::builder(Arc::new(MemoryStore::new()), Arc::new(directory.clone()));
/// if let Some(stale) = directory.status().stale {
///     eprintln!("people are those of {:?} ago: {}", stale.since, stale.why);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct FileDirectory(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) files: Files,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) code_valid_for: Duration,
    stale_for_at_most: Option<Duration>,
    /// Held by whoever reads the files in order to replace what is known, so that what was read
    /// earlier never replaces what was read later.
    changing: Mutex<()>,
    known: RwLock<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    snapshot: Arc<Snapshot>,
    loaded_at: Option<Timestamp>,
    stale: Option<Stale>,
}

/// What is known, and whether it is what the files say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// When the files were read that are answered from; nothing when the clock could not say.
    pub loaded_at: Option<Timestamp>,
    /// Why the files as they are now are not answered from, if they are not.
    pub stale: Option<Stale>,
}

/// The files are broken, and what they said before is still answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stale {
    /// When this was first seen; nothing when the clock could not say.
    pub since: Option<Timestamp>,
    /// What is wrong with the files, as last seen.
    pub why: LoadError,
}

/// What reading the files again brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// Other contents, which are answered from now.
    Changed,
    /// The same contents as before.
    Unchanged,
}

/// What is known of a person beside their id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Who.
    pub person: PersonId,
    /// Their name, to be shown and never to be decided by.
    pub name: Option<String>,
    /// Their e-mail address, in lower case.
    pub email: Option<String>,
    /// Whether they take part: vote, count as members and as owners.
    pub active: bool,
}

impl FileDirectory {
    /// The directory that this file is, with `links.toml` beside it where people have linked
    /// identities.
    ///
    /// # Errors
    /// [`LoadError`] with everything that is wrong, by file and line.
    pub fn open(people: impl Into<PathBuf>) -> Result<Self, LoadError> {
        Self::at(people).open()
    }

    /// How to open the directory that this file is.
    pub fn at(people: impl Into<PathBuf>) -> Opening {
        Opening::of(people.into())
    }

    /// Reads the files again. What they say is answered from then on, all of it at once; when
    /// anything is wrong with them, what was known stays, [`status`](Self::status) says so, and so
    /// does an error in the log.
    ///
    /// Reads from the disk: not for the inside of an async task.
    ///
    /// # Errors
    /// [`LoadError`] with everything that is wrong, by file and line.
    pub fn reload(&self) -> Result<Reloaded, LoadError> {
        self.0.reload(&self.0.changing())
    }

    /// What is known, and whether it is what the files say.
    #[must_use]
    pub fn status(&self) -> Status {
        let known = self.0.known();
        Status {
            loaded_at: known.loaded_at,
            stale: known.stale,
        }
    }

    /// Everybody whom the file knows, by id.
    #[must_use]
    pub fn people(&self) -> Vec<Entry> {
        let snapshot = self.0.known().snapshot;
        let entry = |(person, known): (&PersonId, &crate::roster::Person)| Entry {
            person: person.clone(),
            name: known.name.clone(),
            email: known.email.as_ref().map(|email| email.as_str().to_owned()),
            active: known.active,
        };
        snapshot.people().map(entry).collect()
    }
}

impl Inner {
    /// What both files say, or what is wrong with them.
    pub(crate) fn open(opening: Opening) -> Result<Self, LoadError> {
        let Opening {
            files,
            clock,
            code_valid_for,
            stale_for_at_most,
        } = opening;
        let snapshot = Snapshot::of(&files, &files.read()?)?;
        warn_of_orphans(&snapshot);
        let known = Known {
            snapshot: Arc::new(snapshot),
            loaded_at: now(&*clock),
            stale: None,
        };
        Ok(Self {
            files,
            clock,
            code_valid_for,
            stale_for_at_most,
            changing: Mutex::new(()),
            known: RwLock::new(known),
        })
    }

    pub(crate) fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> Known {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// What is known, whether or not it is too old to answer from.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.known().snapshot
    }

    /// By what was last loaded.
    pub(crate) fn hashes(&self) -> Hashes {
        self.known().snapshot.hashes
    }

    /// Whether what is answered is older than what the files hold.
    pub(crate) fn is_stale(&self) -> bool {
        self.known().stale.is_some()
    }

    /// The one version that an answer is made of.
    pub(crate) fn answering(&self) -> Result<Arc<Snapshot>, DirectoryError> {
        let known = self.known();
        if let (Some(stale), Some(limit)) = (&known.stale, self.stale_for_at_most) {
            // Without the time, nobody can say that it is not too long.
            let since = stale.since.zip(now(&*self.clock));
            if since.is_none_or(|(since, now)| now.since(since) > limit) {
                return Err(DirectoryError(format!(
                    "the people file has been broken for more than {limit:?}: {}",
                    stale.why
                )));
            }
        }
        Ok(known.snapshot)
    }

    pub(crate) fn replace(&self, _changing: &MutexGuard<'_, ()>, snapshot: Snapshot) {
        warn_of_orphans(&snapshot);
        let loaded_at = now(&*self.clock);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.snapshot = Arc::new(snapshot);
        known.loaded_at = loaded_at;
    }

    pub(crate) fn reload(&self, changing: &MutexGuard<'_, ()>) -> Result<Reloaded, LoadError> {
        self.take(changing, self.files.read())
    }

    /// Answers from what was read, if nothing is wrong with it.
    pub(crate) fn take(
        &self,
        changing: &MutexGuard<'_, ()>,
        read: Result<Both, LoadError>,
    ) -> Result<Reloaded, LoadError> {
        let loaded = read.and_then(|both| {
            if both.hashes() == self.hashes() {
                return Ok(None);
            }
            Snapshot::of(&self.files, &both).map(Some)
        });
        match loaded {
            Ok(None) => {
                self.set_stale(None);
                Ok(Reloaded::Unchanged)
            }
            Ok(Some(snapshot)) => {
                self.replace(changing, snapshot);
                self.set_stale(None);
                let file = self.files.people.display();
                tracing::info!(%file, "people were loaded again");
                Ok(Reloaded::Changed)
            }
            Err(why) => {
                let file = self.files.people.display();
                tracing::error!(
                    %file, %why,
                    "people were not loaded: what the files said before stays in force"
                );
                self.set_stale(Some(why.clone()));
                Err(why)
            }
        }
    }

    /// Since when it is stale does not change while it stays so.
    fn set_stale(&self, why: Option<LoadError>) {
        let since = now(&*self.clock);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let since = known.stale.as_ref().map_or(since, |stale| stale.since);
        known.stale = why.map(|why| Stale { since, why });
    }
}

/// The time, for saying when. A clock that jumped says so once and then goes on.
fn now(clock: &dyn Clock) -> Option<Timestamp> {
    clock.now().or_else(|_| clock.now()).ok()
}

/// Links of people who are not there any more link nothing.
fn warn_of_orphans(snapshot: &Snapshot) {
    let links = snapshot.links.links.iter();
    let orphans = links.filter(|link| !snapshot.knows(&link.person)).count();
    if orphans > 0 {
        tracing::warn!(
            orphans,
            "the links file links identities to people who are not in the people file: they are \
             ignored, and go when the next link is made"
        );
    }
}

impl fmt::Debug for FileDirectory {
    /// The files; not the people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileDirectory")
            .field("people", &self.0.files.people)
            .field("links", &self.0.files.links)
            .finish_non_exhaustive()
    }
}
