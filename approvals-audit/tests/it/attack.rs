//! What somebody finds who tries to have a log say something else.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use approvals_audit::{
    AuditLog, Checkpoint, CheckpointError, Directory, Ed25519Signer, EntryProof, LogError, Note,
    Signer, Tile, Verifier, VerifyError,
};
use approvals_core::{AuditSink as _, EventId, What};

use crate::support::*;

async fn opened(path: &Path, key: &Arc<Ed25519Signer>) -> Result<AuditLog, LogError> {
    AuditLog::at(path, key.clone()).open().await
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_written_or_read_through_a_link() {
    use std::os::unix::fs::symlink;
    let place = tempfile::tempdir().unwrap();
    let precious = place.path().join("precious");
    fs::write(&precious, "as it was").unwrap();
    let (all, key) = (trail(300), key());
    // Where the next checkpoint and the next tiles are written before they are put in place.
    for planted in [
        "checkpoint.new",
        "head.new",
        "tile/0/000.p/11.new",
        "open/0",
    ] {
        let log = place.path().join(planted.replace('/', "-"));
        let sink = opened(&log, &key).await.unwrap();
        let planted = log.join(planted);
        fs::create_dir_all(planted.parent().unwrap()).unwrap();
        symlink(&precious, &planted).unwrap();
        let recorded = sink.record(&all[..11]).await;
        assert_eq!(fs::read_to_string(&precious).unwrap(), "as it was");
        if planted.ends_with("open/0") {
            let error = recorded.unwrap_err().to_string();
            assert!(error.contains("no plain file"), "{error}");
        } else {
            recorded.unwrap();
            sink.publish().await.unwrap();
            assert_eq!(fs::read_to_string(&precious).unwrap(), "as it was");
            assert_eq!(verify(&log, key.key()).unwrap().entries, 11);
        }
        sink.close().await;
        if planted.ends_with("head.new") {
            // It is made anew by every writer.
            opened(&log, &key).await.unwrap().close().await;
            assert_eq!(fs::read_to_string(&precious).unwrap(), "as it was");
        }
    }
    let log = place.path().join("head");
    fs::create_dir(&log).unwrap();
    symlink(&precious, log.join("head")).unwrap();
    let error = opened(&log, &key).await.unwrap_err();
    assert!(matches!(error, LogError::NotPlain(_)), "{error}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "as it was");
    // What never ends is not read.
    let log = place.path().join("log");
    written(&log, &key, &all).await;
    for replaced in ["tile/entries/000", "tile/0/000", "checkpoint", "head"] {
        let bytes = fs::read(log.join(replaced)).unwrap();
        fs::remove_file(log.join(replaced)).unwrap();
        symlink("/dev/zero", log.join(replaced)).unwrap();
        let error = verify(&log, key.key()).unwrap_err();
        assert!(
            matches!(error, VerifyError::Unreadable(LogError::NotPlain(_))),
            "{error}"
        );
        fs::remove_file(log.join(replaced)).unwrap();
        fs::write(log.join(replaced), bytes).unwrap();
    }
    // A directory elsewhere.
    let elsewhere = place.path().join("elsewhere");
    fs::rename(log.join("tile"), &elsewhere).unwrap();
    symlink(&elsewhere, log.join("tile")).unwrap();
    let error = opened(&log, &key).await.unwrap_err();
    assert!(matches!(error, LogError::NotPlain(_)), "{error}");
}

#[tokio::test]
async fn a_file_that_is_longer_than_it_can_be_is_not_read_into_memory() {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(place.path(), 300).await;
    for name in ["tile/entries/000", "tile/0/000", "checkpoint", "head"] {
        let path = place.path().join(name);
        let bytes = fs::read(&path).unwrap();
        // Sparse: a terabyte that takes no room.
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        let error = verify(place.path(), &key).unwrap_err();
        let oversized = matches!(error, VerifyError::Unreadable(LogError::Oversized { .. }));
        assert!(oversized, "{name}: {error}");
        fs::write(&path, bytes).unwrap();
    }
    verify(place.path(), &key).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_enter_a_log_and_one_that_anybody_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("of/some/log");
    let (key, mut all) = (key(), trail(3));
    all[2].what = What::Withdrawn {
        why: "x".repeat(200_000).into(),
    };
    written(&log, &key, &all).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&log), 0o700);
    assert_eq!(mode(&log.join("payload")), 0o700);
    fs::set_permissions(&log, fs::Permissions::from_mode(0o777)).unwrap();
    let error = opened(&log, &key).await.unwrap_err();
    assert!(error.to_string().contains("chmod o-w"), "{error}");
    fs::set_permissions(&log, fs::Permissions::from_mode(0o755)).unwrap();
    opened(&log, &key).await.unwrap().close().await;
}

