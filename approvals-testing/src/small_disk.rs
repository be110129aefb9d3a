//! A disk that a test can fill.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where this is set, a test that may mount nothing fails instead of being skipped.
const REQUIRED: &str = "APPROVALS_SMALL_DISK_REQUIRED";

/// A disk of so many mebibytes in memory, unmounted when this is dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user may mount nothing: the test says on standard error that it is skipped,
    /// also where what tests say is not shown.
    ///
    /// # Errors
    /// When the directory to mount it on cannot be made, or nothing may be mounted and
    /// `APPROVALS_SMALL_DISK_REQUIRED` is set.
    pub fn mount(mebibytes: u32) -> io::Result<Option<Self>> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("approvals-disk-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={mebibytes}m,mode=0755"))
            .arg("tmpfs")
            .arg(&path)
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Ok(Some(Self(path)));
        }
        fs::remove_dir(&path)?;
        let test = std::thread::current();
        let test = test.name().unwrap_or("a test of a full disk");
        if std::env::var_os(REQUIRED).is_some() {
            return Err(io::Error::other(format!(
                "{test} is required (`{REQUIRED}` is set), and this user may not mount a small disk: run it as root, or unset that"
            )));
        }
        // Not by a macro, whose output a test run keeps to itself.
        writeln!(
            io::stderr(),
            "SKIPPED: {test}: this user may not mount a small disk, so nothing is known about a full one"
        )?;
        Ok(None)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Leaves no room on it. Removing the file that this returns makes room again.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn fill(&self) -> io::Result<PathBuf> {
        let path = self.0.join("ballast");
        let mut file = File::create(&path)?;
        for block in [1 << 20, 1 << 12, 1] {
            let zeros = vec![0; block];
            while file.write_all(&zeros).is_ok() {}
        }
        Ok(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}
