//! What processes leave behind: files of lines, each durable before anything else is done.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that lines are appended to, by several processes at once.
#[derive(Debug)]
pub(crate) struct Lines {
    file: File,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { file })
    }

    /// Returns when the line cannot be lost any more.
    pub(crate) fn append(&self, line: &str) -> io::Result<()> {
        // One write: a process that is killed leaves the whole line or none.
        (&self.file).write_all(format!("{line}\n").as_bytes())?;
        self.sync()
    }

    /// Returns when nothing that is in the file can be lost any more.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// The whole lines of a file; none when there is no file.
pub(crate) fn lines(path: &Path) -> io::Result<Vec<String>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    Ok(whole
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}

/// A file whose lines are read once each.
#[derive(Debug)]
pub(crate) struct Followed {
    path: PathBuf,
    seen: usize,
}

impl Followed {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path, seen: 0 }
    }

    /// The lines that have come since.
    pub(crate) fn news(&mut self) -> io::Result<Vec<String>> {
        let news = lines(&self.path)?.split_off(self.seen);
        self.seen += news.len();
        Ok(news)
    }
}

/// The directory of a run.
#[derive(Debug, Clone)]
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    /// A line for each body that ran: `key request fence`.
    pub(crate) fn effects(&self) -> PathBuf {
        self.0.join("effects")
    }

    /// A line for each event that the required sink has: `event request what fence`.
    pub(crate) fn licences(&self) -> PathBuf {
        self.0.join("licences")
    }

    /// A line for each body that ran before the required sink had its claim: `key request fence`.
    pub(crate) fn unlicensed(&self) -> PathBuf {
        self.0.join("unlicensed")
    }

    /// A line for each vote that was acknowledged: `request person choice revision`.
    pub(crate) fn decisions(&self) -> PathBuf {
        self.0.join("decisions")
    }

    /// A line for each thing that an operator was told is done: `what request`.
    pub(crate) fn operations(&self) -> PathBuf {
        self.0.join("operations")
    }

    /// A line for each answer that an agent was given: `key answer request`.
    pub(crate) fn answers(&self, agent: &str) -> PathBuf {
        self.0.join(format!("answers-{agent}"))
    }
}
