//! Exports: every kind of event in every form, once and again.

use std::path::Path;

use approvals_audit::export::{Export, ExportError, FileDestination, Format, WriterDestination};
use approvals_audit::{AuditLog, Directory, Signer, VerifierKey};
use approvals_core::AuditSink;
use serde_json::Value;

use crate::kinds::every_kind;
use crate::support::*;

/// What an export of the whole log writes.
async fn exported(path: &Path, key: &VerifierKey, format: Format) -> String {
    let mut to = WriterDestination::to(Vec::new());
    let export = Export::of(path, [key.clone()], format);
    export.run(&mut to).await.unwrap();
    String::from_utf8(to.into_inner().unwrap()).unwrap()
}

async fn log_of_every_kind(path: &Path) -> VerifierKey {
    let key = key();
    written(path, &key, &every_kind()).await;
    key.key().clone()
}

fn parsed(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn every_kind_of_event_is_exported_in_every_form_under_its_own_id() {
    let place = tempfile::tempdir().unwrap();
    let key = log_of_every_kind(place.path()).await;
    let events = every_kind();
    let ids = |text: &str, pointer: &str| -> Vec<String> {
        let lines = parsed(text);
        let ids = lines.iter().map(|line| line.pointer(pointer).unwrap());
        ids.map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    let lines = exported(place.path(), &key, Format::JsonLines).await;
    let known = ids(&lines, "/id");
    assert_eq!(known.len(), events.len());
    for (format, pointer) in [
        (Format::Ocsf, "/metadata/uid"),
        (Format::CloudEvents, "/id"),
    ] {
        let text = exported(place.path(), &key, format).await;
        assert_eq!(ids(&text, pointer), known, "{format:?}");
        let again = exported(place.path(), &key, format).await;
        assert_eq!(again, text, "an export is the same each time");
    }
    let rows = exported(place.path(), &key, Format::Csv).await;
    assert_eq!(rows.lines().count(), known.len() + 1);
    for (row, id) in rows.lines().skip(1).zip(&known) {
        assert!(row.contains(id));
    }
}

#[tokio::test]
async fn lines_of_json_are_the_bytes_that_were_hashed() {
    let place = tempfile::tempdir().unwrap();
    let key = log_of_every_kind(place.path()).await;
    let directory = Directory::at(place.path());
    let size = every_kind().len() as u64;
    let lines = exported(place.path(), &key, Format::JsonLines).await;
    for (index, line) in (0..size).zip(lines.lines()) {
        assert_eq!(line.as_bytes(), directory.entry(index, size).unwrap());
    }
}

#[tokio::test]
async fn ocsf_says_of_every_kind_what_came_of_it() {
    let place = tempfile::tempdir().unwrap();
    let key = log_of_every_kind(place.path()).await;
    let events = parsed(&exported(place.path(), &key, Format::Ocsf).await);
    if let Ok(beside) = std::env::var("APPROVALS_OCSF_EVENTS") {
        let text = exported(place.path(), &key, Format::Ocsf).await;
        std::fs::write(Path::new(&beside).join("events.jsonl"), text).unwrap();
    }
    let mut told = Vec::new();
    for event in &events {
        let of = |name: &str| event[name].as_u64().unwrap();
        assert_eq!(of("class_uid"), 6003);
        assert_eq!(of("type_uid"), of("class_uid") * 100 + of("activity_id"));
        assert_eq!(event["metadata"]["log_name"], ORIGIN);
        let profiles = event["metadata"]["profiles"].as_array().unwrap();
        assert_eq!(
            profiles.contains(&"trace".into()),
            event["trace"].is_object()
        );
        assert!(event["actor"].is_object() && event["src_endpoint"].is_object());
        let leaf = &event["attestation_list"][0]["fingerprint"]["value"];
        assert_eq!(leaf.as_str().unwrap().len(), 64);
        told.push(format!(
            "{} {}/{} severity {} {}{}",
            event["activity_name"].as_str().unwrap(),
            of("action_id"),
            of("disposition_id"),
            of("severity_id"),
            event["status"].as_str().unwrap(),
            if event["is_alert"] == true {
                " alert"
            } else {
                ""
            },
        ));
    }
    assert_eq!(
        told,
        [
            "allowed 1/1 severity 1 Success",
            "refused 2/2 severity 4 Failure",
            "refused 2/27 severity 2 Failure",
            "requested 4/14 severity 4 Pending",
            "requested_under_grant 1/8 severity 4 Success",
            "grant_used 3/17 severity 4 Success",
            "voted 3/8 severity 4 Success",
            "voted 3/17 severity 4 Success",
            "voted 3/8 severity 4 Success",
            "voted 3/25 severity 4 Success",
            "voted 3/8 severity 4 Success alert",
            "vote_refused 2/26 severity 4 Failure alert",
            "vote_refused 2/26 severity 4 Failure",
            "stage_opened 4/14 severity 4 Pending",
            "widened 4/14 severity 4 Pending",
            "reminded 4/14 severity 4 Pending",
            "approved 1/8 severity 4 Success",
            "glass_broken 1/8 severity 4 Success alert",
            "reviewed_afterwards 3/17 severity 4 Success",
            "denied 2/25 severity 4 Failure",
            "denied_with 2/25 severity 4 Failure",
            "withdrawn 2/2 severity 4 Failure",
            "expired 2/2 severity 4 Failure",
            "lapsed 2/2 severity 4 Failure",
            "revoked 2/24 severity 4 Failure",
            "claimed 3/17 severity 4 Success",
            "claim_released 3/17 severity 4 Success",
            "lease_lost 3/17 severity 4 Success",
            "started 3/17 severity 4 Success",
            "finished 3/17 severity 4 Success",
            "finished 3/17 severity 4 Failure",
            "finished_late 3/17 severity 4 Success",
            "in_doubt 2/27 severity 4 Failure alert",
            "resolved 3/17 severity 4 Success",
            "grant_closed 2/24 severity 4 Failure",
            "frozen 2/2 severity 4 Failure alert",
            "thawed 3/9 severity 2 Success",
        ]
    );
    let version = &events[0]["authorizations"][0]["policy"]["version"];
    assert_eq!(version, "2026-10", "of a call that policy allowed");
    // A refusal names its rules as a verdict does.
    let refused = events
        .iter()
        .find(|event| event["activity_name"] == "refused" && event["authorizations"].is_array());
    let rule = &refused.unwrap()["authorizations"][0];
    assert_eq!(rule["policy"]["uid"], "no-drops");
    assert_eq!(rule["decision"], "blocked");
    // What a request was asked is told with each of its events.
    let denied = events
        .iter()
        .find(|event| event["activity_name"] == "denied");
    let denied = denied.unwrap();
    assert_eq!(denied["api"]["operation"], "db.export");
    assert_eq!(denied["resources"][0]["uid"], "db/customers");
    assert_eq!(denied["ai_agent"]["uid"], "agent:exporter");
    assert_eq!(denied["actor"]["user"]["uid"], "person:alice");
    assert_eq!(
        denied["authorizations"][0]["policy"]["uid"],
        "exports-need-a-senior"
    );
    assert_eq!(denied["authorizations"][0]["policy"]["version"], "2026-10");
    assert_eq!(denied["unmapped"]["acting_for"][0], "person:bob");
    assert_eq!(denied["trace"]["uid"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[tokio::test]
async fn cloud_events_have_what_the_envelope_requires_and_the_event_whole() {
    let place = tempfile::tempdir().unwrap();
    let key = log_of_every_kind(place.path()).await;
    let lines = exported(place.path(), &key, Format::JsonLines).await;
    let events = parsed(&exported(place.path(), &key, Format::CloudEvents).await);
    for (event, line) in events.iter().zip(parsed(&lines)) {
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["source"], "approvals://example.com/approvals");
        assert!(event["id"].as_str().unwrap().starts_with("evt_"));
        assert_eq!(event["data"], line);
        let kind = event["type"].as_str().unwrap();
        let named = line["what"].as_str().unwrap();
        assert!(
            kind.starts_with("dev.approvals.") && kind.ends_with(named),
            "{kind}"
        );
        assert_eq!(
            event.get("subject"),
            line.get("request").filter(|r| r.is_string())
        );
    }
}

#[tokio::test]
async fn no_cell_of_a_csv_export_is_a_formula() {
    let place = tempfile::tempdir().unwrap();
    let key = log_of_every_kind(place.path()).await;
    let rows = exported(place.path(), &key, Format::Csv).await;
    assert!(rows.contains("\"'=cmd|' /C calc'!A0\\u{d}\\u{a}second line\""));
    assert!(rows.contains("\"'@mallory\""));
    for row in rows.lines().skip(1) {
        assert!(row.starts_with('"') && row.ends_with('"'));
        assert_eq!(row.split("\",\"").count(), 25, "{row}");
        for cell in row.trim_matches('"').split("\",\"") {
            assert!(
                !cell.trim_start().starts_with(['=', '+', '-', '@']),
                "{cell}"
            );
        }
    }
}

#[tokio::test]
async fn an_export_goes_on_where_the_last_one_ended() {
    let place = tempfile::tempdir().unwrap();
    let (log, out) = (place.path().join("log"), place.path().join("out"));
    let (key, events) = (key(), trail(700));
    written(&log, &key, &events[..300]).await;
    let public = key.key().clone();
    let export = Export::of(&log, [public.clone()], Format::Ocsf)
        .cursor(place.path().join("cursor"))
        .batches_of(64, 1 << 20);
    let mut to = FileDestination::append_to(&out);
    let first = export.run(&mut to).await.unwrap();
    assert_eq!((first.delivered, first.next), (300, 300));
    assert_eq!(export.run(&mut to).await.unwrap().delivered, 0);
    written(&log, &key, &events[300..]).await;
    let second = export.run(&mut to).await.unwrap();
    assert_eq!((second.delivered, second.next), (400, 700));
    // Also what an event says of a request that was asked before the cursor.
    let text = std::fs::read_to_string(&out).unwrap();
    assert_eq!(text, exported(&log, &public, Format::Ocsf).await);
}

#[tokio::test]
async fn what_a_crash_left_of_a_line_is_removed_and_delivered_whole() {
    let place = tempfile::tempdir().unwrap();
    let (log, out) = (place.path().join("log"), place.path().join("out"));
    let (_, public) = log_of(&log, 20).await;
    for format in [Format::JsonLines, Format::Csv] {
        let whole = exported(&log, &public, format).await;
        std::fs::write(&out, &whole[..whole.find('\n').unwrap() + 10]).unwrap();
        let mut to = FileDestination::append_to(&out);
        let export = Export::of(&log, [public.clone()], format);
        export.run(&mut to).await.unwrap();
        let text = std::fs::read_to_string(&out).unwrap();
        let begins = &whole[..=whole.find('\n').unwrap()];
        let expected = match format {
            Format::Csv => whole,
            _ => format!("{begins}{whole}"),
        };
        assert_eq!(text, expected);
    }
}

#[tokio::test]
async fn a_log_that_is_not_the_one_exported_from_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let (log, cursor) = (place.path().join("log"), place.path().join("cursor"));
    let (key, events) = (key(), trail(600));
    written(&log, &key, &events).await;
    let export = |format| Export::of(&log, [key.key().clone()], format).cursor(&cursor);
    let mut to = WriterDestination::to(Vec::new());
    export(Format::JsonLines).run(&mut to).await.unwrap();
    let other_form = export(Format::Csv).run(&mut to).await;
    assert!(matches!(other_form, Err(ExportError::Cursor { .. })));
    for other in [trail(600), events[..500].to_vec()] {
        std::fs::remove_dir_all(&log).unwrap();
        written(&log, &key, &other).await;
        let ended = export(Format::JsonLines).run(&mut to).await;
        assert!(
            matches!(ended, Err(ExportError::OtherLog { size: 600 })),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn an_entry_that_is_not_the_signed_one_does_not_leave() {
    let place = tempfile::tempdir().unwrap();
    let (_, public) = log_of(place.path(), 600).await;
    let path = place.path().join("tile/entries/001");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|part| part == b"alice").unwrap();
    bytes[at] = b'm';
    std::fs::write(&path, bytes).unwrap();
    let mut to = WriterDestination::to(Vec::new());
    let export = Export::of(place.path(), [public], Format::Ocsf).batches_of(256, usize::MAX);
    let ended = export.run(&mut to).await;
    assert!(matches!(ended, Err(ExportError::Log(_))), "{ended:?}");
    let delivered = String::from_utf8(to.into_inner().unwrap()).unwrap();
    assert_eq!(delivered.lines().count(), 256, "those of the bundle before");
}

#[tokio::test]
async fn events_beside_their_entry_are_exported_whole_and_destroyed_ones_are_told() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let mut events = trail(6);
    let long = "x".repeat(70_000);
    if let approvals_core::What::Finished { summary, .. } = &mut events[5].what {
        *summary = Some(long.as_str().into());
    }
    written(place.path(), &key, &events).await;
    let public = key.key().clone();
    for format in [
        Format::Ocsf,
        Format::CloudEvents,
        Format::JsonLines,
        Format::Csv,
    ] {
        assert!(
            exported(place.path(), &public, format)
                .await
                .contains(&long)
        );
    }
    std::fs::remove_dir_all(place.path().join("payload")).unwrap();
    let events = parsed(&exported(place.path(), &public, Format::Ocsf).await);
    assert_eq!(events[5]["activity_name"], "finished");
    assert!(events[5]["message"].as_str().unwrap().contains("destroyed"));
}

#[tokio::test]
async fn two_exports_do_not_share_a_cursor() {
    let place = tempfile::tempdir().unwrap();
    let (log, cursor) = (place.path().join("log"), place.path().join("cursor"));
    let key = key();
    let writer = AuditLog::at(&log, key.clone()).open().await.unwrap();
    writer.record(&trail(3)).await.unwrap();
    let lock = std::fs::File::create(place.path().join("cursor.lock")).unwrap();
    lock.lock().unwrap();
    let export = Export::of(&log, [key.key().clone()], Format::Csv).cursor(&cursor);
    let mut to = WriterDestination::to(Vec::new());
    let ended = export.run(&mut to).await;
    assert!(matches!(ended, Err(ExportError::InUse(_))));
    drop(lock);
    export.run(&mut to).await.unwrap();
}

#[tokio::test]
async fn a_sensitive_value_leaves_the_log_as_its_commitment_in_every_form() {
    use crate::sensitive::{SECRET, life};

    let (place, key) = (tempfile::tempdir().unwrap(), key());
    let log = AuditLog::at(place.path(), key.clone()).sensitive(["patient", "subject"]);
    let log = log.open().await.unwrap();
    log.record(&life()).await.unwrap();
    log.close().await;
    let public = key.key().clone();
    for format in [
        Format::Ocsf,
        Format::CloudEvents,
        Format::JsonLines,
        Format::Csv,
    ] {
        let text = exported(place.path(), &public, format).await;
        assert!(text.contains("sample.export"), "{format:?}");
        assert!(text.contains("committed:"), "{format:?}");
        assert!(!text.contains(SECRET), "{format:?}");
    }
}
