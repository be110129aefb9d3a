//! The programs that make keys and bundles of evidence, as they are run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use approvals_audit::{Ed25519Signer, Signer as _};

use crate::stories::stories;
use crate::support::*;

const EVIDENCE: &str = env!("CARGO_BIN_EXE_approvals-evidence");
const KEY: &str = env!("CARGO_BIN_EXE_approvals-audit-key");

fn run(program: &str, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let code = output.status.code().unwrap();
    (code, String::from_utf8(said).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every file of a bundle.
fn files(root: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn a_key_is_made_that_only_its_owner_can_read_and_never_over_another() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("key");
    let (code, said) = run(KEY, &[ORIGIN, text(&file)]);
    assert_eq!(code, 0, "{said}");
    // `from_file` refuses what others can read.
    let key = Ed25519Signer::from_file(&file).unwrap();
    assert_eq!(said.trim_end(), key.key().to_string());
    let before = fs::read(&file).unwrap();
    let (code, said) = run(KEY, &[ORIGIN, text(&file)]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(fs::read(&file).unwrap(), before);
    let other = place.path().join("other");
    assert_eq!(run(KEY, &["no name", text(&other)]).0, 1);
    assert!(!other.exists());
    assert_eq!(run(KEY, &[]).0, 2);
    assert_eq!(run(KEY, &["--help"]).0, 0);
}

/// A bundle that the program made of a log that it made a key for; the key, the log and the bundle.
async fn made(place: &Path) -> (String, PathBuf, PathBuf) {
    let [file, log, bundle, policy] =
        ["key", "log", "bundle", "policy.cedar"].map(|name| place.join(name));
    let (_, public) = run(KEY, &[ORIGIN, text(&file)]);
    let public = public.trim_end().to_owned();
    let key = Arc::new(Ed25519Signer::from_file(&file).unwrap());
    // From the fourteenth of November 2023 on.
    written(&log, &key, &stories(30, 7).0).await;
    fs::write(&policy, "permit (principal, action, resource);\n").unwrap();
    let version = format!("2026-09={}", text(&policy));
    let (code, said) = run(
        EVIDENCE,
        &[
            "make",
            text(&log),
            text(&bundle),
            "soc2",
            "CC8.1",
            "2023-11-14",
            "2024-03-01",
            &version,
            &public,
        ],
    );
    assert_eq!(code, 0, "{said}");
    (public, log, bundle)
}

/// The commands that a bundle's report prints.
fn printed(bundle: &Path) -> Vec<Vec<String>> {
    let report = fs::read_to_string(bundle.join("report.html")).unwrap();
    let commands = report.match_indices("approvals-evidence ").map(|(at, _)| {
        let command = report[at..].split('<').next().unwrap();
        command.split_whitespace().map(str::to_owned).collect()
    });
    commands.collect()
}

#[tokio::test]
async fn the_commands_that_a_report_prints_verify_its_bundle() {
    let place = tempfile::tempdir().unwrap();
    let (key, log, bundle) = made(place.path()).await;
    let (mut verified, mut compared) = (0, 0);
    for command in printed(&bundle) {
        let arguments: Vec<&str> = command[1..]
            .iter()
            .map(|word| match word.as_str() {
                "DIRECTORY" => text(&bundle),
                "LOG" => text(&log),
                "KEY" => &key,
                other => other,
            })
            .collect();
        let (code, said) = run(EVIDENCE, &arguments);
        assert_eq!(code, 0, "{command:?}: {said}");
        assert!(said.starts_with("OK: "), "{said}");
        verified += usize::from(command[1] == "verify");
        compared += usize::from(command[1] == "compare");
    }
    assert!(verified > 0 && compared > 0, "{:?}", printed(&bundle));
}

#[tokio::test]
async fn a_changed_byte_of_any_file_of_a_bundle_is_found_by_the_printed_command() {
    let place = tempfile::tempdir().unwrap();
    let (key, _, bundle) = made(place.path()).await;
    let mut all = Vec::new();
    files(&bundle, &mut all);
    assert!(all.len() > 8, "{all:?}");
    for file in &all {
        let sound = fs::read(file).unwrap();
        for at in [0, sound.len() / 2, sound.len() - 1] {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            fs::write(file, bytes).unwrap();
            let (code, said) = run(EVIDENCE, &["verify", text(&bundle), &key]);
            assert_eq!(code, 1, "{} at {at}: {said}", file.display());
            assert!(said.starts_with("NOT VERIFIED: "), "{said}");
        }
        fs::write(file, sound).unwrap();
    }
    assert_eq!(run(EVIDENCE, &["verify", text(&bundle), &key]).0, 0);
}

#[tokio::test]
async fn evidence_that_cannot_be_made_as_asked_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let (key, log, bundle) = made(place.path()).await;
    let other = place.path().join("other");
    let stranger = crate::support::key().key().to_string();
    let asked = |directory: &Path, framework: &str, control: &str, from: &str, key: &str| {
        let directory = text(directory);
        run(
            EVIDENCE,
            &[
                "make",
                text(&log),
                directory,
                framework,
                control,
                from,
                "2024-03-01",
                key,
            ],
        )
    };
    for (code, said) in [
        asked(&other, "soc3", "CC8.1", "2023-11-14", &key),
        asked(&other, "soc2", "CC99", "2023-11-14", &key),
        asked(&other, "soc2", "CC8.1", "2023-11-31", &key),
        asked(&other, "soc2", "CC8.1", "2023-02-29", &key),
        asked(&other, "soc2", "CC8.1", "14.11.2023", &key),
        asked(&other, "soc2", "CC8.1", "2023-11-14", "nobody"),
        asked(&other, "soc2", "CC8.1", "2023-11-14", &stranger),
        // Where a bundle is already.
        asked(&bundle, "soc2", "CC8.1", "2023-11-14", &key),
    ] {
        assert_eq!(code, 1, "{said}");
    }
    assert_eq!(run(EVIDENCE, &["make", text(&log)]).0, 2);
    assert_eq!(asked(&other, "soc2", "CC8.1", "2023-11-14", &key).0, 0);
}
