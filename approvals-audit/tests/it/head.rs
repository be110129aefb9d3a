//! Between acknowledging and publishing: what was signed lies in the head of a log only.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use approvals_audit::{
    AuditLog, Directory, Ed25519Signer, EntryProof, LogError, SignedLog, Signer, VerifyError,
};
use approvals_core::{AuditSink as _, Event};

use crate::support::*;

/// How long a record of a head is.
const RECORD: usize = 4096;

async fn opened(path: &Path, key: &Arc<Ed25519Signer>) -> Result<AuditLog, LogError> {
    AuditLog::at(path, key.clone()).open().await
}

/// A log as a crash leaves it that published nothing after the first so many events, and
/// acknowledged the others in commits of so many.
async fn crashed(path: &Path, key: &Arc<Ed25519Signer>, all: &[Event], first: usize, each: usize) {
    let place = tempfile::tempdir().unwrap();
    let log = AuditLog::at(place.path(), key.clone())
        .published_within(Duration::from_secs(3600))
        .open()
        .await
        .unwrap();
    log.record(&all[..first]).await.unwrap();
    log.publish().await.unwrap();
    for some in all[first..].chunks(each) {
        log.record(some).await.unwrap();
    }
    copy(place.path(), path);
    log.close().await;
}

fn published(path: &Path, key: &Ed25519Signer) -> u64 {
    let note = Directory::at(path).published().unwrap();
    let keys = [key.key().clone()];
    approvals_audit::Checkpoint::verified(&note, &keys)
        .unwrap()
        .size
}

/// Within a bundle, over its end, over several, and from nothing; then in what commits.
const CRASHES: [(usize, usize, usize); 8] = [
    (0, 0, 1),
    (0, 5, 1),
    (0, 256, 64),
    (0, 600, 600),
    (100, 200, 7),
    (250, 257, 3),
    (256, 512, 256),
    (300, 1300, 90),
];

#[tokio::test]
async fn what_was_acknowledged_and_not_published_is_read_proved_and_verified() {
    let (key, all) = (key(), trail(1300));
    let keys = [key.key().clone()];
    for (first, to, each) in CRASHES {
        let place = tempfile::tempdir().unwrap();
        crashed(place.path(), &key, &all[..to], first, each).await;
        assert_eq!(published(place.path(), &key), first as u64);
        let report = verify(place.path(), key.key()).unwrap();
        assert_eq!((report.entries, report.has_more), (to as u64, false));
        let log = SignedLog::open(place.path(), &keys).unwrap();
        let entries = log.entries(0).map(|entry| entry.unwrap().number);
        assert!(entries.eq(1..=to as u64));
        let directory = Directory::at(place.path());
        for index in (0..to as u64).step_by(37) {
            let proof = EntryProof::of(&directory, index, &keys).unwrap();
            let entry = directory.entry(index, to as u64).unwrap();
            assert_eq!(proof.verify(&entry, &keys).unwrap().size, to as u64);
        }
        // What was published goes on to be proved too, and to be what the log began with.
        let then = SignedLog::as_of(
            place.path(),
            str::from_utf8(&directory.published().unwrap()).unwrap(),
            &keys,
        );
        let then = then.unwrap().checkpoint().clone();
        assert!(log.extends(then.size, then.root).unwrap());
    }
}

#[tokio::test]
async fn a_crash_between_acknowledging_and_publishing_loses_nothing() {
    let (key, all) = (key(), trail(1400));
    for (first, to, each) in CRASHES {
        let place = tempfile::tempdir().unwrap();
        crashed(place.path(), &key, &all[..to], first, each).await;
        let before = verify(place.path(), key.key()).unwrap().checkpoint;
        opened(place.path(), &key).await.unwrap().close().await;
        assert_eq!(published(place.path(), &key), to as u64);
        assert_eq!(
            verify(place.path(), key.key()).unwrap().checkpoint,
            before,
            "{first} {to}"
        );
        assert_eq!(fs::read(place.path().join("head")).unwrap(), b"");
        written(place.path(), &key, &all[to..]).await;
        assert_eq!(verify(place.path(), key.key()).unwrap().entries, 1400);
    }
}

