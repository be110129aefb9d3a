//! From destinations to the messages that are to be posted: which ids, and whom each calls.

use std::collections::BTreeSet;

use approvals_core::directory::Members;
use approvals_core::policy::{Agreement, Member, OnTimeout};
use approvals_core::{ApproverError, Directory, PersonId, Record};
use serde::{Deserialize, Serialize};

use crate::channel::Inner;
use crate::id::{ConversationId, UserGroupId, UserId};
use crate::message::Mention;
use crate::method::Method;
use crate::routes::Place;
use crate::schedule::Rank;

/// The most people that one request goes to one by one. More are reached in a channel.
const MOST: usize = 50;

/// One message that is to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The conversation, or the user: what Slack takes as one.
    pub(crate) to: String,
    /// Whom it calls.
    pub(crate) calls: Vec<Mention>,
}

impl Target {
    /// What its messages wait in line for.
    pub(crate) fn line(&self) -> Option<ConversationId> {
        ConversationId::new(&self.to).ok()
    }
}

#[derive(Serialize)]
struct GroupArgument<'a> {
    usergroup: &'a str,
}

#[derive(Deserialize)]
struct GroupAnswer {
    users: Vec<String>,
}

impl Inner {
    /// Every message that this request needs, each conversation once.
    pub(crate) async fn targets(&self, record: &Record) -> Result<Vec<Target>, ApproverError> {
        let asked = &record.asked;
        let Some(destinations) = self.routes.of(record) else {
            let policy = &asked.call.declaration().policy;
            return Err(ApproverError::for_good(format!(
                "no route of the Slack channel is for this request of policy `{policy}`: add one"
            )));
        };
        let wanted =
            |d: &crate::routes::Destination| d.calls_reviewers || d.place == Place::Reviewers;
        let reviewers = match &self.directory {
            Some(directory) if destinations.iter().any(wanted) => {
                self.reviewers(directory.as_ref(), record).await?
            }
            Some(_) | None => BTreeSet::new(),
        };
        let mut targets: Vec<Target> = Vec::new();
        let mut add = |to: &str, calls: Vec<Mention>| {
            if !targets.iter().any(|target| target.to == to) {
                let to = to.to_owned();
                targets.push(Target { to, calls });
            }
        };
        for destination in destinations {
            let mut calls = destination.calls.clone();
            if destination.calls_reviewers {
                calls.extend(reviewers.iter().take(MOST).cloned().map(Mention::User));
            }
            match &destination.place {
                Place::Conversation(id) => add(id.as_str(), calls),
                Place::User(id) => add(id.as_str(), calls),
                Place::GroupMembers(group) => {
                    for user in few(self.members(group, record).await?)? {
                        add(user.as_str(), calls.clone());
                    }
                }
                Place::Reviewers => {
                    for user in few(reviewers.clone())? {
                        add(user.as_str(), calls.clone());
                    }
                }
            }
        }
        if targets.is_empty() {
            let why = "nobody who is asked is known on this channel: link their identities, or \
                       route the request to a channel";
            return Err(ApproverError::for_good(why));
        }
        Ok(targets)
    }

    /// The members of a user group, as Slack lists them.
    async fn members(
        &self,
        group: &UserGroupId,
        record: &Record,
    ) -> Result<BTreeSet<UserId>, ApproverError> {
        let argument = GroupArgument {
            usergroup: group.as_str(),
        };
        let rank = Rank::of(record.asked.risk, record.asked.asked_at);
        let answer: GroupAnswer = self.api.call(Method::GroupUsers, rank, &argument).await?;
        let users = answer.users.iter().filter_map(|id| UserId::new(id).ok());
        Ok(users.collect())
    }

    /// The users of everybody who is asked now, as the directory lists and knows them. Whoever
    /// cannot be listed is left out: they are reached elsewhere.
    async fn reviewers(
        &self,
        directory: &dyn Directory,
        record: &Record,
    ) -> Result<BTreeSet<UserId>, ApproverError> {
        let unsaid = |error: approvals_core::DirectoryError| ApproverError::new(error.to_string());
        let mut people = BTreeSet::new();
        for member in audience(record) {
            match member {
                Member::Person(person) => {
                    people.insert(person);
                }
                Member::Group(group) => match directory.members(&group).await.map_err(unsaid)? {
                    Members::Listed(members) => people.extend(members),
                    Members::Unenumerable | Members::NoSuchGroup => {
                        tracing::warn!(%group, "its members cannot be listed: nobody of it is written to");
                    }
                },
            }
        }
        let mut users = BTreeSet::new();
        // Whoever may not vote is not asked to.
        for person in people.iter().filter(|person| !excluded(record, person)) {
            let known = directory.identities(person, self.desk.channel()).await;
            for identity in known.map_err(unsaid)? {
                let here = self
                    .installations
                    .iter()
                    .any(|i| i.tenant() == &*identity.tenant);
                users.extend(UserId::new(&identity.user).ok().filter(|_| here));
            }
        }
        Ok(users)
    }
}

fn excluded(record: &Record, person: &PersonId) -> bool {
    let confirms = record
        .asked
        .tracks
        .iter()
        .any(|track| matches!(track.agreement(), Agreement::Confirm { .. }));
    record.excluded.contains(person) && !confirms
}

/// Everybody who is asked now: the open stages' audiences, wider where they were widened; of a
/// confirmation, the people of the requester's chain.
fn audience(record: &Record) -> BTreeSet<Member> {
    let mut members = BTreeSet::new();
    for (track, progress) in record.asked.tracks.iter().zip(&record.progress) {
        if progress.met {
            continue;
        }
        if let Agreement::Confirm { .. } = track.agreement() {
            let people = record.asked.principals.iter().cloned();
            members.extend(people.map(Member::Person));
        }
        let Some(stage) = track.stages().nth(progress.open.into()) else {
            continue;
        };
        for quorum in stage.quorums().iter() {
            members.extend(quorum.from().members().cloned());
        }
        let widened = 1_u16.checked_shl(progress.open.into()).unwrap_or(0);
        if let OnTimeout::EscalateTo(audience) = stage.on_timeout()
            && progress.widened & widened != 0
        {
            members.extend(audience.members().cloned());
        }
    }
    members
}

fn few(users: BTreeSet<UserId>) -> Result<BTreeSet<UserId>, ApproverError> {
    if users.len() > MOST {
        let why = format!(
            "{} people would be written to one by one, and {MOST} is the most: route the request \
             to a channel that calls them",
            users.len()
        );
        return Err(ApproverError::for_good(why));
    }
    Ok(users)
}
