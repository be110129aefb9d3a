//! A sink, a directory and channels with one flaw each.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use approvals_core::{
    Approver, ApproverError, AuditError, AuditSink, CastVote, ChannelDesk, ChannelId,
    ChannelIdentity, Choice, Coverage, Directory, DirectoryError, Event, EventId, GroupId, Members,
    Membership, Notice, PersonId, Presentation, PrincipalId, Receipt, RequestId, Resolved, Whom,
    async_trait,
};
use approvals_testing::approver::{Driver, Shown};
use approvals_testing::audit_sink::Kept;
use approvals_testing::{approver, audit_sink, directory};

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

#[derive(Debug, Clone, Copy, PartialEq)]
enum Posting {
    Sound,
    CutsWhatIsLong,
    VotesForTheNewest,
    EverybodyIsAlice,
    LosesComments,
    ForgetsOnRestart,
    CannotUpdate,
    CannotUpdateWithoutItsMemory,
}

/// A wall where messages are posted, and the channel that posts them.
#[derive(Debug)]
struct Wall {
    flaw: Posting,
    messages: Mutex<Vec<(Notice, String)>>,
    desk: Mutex<Option<ChannelDesk>>,
}

#[derive(Debug)]
struct Poster {
    wall: Arc<Wall>,
    posted: Mutex<Vec<RequestId>>,
}

#[derive(Debug)]
struct At(Arc<Wall>);

#[async_trait]
impl Approver for Poster {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }
    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        let mut text = notice.presentation().to_string();
        if self.wall.flaw == Posting::CutsWhatIsLong {
            text = text.replace("<b>", "");
        }
        let id = notice.asked().id;
        self.posted.lock().unwrap().push(id);
        self.wall
            .messages
            .lock()
            .unwrap()
            .push((notice.clone(), text));
        Ok(Receipt::handle(&id.to_string()))
    }
    async fn update(&self, notice: &Notice, receipt: &Receipt) -> Result<(), ApproverError> {
        let id = notice.asked().id;
        let remembered = self.posted.lock().unwrap().contains(&id);
        match self.wall.flaw {
            Posting::CannotUpdate => return Err(ApproverError("no".to_owned())),
            Posting::CannotUpdateWithoutItsMemory if !remembered => {
                return Err(ApproverError("which message?".to_owned()));
            }
            _ => {}
        }
        let mut messages = self.wall.messages.lock().unwrap();
        let handle = receipt.as_str().unwrap_or_default();
        for (known, text) in messages.iter_mut() {
            if known.asked().id.to_string() == handle {
                *known = notice.clone();
                *text = format!("{}\n{}", notice.presentation(), notice.state().phase());
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Driver for At {
    async fn connect(&self, desk: ChannelDesk) -> Arc<dyn Approver> {
        let mut known = self.0.desk.lock().unwrap();
        if known.is_some() && self.0.flaw == Posting::ForgetsOnRestart {
            self.0.messages.lock().unwrap().clear();
        }
        *known = Some(desk);
        Arc::new(Poster {
            wall: Arc::clone(&self.0),
            posted: Mutex::default(),
        })
    }

    async fn click(&self, request: RequestId, user: &str, choice: Choice, comment: Option<&str>) {
        let desk = self.0.desk.lock().unwrap().clone().unwrap();
        let seen = {
            let messages = self.0.messages.lock().unwrap();
            let message = messages
                .iter()
                .find(|(known, _)| known.asked().id == request);
            let Some((notice, _)) = message else { return };
            notice.clone()
        };
        let revision = match self.0.flaw {
            Posting::VotesForTheNewest => desk.look(request).await.unwrap().revision,
            _ => seen.revision(),
        };
        let user = match self.0.flaw {
            Posting::EverybodyIsAlice => "alice",
            _ => user,
        };
        let comment = comment.filter(|_| self.0.flaw != Posting::LosesComments);
        let cast = CastVote {
            request,
            tenant: String::new(),
            user: user.to_owned(),
            choice,
            comment: comment.map(str::to_owned),
            proposal: None,
            digest: seen.asked().digest,
            shown: seen.asked().shown,
            revision,
        };
        // Whether it counted is seen elsewhere.
        let _ = desk.vote(cast).await;
    }

    async fn shown(&self, request: RequestId) -> Shown {
        let messages = self.0.messages.lock().unwrap();
        let message = messages
            .iter()
            .find(|(known, _)| known.asked().id == request);
        message.map_or(Shown::Nothing, |(_, text)| Shown::Text(text.clone()))
    }
}

async fn judged(flaw: Posting) -> approvals_testing::Report {
    approver::conformance(|| async move {
        Arc::new(At(Arc::new(Wall {
            flaw,
            messages: Mutex::default(),
            desk: Mutex::default(),
        }))) as Arc<dyn Driver>
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_channel_with_any_of_these_flaws_fails_the_suite() {
    judged(Posting::Sound).await.assert_kept();
    for (flaw, rule) in [
        (
            Posting::CutsWhatIsLong,
            "a request is presented, and shown whole where the channel says that it is",
        ),
        (
            Posting::VotesForTheNewest,
            "a vote carries the revision that its message shows, and not a newer one",
        ),
        (
            Posting::EverybodyIsAlice,
            "a click of somebody unknown, or of somebody who is not asked, counts for nobody",
        ),
        (Posting::LosesComments, "a denial counts, with its comment"),
        (
            Posting::ForgetsOnRestart,
            "after a restart an earlier message can be clicked",
        ),
        (
            Posting::CannotUpdate,
            "progress and outcome are shown in place",
        ),
        (
            Posting::CannotUpdateWithoutItsMemory,
            "after a restart an earlier message is updated by its receipt",
        ),
    ] {
        assert_breaks(&judged(flaw).await, &flaw, rule);
    }
}
