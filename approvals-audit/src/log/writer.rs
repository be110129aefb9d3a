//! Appending: entries and then a signed checkpoint are on the disk before anybody is told.

use std::fs::File;
use std::sync::Arc;

use super::disk;
use super::entry::Entry;
use super::head::Head;
use super::known::Known;
use super::publishing::{CHANGED, UnderWay};
use super::recovery::checkpoint_of;
use super::seal::{Seal, Seals};
use super::shown::{self, Presentations};
use super::tail::{Full, Tail};
use super::{Directory, Files, LogError};
use crate::checkpoint::Checkpoint;
use crate::note::{Note, Signer, VerifierKey};
use crate::tree::Hash;

/// Who may have signed the log so far, and who signs it from now on.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) origin: String,
    pub(super) signers: Vec<Arc<dyn Signer>>,
    pub(super) trusted: Vec<VerifierKey>,
}

/// How many tiles may be full and not published, however soon they would be: eight kibibytes of memory
/// each, and a file of entries.
const MOST: usize = 4096;

/// The one writer of a log. When anything fails, it is thrown away and the log opened again: what
/// lies past the last checkpoint was never acknowledged.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) files: Files,
    pub(super) keys: Keys,
    pub(super) tail: Tail,
    /// The file of the bundle that is not full.
    pub(super) file: Option<File>,
    /// Of all bundles before this one that are not full, the files are there after a crash.
    pub(super) ready: u64,
    /// Before which one that will be so when what is being published is, and the same of what was
    /// shown.
    pub(super) readied: u64,
    pub(super) readied_shown: u64,
    /// Where what reviewers were shown is appended.
    pub(super) presentations: Presentations,
    /// What the trail's first and last entries are.
    pub(super) known: Known,
    /// The published checkpoint as this writer left it. Nobody else writes one.
    pub(super) published: Option<Vec<u8>>,
    /// The checkpoint that is being published: it takes the place of that one.
    pub(super) publishing: Option<Vec<u8>>,
    /// The thread that publishes it, unless it is this one.
    pub(super) under_way: Option<UnderWay>,
    /// The last checkpoint that was signed, unless it is published or being published.
    pub(super) unpublished: Option<Vec<u8>>,
    /// The last checkpoints that were signed.
    pub(super) head: Option<Head>,
    /// What became full since the last one that was published or is being.
    pub(super) full: Vec<Full>,
    pub(super) bundles: Vec<u64>,
    /// What the store knows of it, where several processes write it in turn.
    pub(super) sealed: Option<(Seals, Seal)>,
}

/// How far a log is known to have been: its size then, and its root.
pub(super) type Reached = (u64, Hash);

impl Writer {
    /// Opens the log, or begins one in an empty directory. Whoever calls holds the lock.
    pub(super) fn open(
        files: &Files,
        keys: &Keys,
        reached: Option<Reached>,
        seals: Option<&Seals>,
    ) -> Result<Self, LogError> {
        let seal = seals.map(Seals::read).transpose()?.flatten();
        let sealed = seal.map(|seal| seal.reached());
        let begun = reached.max(sealed).is_some_and(|(size, _)| size > 0);
        let mut writer = Self {
            files: files.clone(),
            keys: keys.clone(),
            tail: Tail::default(),
            file: None,
            ready: 0,
            readied: 0,
            readied_shown: 0,
            presentations: Presentations::default(),
            known: Known::default(),
            published: None,
            publishing: None,
            under_way: None,
            unpublished: None,
            head: None,
            full: Vec::new(),
            bundles: Vec::new(),
            sealed: None,
        };
        match files.checkpoint()? {
            Some(note) => writer.recover(note, reached, sealed)?,
            None if begun => {
                return Err(writer.damaged(0, "its checkpoint is gone"));
            }
            None => writer.begin()?,
        }
        // Everything that there is is published by now.
        writer.head = Some(Head::begin(files)?);
        if let Some(seals) = seals {
            let (size, root) = writer.reached();
            let fence = seal.map_or(1, |seal| seal.fence.saturating_add(1));
            let own = Seal { fence, size, root };
            seals.swap(seal, own)?;
            writer.sealed = Some((seals.clone(), own));
        }
        Ok(writer)
    }

    /// Has the store record how far the log is. Nobody else goes on from anything else then.
    fn seal(&mut self) -> Result<(), LogError> {
        let (size, root) = self.reached();
        if let Some((seals, seal)) = &mut self.sealed {
            let next = Seal {
                size,
                root,
                ..*seal
            };
            seals.swap(Some(*seal), next)?;
            *seal = next;
        }
        Ok(())
    }

    /// Refuses a checkpoint that is not this log's, before anything is touched.
    pub(super) fn judge(files: &Files, keys: &Keys) -> Result<(), LogError> {
        match files.checkpoint()? {
            Some(note) => checkpoint_of(files, keys, &note).map(drop),
            None => Ok(()),
        }
    }

    /// How far the log is.
    pub(super) fn reached(&self) -> Reached {
        (self.tail.size(), self.tail.root())
    }

    pub(super) fn damaged(&self, entry: u64, why: &'static str) -> LogError {
        Directory::of(self.files.clone()).damaged(entry, why)
    }

    /// What the log has, and what comes next.
    pub(super) const fn known(&self) -> &Known {
        &self.known
    }

    pub(super) const fn size(&self) -> u64 {
        self.tail.size()
    }

