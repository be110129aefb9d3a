//! Values that enter the log as commitments, and what is left when they are destroyed.

use std::path::Path;
use std::sync::Arc;

use approvals_audit::{AuditLog, Directory, Disclosure, EntryProof, Signer as _};
use approvals_core::call::{CallBuilder, Declaration};
use approvals_core::review::Asked;
use approvals_core::{AuditSink as _, Call, Event, Presentation, Reasons, Timestamp, What};
use approvals_testing::sample::{Sample, requester};

use crate::support::*;

pub(crate) const SECRET: &str = "jane.doe@example.org";

/// The life of a request whose argument, label, summary, comments and rules tell who it is about.
pub(crate) fn life() -> Vec<Event> {
    life_of(|call| call)
}

/// The same, of a call that has this as well.
pub(crate) fn life_of(more: impl FnOnce(CallBuilder) -> CallBuilder) -> Vec<Event> {
    let mut all = trail(6);
    let What::Requested { asked } = &all[0].what else {
        panic!("the first event of a life is no request");
    };
    let declaration: &Arc<Declaration> = asked.call.declaration();
    let call = Call::of(Arc::clone(declaration), requester())
        .argument("patient", SECRET)
        .argument("age", &4711)
        .argument("note", &["call", "jane.doe@example.org first"])
        .argument("rows", &10)
        .resource(format!("patients/{SECRET}"))
        .label("subject", SECRET)
        .label("region", "eu")
        .summary(format!("exports {SECRET}"))
        .key("run-1");
    let call = Arc::new(more(call).build().unwrap());
    let mut asked = Asked {
        digest: call.digest(),
        shown: call.digest(),
        call,
        ..Asked::clone(asked)
    };
    asked.shown = Presentation::of(&asked).hash();
    let shown_hash = asked.shown;
    all[0].what = What::Requested {
        asked: Arc::new(asked),
    };
    let What::Voted { vote, shown, .. } = &mut all[1].what else {
        panic!("the second event of a life is no vote");
    };
    *shown = shown_hash;
    Arc::make_mut(vote).comment = Some(format!("fine for {SECRET}").into());
    let What::Finished { summary, .. } = &mut all[5].what else {
        panic!("the last event of a life is no outcome");
    };
    *summary = Some(format!("sent to {SECRET}").into());
    all
}

/// Every byte of every file, and every name.
pub(crate) fn bytes_of(place: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(place).unwrap() {
        let entry = entry.unwrap();
        all.extend(entry.file_name().as_encoded_bytes());
        if entry.file_type().unwrap().is_dir() {
            all.extend(bytes_of(&entry.path()));
        } else {
            all.extend(std::fs::read(entry.path()).unwrap());
        }
    }
    all
}

pub(crate) fn has(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

async fn opened(path: &Path, key: &Arc<approvals_audit::Ed25519Signer>) -> AuditLog {
    let log = AuditLog::at(path, key.clone());
    log.sensitive(["patient", "age", "subject"])
        .open()
        .await
        .unwrap()
}

fn json(directory: &Directory, index: u64, size: u64) -> serde_json::Value {
    serde_json::from_slice(&directory.entry(index, size).unwrap()).unwrap()
}

#[tokio::test]
async fn a_sensitive_value_enters_as_a_commitment_and_shredding_leaves_every_proof_valid() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), life());
    let log = opened(place.path(), &key).await;
    // In pieces, as a gate hands them over; and again, as it does after a lost answer.
    log.record(&all[..1]).await.unwrap();
    log.record(&all[..2]).await.unwrap();
    log.record(&all).await.unwrap();
    log.close().await;
    let keys = [key.key().clone()];
    let directory = Directory::at(place.path());
    let request = all[0].request.unwrap().to_string();
    let (What::Requested { asked }, text) = (&all[0].what, bytes_of(place.path())) else {
        panic!("the first event of a life is no request");
    };
    // No entry tells it, nor anything that it could be guessed by.
    let entries: Vec<u8> = (0..6)
        .flat_map(|n| directory.entry(n, 6).unwrap())
        .collect();
    let hashes = [asked.digest, asked.shown].map(|hash| hash.to_string());
    for told in [SECRET, "4711", &hashes[0], &hashes[1]] {
        assert!(!has(&entries, told), "{told}");
    }
    assert!(has(&entries, "run-1") && has(&entries, "\"eu\""));
    let requested = json(&directory, 0, 6);
    assert_eq!(requested["asked"]["shown"], json(&directory, 1, 6)["shown"]);
    // Core reads what is left.
    let read: Event = serde_json::from_value(requested.clone()).unwrap();
    assert!(matches!(read.what, What::Requested { .. }));
    // Disclosed, it is what it was.
    let disclosed = directory.disclosures(&request).unwrap();
    let patient = disclosed
        .iter()
        .find(|known| known.name() == "/asked/call/arguments/patient")
        .unwrap();
    assert_eq!(patient.value(), SECRET);
    let first = directory.entry(0, 6).unwrap();
    assert_eq!(patient.verify(&first).unwrap(), [patient.name()]);
    patient.verify(&directory.entry(1, 6).unwrap()).unwrap_err();
    assert!(Disclosure::parse(patient.text()).unwrap() == *patient);
    let another = Disclosure::parse("WyJzYWx0IiwiL2NhbGwiLDFd").unwrap();
    another.verify(&first).unwrap_err();
    for (name, hash) in [("digest", asked.digest), ("shown", asked.shown)] {
        let of = disclosed.iter().find(|known| known.name() == name).unwrap();
        assert_eq!(of.value(), &hash.to_string());
        of.verify(&first).unwrap();
    }
    let shown = directory.sensitive_presentation(&request).unwrap().unwrap();
    assert!(has(&shown, SECRET));
    // Some of it lies beside the log; proofs are made before and after it is gone.
    let disclosure = patient.text().to_owned();
    assert!(has(&text, &disclosure));
    let before: Vec<_> = (0..6)
        .map(|n| EntryProof::of(&directory, n, &keys).unwrap())
        .collect();
    assert!(directory.shred(&request).unwrap() >= disclosed.len());
    let left = bytes_of(place.path());
    for known in &disclosed {
        assert!(!has(&left, known.text()));
    }
    for told in [
        SECRET,
        "4711",
        "jane.doe",
        &hashes[0],
        &hashes[1],
        &disclosure,
    ] {
        assert!(!has(&left, told), "{told}");
    }
    assert_eq!(directory.shred(&request).unwrap(), 0);
    let report = verify(place.path(), key.key()).unwrap();
    assert_eq!((report.entries, report.open_requests), (6, 0));
    for (n, proof) in (0..).zip(&before) {
        let entry = directory.entry(n, 6).unwrap();
        proof.verify(&entry, &keys).unwrap();
        EntryProof::of(&directory, n, &keys)
            .unwrap()
            .verify(&entry, &keys)
            .unwrap();
    }
}

