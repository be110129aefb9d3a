//! A log that several processes write in turn, and what the store knows of it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use approvals_audit::{AuditLog, Directory, Ed25519Signer, Signer as _};
use approvals_core::memory::MemoryStore;
use approvals_core::{AuditSink as _, RequestStore, SinkId};
use approvals_testing::faults::{Fault, FaultyStore, Method, Script};

use crate::support::*;

fn sink() -> SinkId {
    SinkId::new("log").unwrap()
}

async fn opened(path: &Path, key: &Arc<Ed25519Signer>, store: &Arc<dyn RequestStore>) -> AuditLog {
    let log = AuditLog::at(path, key.clone()).shared(store.clone(), sink());
    log.open().await.unwrap()
}

fn store() -> Arc<dyn RequestStore> {
    Arc::new(MemoryStore::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_write_a_log_in_turn() {
    let place = tempfile::tempdir().unwrap();
    let (key, store, all) = (key(), store(), trail(600));
    let [one, other] = [
        opened(place.path(), &key, &store).await,
        opened(place.path(), &key, &store).await,
    ];
    one.record(&all[..100]).await.unwrap();
    // As soon as the first lets go of it.
    other.record(&all[90..400]).await.unwrap();
    one.record(&all[300..]).await.unwrap();
    one.close().await;
    other.close().await;
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 600);
    let seal = store.seal(&sink()).await.unwrap().unwrap();
    assert!(seal.starts_with("3 600 "), "{seal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_set_back_or_replaced_is_refused_at_hand_over() {
    let place = tempfile::tempdir().unwrap();
    let (key, store, all) = (key(), store(), trail(700));
    let log = place.path().join("log");
    let first = opened(&log, &key, &store).await;
    first.record(&all[..290]).await.unwrap();
    let earlier = place.path().join("earlier");
    copy(&log, &earlier);
    first.record(&all[290..300]).await.unwrap();
    first.close().await;
    // Within one bundle, where the log alone cannot tell.
    let refused = async |path: &Path, why: &str| {
        let log = opened(path, &key, &store).await;
        let error = log.record(&all[300..310]).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        log.close().await;
    };
    refused(&earlier, "set back").await;
    refused(&place.path().join("empty"), "checkpoint is gone").await;
    let other = place.path().join("other");
    written(&other, &key, &trail(300)).await;
    refused(&other, "forked or replaced").await;
    let longer = place.path().join("longer");
    copy(&log, &longer);
    written(&longer, &key, &all[300..310]).await;
    refused(&longer, "the store was set back").await;
    // The log itself goes on.
    let second = opened(&log, &key, &store).await;
    second.record(&all[300..]).await.unwrap();
    second.close().await;
    assert_eq!(verify(&log, key.key()).unwrap().entries, 700);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_write_at_once_because_a_lock_does_not_hold_cannot_fork_the_log() {
    let place = tempfile::tempdir().unwrap();
    let (key, store, all) = (key(), store(), trail(300));
    let log = place.path().join("log");
    let one = opened(&log, &key, &store).await;
    one.record(&all[..100]).await.unwrap();
    // On another machine, which sees the files and not the lock.
    let mirror = place.path().join("mirror");
    copy(&log, &mirror);
    let other = opened(&mirror, &key, &store).await;
    other.record(&all[100..200]).await.unwrap();
    let error = one.record(&all[100..150]).await.unwrap_err();
    assert!(error.to_string().contains("taken the log over"), "{error}");
    let before = verify(&log, key.key()).unwrap();
    assert_eq!(before.entries, 100, "what it wrote was not signed");
    let error = one.record(&all[100..150]).await.unwrap_err();
    assert!(error.to_string().contains("recorded"), "{error}");
    other.record(&all[200..]).await.unwrap();
    other.close().await;
    one.close().await;
    assert_eq!(verify(&mirror, key.key()).unwrap().entries, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_and_not_signed_is_completed_exactly() {
    // Over the end of a bundle, within one, and from nothing.
    for (from, to) in [(0, 3), (100, 150), (200, 600), (250, 256), (256, 512)] {
        let place = tempfile::tempdir().unwrap();
        let (key, inner, all) = (key(), store(), trail(620));
        let log = place.path().join("log");
        let script = Arc::new(Script::new());
        let faulty = FaultyStore::new(inner.clone(), script.clone());
        let faulty: Arc<dyn RequestStore> = Arc::new(faulty);
        let first = opened(&log, &key, &faulty).await;
        if from > 0 {
            first.record(&all[..from]).await.unwrap();
        } else {
            // Opens it, and has nothing to say.
            first.record(&[]).await.unwrap();
        }
        // It is recorded, and whoever was to sign it never hears of it.
        script.every(Method::SwapSeal, Fault::LostAnswer);
        first.record(&all[from..to]).await.unwrap_err();
        script.heal();
        assert_eq!(verify(&log, key.key()).unwrap().entries, from as u64);
        first.close().await;
        // Cut short, it is refused; whole, it is completed.
        let torn = place.path().join("torn");
        copy(&log, &torn);
        let last = torn.join("open").join(((to - 1) / 256).to_string());
        let bytes = fs::read(&last).unwrap();
        fs::write(&last, &bytes[..bytes.len() - 1]).unwrap();
        let changed = place.path().join("changed");
        copy(&log, &changed);
        let last = changed.join("open").join(((to - 1) / 256).to_string());
        let mut bytes = fs::read(&last).unwrap();
        let end = bytes.len() - 10;
        bytes[end] ^= 1;
        fs::write(&last, bytes).unwrap();
        for (bad, why) in [(&torn, "set back"), (&changed, "not those")] {
            let log = opened(bad, &key, &inner).await;
            let error = log.record(&all[to..]).await.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            log.close().await;
        }
        let second = opened(&log, &key, &inner).await;
        second.record(&all[from..from + 1]).await.unwrap();
        assert_eq!(verify(&log, key.key()).unwrap().entries, to as u64);
        second.record(&all[from..]).await.unwrap();
        second.close().await;
        let report = verify(&log, key.key()).unwrap();
        assert_eq!(report.entries, 620);
        let directory = Directory::at(&log);
        for (index, event) in (0..).zip(&all) {
            let entry = directory.entry(index, 620).unwrap();
            let entry: serde_json::Value = serde_json::from_slice(&entry).unwrap();
            assert_eq!(entry["number"], event.number);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_record_how_far_a_log_is_releases_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (key, inner, all) = (key(), store(), trail(30));
    let script = Arc::new(Script::new());
    let faulty: Arc<dyn RequestStore> = Arc::new(FaultyStore::new(inner, script.clone()));
    let log = opened(place.path(), &key, &faulty).await;
    script.every(Method::Seal, Fault::Before);
    log.record(&all[..10]).await.unwrap_err();
    script.heal();
    log.record(&all[..10]).await.unwrap();
    script.every(Method::SwapSeal, Fault::Before);
    log.record(&all[10..20]).await.unwrap_err();
    script.heal();
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 10);
    log.record(&all[10..]).await.unwrap();
    log.close().await;
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 30);
}
