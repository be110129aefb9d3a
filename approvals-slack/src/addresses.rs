//! Addresses of users: whose account it is, and whom to write to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use approvals_channel::{Accounts, Rank};
use approvals_core::{ChannelIdentity, DirectoryError};
use async_trait::async_trait;
use serde::Serialize;
use tokio::time::Instant;

use crate::error::{ApiError, Class};
use crate::id::UserId;
use crate::method::Method;
use crate::people::{NoReviewer, People, UserAnswer, judge};

/// How long it is believed whom an address reaches: it decides nothing.
const FRESH: Duration = Duration::from_secs(600);
/// How many addresses are remembered.
const MOST: usize = 10_000;

/// Whom addresses reach, as Slack said.
#[derive(Debug, Default)]
pub(crate) struct ByAddress(Mutex<HashMap<String, (Instant, Option<UserId>)>>);

#[derive(Serialize)]
struct EmailArgument<'a> {
    email: &'a str,
}

#[async_trait]
impl Accounts for People {
    async fn address(&self, identity: &ChannelIdentity) -> Result<Option<String>, DirectoryError> {
        let mut installations = self.installations.iter();
        let here = installations.find(|installation| installation.tenant() == &*identity.tenant);
        let (Some(here), Ok(user)) = (here, UserId::new(&identity.user)) else {
            return Ok(None);
        };
        match self.clicker(here, &user).await {
            // Under the one id that its votes come under.
            Ok(clicker) if clicker.user == *identity.user => {
                if clicker.address.is_none() {
                    tracing::warn!(
                        %identity,
                        "Slack tells of no confirmed address: the app needs the scope \
                         `users:read.email`, and the user a confirmed address"
                    );
                }
                Ok(clicker.address)
            }
            Err(NoReviewer::NotSaid(why)) => Err(DirectoryError(format!(
                "Slack did not say whose the account {identity} is: {why}"
            ))),
            Ok(_)
            | Err(
                NoReviewer::Bot
                | NoReviewer::Deleted
                | NoReviewer::Guest
                | NoReviewer::Foreign
                | NoReviewer::Unknown,
            ) => Ok(None),
        }
    }
}

impl People {
    /// The user whom this address reaches, if they could vote: for writing to them, and for nothing
    /// else. Who they are is asked when they click.
    pub(crate) async fn reached_by(
        &self,
        address: &str,
        rank: Rank,
    ) -> Result<Option<UserId>, ApiError> {
        if let Some((at, user)) = self.by_address.known().get(address)
            && at.elapsed() < FRESH
        {
            return Ok(user.clone());
        }
        let argument = EmailArgument { email: address };
        let asked = self
            .api
            .call::<UserAnswer>(Method::UsersLookupByEmail, rank, &argument);
        let user = match asked.await {
            Ok(answer) => self.is_theirs(address, &answer),
            Err(ApiError {
                class: Class::Destination,
                ..
            }) => None,
            Err(error) => return Err(error),
        };
        let mut known = self.by_address.known();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(address.to_owned(), (Instant::now(), user.clone()));
        Ok(user)
    }

    /// The user in an answer, who has exactly this address and may vote here.
    fn is_theirs(&self, address: &str, answer: &UserAnswer) -> Option<UserId> {
        let user = UserId::new(answer.user.id.as_deref()?).ok()?;
        let mut judged = self
            .installations
            .iter()
            .map(|here| judge(here, &user, &answer.user));
        let found = judged.find_map(Result::ok)?.address?;
        found.eq_ignore_ascii_case(address).then_some(user)
    }
}

impl ByAddress {
    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Option<UserId>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
