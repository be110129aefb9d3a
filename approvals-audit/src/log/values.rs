//! Where disclosures lie beside a log, and how they are destroyed.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::commitment::Disclosure;
use super::disk::{self, sync_directory};
use super::{Directory, Files, LogError};

/// How long a disclosure, or what was shown, may be.
const LONGEST: u64 = 64 << 20;

/// What was shown of a request with sensitive values.
const PRESENTATION: &str = "presentation";

/// What the author of a request's call marked as sensitive. It has an extension, unlike values.
const MARKED: &str = "marked.json";

/// That the values of a request were destroyed: none is kept from then on. It has an extension too.
const SHREDDED: &str = "shredded.mark";

/// A value that lies beside the log.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    /// The request that it is of, or the event where that has none.
    pub(super) of: String,
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

impl Beside {
    pub(super) fn disclosure(of: &str, disclosure: &Disclosure) -> Self {
        Self {
            of: of.to_owned(),
            name: disclosure.commitment(),
            bytes: disclosure.text().as_bytes().to_vec(),
        }
    }

    /// The names alone, which entries have in clear: they are no values, and outlive those.
    pub(super) fn marked(of: &str, names: &BTreeSet<String>) -> Result<Self, LogError> {
        let bytes = serde_json::to_vec(names).map_err(|_| LogError::Arguments)?;
        Ok(Self {
            of: of.to_owned(),
            name: MARKED.to_owned(),
            bytes,
        })
    }

    pub(super) fn presentation(of: &str, bytes: Vec<u8>) -> Self {
        Self {
            of: of.to_owned(),
            name: PRESENTATION.to_owned(),
            bytes,
        }
    }
}

impl Files {
    fn values(&self, of: &str) -> Result<PathBuf, LogError> {
        // It comes out of an entry, or from whoever asks: it may not lead anywhere else.
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if of.is_empty() || !of.bytes().all(plain) {
            return Err(LogError::NotPlain(of.into()));
        }
        Ok(self.root().join(super::files::VALUES).join(of))
    }

    /// Whether there ever was a value that is sensitive.
    pub(super) fn has_values(&self) -> Result<bool, LogError> {
        let place = self.root().join(super::files::VALUES);
        let there = place.try_exists();
        there.map_err(LogError::disk("reading", &place))
    }

    /// What the author of a request's call marked, also when its values were destroyed.
    pub(super) fn marked(&self, of: &str) -> Result<BTreeSet<String>, LogError> {
        let path = self.values(of)?.join(MARKED);
        let Some(bytes) = disk::read_if_there(&path, LONGEST)? else {
            return Ok(BTreeSet::new());
        };
        serde_json::from_slice(&bytes).map_err(|error| {
            LogError::disk("reading", &path)(io::Error::new(io::ErrorKind::InvalidData, error))
        })
    }

    /// The disclosures that are left of a request; `None` when it never had any.
    pub(super) fn disclosures(&self, of: &str) -> Result<Option<Vec<Disclosure>>, LogError> {
        let place = self.values(of)?;
        let names = match fs::read_dir(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            names => names.map_err(LogError::disk("reading", &place))?,
        };
        let mut found = Vec::new();
        for entry in names {
            let path = entry.map_err(LogError::disk("reading", &place))?.path();
            let is_other = path.ends_with(PRESENTATION) || path.extension().is_some();
            let bytes = match is_other {
                true => None,
                false => disk::read_if_there(&path, LONGEST)?,
            };
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            found.extend(text.and_then(|text| Disclosure::parse(&text).ok()));
        }
        found.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(Some(found))
    }

    /// Whether the values of a request were destroyed.
    pub(super) fn is_shredded(&self, of: &str) -> Result<bool, LogError> {
        disk::is_file(&self.values(of)?.join(SHREDDED))
    }

    /// Keeps a value, unless those of its request were destroyed. When this returns it is there
    /// after a crash.
    pub(super) fn keep_value(&self, value: &Beside) -> Result<(), LogError> {
        let path = self.values(&value.of)?.join(&value.name);
        let outlives = value.name == MARKED;
        if disk::is_file(&path)? || (!outlives && self.is_shredded(&value.of)?) {
            // It is named by its hash, or can be told by that of its request.
            return Ok(());
        }
        self.keep(&path, &value.bytes)?;
        // Whoever destroys them says so first and looks for them then: one of the two sees it.
        if !outlives && self.is_shredded(&value.of)? {
            shred(&path)?;
        }
        Ok(())
    }
}

