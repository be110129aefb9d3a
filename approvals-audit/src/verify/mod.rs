//! Verifying a log with nothing but its files and the public key.

mod lifecycle;
mod own;
mod remembered;
mod seen;
mod torn;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use approvals_core::{Digest, Timestamp};

use self::lifecycle::Lives;
use self::seen::{Payload, Seen};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::log::{Directory, LogError, SCHEMA};
use crate::note::VerifierKey;
use crate::tile::{Entries, HEIGHT, Tile, WIDTH};
use crate::tree::{Frontier, Hash};
use crate::witness::WitnessError;

/// What is verified, and with which keys.
#[derive(Debug, Clone)]
pub struct Verifier {
    path: PathBuf,
    keys: Vec<VerifierKey>,
    remembered: Vec<Checkpoint>,
    witnesses: Vec<VerifierKey>,
    most_open: usize,
}

/// How many requests are followed that are open at one time: it takes some 50 MB.
const MOST_OPEN: usize = 450_000;

/// A log that is as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was verified.
    pub checkpoint: Checkpoint,
    /// The checkpoint as it is signed: to be remembered until the next time.
    pub note: Vec<u8>,
    /// How many entries the log has.
    pub entries: u64,
    /// How many entries, from the first, it had when the witnesses signed that were named.
    pub witnessed: Option<u64>,
    /// The time of the first and of the last.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How many requests were not over at its end.
    pub open_requests: usize,
    /// Events too long for an entry whose text is no longer in the directory. That is allowed:
    /// texts may be destroyed, and the log still says that they were.
    pub payloads_missing: u64,
    /// Requests of which what reviewers were shown does not lie beside the log, or was changed.
    /// Those with sensitive values are not counted.
    pub presentations_missing: u64,
    /// Whether full bundles lie past the checkpoint. A copy that was made while the log grew has
    /// them; where its writer keeps it, the checkpoint was set back.
    pub has_more: bool,
}

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {entry}{}: {why}", number.map(|n| format!(" (event {n})")).unwrap_or_default())]
pub struct Finding {
    /// At which entry, counted from 0.
    pub entry: u64,
    /// The event's number, where it could be read.
    pub number: Option<u64>,
    /// What is wrong.
    pub why: String,
}

/// A log is not as it was signed, or that cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Something is wrong.
    #[error(transparent)]
    Found(#[from] Finding),
    /// The checkpoint is not signed by the key, or it is another log's.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint that witnesses signed is not signed by the log, or not by all of them.
    #[error("the checkpoint that witnesses signed, `checkpoint.witnessed`: {0}")]
    Witnessed(CheckpointError),
    /// There is none.
    #[error("no witness has signed the log: `checkpoint.witnessed` is not there")]
    Unwitnessed,
    /// The files cannot be read.
    #[error(transparent)]
    Unreadable(LogError),
}

impl From<LogError> for VerifyError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Damaged { entry, why, .. } => Self::Found(Finding {
                entry,
                number: None,
                why: why.to_owned(),
            }),
            LogError::Checkpoint { error, .. } => Self::Checkpoint(error),
            other => Self::Unreadable(other),
        }
    }
}

