//! A folder of a test's own, with a people file in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use approvals_core::{ChannelId, ChannelIdentity, GroupId, PersonId};
use approvals_directory::{FileDirectory, LoadError, Opening};
use approvals_testing::ManualClock;

/// Alice and Bob, who is a lead, and Carol, who left.
pub(crate) const PEOPLE: &str = r#"
[people.alice]
name = "Alice Example"
email = "alice@example.com"
identities = [{ channel = "slack", tenant = "T1", user = "UALICE" }]

[people.bob]
email = "Bob@Example.com"
identities = [
    { channel = "slack", tenant = "T1", user = "UBOB" },
    { channel = "terminal", user = "bob" },
]

[people.carol]
email = "carol@example.com"
identities = [{ channel = "slack", tenant = "T1", user = "UCAROL" }]
active = false

[people.dave]
name = "Dave Example"
email = "dave@example.com"

[groups.leads]
people = ["bob"]

[groups.engineers]
people = ["alice", "carol"]
groups = ["leads"]

[agents.exporter]
owners = ["bob", "carol"]

[services.ci]
owners = ["alice"]
"#;

/// A folder that goes when the test ends.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("approvals-directory-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// With a people file.
    pub(crate) fn of(people: &str) -> Self {
        let folder = Self::new();
        folder.write(people);
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn people(&self) -> PathBuf {
        self.0.join("people.toml")
    }

    pub(crate) fn links(&self) -> PathBuf {
        self.0.join("links.toml")
    }

    pub(crate) fn write(&self, people: &str) {
        fs::write(self.people(), people).unwrap();
    }

    pub(crate) fn open(&self) -> FileDirectory {
        FileDirectory::open(self.people()).unwrap()
    }

    /// On a clock that the test sets.
    pub(crate) fn at(&self, clock: &Arc<ManualClock>) -> Opening {
        FileDirectory::at(self.people()).clock(clock.clone())
    }

    /// What is wrong, one line each, without the folder.
    pub(crate) fn told(&self, error: &LoadError) -> String {
        let folder = format!("{}/", self.0.display());
        error.to_string().replace(&folder, "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is wrong with a people file.
pub(crate) fn wrong(people: &str) -> String {
    let folder = Folder::of(people);
    match FileDirectory::open(folder.people()) {
        Err(error) => folder.told(&error),
        Ok(_) => panic!("nothing is wrong with {people}"),
    }
}

pub(crate) fn person(name: &str) -> PersonId {
    PersonId::new(name).unwrap()
}

pub(crate) fn group(name: &str) -> GroupId {
    GroupId::new(name).unwrap()
}

pub(crate) fn channel(name: &str) -> ChannelId {
    ChannelId::new(name).unwrap()
}

pub(crate) fn slack(user: &str) -> ChannelIdentity {
    ChannelIdentity::new(channel("slack"), "T1", user)
}
