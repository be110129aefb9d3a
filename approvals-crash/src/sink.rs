//! A required audit sink: a file that claims are in before they are started.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use approvals_core::{AuditError, AuditSink, Event, RequestId, What, async_trait};

use crate::Failure;
use crate::files::{Followed, Lines, lines};

/// Its name, in the store and in the gates of agents.
pub(crate) const NAME: &str = "licences";

/// Appends a line for each event: `event request what fence`.
#[derive(Debug)]
pub(crate) struct Licences {
    lines: Lines,
    known: Mutex<Known>,
    /// [`Flaw::LosesEvents`](crate::flaw::Flaw::LosesEvents): acknowledges and keeps nothing.
    loses: bool,
}

#[derive(Debug)]
struct Known {
    file: Followed,
    events: HashSet<String>,
}

impl Licences {
    pub(crate) fn open(path: &std::path::Path, loses: bool) -> Result<Self, Failure> {
        Ok(Self {
            lines: Lines::open(path)?,
            known: Mutex::new(Known {
                file: Followed::new(path.to_owned()),
                events: HashSet::new(),
            }),
            loses,
        })
    }

    fn append(&self, events: &[Event]) -> std::io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Another process may have fed it since.
        let news = known.file.news()?;
        let ids = news.iter().filter_map(|line| line.split(' ').next());
        known.events.extend(ids.map(str::to_owned));
        let new: Vec<String> = events
            .iter()
            .filter(|event| !known.events.contains(&event.id.to_string()))
            .map(line)
            .collect();
        if new.is_empty() {
            // Whoever wrote them may have been killed before they were durable.
            return self.lines.sync();
        }
        self.lines.append(&new.join("\n"))
    }
}

fn line(event: &Event) -> String {
    let request = event.request.map_or("-".to_owned(), |id| id.to_string());
    match &event.what {
        What::Claimed { fence, .. } => format!("{} {}", event.id, claimed(&request, *fence)),
        _ => format!("{} {request} other -", event.id),
    }
}

fn claimed(request: &str, fence: u64) -> String {
    format!("{request} claimed {fence}")
}

#[async_trait]
impl AuditSink for Licences {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        if self.loses {
            return Ok(());
        }
        self.append(events)
            .map_err(|error| AuditError(error.to_string()))
    }
}

/// Whether the sink has the claim that licenses a run.
pub(crate) fn has_claim(
    path: &std::path::Path,
    request: RequestId,
    fence: u64,
) -> Result<bool, Failure> {
    let wanted = claimed(&request.to_string(), fence);
    Ok(lines(path)?.iter().any(|line| {
        line.split_once(' ')
            .is_some_and(|(_, claim)| claim == wanted)
    }))
}
