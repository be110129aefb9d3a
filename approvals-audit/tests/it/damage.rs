//! Whatever is changed in a log is found, at the right entry: by the verifier as it is called, for some
//! changes. Beside it, in `src/verify/damage.rs`, its reading is held against all of them.

use std::fs;
use std::path::{Path, PathBuf};

use approvals_audit::{AuditLog, Directory, Verifier, VerifyError};

use crate::support::*;

const EVENTS: u64 = 2000;

fn found(path: &Path, key: &approvals_audit::VerifierKey) -> u64 {
    match verify(path, key) {
        Err(VerifyError::Found(finding)) => finding.entry,
        other => panic!("{} was changed, and: {other:?}", path.display()),
    }
}

/// The file of the bundle in which an entry lies, and where in it: its length, then its bytes.
fn place_of(path: &Path, entry: u64, events: u64) -> (PathBuf, usize, usize) {
    let bundle = entry / 256;
    let file = if bundle < events / 256 {
        path.join(format!("tile/entries/{bundle:03}"))
    } else {
        path.join(format!("tile/entries/{bundle:03}.p/{}", events % 256))
    };
    let bytes = fs::read(&file).unwrap();
    let mut at = 0;
    for _ in 0..entry % 256 {
        at += 2 + usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    }
    let length = usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    (file, at, length)
}

fn changed(file: &Path, change: impl FnOnce(&mut Vec<u8>), judge: impl FnOnce()) {
    let whole = fs::read(file).unwrap();
    let mut bytes = whole.clone();
    change(&mut bytes);
    assert_ne!(bytes, whole);
    fs::write(file, bytes).unwrap();
    judge();
    fs::write(file, whole).unwrap();
}

#[tokio::test]
async fn a_changed_bit_of_any_entry_is_found_at_that_entry() {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(place.path(), EVENTS).await;
    // Every place in a bundle is hit; which bit is another one each time, the length included.
    for entry in (0..EVENTS).step_by(41) {
        let (file, at, length) = place_of(place.path(), entry, EVENTS);
        let bit = (entry as usize * 7919) % ((2 + length) * 8);
        changed(
            &file,
            |bytes| bytes[at + bit / 8] ^= 1 << (bit % 8),
            || assert_eq!(found(place.path(), &key), entry, "bit {bit}"),
        );
    }
    verify(place.path(), &key).unwrap();
}

#[tokio::test]
async fn every_byte_of_one_entry_counts() {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(place.path(), 260).await;
    for (entry, events) in [(1, 260), (258, 260)] {
        let (file, at, length) = place_of(place.path(), entry, events);
        for bit in (0..(2 + length) * 8).step_by(31) {
            changed(
                &file,
                |bytes| bytes[at + bit / 8] ^= 1 << (bit % 8),
                || assert_eq!(found(place.path(), &key), entry, "bit {bit}"),
            );
        }
    }
}

#[tokio::test]
async fn entries_that_are_missing_doubled_or_swapped_are_found_at_the_first_of_them() {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(place.path(), EVENTS).await;
    for entry in (0..EVENTS - 1).step_by(51) {
        let (file, at, length) = place_of(place.path(), entry, EVENTS);
        let one = at..at + 2 + length;
        changed(
            &file,
            |bytes| drop(bytes.drain(one.clone())),
            || assert_eq!(found(place.path(), &key), entry),
        );
        changed(
            &file,
            |bytes| {
                let copy = bytes[one.clone()].to_vec();
                let _ = bytes.splice(at..at, copy);
            },
            // The copy stands where the next one should.
            || assert_eq!(found(place.path(), &key), entry + 1),
        );
        let (other_file, next, other_length) = place_of(place.path(), entry + 1, EVENTS);
        if other_file == file {
            changed(
                &file,
                |bytes| bytes[at..next + 2 + other_length].rotate_left(2 + length),
                || assert_eq!(found(place.path(), &key), entry),
            );
        }
    }
}

#[tokio::test]
async fn changed_hashes_are_found_where_they_are_of() {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(place.path(), EVENTS).await;
    for entry in (0..EVENTS).step_by(61) {
        let (bundle, within) = (entry / 256, (entry % 256) as usize);
        let file = if bundle < EVENTS / 256 {
            place.path().join(format!("tile/0/{bundle:03}"))
        } else {
            place
                .path()
                .join(format!("tile/0/{bundle:03}.p/{}", EVENTS % 256))
        };
        changed(
            &file,
            |bytes| bytes[within * 32 + 5] ^= 4,
            || assert_eq!(found(place.path(), &key), entry),
        );
    }
    let above = place.path().join(format!("tile/1/000.p/{}", EVENTS / 256));
    changed(
        &above,
        |bytes| bytes[3 * 32] ^= 1,
        || assert_eq!(found(place.path(), &key), 3 * 256),
    );
}

