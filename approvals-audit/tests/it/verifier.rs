//! The stand-alone verifier, as it is run.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use approvals_audit::{Directory, EntryProof};

use crate::support::*;

fn run(arguments: &[&str]) -> (i32, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_approvals-audit-verify"))
        .args(arguments)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_log_is_verified_with_its_directory_and_public_key_and_the_first_wrong_entry_is_named() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log");
    let (_, key) = log_of(&log, 600).await;
    let key = key.to_string();
    let (code, said) = run(&["--key", &key, text(&log)]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("as it was signed: example.com/approvals, 600 entries"),
        "{said}"
    );
    assert!(!said.contains("MIND"), "{said}");
    assert_eq!(run(&["-q", "-k", &key, text(&log)]), (0, String::new()));
    let bundle = log.join("tile/entries/001");
    let mut bytes = fs::read(&bundle).unwrap();
    // In its third entry.
    let mut at = 0;
    for _ in 0..2 {
        at += 2 + usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    }
    bytes[at + 30] ^= 1;
    fs::write(&bundle, &bytes).unwrap();
    let (code, said) = run(&["--key", &key, text(&log)]);
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("WRONG: entry 258"), "{said}");
}

#[tokio::test]
async fn a_remembered_checkpoint_is_kept_and_shows_what_was_cut_off_or_rewritten() {
    let place = tempfile::tempdir().unwrap();
    let (log, memory) = (place.path().join("log"), place.path().join("memory"));
    let (key, all) = (key(), trail(600));
    let public = place.path().join("keys");
    fs::write(&public, format!("# ours\n{}\n", key.key())).unwrap();
    use approvals_audit::Signer as _;
    let verify = |log: &Path| run(&["-k", text(&public), "--remember", text(&memory), text(log)]);
    written(&log, &key, &all[..300]).await;
    assert_eq!(verify(&log).0, 0);
    let earlier = fs::read(&memory).unwrap();
    written(&log, &key, &all[300..]).await;
    assert_eq!(verify(&log).0, 0);
    assert_ne!(fs::read(&memory).unwrap(), earlier);
    // Another log by the same key: shorter, and as long.
    let kept = fs::read(&memory).unwrap();
    for (events, why) in [(599, "cut off"), (600, "seen when the log had")] {
        let other = place.path().join(format!("other-{events}"));
        written(&other, &key, &trail(events)).await;
        let (code, said) = verify(&other);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(why), "{said}");
        assert_eq!(
            fs::read(&memory).unwrap(),
            kept,
            "what is wrong is not remembered"
        );
    }
    let seen = place.path().join("seen");
    fs::write(&seen, &earlier).unwrap();
    let key = key.key().to_string();
    assert_eq!(run(&["-k", &key, "--seen", text(&seen), text(&log)]).0, 0);
    fs::write(&seen, "nonsense").unwrap();
    assert_eq!(run(&["-k", &key, "--seen", text(&seen), text(&log)]).0, 1);
}

#[tokio::test]
async fn one_entry_is_verified_by_its_proof_alone() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log");
    let (_, key) = log_of(&log, 600).await;
    let directory = Directory::at(&log);
    let proof = EntryProof::of(&directory, 299, std::slice::from_ref(&key)).unwrap();
    let [proof_file, entry_file] = ["e.tlog-proof", "e.json"].map(|name| place.path().join(name));
    fs::write(&proof_file, proof.to_string()).unwrap();
    fs::write(&entry_file, directory.entry(299, 600).unwrap()).unwrap();
    let key = key.to_string();
    let verify = || run(&["-k", &key, "--entry", text(&entry_file), text(&proof_file)]);
    let (code, said) = verify();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("entry 299 is in the log"), "{said}");
    fs::write(&entry_file, directory.entry(298, 600).unwrap()).unwrap();
    let (code, said) = verify();
    assert_eq!(code, 1, "{said}");
    assert_eq!(run(&["-k", &key, text(&proof_file)]).0, 2);
    let checkpoint = log.join("checkpoint");
    let (code, said) = run(&["-k", &key, text(&checkpoint)]);
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn what_cannot_be_told_is_not_called_sound_or_wrong() {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(&place.path().join("log"), 10).await;
    let key = key.to_string();
    let nowhere = place.path().join("nowhere");
    for arguments in [
        &["-k", &key][..],
        &["-k", &key, text(&nowhere)],
        &["-k", text(&nowhere), text(place.path())],
        &[text(place.path())],
        &["--wrong"],
        &["-k", &key, "--open", "x", text(place.path())],
    ] {
        let (code, said) = run(arguments);
        assert_eq!(code, 2, "{arguments:?}: {said}");
    }
    assert_eq!(run(&["--help"]).0, 0);
    // Signed by somebody else.
    let other = crate::support::key();
    use approvals_audit::Signer as _;
    let log = place.path().join("log");
    assert_eq!(run(&["-k", &other.key().to_string(), text(&log)]).0, 1);
}