#[tokio::test]
async fn a_checkpoint_that_is_set_back_while_the_log_is_written_stops_it() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let all = trail(400);
    let log = opened(place.path(), &key).await.unwrap();
    log.record(&all[..260]).await.unwrap();
    log.publish().await.unwrap();
    let files = ["checkpoint", "head"].map(|name| place.path().join(name));
    let both = || files.each_ref().map(|file| fs::read(file).unwrap());
    let set = |to: &[Vec<u8>; 2]| {
        for (file, bytes) in files.iter().zip(to) {
            fs::write(file, bytes).unwrap();
        }
    };
    let earlier = both();
    log.record(&all[260..270]).await.unwrap();
    log.publish().await.unwrap();
    let now = both();
    set(&earlier);
    // Not once, and not when it is opened again in this process: what was dropped had been
    // acknowledged.
    for _ in 0..2 {
        let error = log.record(&all[270..280]).await.unwrap_err().to_string();
        assert!(
            error.contains("somebody else") || error.contains("set back"),
            "{error}"
        );
    }
    set(&now);
    fs::remove_file(&files[0]).unwrap();
    log.record(&all[270..280]).await.unwrap_err();
    set(&now);
    log.record(&all[270..280]).await.unwrap();
    log.publish().await.unwrap();
    // Alone, it stops the writer too, and is not gone on from: the head has what was acknowledged.
    fs::write(&files[0], &now[0]).unwrap();
    let error = log.record(&all[280..290]).await.unwrap_err().to_string();
    assert!(error.contains("somebody else"), "{error}");
    log.record(&all[280..]).await.unwrap();
    log.close().await;
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 400);
}

#[cfg(unix)]
#[tokio::test]
async fn a_log_whose_lock_was_removed_is_written_by_nobody_else_and_not_by_its_writer() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let all = trail(20);
    let first = opened(place.path(), &key).await.unwrap();
    first.record(&all[..10]).await.unwrap();
    fs::remove_file(place.path().join("lock")).unwrap();
    let second = opened(place.path(), &key).await.unwrap();
    let error = first.record(&all[10..]).await.unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    second.record(&all[10..]).await.unwrap();
    second.close().await;
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 20);
}

#[tokio::test]
async fn a_log_without_its_checkpoint_does_not_begin_anew() {
    let place = tempfile::tempdir().unwrap();
    let (key, _) = log_of(place.path(), 300).await;
    fs::remove_file(place.path().join("checkpoint")).unwrap();
    fs::remove_dir_all(place.path().join("open")).unwrap();
    fs::remove_dir_all(place.path().join("tile/entries")).unwrap();
    let error = opened(place.path(), &key).await.unwrap_err();
    assert!(matches!(error, LogError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_forged_bundle_in_the_place_of_the_next_one_does_not_replace_what_was_recorded() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let all = trail(300);
    let log = opened(place.path(), &key).await.unwrap();
    log.record(&all[..200]).await.unwrap();
    log.publish().await.unwrap();
    let planted = place.path().join(Tile::bundle(0).to_string());
    fs::write(&planted, "forged").unwrap();
    log.record(&all[200..280]).await.unwrap();
    // Nothing more is kept until it can be published.
    for _ in 0..2 {
        let error = log.publish().await.unwrap_err();
        assert!(matches!(error, LogError::Damaged { .. }), "{error}");
        log.record(&all[280..]).await.unwrap_err();
    }
    assert_eq!(fs::read(&planted).unwrap(), b"forged");
    fs::remove_file(&planted).unwrap();
    log.record(&all[280..]).await.unwrap();
    log.close().await;
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 300);
}

#[tokio::test]
async fn another_logs_directory_is_left_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let theirs = key();
    let note = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 0,
        root: approvals_audit::Hash::of_nothing(),
    };
    let note = Note::signed(&note.text(), [&*theirs as &dyn Signer]).unwrap();
    fs::write(place.path().join("checkpoint"), note.to_string()).unwrap();
    let error = opened(place.path(), &key()).await.unwrap_err();
    assert!(matches!(error, LogError::Checkpoint { .. }), "{error}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_key_of_another_name_makes_no_checkpoint_of_this_log() {
    let witness = Ed25519Signer::generate("example.org/witness").unwrap();
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 0,
        root: approvals_audit::Hash::of_nothing(),
    };
    let note = Note::signed(&checkpoint.text(), [&witness as &dyn Signer]).unwrap();
    let keys = [key().key().clone(), witness.key().clone()];
    let error = Checkpoint::verified(note.to_string().as_bytes(), &keys).unwrap_err();
    assert!(matches!(error, CheckpointError::Origin { .. }), "{error}");
}

