//! Evidence bundles: made from the log, verified without it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use approvals_audit::evidence::{
    Bundle, BundleError, Control, Evidence, Framework, compare, verify,
};
use approvals_audit::{Ed25519Signer, SignedLog, Signer, VerifierKey};
use approvals_core::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::kinds::every_kind;
use crate::stories::{Story, stories};
use crate::support::*;

struct House {
    place: tempfile::TempDir,
    keys: [VerifierKey; 1],
    stories: Vec<Story>,
}

impl House {
    /// The trail's middle has requests that were asked before it.
    async fn of(calls: u64) -> Self {
        let (events, stories) = stories(calls, 7);
        let house = Self::with(&key(), &events).await;
        Self { stories, ..house }
    }

    async fn with(key: &Arc<Ed25519Signer>, events: &[approvals_core::Event]) -> Self {
        let place = tempfile::tempdir().unwrap();
        written(&place.path().join("log"), key, events).await;
        Self {
            keys: [key.key().clone()],
            place,
            stories: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn make(&self, evidence: &Evidence, name: &str) -> Bundle {
        let log = SignedLog::open(self.path("log"), &self.keys).unwrap();
        evidence.write(&log, &self.keys, self.path(name)).unwrap()
    }

    /// A bundle of the middle of the trail.
    fn middle(&self, name: &str) -> Bundle {
        self.make(&self.of_middle(), name)
    }

    fn of_middle(&self) -> Evidence {
        let begins = (10..).find(|at| self.stories[*at].steps.len() > 4).unwrap();
        let (from, until) = (self.stories[begins].at, self.stories[begins + 12].at);
        // In the midst of a request's life.
        let from = Timestamp::from_millis(from.as_millis() + 1);
        Evidence::of(Framework::Nist80053, "AC-3(2)", from, until)
            .unwrap()
            .policy_text("2026-09", "permit <everything>;\n")
            .policy_text("1999-01", "of no event")
    }
}

fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let below = files(&path).into_iter();
            found.extend(below.map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            found.push((name, fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_bundle_is_verified_with_its_directory_and_the_key_alone() {
    let house = House::of(60).await;
    let made = house.middle("bundle");
    assert!(made.events > 10 && made.context == 1, "{made:?}");
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = elsewhere.path().join("bundle");
    fs::rename(house.path("bundle"), &moved).unwrap();
    fs::remove_dir_all(house.path("log")).unwrap();
    assert_eq!(verify(&moved, &house.keys).unwrap(), made);
    let other = verify(&moved, &[key().key().clone()]);
    assert!(
        matches!(other, Err(BundleError::Checkpoint(_))),
        "{other:?}"
    );
    let names: Vec<String> = files(&moved).into_iter().map(|(name, _)| name).collect();
    let policies = names.iter().filter(|name| name.starts_with("policies/"));
    assert_eq!(
        policies.count(),
        1,
        "the text of the version that events name"
    );
}

#[tokio::test]
async fn the_same_log_and_arguments_make_the_same_bundle_to_the_byte() {
    let house = House::of(60).await;
    house.middle("one");
    house.middle("other");
    assert_eq!(files(&house.path("one")), files(&house.path("other")));
    let again = house.of_middle();
    let log = SignedLog::open(house.path("log"), &house.keys).unwrap();
    let occupied = again.write(&log, &house.keys, house.path("one"));
    assert!(matches!(occupied, Err(BundleError::NotEmpty(_))));
}

#[tokio::test]
async fn whatever_is_changed_in_a_bundle_is_found() {
    let house = House::of(40).await;
    house.middle("bundle");
    let root = house.path("bundle");
    for (name, bytes) in files(&root) {
        let path = root.join(&name);
        let mut changed = bytes.clone();
        let middle = changed.len() / 2;
        // A digit, a letter: something that may well still be read.
        changed[middle] = if changed[middle] == b'1' { b'2' } else { b'1' };
        for wrong in [changed, bytes[..bytes.len() - 1].to_vec(), Vec::new()] {
            fs::write(&path, wrong).unwrap();
            verify(&root, &house.keys).expect_err(&name);
        }
        fs::remove_file(&path).unwrap();
        verify(&root, &house.keys).expect_err(&name);
        fs::write(&path, bytes).unwrap();
    }
    verify(&root, &house.keys).unwrap();
    fs::write(root.join("events/note.txt"), "more").unwrap();
    let more = verify(&root, &house.keys);
    assert!(matches!(&more, Err(BundleError::Stranger(name)) if name == "events/note.txt"));
}

#[tokio::test]
async fn a_report_that_says_something_else_than_the_events_is_found() {
    let house = House::of(40).await;
    house.middle("bundle");
    let root = house.path("bundle");
    let report = fs::read_to_string(root.join("report.html")).unwrap();
    let changed = report.replacen(" said no.", " said yes.", 1);
    assert_ne!(changed, report);
    // With the manifest made to fit.
    let hash = |text: &str| approvals_core_hex(&Sha256::digest(text));
    let manifest = fs::read_to_string(root.join("manifest.json")).unwrap();
    let fitting = manifest.replace(&hash(&report), &hash(&changed));
    assert_ne!(fitting, manifest);
    fs::write(root.join("report.html"), changed).unwrap();
    fs::write(root.join("manifest.json"), fitting).unwrap();
    let found = verify(&root, &house.keys);
    assert!(
        matches!(&found, Err(BundleError::Differs(name)) if name == "report.html"),
        "{found:?}"
    );
}

fn approvals_core_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn an_event_that_was_left_out_is_found_against_the_log() {
    let house = House::of(40).await;
    let (whole, part) = (house.path("whole"), house.path("part"));
    let (from, until) = (house.stories[5].at, house.stories[35].at);
    let earlier = house.stories[20].at;
    let of = |until| Evidence::of(Framework::Soc2, "CC8.1", from, until).unwrap();
    house.make(&of(until), "whole");
    house.make(&of(earlier), "part");
    // The same with a period that it does not have: everything else fits.
    let report = fs::read_to_string(part.join("report.html")).unwrap();
    let changed = report.replace(&earlier.to_string(), &until.to_string());
    let hash = |text: &str| approvals_core_hex(&Sha256::digest(text));
    let manifest = fs::read_to_string(part.join("manifest.json")).unwrap();
    let (before, after) = (earlier.as_millis(), until.as_millis());
    let fitting = manifest.replace(&hash(&report), &hash(&changed)).replace(
        &format!("\"until\": {before}"),
        &format!("\"until\": {after}"),
    );
    fs::write(part.join("report.html"), changed).unwrap();
    fs::write(part.join("manifest.json"), fitting).unwrap();
    verify(&part, &house.keys).unwrap();
    compare(&part, house.path("log"), &house.keys).unwrap_err();
    compare(&whole, house.path("log"), &house.keys).unwrap();
    // Also when the log has grown since.
    verify(&whole, &house.keys).unwrap();
}

#[tokio::test]
async fn a_time_that_was_changed_in_the_log_hides_no_event() {
    let house = House::of(300).await;
    let (from, until) = (house.stories[20].at, house.stories[40].at);
    let path = house.path("log/tile/entries/002");
    let mut bytes = fs::read(&path).unwrap();
    let first = bytes
        .windows(6)
        .position(|part| part == b"\"at\":1")
        .unwrap();
    bytes[first + 5] = b'0';
    fs::write(&path, bytes).unwrap();
    let log = SignedLog::open(house.path("log"), &house.keys).unwrap();
    let evidence = Evidence::of(Framework::Soc2, "CC8.1", from, until).unwrap();
    let made = evidence.write(&log, &house.keys, house.path("bundle"));
    assert!(matches!(made, Err(BundleError::Log(_))), "{made:?}");
}

#[tokio::test]
async fn a_bundle_is_compared_with_the_log_as_it_was_then() {
    let (key, (events, _)) = (key(), stories(60, 7));
    let house = House::with(&key, &events[..150]).await;
    let all = Evidence::of(
        Framework::Iso27001,
        "8.15",
        Timestamp::from_millis(0),
        Timestamp::from_millis(1 << 45),
    );
    house.make(&all.unwrap(), "bundle");
    written(&house.path("log"), &key, &events[150..]).await;
    compare(house.path("bundle"), house.path("log"), &house.keys).unwrap();
    let other = House::with(&key, &events[1..160]).await;
    compare(house.path("bundle"), other.path("log"), &house.keys).unwrap_err();
}

#[tokio::test]
async fn every_control_has_a_bundle_of_every_kind_of_event_that_stands() {
    let key = key();
    let mut events = every_kind();
    // One too long for an entry.
    if let approvals_core::What::Finished { summary, .. } = &mut events[29].what {
        *summary = Some("x".repeat(70_000).into());
    }
    let house = House::with(&key, &events).await;
    let (from, until) = (Timestamp::from_millis(0), Timestamp::from_millis(1 << 45));
    let mut made = 0;
    for framework in [
        Framework::Nist80053,
        Framework::FedRamp,
        Framework::Soc2,
        Framework::Iso27001,
    ] {
        for control in Control::of(framework) {
            let evidence = Evidence::of(framework, control.id, from, until).unwrap();
            let name = format!("bundle-{made}");
            let bundle = house.make(&evidence, &name);
            assert!(bundle.events > 0, "{}", control.id);
            assert_eq!(verify(house.path(&name), &house.keys).unwrap(), bundle);
            compare(house.path(&name), house.path("log"), &house.keys).unwrap();
            made += 1;
        }
        assert!(Evidence::of(framework, "XX-1", from, until).is_err());
    }
    assert_eq!(made, 16 + 16 + 6 + 10);
}

#[tokio::test]
async fn nothing_in_a_report_is_markup_of_somebody_elses() {
    let house = House::with(&key(), &every_kind()).await;
    let (from, until) = (Timestamp::from_millis(0), Timestamp::from_millis(1 << 45));
    let evidence = Evidence::of(Framework::FedRamp, "AU-10", from, until).unwrap();
    let evidence = evidence.policy_text("2026-10", "</pre><script>alert(1)</script>\n\u{202e}");
    house.make(&evidence, "bundle");
    let report = fs::read_to_string(house.path("bundle").join("report.html")).unwrap();
    assert!(report.contains("&lt;b&gt;go&lt;/b&gt;"));
    assert!(report.contains("FedRAMP&#39;s parameter names approval"));
    assert!(report.contains("&lt;/pre&gt;&lt;script&gt;"));
    for foreign in [
        "<script", "<b>", "<img", "<link", "src=", "href=", "url(", "\u{202e}",
    ] {
        assert!(!report.contains(foreign), "{foreign}");
    }
    // Every tag is one of ours.
    let tags = report
        .split('<')
        .skip(1)
        .map(|tag| tag.split(['>', ' ']).next().unwrap());
    let known = [
        "!DOCTYPE", "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p",
        "table", "tr", "th", "td", "code", "pre", "section", "br",
    ];
    for tag in tags {
        let name = tag.trim_start_matches('/');
        assert!(known.contains(&name), "{tag}");
    }
}
