//! Whatever is changed in a log of 2,000 events is found, at the right entry: not some changes, all.
//!
//! A verification of the whole log for each would take days. So one reading of the sound log is kept
//! as it was before every entry, and goes on from there over what was changed, with the same code:
//! what comes before it is the same for all.
//!
//! What takes minutes is run by
//! `cargo test --release -p approvals-audit --lib damage -- --ignored --nocapture`.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::parts::Part;
use super::reading::Reading;
use super::{Verifier, VerifyError};
use crate::checkpoint::Checkpoint;
use crate::log::Directory;
use crate::note::{Note, Signer, VerifierKey};
use crate::support::{ORIGIN, copy, key, trail, verify, written};
use crate::tile::{Tile, WIDTH};
use crate::tree::{Frontier, Hash};

const EVENTS: u64 = 2000;
const BUNDLES: u64 = EVENTS.div_ceil(WIDTH);

/// A log of 2,000 events, closed.
fn log() -> (tempfile::TempDir, std::sync::Arc<crate::Ed25519Signer>) {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .unwrap()
        .block_on(written(&place.path().join("log"), &key, &trail(EVENTS)));
    (place, key)
}

/// The sound log, as far as one bundle: what was read before it, and before each of its entries.
struct Bundle<'a> {
    index: u64,
    bytes: Vec<u8>,
    hashes: Vec<Hash>,
    /// Where each entry lies, its length included.
    places: Vec<Range<usize>>,
    before: Vec<Reading<'a>>,
    file: PathBuf,
    tile: PathBuf,
    log: &'a Path,
}

impl Bundle<'_> {
    fn first(&self) -> u64 {
        self.index * WIDTH
    }

    fn entry(&self, within: usize) -> &[u8] {
        &self.bytes[self.places[within].clone()]
    }

    /// The entry that is found when this one alone, and its hash, are these.
    fn found_in_one(&self, within: usize, bytes: &[u8], hash: Hash) -> Option<u64> {
        let mut reading = self.before[within].clone();
        entry_of(reading.entries(bytes, &[hash]))
    }

    /// The entry that is found when the bundle's file has these bytes.
    fn found_in_file(&self, bytes: &[u8]) -> Option<u64> {
        fs::write(&self.file, bytes).unwrap();
        let found = self.found();
        fs::write(&self.file, &self.bytes).unwrap();
        found
    }

    /// The entry that is found from this bundle on.
    fn found(&self) -> Option<u64> {
        let mut reading = self.before[0].clone();
        entry_of(reading.bundle(self.index))
    }

    /// These entries in this order.
    fn of<'b>(&'b self, entries: impl IntoIterator<Item = &'b [u8]>) -> Vec<u8> {
        entries.into_iter().flatten().copied().collect()
    }
}

fn entry_of(read: Result<(), VerifyError>) -> Option<u64> {
    match read {
        Ok(()) => None,
        Err(VerifyError::Found(finding)) => Some(finding.entry),
        Err(other) => panic!("{other}"),
    }
}

/// Has every processor take bundles, each in a copy of the log of its own, and counts what `change`
/// did.
fn of_every_bundle(change: impl Fn(&Bundle<'_>) -> u64 + Sync) -> u64 {
    let (place, key) = log();
    let sound = place.path().join("log");
    let (next, count) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let copies = AtomicUsize::new(0);
    let work = || {
        let name = format!("copy-{}", copies.fetch_add(1, Ordering::SeqCst));
        let log = place.path().join(name);
        copy(&sound, &log);
        let verifier = Verifier::new(&log, [key.key().clone()]);
        let directory = Directory::at(&log);
        let mut reading = Reading::new(&verifier, &directory, EVENTS, Vec::new(), Part::all());
        for index in 0..BUNDLES {
            if next.load(Ordering::SeqCst) != index
                || next
                    .compare_exchange(index, index + 1, Ordering::SeqCst, Ordering::SeqCst)
                    .is_err()
            {
                reading.bundle(index).unwrap();
                continue;
            }
            let bundle = bundle(&directory, &log, &mut reading, index);
            count.fetch_add(change(&bundle), Ordering::SeqCst);
        }
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().for_each(|one| one.join().unwrap());
    });
    assert_eq!(next.load(Ordering::SeqCst), BUNDLES);
    count.load(Ordering::SeqCst)
}

/// Reads a bundle, entry by entry.
fn bundle<'a>(
    directory: &Directory,
    log: &'a Path,
    reading: &mut Reading<'a>,
    index: u64,
) -> Bundle<'a> {
    let bytes = directory.bundle(index, EVENTS).unwrap();
    let hashes = directory.hashes(0, index, EVENTS).unwrap();
    let (mut places, mut before, mut at) = (Vec::new(), Vec::new(), 0);
    for hash in &hashes {
        let length = usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let place = at..at + 2 + length;
        before.push(reading.clone());
        let one = std::slice::from_ref(hash);
        reading.entries(&bytes[place.clone()], one).unwrap();
        at = place.end;
        places.push(place);
    }
    assert_eq!(at, bytes.len());
    let file = |level| log.join(Tile::with(level, index * WIDTH, EVENTS).to_string());
    Bundle {
        index,
        bytes,
        hashes,
        places,
        before,
        file: file(None),
        tile: file(Some(0)),
        log,
    }
}

