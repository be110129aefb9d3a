//! Sinks and directories with one flaw each.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use approvals_core::{
    AuditError, AuditSink, ChannelId, ChannelIdentity, Directory, DirectoryError, Event, EventId,
    GroupId, Members, Membership, PersonId, PrincipalId, Resolved, Whom, async_trait,
};
use approvals_testing::audit_sink::Kept;
use approvals_testing::{audit_sink, directory};

use super::assert_breaks;
use crate::conformance::memory::town;

#[derive(Debug, Clone, Copy)]
enum Sinking {
    KeepsTwice,
    GoesByNumber,
    LosesTheLast,
    NewestFirst,
}

#[derive(Debug)]
struct Sink(Sinking, Mutex<Vec<Event>>);

#[derive(Debug)]
struct Handle(Arc<Sink>);

#[async_trait]
impl AuditSink for Handle {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        let mut kept = self.0.1.lock().unwrap();
        for event in events {
            let known = match self.0.0 {
                Sinking::KeepsTwice => false,
                Sinking::GoesByNumber => kept.iter().any(|k| k.number == event.number),
                Sinking::LosesTheLast | Sinking::NewestFirst => {
                    kept.iter().any(|k| k.id == event.id)
                }
            };
            if !known {
                match self.0.0 {
                    Sinking::NewestFirst => kept.insert(0, event.clone()),
                    _ => kept.push(event.clone()),
                }
            }
        }
        if matches!(self.0.0, Sinking::LosesTheLast) {
            kept.pop();
        }
        Ok(())
    }
}

#[async_trait]
impl Kept for Handle {
    async fn open(&self) -> Arc<dyn AuditSink> {
        Arc::new(Self(Arc::clone(&self.0)))
    }
    async fn kept(&self) -> Vec<EventId> {
        self.0
            .1
            .lock()
            .unwrap()
            .iter()
            .map(|event| event.id)
            .collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_with_any_of_these_flaws_fails_the_suite() {
    for (flaw, rule) in [
        (
            Sinking::KeepsTwice,
            "an event that is offered again is kept once",
        ),
        (
            Sinking::GoesByNumber,
            "an event that comes again under another number is kept once",
        ),
        (
            Sinking::LosesTheLast,
            "what a sink acknowledges it keeps, in order",
        ),
        (
            Sinking::NewestFirst,
            "what a sink acknowledges it keeps, in order",
        ),
    ] {
        let report = audit_sink::conformance(|| async move {
            let sink = Sink(flaw, Mutex::default());
            Arc::new(Handle(Arc::new(sink))) as Arc<dyn Kept>
        })
        .await;
        assert_breaks(&report, &flaw, rule);
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Misleading {
    ListsOneIdentityTwice,
    KnowsStrangers,
    EverybodyExists,
    UnknownGroupsAreEmpty,
    EverybodyIsAMember,
    NobodyOwnsAnything,
    AnswersAtOnceInAnotherOrder,
}

#[derive(Debug)]
struct Misled(Misleading, Arc<dyn Directory>);

#[async_trait]
impl Directory for Misled {
    async fn person(&self, who: &ChannelIdentity) -> Result<Option<PersonId>, DirectoryError> {
        let found = self.1.person(who).await?;
        let stranger = || PersonId::new("alice").ok();
        Ok(found.or_else(|| {
            (self.0 == Misleading::KnowsStrangers)
                .then(stranger)
                .flatten()
        }))
    }
    async fn exists(&self, person: &PersonId) -> Result<bool, DirectoryError> {
        Ok(self.0 == Misleading::EverybodyExists || self.1.exists(person).await?)
    }
    async fn membership(&self, p: &PersonId, g: &GroupId) -> Result<Membership, DirectoryError> {
        if self.0 == Misleading::EverybodyIsAMember {
            return Ok(Membership::Member);
        }
        self.1.membership(p, g).await
    }
    async fn members(&self, group: &GroupId) -> Result<Members, DirectoryError> {
        match (self.0, self.1.members(group).await?) {
            (Misleading::UnknownGroupsAreEmpty, Members::NoSuchGroup) => {
                Ok(Members::Listed(BTreeSet::new()))
            }
            (_, members) => Ok(members),
        }
    }
    async fn owners(&self, principal: &PrincipalId) -> Result<BTreeSet<PersonId>, DirectoryError> {
        match self.0 {
            Misleading::NobodyOwnsAnything => Ok(BTreeSet::new()),
            _ => self.1.owners(principal).await,
        }
    }
    async fn identities(
        &self,
        person: &PersonId,
        channel: &ChannelId,
    ) -> Result<Vec<ChannelIdentity>, DirectoryError> {
        let mut listed = self.1.identities(person, channel).await?;
        if self.0 == Misleading::ListsOneIdentityTwice {
            listed.push(ChannelIdentity::new(channel.clone(), "", person.as_str()));
        }
        Ok(listed)
    }
    async fn resolve(&self, whom: &Whom<'_>) -> Result<Resolved, DirectoryError> {
        let mut resolved = self.1.resolve(whom).await?;
        if self.0 == Misleading::AnswersAtOnceInAnotherOrder {
            resolved.voters.reverse();
        }
        Ok(resolved)
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_with_any_of_these_flaws_fails_the_suite() {
    for (flaw, rule) in [
        (
            Misleading::ListsOneIdentityTwice,
            "one identity is never two people",
        ),
        (
            Misleading::KnowsStrangers,
            "an identity that is nobody's is nobody",
        ),
        (
            Misleading::EverybodyExists,
            "whoever is known exists, and nobody else",
        ),
        (
            Misleading::UnknownGroupsAreEmpty,
            "a group that does not exist is said not to exist, and has no members",
        ),
        (
            Misleading::EverybodyIsAMember,
            "membership is as it is, and nobody is a member of what does not exist",
        ),
        (
            Misleading::NobodyOwnsAnything,
            "owners are told whole, and an agent that nobody owns has none",
        ),
        (
            Misleading::AnswersAtOnceInAnotherOrder,
            "asked at once, it answers as it does one by one",
        ),
    ] {
        let mut town = town();
        town.directory = Arc::new(Misled(flaw, town.directory));
        let report = directory::conformance(town).await;
        assert_breaks(&report, &flaw, rule);
    }
}
