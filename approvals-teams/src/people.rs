//! Who clicked: a member of the bot's own tenant, and not a bot, a guest or somebody unknown.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use approvals_channel::Rank;
use http::Method;
use serde::Deserialize;
use tokio::time::Instant;

use crate::activity::Account;
use crate::api::{Api, Call, segment};
use crate::error::{ApiError, Class};
use crate::id::{ConversationId, TenantId, UserId};
use crate::pace::Line;

/// How long what Teams said about a user is believed.
const FRESH: Duration = Duration::from_secs(60);
/// How long its answer is waited for: whoever clicked is answered within five seconds.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// How many users are remembered.
const MOST: usize = 10_000;

/// Why somebody is no reviewer, for them to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoReviewer {
    #[error("apps and bots cannot vote")]
    Bot,
    #[error("guests cannot vote")]
    Guest,
    #[error("people of another organisation cannot vote here")]
    Foreign,
    #[error("Teams does not say who you are, so you cannot vote")]
    Unknown,
    #[error("Teams did not say who you are, so this did not count: try again ({0})")]
    NotSaid(String),
}

/// Somebody who may be a reviewer: the directory says who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clicker {
    pub(crate) user: UserId,
    /// Their e-mail address in the tenant, where Teams says one.
    pub(crate) address: Option<String>,
}

pub(crate) type Judged = Result<Clicker, NoReviewer>;

/// What Teams says of users.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) api: Arc<Api>,
    pub(crate) tenant: TenantId,
    known: Known,
    /// Where somebody was told of last.
    seen: Mutex<HashMap<UserId, Place>>,
}

type Known = Mutex<HashMap<(ConversationId, UserId), (Instant, Judged)>>;

/// What Teams says of a member of a conversation. Whatever is missing is not known, and that is no.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Member {
    #[serde(alias = "aadObjectId")]
    object_id: Option<String>,
    tenant_id: Option<String>,
    user_principal_name: Option<String>,
    user_role: Option<String>,
    email: Option<String>,
}

/// Where somebody clicked.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) conversation: ConversationId,
    pub(crate) service: String,
}

impl Place {
    /// Whether it is this conversation, or a thread of it.
    pub(crate) fn is_in(&self, conversation: &ConversationId) -> bool {
        self.conversation.without_thread() == conversation.without_thread()
    }
}

impl People {
    pub(crate) fn new(api: Arc<Api>, tenant: TenantId) -> Self {
        Self {
            api,
            tenant,
            known: Known::default(),
            seen: Mutex::default(),
        }
    }

    /// Who clicked, as Teams says now or said within the last minute.
    pub(crate) async fn clicker(&self, place: &Place, from: &Account<'_>) -> Judged {
        self.member(place, clicked(from)?).await
    }

    /// Who a user is that a conversation may have.
    pub(crate) async fn member(&self, place: &Place, user: UserId) -> Judged {
        // Threads of a channel have the members of the channel.
        let within = place.conversation.whole().ok_or(NoReviewer::Unknown)?;
        let key = (within, user);
        if let Some((at, judged)) = self.known().get(&key)
            && at.elapsed() < FRESH
        {
            return judged.clone();
        }
        let (within, user) = &key;
        let call = Call {
            what: "asking who clicked",
            method: Method::GET,
            service: &place.service,
            path: format!(
                "/v3/conversations/{}/members/{}",
                segment(within.as_str()),
                segment(user.as_str())
            ),
            patience: PATIENCE,
        };
        let line = Line::Ask(within.as_str().into());
        let asked = self
            .api
            .call::<Member>(&line, Rank::NOW, &call, None::<&()>);
        // By itself: most are remembered, and then there is no room to make for this.
        let judged = match Box::pin(asked).await {
            Ok(member) => judge(&self.tenant, user, &member),
            Err(ApiError {
                class: Class::Destination | Class::Message,
                ..
            }) => Err(NoReviewer::Unknown),
            Err(error) => {
                tracing::error!(%error, "who clicked could not be found out");
                return Err(NoReviewer::NotSaid(error.why));
            }
        };
        if judged.is_ok() {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.len() >= MOST {
                seen.clear();
            }
            seen.insert(user.clone(), place.clone());
        }
        let mut known = self.known();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, (Instant::now(), judged.clone()));
        judged
    }

    /// Where somebody was told of last.
    pub(crate) fn seen(&self, user: &UserId) -> Option<Place> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(user).cloned()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(ConversationId, UserId), (Instant, Judged)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom the activity names.