/// Changes bits of what every entry says, and wants each found there.
fn bits_of_entries(bits: impl Fn(usize) -> Range<usize> + Sync) -> u64 {
    of_every_bundle(|bundle| {
        let mut count = 0;
        for within in 0..bundle.places.len() {
            let mut bytes = bundle.entry(within).to_vec();
            let (at, hash) = (bundle.first() + within as u64, bundle.hashes[within]);
            assert_eq!(bundle.found_in_one(within, &bytes, hash), None);
            for byte in 2..bytes.len() {
                for bit in bits(byte) {
                    bytes[byte] ^= 1 << bit;
                    let found = bundle.found_in_one(within, &bytes, hash);
                    assert_eq!(found, Some(at), "bit {bit} of byte {byte}");
                    bytes[byte] ^= 1 << bit;
                    count += 1;
                }
            }
        }
        count
    })
}

/// The same of the two bytes that say how long an entry is.
fn bits_of_lengths(bits: impl Fn(usize) -> Range<usize> + Sync) -> u64 {
    of_every_bundle(|bundle| {
        let mut count = 0;
        for (within, place) in bundle.places.iter().enumerate() {
            let mut bytes = bundle.bytes.clone();
            for byte in [place.start, place.start + 1] {
                for bit in bits(byte) {
                    bytes[byte] ^= 1 << bit;
                    let found = bundle.found_in_file(&bytes);
                    assert_eq!(found, Some(bundle.first() + within as u64), "bit {bit}");
                    bytes[byte] ^= 1 << bit;
                    count += 1;
                }
            }
        }
        assert_eq!(bundle.found(), None);
        count
    })
}

const fn one_of_them(byte: usize) -> Range<usize> {
    let bit = byte.wrapping_mul(7919) % 8;
    bit..bit + 1
}

const fn all_of_them(_: usize) -> Range<usize> {
    0..8
}

#[test]
fn a_changed_bit_of_every_byte_of_every_entry_is_found_at_that_entry() {
    let count = bits_of_entries(one_of_them) + bits_of_lengths(one_of_them);
    println!("{count} bytes of entries were changed, and each was found at its entry");
}

#[test]
#[ignore = "takes minutes: see the beginning of this file"]
fn every_changed_bit_of_every_entry_is_found_at_that_entry() {
    let count = bits_of_entries(all_of_them) + bits_of_lengths(all_of_them);
    println!("{count} bits of entries were changed, and each was found at its entry");
}

#[test]
fn every_changed_bit_of_every_hash_is_found_at_the_first_entry_below_it() {
    let count = of_every_bundle(|bundle| {
        let mut count = 0;
        for (within, hash) in bundle.hashes.iter().enumerate() {
            for bit in 0..Hash::LENGTH * 8 {
                let mut bytes = *hash.as_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let entry = bundle.entry(within);
                let found = bundle.found_in_one(within, entry, Hash::from_bytes(bytes));
                assert_eq!(found, Some(bundle.first() + within as u64));
                count += 1;
            }
        }
        // The hash of the whole bundle, in the tile above.
        let above = Tile::with(Some(1), 0, EVENTS).to_string();
        let above = bundle.log.join(above);
        let sound = fs::read(&above).unwrap();
        let from = usize::try_from(bundle.index).unwrap() * Hash::LENGTH;
        for bit in (0..Hash::LENGTH * 8).filter(|_| from < sound.len()) {
            let mut bytes = sound.clone();
            bytes[from + bit / 8] ^= 1 << (bit % 8);
            fs::write(&above, bytes).unwrap();
            assert_eq!(bundle.found(), Some(bundle.first()));
            count += 1;
        }
        fs::write(&above, sound).unwrap();
        // What is cut off the tile, at any hash and within it.
        let tile = fs::read(&bundle.tile).unwrap();
        for cut in (0..tile.len()).step_by(16) {
            fs::write(&bundle.tile, &tile[..cut]).unwrap();
            assert_eq!(bundle.found(), Some(bundle.first()));
            count += 1;
        }
        fs::write(&bundle.tile, tile).unwrap();
        assert_eq!(bundle.found(), None);
        count
    });
    println!("{count} changes of hashes were found at the first entry below them");
}