impl Directory {
    /// What is still known of the sensitive values of a request, or of an event without one.
    ///
    /// # Errors
    /// [`LogError`] when they cannot be read.
    pub fn disclosures(&self, of: &str) -> Result<Vec<Disclosure>, LogError> {
        Ok(self.files().disclosures(of)?.unwrap_or_default())
    }

    /// What was shown of a request with sensitive values; `None` when there were none, or they
    /// were destroyed.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be read.
    pub fn sensitive_presentation(&self, of: &str) -> Result<Option<Vec<u8>>, LogError> {
        disk::read_if_there(&self.files().values(of)?.join(PRESENTATION), LONGEST)
    }

    /// Destroys the sensitive values of a request, or of an event without one, and says how many
    /// files went. When this returns they are gone also after a crash. Every proof stays valid, and
    /// the log goes on saying that there was a value.
    ///
    /// What copies, backups, file systems that keep what was overwritten, and the store still have
    /// is not reached from here.
    ///
    /// # Errors
    /// [`LogError`] when something may be left; asking again goes on.
    pub fn shred(&self, of: &str) -> Result<usize, LogError> {
        let place = self.files().values(of)?;
        let reading = |error| LogError::disk("reading", &place)(error);
        if !place.try_exists().map_err(reading)? {
            return Ok(0);
        }
        // First: nothing is kept from here on, also by whoever records something just now.
        if !self.files().is_shredded(of)? {
            self.files().keep(&place.join(SHREDDED), b"")?;
        }
        let mut gone = 0;
        for entry in fs::read_dir(&place).map_err(reading)? {
            let path = entry.map_err(reading)?.path();
            // Which names are sensitive is asked for as long as anything is recorded.
            if path.ends_with(MARKED) || path.ends_with(SHREDDED) {
                continue;
            }
            shred(&path)?;
            gone += 1;
        }
        // The directory stays: what is recorded of the request later is sensitive too.
        sync_directory(&place)?;
        Ok(gone)
    }
}

fn shred(path: &Path) -> Result<(), LogError> {
    if disk::is_file(path)? {
        let failed = |error| LogError::disk("overwriting", path)(error);
        let mut file = OpenOptions::new().write(true).open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let zeros = vec![0; 1 << 16];
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        while left > 0 {
            let piece = zeros.get(..left.min(zeros.len())).unwrap_or_default();
            file.write_all(piece).map_err(failed)?;
            left -= piece.len();
        }
        file.sync_all().map_err(failed)?;
    }
    match fs::remove_file(path) {
        // Whoever else is at it was first.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(LogError::disk("removing", path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lies beside a log of a request.
    fn left(directory: &Directory, of: &str) -> Vec<String> {
        let place = directory.files().values(of).unwrap();
        let names = fs::read_dir(place).unwrap();
        names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn value(name: &str) -> Beside {
        Beside {
            of: "request".to_owned(),
            name: name.to_owned(),
            bytes: b"a secret".to_vec(),
        }
    }

    #[test]
    fn what_was_destroyed_does_not_come_back_however_late_it_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::at(place.path());
        directory.files().keep_value(&value("one")).unwrap();
        assert_eq!(directory.shred("request").unwrap(), 1);
        for late in ["one", "two", PRESENTATION] {
            directory.files().keep_value(&value(late)).unwrap();
        }
        assert_eq!(left(&directory, "request"), [SHREDDED]);
        assert_eq!(directory.shred("request").unwrap(), 0);
    }

    #[test]
    fn of_what_is_kept_while_it_is_destroyed_nothing_is_left() {
        for _ in 0..200 {
            let place = tempfile::tempdir().unwrap();
            let directory = Directory::at(place.path());
            directory.files().keep_value(&value("first")).unwrap();
            let files = directory.files().clone();
            let keeping = std::thread::spawn(move || {
                for number in 0..20 {
                    // It may have been destroyed half-way, which is said.
                    let _ = files.keep_value(&value(&format!("value-{number}")));
                }
            });
            // What is being replaced just now may be in the way.
            while directory.shred("request").is_err() {}
            keeping.join().unwrap();
            assert_eq!(left(&directory, "request"), [SHREDDED]);
        }
    }
}