impl Verifier {
    /// Of a log's directory, signed by one of these keys.
    #[must_use]
    pub fn new(path: impl AsRef<Path>, keys: impl IntoIterator<Item = VerifierKey>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            keys: keys.into_iter().collect(),
            remembered: Vec::new(),
            witnesses: Vec::new(),
            most_open: MOST_OPEN,
        }
    }

    /// Follows so many requests that are open at one time, where a log has more than 450,000.
    /// Memory is taken for those that there are.
    #[must_use]
    pub const fn following(mut self, requests: usize) -> Self {
        self.most_open = requests;
        self
    }

    /// A checkpoint that was seen before: the log must still begin with it. Only this shows that a
    /// log's end was cut off, or that whoever has the key wrote another one.
    #[must_use]
    pub fn remembering(mut self, checkpoint: Checkpoint) -> Self {
        self.remembered.push(checkpoint);
        self
    }

    /// This witness has to have signed a checkpoint that lies beside the log, which still begins
    /// with it: whoever has the log's key, and nobody else's, cannot have rewritten what is before.
    ///
    /// # Errors
    /// [`WitnessError::Kind`] when the key is one that a log signs with.
    pub fn witnessed_by(mut self, witness: VerifierKey) -> Result<Self, WitnessError> {
        if !witness.is_witness() {
            return Err(WitnessError::Kind(witness.to_string()));
        }
        self.witnesses.push(witness);
        Ok(self)
    }

    /// Reads the whole log once, and stops at the first thing that is wrong. Memory is bounded by
    /// the requests that are not over at one time.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn run(&self) -> Result<Report, VerifyError> {
        let directory = Directory::at(&self.path);
        // Before the log's own, which may grow meanwhile.
        let witnessed = self.witnessed(&directory)?;
        let note = directory.note()?;
        let checkpoint = Checkpoint::verified(&note, &self.keys)?;
        let size = checkpoint.size;
        let witnessed_to = witnessed.as_ref().map(|seen| seen.size);
        let mut all = self.clone();
        all.remembered.extend(witnessed);
        all.remembers(&checkpoint)?;
        let own = all.signed_before(&directory, &checkpoint)?;
        let mut reading = Reading::new(&all, &directory, size, own);
        for bundle in 0..size.div_ceil(WIDTH) {
            reading.bundle(bundle)?;
        }
        if reading.tree.root() != checkpoint.root {
            let why = "the root over all entries is not the one that was signed: entries and hashes were changed together, at or after this entry";
            let entry = reading.agreed(size);
            return Err(found(entry, None, why.to_owned()).into());
        }
        Ok(Report {
            entries: size,
            witnessed: witnessed_to,
            span: reading.span,
            open_requests: reading.lives.map_or(0, |lives| lives.open()),
            payloads_missing: reading.payloads_missing,
            presentations_missing: reading.presentations_missing,
            has_more: directory.has_more(size),
            checkpoint,
            note,
        })
    }
}

fn found(entry: u64, number: Option<u64>, why: impl Into<String>) -> Finding {
    Finding {
        entry,
        number,
        why: why.into(),
    }
}

/// What one pass over a log remembers.
struct Reading<'a> {
    verifier: &'a Verifier,
    directory: &'a Directory,
    size: u64,
    /// The checkpoints that the log must begin with, by their sizes.
    remembered: Vec<Checkpoint>,
    /// How many of them it does begin with.
    met: usize,
    tree: Frontier,
    /// The trees over the last tile of each level, from the level of entries' hashes up.
    levels: Vec<Frontier>,
    /// The number of the first event, once it was read.
    first: Option<u64>,
    span: Option<(Timestamp, Timestamp)>,
    lives: Option<Lives>,
    payloads_missing: u64,
    presentations_missing: u64,
    /// The hashes of what was shown of a bundle's requests.
    shown: Option<(u64, HashSet<[u8; 32]>)>,
}

impl<'a> Reading<'a> {
    fn new(
        verifier: &'a Verifier,
        directory: &'a Directory,
        size: u64,
        own: Vec<Checkpoint>,
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
            payloads_missing: 0,
            presentations_missing: 0,
            shown: None,
        }
    }

    /// Reads a bundle, and compares it with the hashes that lie beside it.
    fn bundle(&mut self, index: u64) -> Result<(), VerifyError> {
        let bytes = self.directory.bundle(index, self.size);
        let stored = self.directory.hashes(0, index, self.size);
        let bytes = match (bytes, &stored) {
            (Ok(bytes), _) => bytes,
            // A changed length moves all that follows: the first entry whose hash differs is it.
            (Err(error), Ok(hashes)) => return Err(self.first_that_differs(index, hashes, error)),
            (Err(error), Err(_)) => return Err(self.first_unsound(index, error)),
        };
        let stored = stored?;
        let mut hashes = stored.iter();
        for entry in Entries::of(&bytes) {
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
            .get_or_insert_with(|| Lives::of_trail(first, most));
        lives.judge(&seen).map_err(wrong)?;
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
