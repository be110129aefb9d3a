//! What is wrong with a file, where, and what to write instead.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use approvals_core::text::{Lines, escape};

/// How many mistakes of one file are told.
pub const MAX_MISTAKES: usize = 100;
/// How much of a text from the file a message repeats, in characters.
const QUOTED: usize = 64;

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    file: Arc<Path>,
    place: Option<Place>,
    message: String,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

impl Mistake {
    /// What is wrong with the file as a whole.
    pub(crate) fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            place: None,
            message: message.into(),
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Where in the file; nowhere when the file cannot be read at all.
    #[must_use]
    pub const fn place(&self) -> Option<Place> {
        self.place
    }

    /// What is wrong, and the fix.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Mistake {
    /// `people.toml:3:5: what is wrong, and the fix`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display().to_string();
        f.write_str(&escape(&file, Lines::Escape))?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Why a directory was not loaded: everything that is wrong, in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    mistakes: Vec<Mistake>,
    untold: usize,
}

impl LoadError {
    pub(crate) fn one(mistake: Mistake) -> Self {
        Self {
            mistakes: vec![mistake],
            untold: 0,
        }
    }

    /// Adds what is wrong with another file.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.mistakes.extend(other.mistakes);
        self.untold += other.untold;
        self
    }

    /// What is wrong: never empty, at most [`MAX_MISTAKES`] of each file.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// How many mistakes there are beyond those.
    #[must_use]
    pub const fn untold(&self) -> usize {
        self.untold
    }
}

impl fmt::Display for LoadError {
    /// One line for each mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, mistake) in self.mistakes.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(mistake, f)?;
        }
        match self.untold {
            0 => Ok(()),
            untold => write!(f, "\nand {untold} more"),
        }
    }
}

impl std::error::Error for LoadError {}

/// Collects what is wrong with one text. Keeps the first [`MAX_MISTAKES`] by their place, so that a
/// hostile file does not fill the memory with complaints.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    found: BTreeMap<(usize, usize), String>,
    count: usize,
}

impl Mistakes {
    /// Something is wrong there.
    pub(crate) fn add(&mut self, at: &Range<usize>, message: impl Into<String>) {
        let place = (at.start, self.count);
        self.count += 1;
        let is_told = self.found.len() < MAX_MISTAKES
            || self
                .found
                .last_key_value()
                .is_some_and(|(last, _)| place < *last);
        if is_told {
            self.found.insert(place, message.into());
            if self.found.len() > MAX_MISTAKES {
                self.found.pop_last();
            }
        }
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// An error when anything is wrong.
    pub(crate) fn judge(self, file: &Path, text: &str) -> Result<(), LoadError> {
        if self.count == 0 {
            return Ok(());
        }
        let file: Arc<Path> = file.into();
        let mistakes: Vec<_> = self
            .found
            .into_iter()
            .map(|((offset, _), message)| Mistake {
                file: file.clone(),
                place: Some(place(text, offset)),
                message,
            })
            .collect();
        Err(LoadError {
            untold: self.count - mistakes.len(),
            mistakes,
        })
    }
}

/// Where the lines of a text begin: for messages about many places of it.
#[derive(Debug)]
pub(crate) struct LineStarts(Vec<usize>);

impl LineStarts {
    pub(crate) fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at + 1).collect())
    }

    /// The line of a byte offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset) + 1
    }
}

/// Line and column of a byte offset.
fn place(text: &str, offset: usize) -> Place {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let in_line = before.get(line_start..).unwrap_or_default();
    Place {
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: in_line.chars().count() + 1,
    }
}

/// A text from the file, as a message repeats it: in backquotes, visible, and not too much of it.
pub(crate) fn quoted(text: &str) -> String {
    let (shown, rest) = match text.char_indices().nth(QUOTED) {
        None => (text, ""),
        Some((cut, _)) => (text.get(..cut).unwrap_or_default(), "…"),
    };
    format!("`{}{rest}`", escape(shown, Lines::Escape))
}
