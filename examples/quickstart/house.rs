//! The house rules: who is who, what policy says, and the gate that holds it.

use std::sync::Arc;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{Gate, Requester, Requirement, Rules};
use approvals_terminal::Terminal;

use super::Error;
use super::settings::Settings;
use super::trail::Trail;

/// The people, and the groups that they are in. The agent works for dana.
pub(crate) const PEOPLE: [(&str, &[&str]); 3] = [
    ("alice", &["senior-engineers", "security"]),
    ("bob", &["security"]),
    ("dana", &["senior-engineers"]),
];

/// Who makes the calls. dana is a senior engineer, and still cannot approve what is done for her.
pub(crate) fn requester() -> Result<Requester, Error> {
    Ok(Requester::agent("assistant")?
        .acting_for("person:dana")?
        .model("a script", "1"))
}

fn policy() -> Result<Rules, Error> {
    let senior = || Requirement::one_of("senior-engineers");
    Ok(Rules::new()
        .allow("db.read", "reads-are-free")?
        .review("db.export", "exports-need-a-senior-engineer", senior()?)?
        .review(
            "iam.grant_role",
            "roles-need-two",
            Requirement::some_of(2, "security")?,
        )?
        .review("db.drop_table", "drops-need-a-senior-engineer", senior()?)?
        .deny_when("db.drop_table", "no-drops-in-production", |call, _| {
            call.environment()
                .is_none_or(|e| e.as_str() == "production")
        })?)
}

/// Store, people, policy, channel and trail, put together.
pub(crate) async fn gate(settings: &Settings, trail: &Trail) -> Result<Gate, Error> {
    let directory = InMemoryDirectory::new();
    for (person, groups) in PEOPLE {
        directory.person(person, groups)?;
    }
    let mut identities = settings.identities.iter();
    let mut terminal = Terminal::answering_as(identities.next().map_or("", String::as_str));
    for identity in identities {
        terminal = terminal.demonstrating_with(identity);
    }
    if let Some(answers) = &settings.answers {
        terminal = terminal.on(Arc::new(answers.clone()));
    }
    let gate = Gate::builder(Arc::new(MemoryStore::new()), Arc::new(directory))
        .environments(["production", "staging"])
        .environment("production")
        .policy("company-data", policy()?)
        .approver("terminal", terminal.connect())
        // Required: nothing that people are asked about runs before the trail has what licenses it.
        .required_audit_sink("trail", Arc::new(trail.clone()))
        .build()
        .await?;
    gate.check_registry()?;
    Ok(gate)
}
