//! Between acknowledging and publishing: what was signed lies in the head of a log only.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use approvals_audit::{
    AuditLog, Directory, Ed25519Signer, EntryProof, LogError, SignedLog, Signer, VerifyError,
};
use approvals_core::{AuditSink as _, Event};

use crate::support::*;

/// How long a page of a head is, and how many there are.
const RECORD: usize = 4096;
const PAGES: usize = 64;

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
        written(place.path(), &key, &all[to..]).await;
        assert_eq!(verify(place.path(), key.key()).unwrap().entries, 1400);
    }
}

/// What versions before this had in the place of such a head: its pages, one after the other, without
/// those that were published.
fn appended(head: &[u8], published: usize) -> &[u8] {
    let pages = head.chunks(RECORD);
    let written = pages.take_while(|page| page.iter().any(|byte| *byte != 0));
    &head[published * RECORD..written.count() * RECORD]
}

#[tokio::test]
async fn a_log_of_a_version_whose_head_was_appended_to_is_read_and_goes_on() {
    let (key, all) = (key(), trail(1400));
    for (first, to, each) in CRASHES {
        let place = tempfile::tempdir().unwrap();
        crashed(place.path(), &key, &all[..to], first, each).await;
        let file = place.path().join("head");
        let head = fs::read(&file).unwrap();
        let before = appended(&head, usize::from(first > 0));
        assert_eq!(before.len(), (to - first).div_ceil(each) * RECORD);
        fs::write(&file, before).unwrap();
        let report = verify(place.path(), key.key()).unwrap();
        assert_eq!(report.entries, to as u64);
        written(place.path(), &key, &all[to..]).await;
        assert_eq!(verify(place.path(), key.key()).unwrap().entries, 1400);
        let after = fs::metadata(&file).unwrap().len();
        assert_eq!(after, (PAGES * RECORD) as u64);
    }
}

#[tokio::test]
async fn a_last_record_of_an_appended_head_that_was_cut_short_was_never_acknowledged() {
    let (key, all) = (key(), trail(300));
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("image");
    // At 100, and then 110, 120, 130.
    crashed(&image, &key, &all[..130], 100, 10).await;
    let head = fs::read(image.join("head")).unwrap();
    let head = appended(&head, 1).to_vec();
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
    let [z, a, b, c, zeros] = [PAGES - 1, 0, 1, 2, 3].map(|n| &whole[n * RECORD..][..RECORD]);
    for pages in [
        [a, c, b, zeros],
        [c, b, a, zeros],
        [a, b, c, c],
        [a, zeros, c, zeros],
        [zeros, b, c, zeros],
        [z, a, b, c],
    ] {
        for is_appended in [false, true] {
            let mut changed = pages.concat();
            if is_appended {
                changed.truncate(appended(&changed, 0).len());
            } else {
                changed.extend_from_slice(&whole[4 * RECORD..]);
            }
            if is_appended && changed.len() < 2 * RECORD {
                // Cut off, as after a crash.
                continue;
            }
            fs::write(&file, &changed).unwrap();
            verify(place.path(), key.key()).unwrap_err();
            let error = opened(place.path(), &key).await.unwrap_err();
            assert!(error.to_string().contains("of its head"), "{error}");
            assert_eq!(fs::read(&file).unwrap(), changed);
        }
    }
}

#[tokio::test]
async fn a_head_goes_round_and_a_crash_in_any_of_its_pages_loses_nothing_that_was_acknowledged() {
    let (key, all) = (key(), trail(140));
    let place = tempfile::tempdir().unwrap();
    // A commit for each event: into the first page, the last ones, and again from the first on.
    let log = AuditLog::at(place.path().join("log"), key.clone())
        .published_within(Duration::from_secs(3600))
        .open()
        .await
        .unwrap();
    for (n, event) in all.iter().enumerate() {
        let (path, page, next) = (place.path().join("log"), n % PAGES, (n + 1) % PAGES);
        let before = fs::read(path.join("head")).unwrap();
        log.record(std::slice::from_ref(event)).await.unwrap();
        if ![0, 1, 62, 63, 64, 65, 100, 126, 127, 128].contains(&n) {
            continue;
        }
        let after = fs::read(path.join("head")).unwrap();
        let of = |head: &[u8], page: usize| head[page * RECORD..][..RECORD].to_vec();
        for (is_written, is_emptied) in [(true, true), (true, false), (false, true), (false, false)]
        {
            let mut head = after.clone();
            if !is_written {
                head[page * RECORD..][..RECORD].copy_from_slice(&of(&before, page));
            }
            if !is_emptied {
                head[next * RECORD..][..RECORD].copy_from_slice(&of(&before, next));
            }
            let image = place.path().join(format!("{n}-{is_written}-{is_emptied}"));
            copy(&path, &image);
            fs::write(image.join("head"), head).unwrap();
            let left = n + usize::from(is_written);
            let report = verify(&image, key.key()).unwrap();
            assert_eq!(report.entries, left as u64);
            written(&image, &key, &all[left..]).await;
            assert_eq!(verify(&image, key.key()).unwrap().entries, 140);
        }
    }
    // Not more than that: the two newest are gone.
    let mut head = fs::read(place.path().join("log/head")).unwrap();
    let newest = (all.len() - 1) % PAGES;
    head[(newest - 1) * RECORD..][..2 * RECORD].fill(0);
    let image = place.path().join("image");
    copy(&place.path().join("log"), &image);
    fs::write(image.join("head"), head).unwrap();
    verify(&image, key.key()).unwrap_err();
    opened(&image, &key).await.unwrap_err();
    log.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_a_head_while_it_is_written_finds_what_was_acknowledged_before() {
    let (key, all) = (key(), trail(600));
    let place = tempfile::tempdir().unwrap();
    let log = opened(place.path(), &key).await.unwrap();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let reader = std::thread::spawn({
        let (acknowledged, keys) = (Arc::clone(&acknowledged), [key.key().clone()]);
        let directory = Directory::at(place.path());
        move || {
            let mut had = 0;
            while had < 600 {
                let before = acknowledged.load(Ordering::SeqCst);
                let size = directory.checkpoint(&keys).unwrap().size;
                assert!(size >= before.max(had), "{size}, after {before} and {had}");
                had = size;
            }
        }
    });
    for event in &all {
        log.record(std::slice::from_ref(event)).await.unwrap();
        acknowledged.store(event.number, Ordering::SeqCst);
    }
    reader.join().unwrap();
    log.close().await;
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
async fn what_cannot_be_published_beside_is_kept_and_nothing_after_it_until_it_can() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), trail(1000));
    let log = AuditLog::at(place.path(), key.clone())
        .published_within(Duration::ZERO)
        .open()
        .await
        .unwrap();
    log.record(&all[..100]).await.unwrap();
    log.publish().await.unwrap();
    let blocked = place.path().join("checkpoint.new");
    fs::create_dir(&blocked).unwrap();
    // The first begins to be published when it is kept, and others may be kept until that fails.
    let mut kept = 100;
    while log.record(&all[kept..=kept]).await.is_ok() {
        kept += 1;
    }
    assert!(kept > 100);
    log.record(&all[kept..=kept]).await.unwrap_err();
    assert_eq!(published(place.path(), &key), 100);
    assert_eq!(
        verify(place.path(), key.key()).unwrap().entries,
        kept as u64
    );
    fs::remove_dir(&blocked).unwrap();
    log.record(&all[kept..]).await.unwrap();
    log.close().await;
    assert_eq!(published(place.path(), &key), 1000);
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