fn clicked(from: &Account<'_>) -> Result<UserId, NoReviewer> {
    if from.id.as_deref().is_none_or(|id| id.starts_with("28:")) {
        return Err(NoReviewer::Bot);
    }
    let user = from.aad_object_id.as_deref().ok_or(NoReviewer::Unknown)?;
    UserId::new(user).map_err(|_| NoReviewer::Unknown)
}

fn judge(tenant: &TenantId, asked: &UserId, member: &Member) -> Judged {
    let same = |said: &Option<String>, is: fn(&str) -> Option<String>| said.as_deref().and_then(is);
    let user = same(&member.object_id, |id| {
        Some(UserId::new(id).ok()?.to_string())
    });
    if user.as_deref() != Some(asked.as_str()) {
        return Err(NoReviewer::Unknown);
    }
    let of = same(&member.tenant_id, |id| {
        Some(TenantId::new(id).ok()?.to_string())
    });
    if of.as_deref() != Some(tenant.as_str()) {
        return Err(NoReviewer::Foreign);
    }
    match member.user_role.as_deref() {
        Some("user") => {}
        Some("bot") => return Err(NoReviewer::Bot),
        Some(_) | None => return Err(NoReviewer::Guest),
    }
    let name = member.user_principal_name.as_deref().unwrap_or_default();
    if name.is_empty() || name.to_ascii_uppercase().contains("#EXT#") {
        return Err(NoReviewer::Guest);
    }
    let address = member.email.clone();
    Ok(Clicker {
        user: asked.clone(),
        address: address.filter(|address| !address.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ALICE: &str = "a11ce000-0000-0000-0000-000000000000";
    const TENANT: &str = "22222222-0000-0000-0000-000000000000";

    #[test]
    fn guests_foreign_tenants_and_bots_are_no_reviewers_and_neither_is_a_doubt() {
        let tenant = TenantId::new(TENANT).unwrap();
        let asked = UserId::new(ALICE).unwrap();
        let judge = |other: Value| {
            let mut whole = json!({
                "id": "29:1", "name": "Alice", "objectId": ALICE.to_uppercase(), "tenantId": TENANT,
                "userPrincipalName": "alice@example.com", "userRole": "user"
            });
            for (name, value) in other.as_object().unwrap() {
                whole[name] = value.clone();
            }
            super::judge(&tenant, &asked, &serde_json::from_value(whole).unwrap())
        };
        let clicker = judge(json!({})).unwrap();
        assert_eq!((clicker.user, clicker.address), (asked.clone(), None));
        // The name under which they sign in is no address.
        let clicker = judge(json!({"email": "a@example.com"})).unwrap();
        assert_eq!(clicker.address.as_deref(), Some("a@example.com"));
        assert_eq!(judge(json!({"email": ""})).unwrap().address, None);
        for (other, why) in [
            (json!({"userRole": "anonymous"}), NoReviewer::Guest),
            (json!({"userRole": "guest"}), NoReviewer::Guest),
            (json!({"userRole": null}), NoReviewer::Guest),
            (json!({"userRole": "bot"}), NoReviewer::Bot),
            (
                json!({"userPrincipalName": "alice_evil.example#EXT#@example.com"}),
                NoReviewer::Guest,
            ),
            (
                json!({"userPrincipalName": "alice_evil.example#ext#@example.com"}),
                NoReviewer::Guest,
            ),
            (json!({"userPrincipalName": null}), NoReviewer::Guest),
            (
                json!({"tenantId": "33333333-0000-0000-0000-000000000000"}),
                NoReviewer::Foreign,
            ),
            (json!({"tenantId": null}), NoReviewer::Foreign),
            (json!({"objectId": null}), NoReviewer::Unknown),
            (
                json!({"objectId": "b0b00000-0000-0000-0000-000000000000"}),
                NoReviewer::Unknown,
            ),
        ] {
            assert_eq!(judge(other.clone()), Err(why), "{other}");
        }
    }

    #[test]
    fn whoever_has_no_object_id_or_is_a_bot_is_nobody() {
        let from = |id: Option<&str>, aad: Option<&str>| {
            let account = json!({"id": id, "aadObjectId": aad}).to_string();
            clicked(&serde_json::from_str(&account).unwrap())
        };
        assert!(from(Some("29:1"), Some(ALICE)).is_ok());
        assert_eq!(from(Some("28:app"), Some(ALICE)), Err(NoReviewer::Bot));
        assert_eq!(from(None, Some(ALICE)), Err(NoReviewer::Bot));
        assert_eq!(from(Some("29:1"), None), Err(NoReviewer::Unknown));
        assert_eq!(from(Some("29:1"), Some("alice")), Err(NoReviewer::Unknown));
    }
}