#[test]
fn whatever_is_deleted_doubled_swapped_or_cut_off_is_found_at_every_entry() {
    let count = of_every_bundle(|bundle| {
        let entries: Vec<&[u8]> = (0..bundle.places.len()).map(|n| bundle.entry(n)).collect();
        let (first, last) = (bundle.first(), entries.len() - 1);
        let mut count = 0;
        let mut is_found = |entries: &[&[u8]], at: usize| {
            let bytes = bundle.of(entries.iter().copied());
            let at = first + at as u64;
            assert_eq!(bundle.found_in_file(&bytes), Some(at));
            count += 1;
        };
        for at in 0..entries.len() {
            let mut without = entries.clone();
            without.remove(at);
            is_found(&without, at);
            // Another one comes up at the end, so that the number is right.
            without.push(entries[0]);
            is_found(&without, at);
            let mut doubled = entries.clone();
            doubled.insert(at, entries[at]);
            // The copy stands where the next one should, if there is one.
            is_found(&doubled, at + 1);
            doubled.pop();
            if at < last {
                is_found(&doubled, at + 1);
                let mut swapped = entries.clone();
                swapped.swap(at, at + 1);
                is_found(&swapped, at);
                let mut swapped = entries.clone();
                swapped.swap(at, last);
                is_found(&swapped, at);
            }
            is_found(&entries[..at], at);
            // Cut off in the midst of it.
            let half = &entries[at][..entries[at].len() / 2];
            let mut torn = entries[..at].to_vec();
            torn.push(half);
            is_found(&torn, at);
        }
        assert_eq!(bundle.found(), None);
        count
    });
    println!("{count} deletions, copies, swaps and cuts were found at their entries");
}

/// Where its files are consistent with an older checkpoint, only one that is remembered tells.
#[test]
fn a_log_that_was_cut_off_after_any_entry_is_found_by_a_remembered_checkpoint() {
    let (place, key) = log();
    let log = place.path().join("log");
    let keys = [key.key().clone()];
    let directory = Directory::at(&log);
    let seen = directory.checkpoint(&keys).unwrap();
    // It has the last one too.
    fs::remove_file(log.join("head")).unwrap();
    let mut tree = Frontier::new();
    for entries in 0..EVENTS {
        let cut = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: entries,
            root: tree.root(),
        };
        let note = Note::signed(&cut.text(), [&*key as &dyn Signer]).unwrap();
        fs::write(log.join("checkpoint"), note.to_string()).unwrap();
        let verifier = Verifier::new(&log, keys.clone());
        let error = verifier.remembering(seen.clone()).run();
        assert_eq!(entry_of(error.map(drop)), Some(entries));
        tree.push(Hash::of_leaf(&directory.entry(entries, EVENTS).unwrap()));
    }
}

#[test]
fn every_changed_bit_and_every_cut_of_a_checkpoint_is_found() {
    let (place, key) = log();
    let log = place.path().join("log");
    let (file, keys) = (log.join("checkpoint"), [key.key().clone()]);
    let sound = fs::read(&file).unwrap();
    let is_found = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let error = verify(&log, &keys[0]).unwrap_err();
        assert!(matches!(error, VerifyError::Checkpoint(_)), "{error}");
    };
    for bit in 0..sound.len() * 8 {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        is_found(&bytes);
    }
    (0..sound.len()).for_each(|cut| is_found(&sound[..cut]));
    println!(
        "{} bits and {} cuts of a checkpoint",
        sound.len() * 8,
        sound.len()
    );
}

/// Every file that a log of this size needs. Those of earlier sizes may lie there still.
fn files(log: &Path) -> Vec<PathBuf> {
    let tiles = [None, Some(0), Some(1)].into_iter().flat_map(|level| {
        let count = level.map_or(EVENTS, |level| Tile::count(level, EVENTS));
        let firsts = (0..count.div_ceil(WIDTH)).map(|index| index * WIDTH);
        firsts.map(move |first| Tile::with(level, first, EVENTS).to_string())
    });
    let shown = fs::read_dir(log.join("shown")).unwrap();
    // Some are made ahead, and empty.
    let shown = shown.map(|file| file.unwrap().path());
    let shown = shown.filter(|file| fs::metadata(file).unwrap().len() > 0);
    let checkpoint = std::iter::once("checkpoint".to_owned());
    let own = tiles.chain(checkpoint).map(|name| log.join(name));
    own.chain(shown).collect()
}

/// What the verifier says: nothing, or that something is wrong, or what is missing beside the log.
fn notices(log: &Path, key: &VerifierKey) -> bool {
    verify(log, key).map_or(true, |report| {
        report.payloads_missing + report.presentations_missing > 0
    })
}

#[test]
fn every_file_that_is_taken_away_or_emptied_is_missed() {
    let (place, key) = log();
    let log = place.path().join("log");
    let all = files(&log);
    assert!(all.len() > 8 + 8 + 1 + 1, "{all:?}");
    // As it is served: the writer's own copy of the last bundle would do as well.
    fs::remove_dir_all(log.join("open")).unwrap();
    assert!(!notices(&log, key.key()));
    for file in &all {
        let bytes = fs::read(file).unwrap();
        fs::write(file, "").unwrap();
        assert!(notices(&log, key.key()), "{} is empty", file.display());
        fs::remove_file(file).unwrap();
        assert!(notices(&log, key.key()), "{} is gone", file.display());
        fs::write(file, bytes).unwrap();
    }
    println!("{} files were taken away, and each was missed", all.len());
    assert!(!notices(&log, key.key()));
}