#[tokio::test]
async fn places_that_no_log_has_are_an_error_and_no_overflow() {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(place.path(), 300).await;
    let directory = Directory::at(place.path());
    for index in [2, 1 << 40, u64::MAX / 256, u64::MAX] {
        for size in [0, 300, i64::MAX as u64] {
            directory.bundle(index, size).unwrap_err();
            directory.entry(index.max(300), size).unwrap_err();
            for level in [0, 1, 7, 8, 255] {
                directory.hashes(level, index, size).unwrap_err();
            }
        }
        EntryProof::of(&directory, index.max(300), std::slice::from_ref(&key)).unwrap_err();
    }
    let root = approvals_audit::Hash::of_nothing();
    for size in [
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
    ] {
        Checkpoint::parse(&format!("{ORIGIN}\n{size}\n{root}\n")).unwrap_err();
    }
}

#[tokio::test]
async fn an_event_that_a_store_took_twice_is_verified_as_the_one_it_repeats() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let mut all = trail(12);
    // Numbers go on; the event is the one of number 8.
    all[11] = approvals_core::Event {
        number: 12,
        ..all[7].clone()
    };
    written(place.path(), &key, &all).await;
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 12);
    let entry = Directory::at(place.path()).entry(11, 12).unwrap();
    let entry: serde_json::Value = serde_json::from_slice(&entry).unwrap();
    assert_eq!(
        (&entry["what"], &entry["repeats"]),
        (&"repeated".into(), &8.into())
    );
}

#[tokio::test]
async fn a_life_is_followed_also_where_its_events_are_too_long_for_an_entry() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let mut all = trail(12);
    let long: Arc<str> = "x".repeat(100_000).into();
    for event in &mut all {
        match &mut event.what {
            What::Voted { vote, .. } => Arc::make_mut(vote).comment = Some(long.clone()),
            What::Finished { summary, .. } => *summary = Some(long.clone()),
            _ => {}
        }
    }
    written(place.path(), &key, &all).await;
    let report = verify(place.path(), key.key()).unwrap();
    assert_eq!((report.entries, report.open_requests), (12, 0));
    fs::remove_dir_all(place.path().join("payload")).unwrap();
    let report = verify(place.path(), key.key()).unwrap();
    assert_eq!((report.payloads_missing, report.open_requests), (4, 0));
}

#[tokio::test]
async fn a_log_with_more_open_requests_than_are_followed_at_once_is_read_in_parts() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let mut all: Vec<_> = trail(60).into_iter().step_by(6).collect();
    for (number, event) in (1..).zip(&mut all) {
        event.number = number;
        event.id = EventId::new();
    }
    written(place.path(), &key, &all).await;
    let verifier = Verifier::new(place.path(), [key.key().clone()]);
    assert_eq!(
        verifier.clone().following(10).run().unwrap().open_requests,
        10
    );
    let in_parts = verifier.following(3).run().unwrap();
    assert_eq!(in_parts.open_requests, 10);
}

#[tokio::test]
async fn a_checkpoint_that_was_set_back_shows_by_what_lies_past_it() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), trail(700));
    let log = place.path().join("log");
    written(&log, &key, &all[..100]).await;
    let earlier = ["checkpoint", "head"].map(|name| fs::read(log.join(name)).unwrap());
    written(&log, &key, &all[100..]).await;
    assert!(!verify(&log, key.key()).unwrap().has_more);
    let back = place.path().join("back");
    copy(&log, &back);
    fs::write(back.join("checkpoint"), &earlier[0]).unwrap();
    // The head still has the last one.
    assert_eq!(verify(&back, key.key()).unwrap().entries, 700);
    let error = opened(&back, &key).await.unwrap_err();
    assert!(matches!(error, LogError::Damaged { .. }), "{error}");
    fs::write(back.join("head"), &earlier[1]).unwrap();
    assert!(verify(&back, key.key()).unwrap().has_more);
    let error = opened(&back, &key).await.unwrap_err();
    assert!(matches!(error, LogError::Damaged { .. }), "{error}");
}
