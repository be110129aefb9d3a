//! Addresses of users: whose account it is.

use std::sync::Arc;

use approvals_channel::Accounts;
use approvals_core::{ChannelIdentity, DirectoryError};
use async_trait::async_trait;

use crate::conversations::Conversations;
use crate::destination::{self, Routes};
use crate::id::{ConversationId, UserId};
use crate::people::{NoReviewer, People, Place};
use crate::service::service;

/// In how many conversations of the routes somebody is looked for.
const MOST: usize = 8;

/// Asks Teams for the address of a user, in a conversation that both the user and the bot are in:
/// where the user was told of last, in the chat of their own, and where requests are posted.
#[derive(Debug)]
pub(crate) struct Addresses {
    people: Arc<People>,
    conversations: Arc<dyn Conversations>,
    places: Vec<ConversationId>,
}

impl Addresses {
    pub(crate) fn new(
        people: Arc<People>,
        conversations: Arc<dyn Conversations>,
        routes: &Routes,
    ) -> Self {
        let mut places: Vec<ConversationId> = Vec::new();
        for destination in routes.all() {
            if let destination::Place::Channel(id) | destination::Place::Chat(id) =
                &destination.place
                && !places.contains(id)
                && places.len() < MOST
            {
                places.push(id.clone());
            }
        }
        Self {
            people,
            conversations,
            places,
        }
    }

    /// Where a user may be told of.
    async fn places(&self, user: &UserId) -> Result<Vec<Place>, DirectoryError> {
        let unsaid = |why: &dyn std::fmt::Display| DirectoryError(why.to_string());
        let mut places: Vec<Place> = self.people.seen(user).into_iter().collect();
        let chat = self.conversations.with(user.as_str()).await;
        let chat = chat.map_err(|error| unsaid(&error))?;
        let chat = chat.and_then(|chat| ConversationId::new(&chat.id).ok());
        for conversation in chat.iter().chain(&self.places) {
            if places.iter().any(|place| place.is_in(conversation)) {
                continue;
            }
            let cloud = self.people.api.cloud();
            let service = service(self.conversations.as_ref(), cloud, conversation).await;
            places.push(Place {
                conversation: conversation.clone(),
                service: service.map_err(|error| unsaid(&error))?,
            });
        }
        Ok(places)
    }
}

#[async_trait]
impl Accounts for Addresses {
    async fn address(&self, identity: &ChannelIdentity) -> Result<Option<String>, DirectoryError> {
        let Ok(user) = UserId::new(&identity.user) else {
            return Ok(None);
        };
        // In the one form in which votes come.
        let own = *identity.tenant == *self.people.tenant.as_str();
        if !own || *identity.user != *user.as_str() {
            return Ok(None);
        }
        let mut unsaid = None;
        for place in self.places(&user).await? {
            match self.people.member(&place, user.clone()).await {
                Ok(clicker) => {
                    if clicker.address.is_none() {
                        tracing::warn!(%identity, "Teams tells of no address");
                    }
                    return Ok(clicker.address);
                }
                // Not in this one.
                Err(NoReviewer::Unknown) => {}
                Err(NoReviewer::NotSaid(why)) => unsaid = Some(why),
                Err(NoReviewer::Bot | NoReviewer::Guest | NoReviewer::Foreign) => return Ok(None),
            }
        }
        match unsaid {
            None => Ok(None),
            Some(why) => Err(DirectoryError(format!(
                "Teams did not say whose the account {identity} is: {why}"
            ))),
        }
    }
}
