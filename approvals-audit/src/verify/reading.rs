//! One pass over a log.

use std::collections::HashSet;

use approvals_core::{Digest, Timestamp};

use super::lifecycle::Lives;
use super::parts::Part;
use super::seen::{Payload, Seen};
use super::{Verifier, VerifyError, found};
use crate::checkpoint::Checkpoint;
use crate::log::{Directory, LogError, SCHEMA};
use crate::tile::{Entries, HEIGHT, Tile, WIDTH};
use crate::tree::{Frontier, Hash};

/// What readings of a log come to.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) span: Option<(Timestamp, Timestamp)>,
    pub(super) open_requests: usize,
    pub(super) payloads_missing: u64,
    pub(super) presentations_missing: u64,
}

impl Said {
    /// Takes note of a reading, and returns what it left out.
    pub(super) fn take(&mut self, reading: Reading<'_>) -> Vec<Part> {
        self.span = reading.span;
        self.payloads_missing = reading.payloads_missing;
        self.presentations_missing = reading.presentations_missing;
        let Some(lives) = reading.lives else {
            return Vec::new();
        };
        self.open_requests += lives.open();
        lives.left_out()
    }
}

/// What one pass over a log remembers.
#[derive(Clone)]
pub(super) struct Reading<'a> {
    verifier: &'a Verifier,
    pub(super) directory: &'a Directory,
    pub(super) size: u64,
    /// The checkpoints that the log must begin with, by their sizes.
    pub(super) remembered: Vec<Checkpoint>,
    /// How many of them it does begin with.
    pub(super) met: usize,
    pub(super) tree: Frontier,
    /// The trees over the last tile of each level, from the level of entries' hashes up.
    levels: Vec<Frontier>,
    /// The number of the first event, once it was read.
    first: Option<u64>,
    span: Option<(Timestamp, Timestamp)>,
    lives: Option<Lives>,
    /// Of which requests lives are followed.
    part: Part,
    payloads_missing: u64,
    presentations_missing: u64,
    /// The hashes of what was shown of a bundle's requests.
    shown: Option<(u64, HashSet<[u8; 32]>)>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        verifier: &'a Verifier,
        directory: &'a Directory,
        size: u64,
        own: Vec<Checkpoint>,
        part: Part,
    ) -> Self {
        let mut remembered = own;
        remembered.extend_from_slice(&verifier.remembered);
        remembered.retain(|known| known.size > 0);
        remembered.sort_by_key(|known| known.size);
        Self {
            verifier,
            directory,
            size,
            remembered,
            met: 0,
            tree: Frontier::new(),
            levels: Vec::new(),
            first: None,
            span: None,
            lives: None,
            part,
            payloads_missing: 0,
            presentations_missing: 0,
            shown: None,
        }
    }

    /// Reads all bundles, or those up to this entry, before which nothing is known to be wrong.
    pub(super) fn all(&mut self, root: Hash, until: Option<u64>) -> Result<(), VerifyError> {
        for bundle in 0..until.unwrap_or(self.size).div_ceil(WIDTH) {
            self.bundle(bundle)?;
        }
        if until.is_none() && self.tree.root() != root {
            let why = "the root over all entries is not the one that was signed: entries and hashes were changed together, at or after this entry";
            let entry = self.agreed(self.size);
            return Err(found(entry, None, why.to_owned()).into());
        }
        Ok(())
    }

    /// Reads a bundle, and compares it with the hashes that lie beside it.
    pub(super) fn bundle(&mut self, index: u64) -> Result<(), VerifyError> {
        let bytes = self.directory.bundle(index, self.size);
        let stored = self.directory.hashes(0, index, self.size);
        let bytes = match (bytes, &stored) {
            (Ok(bytes), _) => bytes,
            // A changed length moves all that follows: the first entry whose hash differs is it.
            (Err(error), Ok(hashes)) => return Err(self.first_that_differs(index, hashes, error)),
            (Err(error), Err(_)) => return Err(self.first_unsound(index, error)),
        };
        self.entries(&bytes, &stored?)
    }

    /// Judges entries, which come next, and compares them with their hashes.
    pub(super) fn entries(&mut self, bytes: &[u8], stored: &[Hash]) -> Result<(), VerifyError> {
        let mut hashes = stored.iter();
        for entry in Entries::of(bytes) {
            let at = self.tree.size();
            let hash = Hash::of_leaf(entry);
            if hashes.next() != Some(&hash) {
                let number = serde_json::from_slice(entry)
                    .ok()
                    .map(|seen: Seen<'_>| seen.number);
                let why = "its bytes are not those whose hash lies beside it";
                return Err(found(at, number, why).into());
            }
            self.entry(at, entry)?;
            self.push(at, hash)?;
        }
        Ok(())
    }

    /// Appends an entry's hash, and compares every tile that it completes with the level above.
    fn push(&mut self, at: u64, hash: Hash) -> Result<(), VerifyError> {
        self.tree.push(hash);
        let size = self.tree.size();
        while let Some(known) = self.remembered.get(self.met)
            && known.size == size
        {
            if known.root != self.tree.root() {
                let first = self.agreed(size);
                let why = format!(
                    "an entry from here to {at} is not the one of the checkpoint that was seen when the log had {size} entries"
                );
                return Err(found(first, None, why).into());
            }
            self.met += 1;
        }
        let mut hash = hash;
        for level in 0_u8.. {
            if self.levels.len() <= level.into() {
                self.levels.push(Frontier::new());
            }
            let Some(tree) = self.levels.get_mut(usize::from(level)) else {
                break;
            };
            tree.push(hash);
            if tree.size() < WIDTH {
                break;
            }
            hash = std::mem::take(tree).root();
            let above = level + 1;
            let count = Tile::count(above, size);
            let (tile, within) = ((count - 1) / WIDTH, (count - 1) % WIDTH);
            let stored = self.directory.hashes(above, tile, self.size)?;
            #[expect(clippy::cast_possible_truncation, reason = "below 256")]
            if stored.get(within as usize) != Some(&hash) {
                let first = size - (1 << (HEIGHT * above));
                let why = format!(
                    "the entries from here to {at} have another hash than the one that lies above them"
                );
                return Err(found(first, None, why).into());
            }
        }
        Ok(())
    }

    /// Judges what an entry says.
    fn entry(&mut self, at: u64, entry: &[u8]) -> Result<(), VerifyError> {
        let seen: Seen<'_> = serde_json::from_slice(entry)
            .map_err(|error| found(at, None, format!("it is no audit event: {error}")))?;
        let wrong = |why: &str| found(at, Some(seen.number), why);
        if seen.schema > SCHEMA {
            return Err(wrong("it is of a newer version than this verifier").into());
        }
        let first = *self.first.get_or_insert(seen.number);
        if first.checked_add(at) != Some(seen.number) {
            return Err(wrong("its number is not the one that comes next").into());
        }
        let began = self.span.map_or(seen.at, |(began, _)| began);
        if self.span.is_some_and(|(_, last)| seen.at < last) {
            return Err(wrong("it is of an earlier time than the event before it").into());
        }
        self.span = Some((began, seen.at));
        let most = self.verifier.most_open;
        let lives = self
            .lives
            .get_or_insert_with(|| Lives::of_trail((first, seen.at), most, self.part.clone()));
        lives.judge(&seen, entry).map_err(wrong)?;
        if seen.what == "repeated" {
            self.repeated(&seen, at, first)?;
        }
        if let ("requested", None, Some(asked)) = (seen.what, &seen.committed, &seen.asked)
            && !self.is_kept(at / WIDTH, asked.shown)?
        {
            self.presentations_missing += 1;
        }
        if let Some(Payload { sha256 }) = seen.payload {
            match self.directory.payload_hash(sha256)? {
                Some(hash) if hash != sha256 => {
                    return Err(wrong("the text that lies beside it was changed").into());
                }
                Some(_) => {}
                None => self.payloads_missing += 1,
            }
        }
        Ok(())
    }

    /// Whether what was shown of a request lies beside this bundle.
    fn is_kept(&mut self, bundle: u64, shown: &str) -> Result<bool, LogError> {
        let Ok(shown) = shown.parse::<Digest>() else {
            return Ok(false);
        };
        let hashes = match self.shown.take() {
            Some((of, hashes)) if of == bundle => hashes,
            _ => self.directory.presentations(bundle)?,
        };
        let is_kept = hashes.contains(shown.as_bytes());
        self.shown = Some((bundle, hashes));
        Ok(is_kept)
    }

    /// That an event which is said to repeat another one is that one.
    fn repeated(&self, seen: &Seen<'_>, at: u64, first: u64) -> Result<(), VerifyError> {
        let wrong = |why| found(at, Some(seen.number), why);
        let earlier = seen.repeats.and_then(|number| number.checked_sub(first));
        let earlier = earlier.filter(|earlier| *earlier < at);
        let earlier = earlier.ok_or_else(|| wrong("it repeats no earlier event"))?;
        let entry = self.directory.entry(earlier, self.size)?;
        let of: Seen<'_> = serde_json::from_slice(&entry)
            .map_err(|error| found(earlier, None, format!("it is no audit event: {error}")))?;
        if (of.id, of.what == "repeated") == (seen.id, false) {
            Ok(())
        } else {
            Err(wrong("it is said to repeat an event, and is another one").into())
        }
    }
}