#[tokio::test]
async fn what_comes_after_shredding_is_not_kept_either() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), life());
    let log = opened(place.path(), &key).await;
    log.record(&all[..1]).await.unwrap();
    let request = all[0].request.unwrap().to_string();
    log.directory().shred(&request).unwrap();
    log.record(&all[1..2]).await.unwrap();
    log.close().await;
    let What::Voted { shown, .. } = &all[1].what else {
        panic!("the second event of a life is no vote");
    };
    let bytes = bytes_of(place.path());
    assert!(!has(&bytes, &shown.to_string()));
    // Also where somebody quotes it who has seen it.
    assert!(serde_json::to_string(&all[1]).unwrap().contains(SECRET));
    assert!(!has(&bytes, SECRET));
    assert!(
        Directory::at(place.path())
            .disclosures(&request)
            .unwrap()
            .is_empty()
    );
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 2);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_of_a_log_reads_what_is_sensitive() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), life());
    let log = opened(place.path(), &key).await;
    log.record(&all).await.unwrap();
    log.close().await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let values = place.path().join("value");
    let of = values.join(all[0].request.unwrap().to_string());
    assert_eq!((mode(&values), mode(&of)), (0o700, 0o700));
    for file in std::fs::read_dir(of).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn what_reviewers_were_shown_lies_beside_the_log_by_its_hash() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    // Over the end of a bundle.
    let all = trail(600);
    written(place.path(), &key, &all).await;
    let directory = Directory::at(place.path());
    let report = verify(place.path(), key.key()).unwrap();
    assert_eq!(report.presentations_missing, 0);
    for (index, event) in (0..).zip(&all) {
        if let What::Requested { asked } = &event.what {
            let shown = directory.presentation(index, asked.shown).unwrap().unwrap();
            assert_eq!(shown, Presentation::of(asked).hashed());
        }
    }
    // Half a line that a crash left harms nothing; a changed one is missing.
    let path = place.path().join("shown/2");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend(b"approvals/presentation/v1\0{\"act");
    std::fs::write(&path, &bytes).unwrap();
    let mut more = trail(612);
    for (event, known) in more.iter_mut().zip(&all) {
        *event = known.clone();
    }
    written(place.path(), &key, &more).await;
    assert_eq!(
        verify(place.path(), key.key())
            .unwrap()
            .presentations_missing,
        0
    );
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(
        verify(place.path(), key.key())
            .unwrap()
            .presentations_missing,
        1
    );
}

#[tokio::test]
async fn a_call_that_policy_decides_alone_has_its_sensitive_values_by_its_own_id() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let sample = Sample::at(Timestamp::from_millis(1)).table(SECRET);
    let refused = What::Refused {
        action: "sample.export".parse().unwrap(),
        requester: Some(requester()),
        call: Some(Arc::new(sample.call())),
        kind: approvals_core::Kind::DeniedByPolicy,
        why: format!("nobody may export `{SECRET}`").into(),
        reasons: Reasons::rule("no-export", &format!("`{SECRET}` stays here")).unwrap(),
        policy_version: None,
    };
    let event = event(1, Timestamp::from_millis(1), None, 0, refused);
    let log = AuditLog::at(place.path(), key.clone()).sensitive(["table"]);
    let log = log.open().await.unwrap();
    log.record(std::slice::from_ref(&event)).await.unwrap();
    log.close().await;
    let directory = Directory::at(place.path());
    let entry = directory.entry(0, 1).unwrap();
    assert!(!has(&entry, SECRET));
    let entry: serde_json::Value = serde_json::from_slice(&entry).unwrap();
    assert_eq!(entry["reasons"][0]["id"], "no-export");
    for place in ["/why", "/reasons/0/why", "/call/arguments/table"] {
        assert!(entry["committed"][place].is_string(), "{place}");
    }
    assert!(directory.shred(&event.id.to_string()).unwrap() >= 2);
    assert!(!has(&bytes_of(place.path()), SECRET));
    directory.shred("../open").unwrap_err();
}
