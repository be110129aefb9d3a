//! An audit sink that fails by script.

use std::sync::Arc;

use approvals_core::{AuditError, AuditSink, Event, async_trait};

use super::script::{Method, Script};

/// Passes every call on to another sink, and fails by script.
#[derive(Debug)]
pub struct FaultySink {
    inner: Arc<dyn AuditSink>,
    script: Arc<Script>,
}

impl FaultySink {
    /// A sink that fails as the script says.
    #[must_use]
    pub fn new(inner: Arc<dyn AuditSink>, script: Arc<Script>) -> Self {
        Self { inner, script }
    }
}

#[async_trait]
impl AuditSink for FaultySink {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        let call = || self.inner.record(events);
        self.script.carry(Method::Record, call, AuditError).await
    }
}
