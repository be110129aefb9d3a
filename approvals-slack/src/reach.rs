//! From destinations to the messages that are to be posted: which ids, and whom each calls.

use std::collections::BTreeSet;

use approvals_channel::audience::{self, MOST, few};
use approvals_channel::{Rank, Target, Targets};
use approvals_core::{ApproverError, ChannelIdentity, Directory, Record};
use serde::{Deserialize, Serialize};

use crate::channel::Inner;
use crate::destination::{Destination, Place};
use crate::id::{UserGroupId, UserId};
use crate::message::Mention;
use crate::method::Method;

/// One destination that cannot be reached keeps nobody else from being asked. What may be better
/// later counts before what never will be.
fn note(missing: &mut Option<ApproverError>, record: &Record, error: ApproverError) {
    tracing::error!(request = %record.id(), %error, "a destination was not reached");
    if missing.as_ref().is_none_or(ApproverError::is_for_good) {
        *missing = Some(error);
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
    pub(crate) async fn reach(&self, record: &Record) -> Result<Targets, ApproverError> {
        let asked = &record.asked;
        let Some(destinations) = self.routes.of(record) else {
            let policy = &asked.call.declaration().policy;
            return Err(ApproverError::for_good(format!(
                "no route of the Slack channel is for this request of policy `{policy}`: add one"
            )));
        };
        let wanted = |d: &Destination| d.calls_reviewers || d.place == Place::Reviewers;
        let mut missing: Option<ApproverError> = None;
        let reviewers = match &self.directory {
            Some(directory) if destinations.iter().any(wanted) => {
                self.reviewers(directory.as_ref(), record, &mut missing)
                    .await?
            }
            Some(_) | None => BTreeSet::new(),
        };
        let mut targets: Vec<Target> = Vec::new();
        let mut add = |to: &str, calls: Vec<Mention>| {
            if !targets.iter().any(|target| target.to == to) {
                let calls = calls.iter().map(|mention| mention.id().to_owned());
                targets.push(Target {
                    to: to.to_owned(),
                    calls: calls.collect(),
                });
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
                    match self.members(group, record).await.and_then(few) {
                        Ok(users) => users
                            .iter()
                            .for_each(|user| add(user.as_str(), calls.clone())),
                        Err(error) => note(&mut missing, record, error),
                    }
                }
                Place::Reviewers => match few(reviewers.clone()) {
                    Ok(users) => users
                        .iter()
                        .for_each(|user| add(user.as_str(), calls.clone())),
                    Err(error) => note(&mut missing, record, error),
                },
            }
        }
        if targets.is_empty()
            && let Some(error) = missing
        {
            return Err(error);
        }
        if targets.is_empty() {
            let why = "nobody who is asked is known on this channel: link their identities, or \
                       route the request to a channel";
            return Err(ApproverError::for_good(why));
        }
        Ok(Targets {
            all: targets,
            missing,
        })
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

    /// The users of everybody who is asked now, as the directory lists and knows them here; where
    /// people are found by their addresses, also those whom it knows no account of.
    async fn reviewers(
        &self,
        directory: &dyn Directory,
        record: &Record,
        missing: &mut Option<ApproverError>,
    ) -> Result<BTreeSet<UserId>, ApproverError> {
        let people = audience::people(directory, self.desk.channel(), record).await?;
        let here = |identity: &&ChannelIdentity| {
            let mut installations = self.people.installations.iter();
            installations.any(|i| i.tenant() == &*identity.tenant)
        };
        let (mut users, mut without) = (BTreeSet::new(), Vec::new());
        for (person, identities) in people {
            let before = users.len();
            let known = identities.iter().filter(here);
            users.extend(known.filter_map(|identity| UserId::new(&identity.user).ok()));
            if users.len() == before {
                without.push(person);
            }
        }
        let Some(by_email) = &self.by_email else {
            return Ok(users);
        };
        // More are not written to one by one.
        for person in without.iter().take(MOST + 1) {
            let address = directory.email(person).await.map_err(audience::unsaid)?;
            let Some(address) = address.filter(|address| by_email.allows(address)) else {
                continue;
            };
            let rank = Rank::of(record.asked.risk, record.asked.asked_at);
            match self.people.reached_by(&address, rank).await {
                Ok(Some(user)) => {
                    users.insert(user);
                }
                Ok(None) => tracing::warn!(%person, "their address reaches nobody who could vote"),
                Err(error) => note(missing, record, error.into()),
            }
        }
        Ok(users)
    }
}