#[tokio::test]
async fn a_last_record_of_a_head_that_was_cut_short_was_never_acknowledged() {
    let (key, all) = (key(), trail(300));
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("image");
    // At 100, and then 110, 120, 130.
    crashed(&image, &key, &all[..130], 100, 10).await;
    let head = fs::read(image.join("head")).unwrap();
    assert_eq!(head.len(), 3 * RECORD);
    let mut nothing_but_zeros = head.clone();
    nothing_but_zeros[2 * RECORD..].fill(0);
    let cut = |length: usize| head[..length].to_vec();
    let torn = [
        (120, cut(3 * RECORD - 1)),
        (120, cut(2 * RECORD + 1)),
        (120, cut(2 * RECORD)),
        (120, nothing_but_zeros),
        (110, cut(2 * RECORD - 100)),
        (100, cut(17)),
        (100, cut(0)),
    ];
    for (n, (left, head)) in torn.into_iter().enumerate() {
        let log = place.path().join(n.to_string());
        copy(&image, &log);
        fs::write(log.join("head"), head).unwrap();
        assert_eq!(verify(&log, key.key()).unwrap().entries, left);
        let sink = opened(&log, &key).await.unwrap();
        sink.record(&all[left as usize..]).await.unwrap();
        sink.close().await;
        assert_eq!(verify(&log, key.key()).unwrap().entries, 300);
    }
}

#[tokio::test]
async fn every_bit_of_a_head_counts() {
    let (key, all) = (key(), trail(130));
    let place = tempfile::tempdir().unwrap();
    crashed(place.path(), &key, &all, 100, 10).await;
    let file = place.path().join("head");
    let whole = fs::read(&file).unwrap();
    let note = whole.iter().position(|byte| *byte == 0).unwrap();
    for record in 0..3 {
        let of_note = (0..(note + 2) * 8).step_by(3);
        for bit in of_note.chain((note * 8..RECORD * 8).step_by(997)) {
            let mut bytes = whole.clone();
            bytes[record * RECORD + bit / 8] ^= 1 << (bit % 8);
            fs::write(&file, bytes).unwrap();
            let found = verify(place.path(), key.key());
            assert!(found.is_err(), "record {record}, bit {bit}");
            if bit % 17 == 0 {
                opened(place.path(), &key).await.unwrap_err();
            }
        }
    }
    fs::write(&file, &whole).unwrap();
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 130);
}

#[tokio::test]
async fn records_of_a_head_that_were_swapped_or_doubled_are_found() {
    let (key, all) = (key(), trail(130));
    let place = tempfile::tempdir().unwrap();
    crashed(place.path(), &key, &all, 100, 10).await;
    let file = place.path().join("head");
    let whole = fs::read(&file).unwrap();
    let [a, b, c] = [0, 1, 2].map(|n| &whole[n * RECORD..(n + 1) * RECORD]);
    for changed in [
        [a, c, b].concat(),
        [c, b, a].concat(),
        [a, b, c, c].concat(),
    ] {
        fs::write(&file, &changed).unwrap();
        verify(place.path(), key.key()).unwrap_err();
        let error = opened(place.path(), &key).await.unwrap_err();
        assert!(error.to_string().contains("order"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), changed);
    }
}

#[tokio::test]
async fn a_changed_entry_that_was_not_published_is_found_after_the_last_checkpoint_before_it() {
    let (key, all) = (key(), trail(330));
    let place = tempfile::tempdir().unwrap();
    // Checkpoints at 100, 110, ... 330.
    crashed(place.path(), &key, &all, 100, 10).await;
    for entry in [3, 99, 100, 119, 255, 256, 301, 329] {
        let file = place.path().join(format!("open/{}", entry / 256));
        let whole = fs::read(&file).unwrap();
        let mut at = 0;
        for _ in 0..entry % 256 {
            at += 2 + usize::from(u16::from_be_bytes([whole[at], whole[at + 1]]));
        }
        for place_of in [at + 1, at + 40] {
            let mut bytes = whole.clone();
            bytes[place_of] ^= 1;
            fs::write(&file, &bytes).unwrap();
            let finding = match verify(place.path(), key.key()) {
                Err(VerifyError::Found(finding)) => finding,
                other => panic!("entry {entry} was changed: {other:?}"),
            };
            let from = if entry < 100 { entry } else { entry / 10 * 10 };
            assert!(
                (from..=entry).contains(&(finding.entry as usize)),
                "{entry}: {finding}"
            );
            let error = opened(place.path(), &key).await.unwrap_err();
            assert!(matches!(error, LogError::Damaged { .. }), "{error}");
            assert_eq!(fs::read(&file).unwrap(), bytes);
            fs::write(&file, &whole).unwrap();
        }
    }
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 330);
}

