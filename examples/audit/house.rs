//! The gate, with the log as a required sink: nothing runs before the log has what licenses it.

use std::path::Path;
use std::sync::Arc;

use approvals_audit::{AuditLog, Ed25519Signer, Signer, VerifierKey};
use approvals_core::memory::{InMemoryApprover, InMemoryDirectory, MemoryStore};
use approvals_core::{AuditSink, Gate, Requester, Requirement, Rules};

use super::Error;

/// The rules, so that the index can tell which of them are of no use.
pub(crate) const RULES: [&str; 4] = [
    "reads-are-free",
    "exports-need-a-lead",
    "emergencies-need-an-operator",
    "no-drops",
];

pub(crate) struct House {
    pub(crate) gate: Gate,
    pub(crate) approver: InMemoryApprover,
    pub(crate) requester: Requester,
    log: Arc<AuditLog>,
    key: VerifierKey,
}

impl House {
    pub(crate) async fn open(log: &Path) -> Result<Self, Error> {
        let directory = InMemoryDirectory::new();
        directory.person("alice", ["leads"])?;
        directory.person("carol", ["leads", "operators"])?;
        // dana is a lead, and still cannot approve what is done for her.
        directory.person("dana", ["leads"])?;
        let signer = Arc::new(Ed25519Signer::generate("example.com/approvals")?);
        let key = signer.key().clone();
        let policy = Rules::new()
            .allow("db.read", RULES[0])?
            .review("db.export", RULES[1], Requirement::one_of("leads")?)?
            .review(
                "db.restore",
                RULES[2],
                Requirement::one_of("leads")?.break_glass("operators")?,
            )?
            .deny("db.drop", RULES[3])?;
        let approver = InMemoryApprover::new();
        let log = Arc::new(AuditLog::at(log, signer).open().await?);
        let gate = Gate::builder(Arc::new(MemoryStore::new()), Arc::new(directory))
            .policy("company-data", policy)
            .approver("chat", approver.connect())
            .required_audit_sink("log", Arc::clone(&log) as Arc<dyn AuditSink>)
            .build()
            .await?;
        Ok(Self {
            gate,
            log,
            approver,
            requester: Requester::agent("assistant")?.acting_for("person:dana")?,
            key,
        })
    }

    pub(crate) fn key(&self) -> VerifierKey {
        self.key.clone()
    }

    /// Waits until the log has every event, and shows it to everybody.
    pub(crate) async fn close(self) -> Result<(), Error> {
        self.gate.flush().await;
        Ok(self.log.publish().await?)
    }
}
