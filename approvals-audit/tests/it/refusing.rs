//! A log that cannot be written: the gate, whose sink is required, releases nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use approvals_audit::{AuditLog, Ed25519Signer, SignError, Signer, VerifierKey};
use approvals_core::memory::{InMemoryApprover, InMemoryDirectory, MemoryStore};
use approvals_core::{Gate, Kind, Requirement, Timestamp};
use approvals_testing::SmallDisk;
use approvals_testing::sample::{REVIEWERS, Sample};

use crate::sensitive::bytes_of;
use crate::support::*;

/// A gate that needs this log, and people who say yes.
pub(crate) async fn gate(log: AuditLog) -> (Gate, InMemoryApprover) {
    let people = InMemoryDirectory::new();
    people.person("alice", [REVIEWERS]).unwrap();
    people.person("bob", ["owners"]).unwrap();
    let approver = InMemoryApprover::new();
    let gate = Gate::builder(Arc::new(MemoryStore::new()), Arc::new(people))
        .policy("sample", Requirement::one_of(REVIEWERS).unwrap())
        .approver("test", approver.connect())
        .required_audit_sink("log", Arc::new(log));
    (gate.build().await.unwrap(), approver)
}

/// Makes a call that people agree to. Whether its body may run, and the refusal where it may not.
async fn call(gate: &Gate, approver: &InMemoryApprover, table: &str) -> Option<Kind> {
    let sample = Sample::at(Timestamp::from_millis(1)).table(table);
    let run = async {
        let admitted = gate.authorize(sample.call()).await.map_err(|e| e.kind())?;
        let permit = admitted.start(&sample.call()).await.map_err(|e| e.kind())?;
        permit.finish(true).await;
        Ok(())
    };
    let yes = async {
        // Where nobody is asked, nobody answers.
        let _ = approver.next().await.approve_as("alice").await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ran = run => ran.err(),
        () = yes => None,
    }
}

/// A key service that can go away.
#[derive(Debug)]
struct Away(Arc<Ed25519Signer>, AtomicBool);

impl Signer for Away {
    fn key(&self) -> &VerifierKey {
        self.0.key()
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignError> {
        if self.1.load(Ordering::SeqCst) {
            return Err(SignError::Key("no answer".to_owned()));
        }
        self.0.sign(text)
    }
}

#[tokio::test]
async fn nothing_runs_while_the_key_is_away() {
    let place = tempfile::tempdir().unwrap();
    let signer = Arc::new(Away(key(), false.into()));
    let log = AuditLog::at(place.path(), signer.clone()).open().await;
    let (gate, approver) = gate(log.unwrap()).await;
    assert_eq!(call(&gate, &approver, "first").await, None);
    signer.1.store(true, Ordering::SeqCst);
    assert_eq!(
        call(&gate, &approver, "second").await,
        Some(Kind::Unavailable)
    );
    signer.1.store(false, Ordering::SeqCst);
    assert_eq!(call(&gate, &approver, "third").await, None);
    gate.flush().await;
    verify(place.path(), signer.key()).unwrap();
}

#[tokio::test]
async fn nothing_runs_while_the_log_cannot_be_written() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let log = AuditLog::at(place.path(), key.clone()).open().await;
    let (gate, approver) = gate(log.unwrap()).await;
    assert_eq!(call(&gate, &approver, "first").await, None);
    // Also for root: where the next checkpoint belongs is not what its writer left there.
    let [head, away] = ["head", "away"].map(|name| place.path().join(name));
    std::fs::rename(&head, &away).unwrap();
    assert_eq!(
        call(&gate, &approver, "second").await,
        Some(Kind::Unavailable)
    );
    std::fs::rename(&away, &head).unwrap();
    assert_eq!(call(&gate, &approver, "third").await, None);
    gate.flush().await;
    verify(place.path(), key.key()).unwrap();
}

