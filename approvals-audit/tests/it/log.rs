//! Writing: what is acknowledged is there, once, in order.

use std::sync::Arc;

use approvals_audit::{AuditLog, Directory, LogError, SCHEMA, Signer, VerifierKey};
use approvals_core::{AuditSink, Timestamp, What};

use crate::support::*;

#[tokio::test]
async fn a_log_keeps_what_it_acknowledged_and_goes_on_after_it_was_closed() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), trail(1500));
    let mut from = 0;
    for to in [0, 1, 2, 255, 256, 257, 511, 512, 513, 1280, 1500] {
        written(place.path(), &key, &all[from..to]).await;
        let report = verify(place.path(), key.key()).unwrap();
        assert_eq!(report.entries, to as u64);
        from = to;
    }
    let directory = Directory::at(place.path());
    for (n, event) in (0..).zip(&all) {
        let entry = directory.entry(n, 1500).unwrap();
        let entry: serde_json::Value = serde_json::from_slice(&entry).unwrap();
        assert_eq!(entry["number"], event.number);
        assert_eq!(entry["id"], serde_json::to_value(event.id).unwrap());
        assert_eq!(entry["schema"], SCHEMA);
    }
}

#[tokio::test]
async fn what_is_offered_again_is_kept_once() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let log = AuditLog::at(place.path(), key.clone())
        .open()
        .await
        .unwrap();
    let all = trail(20);
    log.record(&all[..10]).await.unwrap();
    // Whole, in part, and together with new ones.
    log.record(&all[..10]).await.unwrap();
    log.record(&all[3..5]).await.unwrap();
    log.record(&all[5..]).await.unwrap();
    log.close().await;
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 20);
}

/// A log that is opened again as a process does that has been restarted.
#[derive(Debug)]
struct Reopened {
    place: tempfile::TempDir,
    key: Arc<approvals_audit::Ed25519Signer>,
}

#[approvals_core::async_trait]
impl approvals_testing::audit_sink::Kept for Reopened {
    async fn open(&self) -> Arc<dyn AuditSink> {
        // The one before is dropped, and ends a moment later.
        loop {
            match AuditLog::at(self.place.path(), self.key.clone())
                .open()
                .await
            {
                Ok(log) => return Arc::new(log),
                Err(LogError::Locked(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn kept(&self) -> Vec<approvals_core::EventId> {
        let directory = Directory::at(self.place.path());
        let size = directory
            .checkpoint(&[self.key.key().clone()])
            .unwrap()
            .size;
        let entries = (0..size).map(|index| directory.entry(index, size).unwrap());
        let parsed =
            entries.map(|entry| serde_json::from_slice::<serde_json::Value>(&entry).unwrap());
        let events = parsed.filter(|entry| entry["what"] != "repeated");
        events
            .map(|entry| serde_json::from_value(entry["id"].clone()).unwrap())
            .collect()
    }
}

#[tokio::test]
async fn the_log_keeps_every_rule_of_an_audit_sink() {
    let make = || async {
        Arc::new(Reopened {
            place: tempfile::tempdir().unwrap(),
            key: key(),
        }) as Arc<dyn approvals_testing::audit_sink::Kept>
    };
    approvals_testing::audit_sink::conformance(make)
        .await
        .assert_kept();
}

#[tokio::test]
async fn what_is_not_the_trail_of_this_log_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let log = AuditLog::at(place.path(), key()).open().await.unwrap();
    let all = trail(10);
    log.record(&all).await.unwrap();
    // Another event under a number that the log has.
    let other = trail(10);
    let error = log.record(&other[4..5]).await.unwrap_err();
    assert!(
        error.to_string().contains("another event under number 5"),
        "{error}"
    );
    let later = event(12, Timestamp::from_millis(1), None, 0, What::Expired);
    let error = log.record(&[later]).await.unwrap_err();
    assert!(error.to_string().contains("event 11 comes next"), "{error}");
    log.close().await;
}

#[tokio::test]
async fn one_process_writes_a_log() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let log = AuditLog::at(place.path(), key.clone())
        .open()
        .await
        .unwrap();
    let second = AuditLog::at(place.path(), key.clone()).open().await;
    assert!(matches!(second, Err(LogError::Locked(_))));
    log.close().await;
    AuditLog::at(place.path(), key)
        .open()
        .await
        .unwrap()
        .close()
        .await;
}

#[tokio::test]
async fn a_directory_that_holds_something_else_is_refused_and_left_alone() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("novel.txt"), "once upon a time").unwrap();
    let error = AuditLog::at(place.path(), key()).open().await.unwrap_err();
    assert!(matches!(error, LogError::Foreign(_)), "{error}");
    let left = std::fs::read_dir(place.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["novel.txt"]);
}

#[tokio::test]
async fn an_event_too_long_for_an_entry_lies_beside_it_by_its_hash() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let mut all = trail(3);
    all[2].what = What::Withdrawn {
        why: "x".repeat(200_000).into(),
    };
    written(place.path(), &key, &all).await;
    let report = verify(place.path(), key.key()).unwrap();
    assert_eq!((report.entries, report.payloads_missing), (3, 0));
    let entry = Directory::at(place.path()).entry(2, 3).unwrap();
    let entry: serde_json::Value = serde_json::from_slice(&entry).unwrap();
    assert_eq!(entry["what"], "withdrawn");
    let name = entry["payload"]["sha256"].as_str().unwrap().to_owned();
    let path = place.path().join("payload").join(&name);
    let whole: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(whole["why"].as_str().unwrap().len(), 200_000);
    // Changed: found. Destroyed: allowed, and said.
    std::fs::write(&path, "{}").unwrap();
    verify(place.path(), key.key()).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(verify(place.path(), key.key()).unwrap().payloads_missing, 1);
}

/// A key service that can be away.
#[derive(Debug)]
struct Away(
    Arc<approvals_audit::Ed25519Signer>,
    std::sync::atomic::AtomicBool,
);

impl Signer for Away {
    fn key(&self) -> &VerifierKey {
        self.0.key()
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, approvals_audit::SignError> {
        if self.1.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(approvals_audit::SignError::Key("no answer".to_owned()));
        }
        self.0.sign(text)
    }
}

#[tokio::test]
async fn what_could_not_be_signed_or_written_is_not_acknowledged_and_kept_when_offered_again() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("log");
    let signer = Arc::new(Away(key(), false.into()));
    let log = AuditLog::at(&root, signer.clone()).open().await.unwrap();
    let all = trail(600);
    log.record(&all[..10]).await.unwrap();
    let away = |away| signer.1.store(away, std::sync::atomic::Ordering::SeqCst);
    away(true);
    let error = log.record(&all[10..300]).await.unwrap_err();
    assert!(error.to_string().contains("no answer"), "{error}");
    assert_eq!(verify(&root, signer.key()).unwrap().entries, 10);
    away(false);
    log.record(&all[10..300]).await.unwrap();
    // The directory is gone, and comes back.
    let elsewhere = place.path().join("elsewhere");
    std::fs::rename(&root, &elsewhere).unwrap();
    let error = log.record(&all[300..]).await.unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    std::fs::rename(&elsewhere, &root).unwrap();
    log.record(&all[300..]).await.unwrap();
    log.close().await;
    assert_eq!(verify(&root, signer.key()).unwrap().entries, 600);
}

#[test]
fn public_keys_of_the_log_are_sent_between_threads() {
    fn sends<T: Send + Sync>() {}
    sends::<AuditLog>();
    sends::<Directory>();
    sends::<VerifierKey>();
    sends::<Box<dyn Signer>>();
}