/// Whoever has the key can write another log: only a checkpoint that was seen before tells.
#[tokio::test]
async fn a_log_that_was_cut_off_or_rewritten_is_found_by_a_remembered_checkpoint() {
    let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (key, all) = (key(), trail(700));
    written(place.path(), &key, &all).await;
    let public = approvals_audit::Signer::key(&*key).clone();
    let seen = Directory::at(place.path())
        .checkpoint(std::slice::from_ref(&public))
        .unwrap();
    // A shorter one.
    written(other.path(), &key, &all[..600]).await;
    let shorter = Verifier::new(other.path(), [public.clone()]);
    shorter.run().unwrap();
    let error = shorter.remembering(seen.clone()).run().unwrap_err();
    assert!(
        matches!(&error, VerifyError::Found(found) if found.entry == 600),
        "{error}"
    );
    // A longer one that differs.
    let rewritten = tempfile::tempdir().unwrap();
    written(rewritten.path(), &key, &trail(800)).await;
    let longer = Verifier::new(rewritten.path(), [public.clone()]);
    longer.run().unwrap();
    let error = longer.remembering(seen.clone()).run().unwrap_err();
    assert!(matches!(&error, VerifyError::Found(_)), "{error}");
    // The log itself, which went on.
    let log = AuditLog::at(place.path(), key.clone())
        .open()
        .await
        .unwrap();
    log.close().await;
    let same = Verifier::new(place.path(), [public]).remembering(seen);
    same.run().unwrap();
}

/// What is done to a trail.
type Change = Box<dyn Fn(&mut Vec<approvals_core::Event>)>;

#[tokio::test]
async fn a_trail_that_cannot_have_happened_is_found_at_its_event() {
    let mut all = trail(12);
    let (_, second) = all.split_at(6);
    let of_second = second[0].request;
    let whys: [(&str, usize, Change); 6] = [
        (
            "nobody had said yes",
            2,
            Box::new(|all| {
                let vote = all.remove(1);
                all.push(vote);
            }),
        ),
        ("not approved", 2, Box::new(|all| drop(all.remove(2)))),
        ("without a claim", 3, Box::new(|all| drop(all.remove(3)))),
        (
            "without having been started",
            4,
            Box::new(|all| drop(all.remove(4))),
        ),
        ("never asked", 0, Box::new(|all| drop(all.remove(0)))),
        (
            "after the decision",
            3,
            Box::new(|all| {
                let mut vote = all[1].clone();
                vote.id = approvals_core::EventId::new();
                all.insert(3, vote);
            }),
        ),
    ];
    assert!(of_second.is_some());
    for (why, at, change) in whys {
        let place = tempfile::tempdir().unwrap();
        let key = key();
        let mut changed = all.clone();
        change(&mut changed);
        for (number, event) in (1..).zip(&mut changed) {
            event.number = number;
            event.at = all[0].at;
        }
        written(place.path(), &key, &changed).await;
        let error = verify(place.path(), approvals_audit::Signer::key(&*key)).unwrap_err();
        let VerifyError::Found(finding) = error else {
            panic!("{error}");
        };
        let expected = if why == "nobody had said yes" {
            1
        } else {
            at as u64
        };
        assert_eq!(finding.entry, expected, "{finding}");
        assert!(finding.why.contains(why), "{finding}");
    }
    // Time that runs backwards.
    let place = tempfile::tempdir().unwrap();
    let key = key();
    all[7].at = approvals_core::Timestamp::from_millis(5);
    written(place.path(), &key, &all).await;
    assert_eq!(found(place.path(), approvals_audit::Signer::key(&*key)), 7);
}

/// Opening cuts off what was never acknowledged, and only where all before it is as it was signed.
#[tokio::test]
async fn a_damaged_log_is_not_opened_and_not_changed() {
    let place = tempfile::tempdir().unwrap();
    let (key, _) = log_of(place.path(), 300).await;
    let file = place.path().join("open/1");
    let mut bytes = fs::read(&file).unwrap();
    bytes[10] ^= 1;
    bytes.extend_from_slice(b"\x00\x05torn");
    fs::write(&file, &bytes).unwrap();
    let opened = AuditLog::at(place.path(), key).open().await;
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("damaged at entry 256"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
}
