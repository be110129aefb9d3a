//! Where the files of a bundle go: into a directory, or beside those that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::BundleError;
use crate::log::hex;

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// It is written.
    Write,
    /// It is compared with the one that is there.
    Compare,
}

/// The files of a bundle.
#[derive(Debug)]
pub(super) struct Output {
    root: PathBuf,
    doing: Doing,
    /// The hash of each file that was put.
    hashes: BTreeMap<String, String>,
}

impl Output {
    /// Into this directory, which is made or empty.
    pub(super) fn write(root: &Path) -> Result<Self, BundleError> {
        fs::create_dir_all(root).map_err(BundleError::disk(root))?;
        let mut entries = fs::read_dir(root).map_err(BundleError::disk(root))?;
        if entries.next().is_some() {
            return Err(BundleError::NotEmpty(root.to_owned()));
        }
        Ok(Self::new(root, Doing::Write))
    }

    /// Beside what is in this directory.
    pub(super) fn compare(root: &Path) -> Self {
        Self::new(root, Doing::Compare)
    }

    fn new(root: &Path, doing: Doing) -> Self {
        Self {
            root: root.to_owned(),
            doing,
            hashes: BTreeMap::new(),
        }
    }

    pub(super) const fn hashes(&self) -> &BTreeMap<String, String> {
        &self.hashes
    }

    pub(super) fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        let hash = hex(&Sha256::digest(bytes));
        if self.hashes.get(name) == Some(&hash) {
            // Two versions of a policy may have one text.
            return Ok(());
        }
        let path = self.root.join(name);
        match self.doing {
            Doing::Write => {
                let parent = path.parent().unwrap_or(&self.root);
                fs::create_dir_all(parent).map_err(BundleError::disk(parent))?;
                let file = File::create_new(&path).map_err(BundleError::disk(&path))?;
                (&file).write_all(bytes).map_err(BundleError::disk(&path))?;
            }
            Doing::Compare => match fs::read(&path) {
                Ok(found) if found == bytes => {}
                Ok(_) => return Err(BundleError::Differs(name.to_owned())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(BundleError::Missing(name.to_owned()));
                }
                Err(error) => return Err(BundleError::disk(&path)(error)),
            },
        }
        self.hashes.insert(name.to_owned(), hash);
        Ok(())
    }

    /// When all was put: nothing else may be there.
    pub(super) fn finish(self) -> Result<(), BundleError> {
        match self.doing {
            // Not flushed: after a crash it is made again.
            Doing::Write => Ok(()),
            Doing::Compare => {
                let put: BTreeSet<PathBuf> = self
                    .hashes
                    .keys()
                    .map(|name| self.root.join(name))
                    .collect();
                strangers(&self.root, &self.root, &put)
            }
        }
    }
}

fn strangers(root: &Path, within: &Path, known: &BTreeSet<PathBuf>) -> Result<(), BundleError> {
    let failed = |error| BundleError::disk(within)(error);
    for entry in fs::read_dir(within).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        // Not through links: what is elsewhere is no part of the bundle.
        if entry.file_type().map_err(failed)?.is_dir() {
            strangers(root, &path, known)?;
        } else if !known.contains(&path) {
            let name = path.strip_prefix(root).unwrap_or(&path);
            return Err(BundleError::Stranger(name.display().to_string()));
        }
    }
    Ok(())
}
