//! Notes and keys.

use std::sync::Arc;

use approvals_audit::{
    AuditLog, Ed25519Signer, LogError, Note, NoteError, Signer, SigningKeyError, VerifierKey,
};

use crate::support::*;

const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

#[test]
fn the_published_note_is_verified_and_no_other() {
    let keys = [VerifierKey::parse(VKEY).unwrap()];
    assert_eq!(keys[0].to_string(), VKEY);
    let note = Note::parse(NOTE.as_bytes()).unwrap();
    assert_eq!(note.verify(&keys).unwrap(), [&keys[0]]);
    assert_eq!(note.to_string(), NOTE);
    let forged = NOTE.replace("example message", "examined message");
    let forged = Note::parse(forged.as_bytes()).unwrap();
    assert!(matches!(forged.verify(&keys), Err(NoteError::Forged(_))));
    let other = [key().key().clone()];
    assert!(matches!(note.verify(&other), Err(NoteError::Unsigned(_))));
}

#[test]
fn a_known_key_whose_signature_is_wrong_spoils_the_note() {
    let (one, other) = (key(), key());
    let both: [&dyn Signer; 2] = [&*one, &*other];
    let note = Note::signed("text\n", both).unwrap().to_string();
    let keys = [one.key().clone(), other.key().clone()];
    let parsed = Note::parse(note.as_bytes()).unwrap();
    assert_eq!(parsed.verify(&keys).unwrap().len(), 2);
    // The second signature is of another text.
    let elsewhere = Note::signed("other\n", [&*other as &dyn Signer])
        .unwrap()
        .to_string();
    let (_, line) = elsewhere.split_once("\n\n").unwrap();
    let lines: Vec<_> = note.lines().collect();
    let mixed = format!("{}\n\n{}\n{line}", lines[0], lines[2]);
    let mixed = Note::parse(mixed.as_bytes()).unwrap();
    assert!(matches!(mixed.verify(&keys), Err(NoteError::Forged(_))));
    assert_eq!(
        mixed.verify(&keys[..1]).unwrap().len(),
        1,
        "unknown keys are ignored"
    );
}

#[test]
fn what_is_no_note_is_refused() {
    let lines = "\n\u{2014} a AAAAAAAA\n".repeat(65).replace("\n\n", "\n");
    let many = format!("text\n\n{}", lines.trim_start());
    for (note, why) in [
        ("", "empty line"),
        ("text\n", "empty line"),
        ("text\n\n", "no end"),
        ("text\n\nsignature\n", "no signature"),
        ("text\n\n\u{2014} a AAAAAAAA", "no end"),
        ("te\u{1}xt\n\n\u{2014} a AAAAAAAA\n", "control"),
        ("text\n\n\u{2014} a+b AAAAAAAA\n", "no signature"),
        ("text\n\n\u{2014} a AAAA\n", "no signature"),
        (many.as_str(), "too many"),
    ] {
        let error = Note::parse(note.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{note:?}: {error}");
    }
    assert!(Note::parse(b"\xff\n\n").is_err());
}

#[test]
fn a_key_is_read_as_it_was_written_and_a_changed_one_is_refused() {
    let made = key();
    let again = Ed25519Signer::parse(&made.private()).unwrap();
    assert_eq!(again.key(), made.key());
    let public = made.key().to_string();
    for other in [
        public.replace("example.com", "example.org"),
        public.replacen('+', " ", 1),
        format!("{public}A"),
        String::new(),
    ] {
        VerifierKey::parse(&other).unwrap_err();
    }
    for name in ["", "with space", "a+b", "line\nfeed"] {
        Ed25519Signer::generate(name).unwrap_err();
    }
    assert!(!format!("{made:?}").contains(&made.private()));
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("key");
    let unreadable = Ed25519Signer::from_file(&path).unwrap_err();
    assert!(
        unreadable.to_string().contains("cannot be read"),
        "{unreadable}"
    );
    std::fs::write(&path, key().private()).unwrap();
    for (mode, fine) in [(0o644, false), (0o640, false), (0o600, true), (0o400, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let read = Ed25519Signer::from_file(&path);
        assert_eq!(read.is_ok(), fine, "{mode:o}");
        if let Err(error) = read {
            assert!(matches!(error, SigningKeyError::Permissions { .. }));
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }
    let unset = Ed25519Signer::from_environment("NO_SUCH_KEY").unwrap_err();
    assert!(unset.to_string().contains("NO_SUCH_KEY"));
}

#[tokio::test]
async fn a_log_changes_its_key_while_readers_know_either() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (key(), key());
    let all = trail(30);
    written(place.path(), &old, &all[..10]).await;
    use approvals_core::AuditSink as _;
    let both = AuditLog::at(place.path(), old.clone()).also_signed_by(new.clone());
    let both = both.open().await.unwrap();
    both.record(&all[10..20]).await.unwrap();
    both.close().await;
    for key in [&old, &new] {
        assert_eq!(verify(place.path(), key.key()).unwrap().entries, 20);
    }
    let only_new = AuditLog::at(place.path(), new.clone());
    let only_new = only_new
        .formerly_signed_by(old.key().clone())
        .open()
        .await
        .unwrap();
    only_new.record(&all[20..]).await.unwrap();
    only_new.close().await;
    assert_eq!(verify(place.path(), new.key()).unwrap().entries, 30);
    verify(place.path(), old.key()).unwrap_err();
}

#[tokio::test]
async fn a_log_is_opened_with_its_own_key_only() {
    let place = tempfile::tempdir().unwrap();
    log_of(place.path(), 10).await;
    let error = AuditLog::at(place.path(), key()).open().await.unwrap_err();
    assert!(matches!(error, LogError::Checkpoint { .. }), "{error}");
    let named = Arc::new(Ed25519Signer::generate("example.com/other").unwrap());
    let two = AuditLog::at(place.path(), key()).also_signed_by(named);
    assert!(matches!(two.open().await, Err(LogError::KeyName { .. })));
}