#[tokio::test]
async fn a_head_of_another_log_is_refused_and_an_older_one_does_no_harm() {
    let (key, all) = (key(), trail(400));
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("image");
    crashed(&image, &key, &all[..300], 200, 20).await;
    let head = fs::read(image.join("head")).unwrap();
    // A crash may come after its last checkpoint was published and before it was emptied.
    for published in [300, 400] {
        let log = place.path().join(format!("published-{published}"));
        written(&log, &key, &all[..published]).await;
        fs::write(log.join("head"), &head).unwrap();
        assert_eq!(verify(&log, key.key()).unwrap().entries, published as u64);
        opened(&log, &key).await.unwrap().close().await;
        assert_eq!(verify(&log, key.key()).unwrap().entries, published as u64);
    }
    // Of another key, and of other entries under the same one.
    let (other_key, other_trail) = (crate::support::key(), trail(400));
    for (name, of, all) in [("key", &other_key, &all), ("trail", &key, &other_trail)] {
        let other = place.path().join(format!("other-{name}"));
        crashed(&other, of, &all[..300], 200, 20).await;
        let log = place.path().join(name);
        copy(&image, &log);
        fs::copy(other.join("head"), log.join("head")).unwrap();
        verify(&log, key.key()).unwrap_err();
        opened(&log, &key).await.unwrap_err();
        // Nothing was taken away.
        fs::write(log.join("head"), &head).unwrap();
        assert_eq!(verify(&log, key.key()).unwrap().entries, 300);
        opened(&log, &key).await.unwrap().close().await;
        assert_eq!(published(&log, &key), 300);
    }
}

#[tokio::test]
async fn a_log_of_a_version_without_a_head_is_read_and_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), trail(400));
    written(place.path(), &key, &all[..300]).await;
    fs::remove_file(place.path().join("head")).unwrap();
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 300);
    written(place.path(), &key, &all[300..]).await;
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 400);
}

#[tokio::test]
async fn a_head_that_is_changed_while_the_log_is_written_stops_it() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), trail(400));
    let log = AuditLog::at(place.path(), key.clone())
        .published_within(Duration::from_secs(3600))
        .open()
        .await
        .unwrap();
    log.record(&all[..10]).await.unwrap();
    let file = place.path().join("head");
    let earlier = fs::read(&file).unwrap();
    log.record(&all[10..20]).await.unwrap();
    let now = fs::read(&file).unwrap();
    // Not once, and not when it is opened again in this process: what was dropped had been
    // acknowledged.
    for left in [Some(&earlier), None] {
        match left {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        for _ in 0..2 {
            let error = log.record(&all[20..]).await.unwrap_err().to_string();
            assert!(
                error.contains("somebody else") || error.contains("set back"),
                "{error}"
            );
        }
    }
    fs::write(&file, now).unwrap();
    log.record(&all[20..]).await.unwrap();
    log.close().await;
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 400);
}

#[tokio::test]
async fn what_cannot_be_published_is_kept_and_nothing_after_it_until_it_can() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), trail(400));
    let log = opened(place.path(), &key).await.unwrap();
    log.record(&all[..100]).await.unwrap();
    log.publish().await.unwrap();
    // Also for root: what lies in the place of the next checkpoint cannot be replaced.
    let blocked = place.path().join("checkpoint.new");
    fs::create_dir(&blocked).unwrap();
    log.record(&all[100..300]).await.unwrap();
    log.publish().await.unwrap_err();
    log.record(&all[300..]).await.unwrap_err();
    assert_eq!(published(place.path(), &key), 100);
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 300);
    fs::remove_dir(&blocked).unwrap();
    log.publish().await.unwrap();
    assert_eq!(published(place.path(), &key), 300);
    log.record(&all[300..]).await.unwrap();
    log.close().await;
    assert_eq!(published(place.path(), &key), 400);
}

#[tokio::test]
async fn a_log_may_publish_with_every_commit() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), trail(300));
    let log = AuditLog::at(place.path(), key.clone())
        .published_within(Duration::ZERO)
        .open()
        .await
        .unwrap();
    for some in all.chunks(50) {
        log.record(some).await.unwrap();
    }
    log.publish().await.unwrap();
    assert_eq!(published(place.path(), &key), 300);
    log.close().await;
}
