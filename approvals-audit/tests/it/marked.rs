//! Values that the author of an action marked as sensitive: no setting of the log names them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use approvals_audit::{AuditLog, Directory, Signer as _};
use approvals_core::call::CallBuilder;
use approvals_core::{AuditSink as _, Event, What};
use approvals_testing::sample::person;

use crate::sensitive::{SECRET, bytes_of, has, life, life_of};
use crate::support::*;

fn marked(call: CallBuilder) -> CallBuilder {
    call.sensitive("patient").sensitive("age")
}

/// What lies beside the values that only the owner reads.
fn bytes_outside(place: &Path) -> Vec<u8> {
    let found = std::fs::read_dir(place).unwrap().map(Result::unwrap);
    let outside = found.filter(|entry| entry.file_name() != "value");
    outside
        .flat_map(|entry| match entry.file_type().unwrap().is_dir() {
            true => bytes_of(&entry.path()),
            false => std::fs::read(entry.path()).unwrap(),
        })
        .collect()
}

#[tokio::test]
async fn a_marked_value_is_in_clear_in_the_private_store_alone_and_nowhere_once_it_is_shredded() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), life_of(marked));
    // By a process for each event: what was marked is known to all of them.
    for event in &all {
        written(place.path(), &key, std::slice::from_ref(event)).await;
    }
    let What::Requested { asked } = &all[0].what else {
        panic!("the first event of a life is no request");
    };
    let hashes = [asked.digest, asked.shown].map(|hash| hash.to_string());
    let told = [SECRET, "jane.doe", "4711", &hashes[0], &hashes[1]];
    let outside = bytes_outside(place.path());
    for told in told {
        assert!(!has(&outside, told), "{told}");
    }
    // Which names are marked is no secret, and neither is the rest.
    let directory = Directory::at(place.path());
    let first = directory.entry(0, 6).unwrap();
    assert!(has(&first, "\"sensitive\":[\"age\",\"patient\"]"));
    assert!(has(&first, "run-1") && has(&first, "\"eu\""));
    let request = all[0].request.unwrap().to_string();
    let disclosed = directory.disclosures(&request).unwrap();
    let of = |name| disclosed.iter().find(|known| known.name() == name).unwrap();
    let patient = of("/asked/call/arguments/patient");
    assert_eq!(patient.value(), SECRET);
    patient.verify(&first).unwrap();
    assert!(has(&bytes_of(&place.path().join("value")), SECRET));
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 6);
    assert!(directory.shred(&request).unwrap() > 0);
    let left = bytes_of(place.path());
    for told in told {
        assert!(!has(&left, told), "{told}");
    }
    assert_eq!(directory.shred(&request).unwrap(), 0);
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 6);
}

#[tokio::test]
async fn other_values_for_a_marked_argument_are_committed_to_also_when_its_own_is_gone_or_is_none()
{
    const OTHER: &str = "john.roe@example.org";
    let without = |call: CallBuilder| call.argument("cc", &None::<&str>).sensitive("cc");
    for (shreds, mark) in [
        (false, "patient"),
        (true, "patient"),
        (false, "cc"),
        (true, "cc"),
    ] {
        let place = tempfile::tempdir().unwrap();
        let (key, mut all) = (key(), life_of(|call| marked(without(call))));
        let proposal = BTreeMap::from([
            (mark.to_owned(), OTHER.into()),
            ("rows".to_owned(), 5.into()),
        ]);
        all.truncate(2);
        all[1].what = What::Denied {
            by: person("alice"),
            comment: None,
            proposal: Some(Arc::new(proposal)),
        };
        written(place.path(), &key, &all[..1]).await;
        let directory = Directory::at(place.path());
        if shreds {
            let request = all[0].request.unwrap().to_string();
            assert!(directory.shred(&request).unwrap() > 0);
        }
        written(place.path(), &key, &all[1..]).await;
        assert!(!has(&bytes_outside(place.path()), OTHER), "{mark} {shreds}");
        let denied = directory.entry(1, 2).unwrap();
        let denied: serde_json::Value = serde_json::from_slice(&denied).unwrap();
        assert!(denied["committed"][format!("/proposal/{mark}")].is_string());
        // With nothing left to compare with, whatever somebody says may tell what was destroyed.
        assert_eq!(denied["proposal"]["rows"] == 5, !shreds);
        assert_eq!(denied["committed"]["/proposal/rows"].is_string(), shreds);
        // What comes after shredding is not kept.
        let kept = directory.disclosures(&all[0].request.unwrap().to_string());
        assert_eq!(kept.unwrap().is_empty(), shreds, "{mark}");
    }
}

#[tokio::test]
async fn marks_and_the_logs_own_settings_are_both_held() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), life_of(|call| call.sensitive("age")));
    let log = AuditLog::at(place.path(), key.clone()).sensitive(["patient"]);
    let log = log.open().await.unwrap();
    log.record(&all).await.unwrap();
    log.close().await;
    let outside = bytes_outside(place.path());
    for told in [SECRET, "4711"] {
        assert!(!has(&outside, told), "{told}");
    }
}

#[tokio::test]
async fn a_log_of_calls_without_marks_says_what_it_always_said_and_keeps_nothing_apart() {
    let place = tempfile::tempdir().unwrap();
    let (key, all): (_, Vec<Event>) = (key(), life());
    written(place.path(), &key, &all).await;
    assert!(!place.path().join("value").exists());
    let first = Directory::at(place.path()).entry(0, 6).unwrap();
    assert!(has(&first, SECRET) && !has(&first, "\"sensitive\""));
}