    /// Appends entries, in the order of their numbers. When this returns they are kept.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), LogError> {
        let length = |entry: &Entry| 2 + entry.bytes.len();
        let mut buffer = Vec::with_capacity(entries.iter().map(length).sum());
        for payload in entries.iter().filter_map(|entry| entry.payload.as_ref()) {
            self.files.keep_payload(&payload.name, &payload.bytes)?;
        }
        for value in entries.iter().flat_map(|entry| &entry.values) {
            self.files.keep_value(value)?;
        }
        let mut shown = Vec::new();
        for entry in entries {
            let bundle = self.tail.bundle();
            let too_long = || entry.too_long();
            if !crate::tile::append(&mut buffer, &entry.bytes) {
                return Err(too_long());
            }
            let full = self
                .tail
                .push_hashed(&entry.bytes, entry.leaf)
                .ok_or_else(too_long)?;
            self.full.extend(full);
            if let Some(presentation) = &entry.shown {
                shown::append(&mut shown, presentation);
            }
            if self.tail.bundle() > bundle {
                self.write(bundle, &mut buffer, &mut shown)?;
                self.file = None;
                self.bundles.push(bundle);
            }
        }
        let bundle = self.tail.bundle();
        if !buffer.is_empty() {
            self.write(bundle, &mut buffer, &mut shown)?;
        }
        self.seal()?;
        self.refuse_changed()?;
        let note = self.sign()?;
        let head = self.head.as_mut();
        let is_kept = head.map(|head| head.add(&note)).transpose()?;
        self.unpublished = Some(note);
        if is_kept != Some(true) || self.full.len() >= MOST {
            self.publish()?;
        }
        self.known.append(entries);
        Ok(())
    }

    /// Appends entries to a bundle's file, and what was shown to the one beside it, and flushes both.
    fn write(
        &mut self,
        bundle: u64,
        buffer: &mut Vec<u8>,
        lines: &mut Vec<u8>,
    ) -> Result<(), LogError> {
        let path = self.files.open(bundle);
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.files.append_to(bundle, &mut self.ready)?,
        };
        let shown = self.presentations.add(&self.files, bundle, lines)?;
        disk::add(&mut file, &path, buffer)?;
        match &shown {
            Some((shown, beside)) => disk::flush(&[(&file, &path), (shown, beside)])?,
            None => disk::flush(&[(&file, &path)])?,
        }
        self.file = Some(file);
        buffer.clear();
        Ok(())
    }

    /// Takes an entry up that lies in its bundle already.
    pub(super) fn take_up(&mut self, entry: &[u8]) -> Result<(), LogError> {
        // What was read out of a bundle fits into one.
        let full = self.tail.push(entry);
        let too_long = || self.damaged(self.tail.size(), "it is too long");
        let full = full.ok_or_else(too_long)?;
        self.full.extend(full);
        Ok(())
    }

    /// Refuses when the checkpoints are not as this writer left them.
    pub(super) fn refuse_changed(&mut self) -> Result<(), LogError> {
        let head_stands = self.head.as_ref().map_or(Ok(true), Head::stands)?;
        let found = self.files.checkpoint()?;
        if found.is_some() && found == self.publishing {
            // It is not the one before any more, and never will be again.
            self.published.clone_from(&found);
        }
        if head_stands && found == self.published {
            return Ok(());
        }
        Err(self.damaged(self.tail.size(), CHANGED))
    }

    /// A signed checkpoint over all entries.
    pub(super) fn sign(&self) -> Result<Vec<u8>, LogError> {
        let checkpoint = Checkpoint {
            origin: self.keys.origin.clone(),
            size: self.tail.size(),
            root: self.tail.root(),
        };
        let signers = self.keys.signers.iter().map(AsRef::as_ref);
        let note = Note::signed(&checkpoint.text(), signers)?;
        Ok(note.to_string().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use approvals_core::{Event, Timestamp, What};
    use approvals_testing::sample::Sample;

    use super::super::disk::recording::{self, Did};
    use super::super::entry::Writing;
    use super::*;
    use crate::note::Ed25519Signer;

    fn event(number: u64, what: What) -> Event {
        Event {
            number,
            id: approvals_core::EventId::new(),
            at: Timestamp::from_millis(number),
            request: None,
            revision: 1,
            what,
        }
    }

    #[test]
    fn entries_are_flushed_before_their_checkpoint_is_written_and_that_before_anybody_is_told() {
        let place = tempfile::tempdir().unwrap();
        let signer = Arc::new(Ed25519Signer::generate("example.com/log").unwrap());
        let keys = Keys {
            origin: "example.com/log".to_owned(),
            trusted: vec![signer.key().clone()],
            signers: vec![signer],
        };
        let files = Files::of(place.path());
        let _lock = files.lock().unwrap();
        let mut writer = Writer::open(&files, &keys, None, None).unwrap();
        let nothing = BTreeSet::new();
        let mut writing = Writing::new(&nothing, &files, false);
        let asked = Sample::at(Timestamp::from_millis(1)).opening().asked;
        let entries = (1..=300).map(|number| {
            let what = match number {
                1 | 260 => What::Requested {
                    asked: Arc::clone(&asked),
                },
                _ => What::Expired,
            };
            writing.entry(&event(number, what)).unwrap()
        });
        let entries: Vec<Entry> = entries.collect();
        recording::take();
        writer.append(&entries).unwrap();
        // Whoever waits is told when this has returned.
        let in_order = [
            (Did::Wrote, "shown/0"),
            (Did::Wrote, "open/0"),
            (Did::Flushed, "open/0"),
            (Did::Flushed, "shown/0"),
            (Did::Wrote, "shown/1"),
            (Did::Wrote, "open/1"),
            (Did::Flushed, "open/1"),
            (Did::Flushed, "shown/1"),
            (Did::Wrote, "head"),
            (Did::Flushed, "head"),
        ];
        let expected = in_order.map(|(did, name)| (did, place.path().join(name)));
        assert_eq!(recording::take(), expected);
    }
}
