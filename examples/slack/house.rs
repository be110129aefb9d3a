//! The house: one guarded function, one policy, and people as the directory knows them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use approvals_core::audit::What;
use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::store::RequestStore;
use approvals_core::{
    ApprovalError, ChannelId, ChannelIdentity, Desk, Directory, Gate, Requester, Requirement,
    SinkId, requires_approval,
};
use approvals_slack::{Slack, SlackBuilder};

use crate::Error;

/// How often the guarded body ran.
static RUNS: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn runs() -> usize {
    RUNS.load(Ordering::SeqCst)
}

#[requires_approval(
    policy = "prod-db",
    action = "db.export",
    resource = "db/{database}",
    risk = high,
    justification = "the weekly report needs it"
)]
pub(crate) async fn export(database: &str, rows: u64) -> Result<String, ApprovalError> {
    RUNS.fetch_add(1, Ordering::SeqCst);
    Ok(format!("exported {rows} rows of {database}"))
}

/// A gate that asks one senior engineer in Slack, and the channel for its callbacks.
pub(crate) struct House {
    pub(crate) gate: Gate,
    pub(crate) slack: Slack,
    store: Arc<MemoryStore>,
}

/// How much of what is in the trail.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) requests: usize,
    pub(crate) votes: usize,
    pub(crate) approved: usize,
    pub(crate) denied: usize,
    pub(crate) started: usize,
}

impl House {
    pub(crate) async fn open(
        settings: SlackBuilder,
        directory: Arc<dyn Directory>,
    ) -> Result<Self, Error> {
        let channel = ChannelId::new("slack")?;
        // The desk comes first, so that a click after a restart finds one. A program that is to
        // outlive a restart takes a durable store here.
        let store = Arc::new(MemoryStore::new());
        store.register_sink(&SinkId::new("tally")?).await?;
        let desk = Desk::new(store.clone(), directory);
        let slack = settings.build(desk.channel(channel))?;
        slack.check().await?;
        let approver = slack.clone();
        let gate = Gate::with_desk(desk)
            .policy(
                "prod-db",
                Requirement::one_of("senior-engineers")?.comment_on_deny(),
            )
            .approver("slack", |_| Arc::new(approver))
            .build()
            .await?;
        Ok(Self { gate, slack, store })
    }

    /// People as they are set in code, with the Slack identity of `alice`: workspace and user id.
    pub(crate) fn people((tenant, user): (&str, &str)) -> Result<Arc<dyn Directory>, Error> {
        let directory = InMemoryDirectory::new();
        directory.person("alice", ["senior-engineers"])?;
        directory.person("bob", ["others"])?;
        let account = ChannelIdentity::new(ChannelId::new("slack")?, tenant, user);
        directory.link(account, "alice")?;
        Ok(Arc::new(directory))
    }

    /// Has the agent ask for an export, for bob.
    pub(crate) async fn export(&self, rows: u64) -> Result<String, Error> {
        let agent = Requester::agent("exporter")?.acting_for("person:bob")?;
        let asked = agent.scope(export("customers", rows));
        Ok(self.gate.scope(asked).await?)
    }

    /// What the trail has of each kind, in all.
    pub(crate) async fn tally(&self) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        for event in self.store.events(&SinkId::new("tally")?, 10_000).await? {
            match event.what {
                What::Requested { .. } => tally.requests += 1,
                What::Voted { .. } => tally.votes += 1,
                What::Approved => tally.approved += 1,
                What::Denied { .. } | What::DeniedWith { .. } => tally.denied += 1,
                What::Started { .. } => tally.started += 1,
                _ => {}
            }
        }
        Ok(tally)
    }
}
