//! A sink that remembers.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use crate::audit::{AuditError, AuditSink, Event, What};
use crate::id::{EventId, RequestId};

/// Keeps every event, for test suites: look at what happened, or make it fail.
#[derive(Debug, Default)]
pub struct InMemoryAuditSink {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    events: Vec<Event>,
    known: HashSet<EventId>,
    failing: Option<String>,
}

impl InMemoryAuditSink {
    /// An empty sink.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Every event so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.kept().events.clone()
    }

    /// What happened to one request.
    #[must_use]
    pub fn about(&self, request: RequestId) -> Vec<What> {
        self.kept()
            .events
            .iter()
            .filter(|event| event.request == Some(request))
            .map(|event| event.what.clone())
            .collect()
    }

    /// Refuses events with this message, or stops doing so.
    pub fn fail(&self, why: Option<&str>) {
        self.kept().failing = why.map(str::to_owned);
    }
}

#[async_trait]
impl AuditSink for InMemoryAuditSink {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        let mut kept = self.kept();
        if let Some(why) = &kept.failing {
            return Err(AuditError(why.clone()));
        }
        for event in events {
            // A store whose answer was lost may have taken the same event under two numbers.
            if kept.known.insert(event.id) {
                kept.events.push(event.clone());
            }
        }
        Ok(())
    }
}
