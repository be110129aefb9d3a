//! Small files that are either as they were or as they shall be, also after a crash.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Replaces a file. When this returns it is there after a crash.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let before = path.with_file_name(name);
    let file = File::create(&before)?;
    (&file).write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&before, path)?;
    sync_parent(path)
}

/// Has the directory of a file remember it.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
