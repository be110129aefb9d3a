//! The forms in which events leave.

use std::sync::Arc;

use approvals_core::EventId;

use super::account::Account;
use super::{cloud_events, csv, ocsf};
use crate::reading::{Context, Recorded};

/// The form in which events leave. Whatever it is, an event is one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OCSF 1.9, class API Activity (6003), one object a line.
    Ocsf,
    /// CloudEvents 1.0 in JSON, one envelope a line.
    CloudEvents,
    /// The events as the log has them: canonical JSON, one a line. Entries that repeat another are
    /// among them.
    JsonLines,
    /// Rows for a spreadsheet. No cell is a formula.
    Csv,
}

impl Format {
    /// As it is written in cursors and on command lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ocsf => "ocsf",
            Self::CloudEvents => "cloudevents",
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
        }
    }

    /// What stands before the first line of a file.
    pub(crate) fn header(self) -> Option<String> {
        match self {
            Self::Csv => Some(csv::header()),
            Self::Ocsf | Self::CloudEvents | Self::JsonLines => None,
        }
    }

    /// One event; nothing where the form has no place for an entry that repeats another.
    pub(crate) fn line(
        self,
        recorded: &Recorded,
        context: Option<&Arc<Context>>,
        origin: &str,
    ) -> Option<String> {
        let account = || Account::of(recorded, context);
        match self {
            Self::JsonLines => Some(recorded.text().to_owned()),
            Self::Ocsf => account().map(|account| ocsf::event(&account, origin).to_string()),
            Self::CloudEvents => account().map(|account| cloud_events::event(&account, origin)),
            Self::Csv => account().map(|account| csv::row(&account, origin)),
        }
    }
}

/// Events on their way out, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The form that they are in.
    pub format: Format,
    /// The events.
    pub items: Vec<Item>,
}

/// One event on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place in the log.
    pub index: u64,
    /// By which receivers know what they have already.
    pub id: EventId,
    /// The event, on one line, without its end.
    pub line: String,
}

impl Batch {
    /// The events, each on a line.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut text = String::with_capacity(self.bytes());
        for item in &self.items {
            text.push_str(&item.line);
            text.push('\n');
        }
        text
    }

    /// The events as the body of one HTTP request, and what kind of content that is: JSON lists for
    /// OCSF and CloudEvents, lines for the others.
    #[must_use]
    pub fn body(&self) -> (&'static str, String) {
        let list = || {
            let lines: Vec<_> = self.items.iter().map(|item| item.line.as_str()).collect();
            format!("[{}]", lines.join(","))
        };
        match self.format {
            Format::Ocsf => ("application/json", list()),
            Format::CloudEvents => ("application/cloudevents-batch+json", list()),
            Format::JsonLines => ("application/x-ndjson", self.lines()),
            Format::Csv => {
                let header = self.format.header().unwrap_or_default();
                (
                    "text/csv; charset=utf-8",
                    format!("{header}\n{}", self.lines()),
                )
            }
        }
    }

    fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.line.len() + 1).sum()
    }

    /// The first and the second half.
    pub(super) fn halves(&self) -> (Self, Self) {
        let (first, second) = self.items.split_at(self.items.len() / 2);
        let of = |items: &[Item]| Self {
            format: self.format,
            items: items.to_vec(),
        };
        (of(first), of(second))
    }
}
