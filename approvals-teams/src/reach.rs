//! From destinations to the messages that are to be posted: where, and whom each calls.

use std::collections::BTreeSet;

use approvals_channel::audience::{self, MOST, few};
use approvals_channel::{Target, Targets};
use approvals_core::{ApproverError, Directory, Record};

use crate::channel::Inner;
use crate::destination::{Destination, Place};
use crate::id::{ConversationId, UserId};

/// What stands before the id in a target and in a receipt.
const CHANNEL: &str = "channel ";

/// Where a target is, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    Channel(ConversationId),
    Chat(ConversationId),
    User(UserId),
}

impl To {
    /// A user by the plain id, so that whoever has answered is recognised by it.
    fn named(&self) -> String {
        match self {
            Self::Channel(id) => format!("{CHANNEL}{id}"),
            Self::Chat(id) => id.to_string(),
            Self::User(id) => id.to_string(),
        }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        if let Some(id) = text.strip_prefix(CHANNEL) {
            return ConversationId::new(id).ok().map(Self::Channel);
        }
        let chat = || ConversationId::new(text).ok().map(Self::Chat);
        UserId::new(text).ok().map(Self::User).or_else(chat)
    }
}

impl Inner {
    /// Every message that this request needs, each conversation once.
    pub(crate) async fn reach(&self, record: &Record) -> Result<Targets, ApproverError> {
        let Some(destinations) = self.routes.of(record) else {
            let policy = &record.asked.call.declaration().policy;
            return Err(ApproverError::for_good(format!(
                "no route of the Teams channel is for this request of policy `{policy}`: add one"
            )));
        };
        let wanted = |d: &Destination| d.calls_reviewers || d.place == Place::Reviewers;
        let reviewers = match &self.directory {
            Some(directory) if destinations.iter().any(wanted) => {
                self.reviewers(directory.as_ref(), record).await?
            }
            Some(_) | None => BTreeSet::new(),
        };
        let mut targets: Vec<Target> = Vec::new();
        let mut add = |to: To, calls: &BTreeSet<&UserId>| {
            let to = to.named();
            if !targets.iter().any(|target| target.to == to) {
                let calls = calls.iter().map(|user| user.as_str().to_owned()).collect();
                targets.push(Target { to, calls });
            }
        };
        let (nobody, mut missing) = (BTreeSet::new(), None);
        for destination in destinations {
            let mut calls: BTreeSet<&UserId> = destination.calls.iter().collect();
            if destination.calls_reviewers {
                calls.extend(reviewers.iter().take(MOST));
            }
            match &destination.place {
                Place::Channel(id) => add(To::Channel(id.clone()), &calls),
                Place::Chat(id) => add(To::Chat(id.clone()), &calls),
                // Whoever is written to needs no calling.
                Place::User(id) => add(To::User(id.clone()), &nobody),
                Place::Reviewers => match few(reviewers.clone()) {
                    Ok(users) => {
                        for user in users {
                            add(To::User(user), &nobody);
                        }
                    }
                    Err(error) => {
                        tracing::error!(request = %record.id(), %error, "some are not asked");
                        missing = Some(error);
                    }
                },
            }
        }
        if targets.is_empty() {
            let why = "nobody who is asked is known on this channel: link their identities, or \
                       route the request to a channel";
            return Err(missing.unwrap_or_else(|| ApproverError::for_good(why)));
        }
        Ok(Targets {
            all: targets,
            missing,
        })
    }

    /// Whether this request is posted into this conversation, as far as that is known.
    pub(crate) async fn goes_to(&self, record: &Record, conversation: &ConversationId) -> bool {
        let Ok(targets) = self.reach(record).await else {
            return false;
        };
        for target in &targets.all {
            let here = match To::read(&target.to) {
                Some(To::Channel(id)) => id.as_str() == conversation.without_thread(),
                Some(To::Chat(id)) => id == *conversation,
                Some(To::User(id)) => {
                    let chat = self.conversations.with(id.as_str()).await;
                    chat.is_ok_and(|chat| chat.is_some_and(|c| c.id == conversation.as_str()))
                }
                None => false,
            };
            if here {
                return true;
            }
        }
        false
    }

    /// The users of everybody who is asked now, as the directory lists and knows them here.
    async fn reviewers(
        &self,
        directory: &dyn Directory,
        record: &Record,
    ) -> Result<BTreeSet<UserId>, ApproverError> {
        let known = audience::identities(directory, self.desk.channel(), record).await?;
        let here = known
            .iter()
            .filter(|identity| *identity.tenant == *self.tenant.as_str());
        Ok(here
            .filter_map(|identity| UserId::new(&identity.user).ok())
            .collect())
    }
}