#[tokio::test]
async fn nothing_runs_while_the_disk_is_full() {
    let Some(disk) = SmallDisk::mount(2).unwrap() else {
        return;
    };
    let path = disk.path().join("log");
    let key = key();
    let log = AuditLog::at(&path, key.clone()).open().await.unwrap();
    let (gate, approver) = gate(log).await;
    assert_eq!(call(&gate, &approver, "first").await, None);
    let ballast = disk.fill().unwrap();
    assert_eq!(
        call(&gate, &approver, "second").await,
        Some(Kind::Unavailable)
    );
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(call(&gate, &approver, "third").await, None);
    gate.flush().await;
    // Both lives, and what was kept of the one in between.
    assert!(verify(&path, key.key()).unwrap().entries >= 12);
}

#[tokio::test]
async fn nothing_runs_while_another_log_lies_in_its_place() {
    let key = key();
    // Another's, and one by the same key that is as good by itself.
    for other in [crate::support::key(), key.clone()] {
        let place = tempfile::tempdir().unwrap();
        let [path, away, foreign] = ["log", "away", "foreign"].map(|name| place.path().join(name));
        written(&foreign, &other, &trail(9)).await;
        let log = AuditLog::at(&path, key.clone()).open().await;
        let (gate, approver) = gate(log.unwrap()).await;
        assert_eq!(call(&gate, &approver, "first").await, None);
        std::fs::rename(&path, &away).unwrap();
        std::fs::rename(&foreign, &path).unwrap();
        let before = bytes_of(&path);
        for table in ["second", "third"] {
            let refused = call(&gate, &approver, table).await;
            assert_eq!(refused, Some(Kind::Unavailable));
        }
        assert_eq!(verify(&path, other.key()).unwrap().entries, 9);
        assert_eq!(bytes_of(&path), before, "nothing was written to it");
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::rename(&away, &path).unwrap();
        assert_eq!(call(&gate, &approver, "fourth").await, None);
        gate.flush().await;
        verify(&path, key.key()).unwrap();
    }
}

#[cfg(unix)]
const PERMISSIONS: &str = "APPROVALS_AUDIT_LOSES_ITS_PERMISSION_IN";

/// A gate whose log its user may not enter for a while.
#[cfg(unix)]
async fn loses_its_permission(place: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = place.join("log");
    let key = key();
    let log = AuditLog::at(&path, key.clone()).open().await;
    let (gate, approver) = gate(log.unwrap()).await;
    let may = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    assert_eq!(call(&gate, &approver, "first").await, None);
    may(0o000);
    assert!(std::fs::read_dir(&path).is_err(), "the permission is lost");
    for table in ["second", "third"] {
        let refused = call(&gate, &approver, table).await;
        assert_eq!(refused, Some(Kind::Unavailable));
    }
    may(0o700);
    assert_eq!(call(&gate, &approver, "fourth").await, None);
    gate.flush().await;
    verify(&path, key.key()).unwrap();
}

/// Not a test by itself: the process of a user who is not root.
#[cfg(unix)]
#[tokio::test]
#[ignore = "run by the test of a lost permission"]
async fn calls_as_somebody_else() {
    if let Ok(place) = std::env::var(PERMISSIONS) {
        loses_its_permission(std::path::Path::new(&place)).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_runs_while_the_log_may_not_be_entered() {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;
    let place = tempfile::tempdir().unwrap();
    if std::fs::metadata(place.path()).unwrap().uid() != 0 {
        return loses_its_permission(place.path()).await;
    }
    // Nothing is forbidden to root: as nobody, whom nothing else is in the way of.
    const NOBODY: u32 = 65_534;
    let program = place.path().join("it");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    std::os::unix::fs::chown(place.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    std::os::unix::fs::chown(&program, Some(NOBODY), Some(NOBODY)).unwrap();
    let output = std::process::Command::new(&program)
        .args(["--exact", "refusing::calls_as_somebody_else", "--ignored"])
        .env(PERMISSIONS, place.path())
        .current_dir(place.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}
