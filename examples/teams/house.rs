//! The house: one guarded function, one policy, and people as the directory knows them.

use std::sync::Arc;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{
    ApprovalError, ChannelId, ChannelIdentity, Desk, Directory, Gate, Requester, Requirement,
    requires_approval,
};
use approvals_teams::{Teams, TeamsBuilder};

use crate::Error;

#[requires_approval(
    policy = "prod-db",
    action = "db.export",
    resource = "db/{database}",
    risk = high,
    justification = "the weekly report needs it"
)]
pub(crate) async fn export(database: &str, rows: u64) -> Result<String, ApprovalError> {
    Ok(format!("exported {rows} rows of {database}"))
}

/// A gate that asks one senior engineer in Teams, and the channel for its callbacks.
pub(crate) struct House {
    pub(crate) gate: Gate,
    pub(crate) teams: Teams,
}

impl House {
    pub(crate) async fn open(
        settings: TeamsBuilder,
        directory: Arc<dyn Directory>,
    ) -> Result<Self, Error> {
        let channel = ChannelId::new("teams")?;
        // The desk comes first, so that a click after a restart finds one. A program that is to
        // outlive a restart takes a durable store here.
        let desk = Desk::new(Arc::new(MemoryStore::new()), directory);
        let teams = settings.build(desk.channel(channel))?;
        teams.check().await?;
        let approver = teams.clone();
        let gate = Gate::with_desk(desk)
            .policy(
                "prod-db",
                Requirement::one_of("senior-engineers")?.comment_on_deny(),
            )
            .approver("teams", |_| Arc::new(approver))
            .build()
            .await?;
        Ok(Self { gate, teams })
    }

    /// People as they are set in code, with the Teams identity of `alice`: tenant and object id.
    pub(crate) fn people((tenant, user): (&str, &str)) -> Result<Arc<dyn Directory>, Error> {
        let directory = InMemoryDirectory::new();
        directory.person("alice", ["senior-engineers"])?;
        directory.person("bob", ["others"])?;
        let account = ChannelIdentity::new(ChannelId::new("teams")?, tenant, user);
        directory.link(account, "alice")?;
        Ok(Arc::new(directory))
    }

    /// Has the agent ask for an export, for bob.
    pub(crate) async fn export(&self, rows: u64) -> Result<String, Error> {
        let agent = Requester::agent("exporter")?.acting_for("person:bob")?;
        let asked = agent.scope(export("customers", rows));
        Ok(self.gate.scope(asked).await?)
    }
}
