//! Channels, sinks and policies that do what a test says.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::memory::{InMemoryApprover, InMemoryAuditSink};
use approvals_core::{
    ActionName, Approver, ApproverError, AuditError, AuditSink, Call, Coverage, Event, Facts,
    Mentions, Notice, Policy, Presentation, Receipt, Verdict, async_trait,
};

use super::names;

/// What happened in the whole world, in order.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// A sink that writes what it acknowledges into a log.
#[derive(Debug)]
pub(crate) struct LoggingSink(pub(crate) Log);

#[async_trait]
impl AuditSink for LoggingSink {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        let all: Vec<_> = events.iter().map(|event| event.what.clone()).collect();
        self.0.lock().unwrap().extend(names(&all));
        Ok(())
    }
}

/// A sink that panics.
#[derive(Debug)]
pub(crate) struct PanickingSink;

#[async_trait]
impl AuditSink for PanickingSink {
    async fn record(&self, _: &[Event]) -> Result<(), AuditError> {
        panic!("the sink panics")
    }
}

/// A sink that refuses events of one name.
#[derive(Debug)]
pub(crate) struct PickySink {
    pub(crate) inner: InMemoryAuditSink,
    pub(crate) refuses: &'static str,
}

#[async_trait]
impl AuditSink for PickySink {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        let all: Vec<_> = events.iter().map(|event| event.what.clone()).collect();
        if names(&all).iter().any(|name| name == self.refuses) {
            return Err(AuditError("the disk is full".to_owned()));
        }
        self.inner.record(events).await
    }
}

/// A channel that writes into a log when it presents, and hands on to the in-memory one.
#[derive(Debug)]
pub(crate) struct LoggingApprover(pub(crate) Log, pub(crate) Arc<InMemoryApprover>);

#[async_trait]
impl Approver for LoggingApprover {
    fn coverage(&self, presentation: &Presentation<'_>) -> Coverage {
        self.1.coverage(presentation)
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        self.0.lock().unwrap().push("(presented)".to_owned());
        self.1.present(notice).await
    }

    async fn update(&self, notice: &Notice, receipt: &Receipt) -> Result<(), ApproverError> {
        self.1.update(notice, receipt).await
    }
}

/// A channel whose copies are in one process alone, as at a terminal.
#[derive(Debug)]
pub(crate) struct LocalApprover(pub(crate) Arc<InMemoryApprover>);

#[async_trait]
impl Approver for LocalApprover {
    fn coverage(&self, presentation: &Presentation<'_>) -> Coverage {
        self.0.coverage(presentation)
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        self.0.present(notice).await
    }

    async fn update(&self, notice: &Notice, receipt: &Receipt) -> Result<(), ApproverError> {
        self.0.update(notice, receipt).await
    }

    fn is_local(&self) -> bool {
        true
    }
}

/// A channel that takes its time before it presents.
#[derive(Debug)]
pub(crate) struct SlowApprover(pub(crate) Duration, pub(crate) Arc<InMemoryApprover>);

#[async_trait]
impl Approver for SlowApprover {
    fn coverage(&self, presentation: &Presentation<'_>) -> Coverage {
        self.1.coverage(presentation)
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        tokio::time::sleep(self.0).await;
        self.1.present(notice).await
    }

    async fn update(&self, notice: &Notice, receipt: &Receipt) -> Result<(), ApproverError> {
        self.1.update(notice, receipt).await
    }
}

/// A sink that takes events, or hangs as long as a test says.
#[derive(Debug)]
pub(crate) struct HangingSink {
    pub(crate) inner: Arc<InMemoryAuditSink>,
    hangs: tokio::sync::watch::Sender<bool>,
}

impl HangingSink {
    pub(crate) fn new(inner: &Arc<InMemoryAuditSink>) -> Self {
        Self {
            inner: Arc::clone(inner),
            hangs: tokio::sync::watch::Sender::new(false),
        }
    }

    pub(crate) fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }
}

#[async_trait]
impl AuditSink for HangingSink {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        let mut hangs = self.hangs.subscribe();
        let going_on = hangs.wait_for(|hangs| !hangs).await;
        drop(going_on.map_err(|e| AuditError(e.to_string()))?);
        self.inner.record(events).await
    }
}

/// What a channel was told of requests after it had put them before people.
pub(crate) type Notices = Arc<Mutex<Vec<Notice>>>;

/// A channel that notes what it is told, once its copy says so.
#[derive(Debug)]
pub(crate) struct NotingApprover(pub(crate) Notices, pub(crate) Arc<InMemoryApprover>);

#[async_trait]
impl Approver for NotingApprover {
    fn coverage(&self, presentation: &Presentation<'_>) -> Coverage {
        self.1.coverage(presentation)
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        self.1.present(notice).await
    }

    async fn update(&self, notice: &Notice, receipt: &Receipt) -> Result<(), ApproverError> {
        self.1.update(notice, receipt).await?;
        self.0.lock().unwrap().push(notice.clone());
        Ok(())
    }
}

/// Where a channel panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Panics {
    Covering,
    Presenting,
    Updating,
    Following,
}

/// A channel that panics in one of its methods, and otherwise shows everything to nobody. It counts
/// how often it did.
#[derive(Debug)]
pub(crate) struct PanickingApprover {
    at: Panics,
    panicked: Arc<AtomicUsize>,
}

impl PanickingApprover {
    pub(crate) fn new(at: Panics) -> (Self, Arc<AtomicUsize>) {
        let panicked = Arc::default();
        let approver = Self {
            at,
            panicked: Arc::clone(&panicked),
        };
        (approver, panicked)
    }

    fn here(&self, at: Panics) {
        if self.at == at {
            self.panicked.fetch_add(1, Ordering::SeqCst);
            panic!("the channel panics");
        }
    }
}

#[async_trait]
impl Approver for PanickingApprover {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        self.here(Panics::Covering);
        Coverage::Whole
    }

    async fn present(&self, _: &Notice) -> Result<Receipt, ApproverError> {
        self.here(Panics::Presenting);
        Ok(Receipt::none())
    }

    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        self.here(Panics::Updating);
        Ok(())
    }

    async fn follow(
        &self,
        notice: &Notice,
        receipt: &Receipt,
    ) -> Result<Option<Receipt>, ApproverError> {
        self.here(Panics::Following);
        self.update(notice, receipt).await.map(|()| None)
    }
}

/// A policy that a test changes while people are asked.
#[derive(Debug, Clone)]
pub(crate) struct Changing {
    verdict: Arc<Mutex<Verdict>>,
    mentions: Mentions,
}

impl Changing {
    pub(crate) fn new(policy: &impl Policy, verdict: Verdict) -> Self {
        Self {
            verdict: Arc::new(Mutex::new(verdict)),
            mentions: policy.mentions(),
        }
    }

    pub(crate) fn to(&self, verdict: Verdict) {
        *self.verdict.lock().unwrap() = verdict;
    }
}

impl Policy for Changing {
    fn evaluate(&self, _: &Call, _: &Facts) -> Verdict {
        self.verdict.lock().unwrap().clone()
    }

    fn by_action(&self, _: &ActionName) -> Option<Verdict> {
        None
    }

    fn mentions(&self) -> Mentions {
        self.mentions.clone()
    }
}
