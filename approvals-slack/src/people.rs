//! Who clicked: a user of this installation, and not a bot, a guest or somebody who is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use approvals_channel::Rank;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::addresses::ByAddress;
use crate::api::Api;
use crate::error::{ApiError, Class};
use crate::id::{EnterpriseId, TeamId, UserId};
use crate::method::Method;

/// How long what Slack said about a user is believed.
const FRESH: Duration = Duration::from_secs(60);
/// How many users are remembered.
const MOST: usize = 10_000;

/// Where the app is installed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Installation {
    /// In one workspace: its own members vote. The tenant of their channel identities is the
    /// workspace's id.
    Workspace(TeamId),
    /// In a whole organisation (Enterprise Grid): members of all its workspaces vote. The tenant of
    /// their channel identities is the organisation's id.
    Organisation(EnterpriseId),
}

impl Installation {
    /// The tenant of its users' channel identities.
    pub(crate) fn tenant(&self) -> &str {
        match self {
            Self::Workspace(team) => team.as_str(),
            Self::Organisation(enterprise) => enterprise.as_str(),
        }
    }
}

/// Somebody who may be a reviewer: the directory says who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clicker {
    pub(crate) tenant: String,
    pub(crate) user: String,
    /// Their e-mail address, where Slack says that it is confirmed and the app may see it.
    pub(crate) address: Option<String>,
}

/// Why somebody is no reviewer, for them to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoReviewer {
    #[error("apps and bots cannot vote")]
    Bot,
    #[error("this account was deactivated")]
    Deleted,
    #[error("guests cannot vote")]
    Guest,
    #[error("people of another workspace cannot vote here")]
    Foreign,
    #[error("Slack does not know this user")]
    Unknown,
    #[error("Slack did not say who you are, so this did not count: try again ({0})")]
    NotSaid(String),
}

/// What Slack says of users.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) api: Arc<Api>,
    pub(crate) installations: Vec<Installation>,
    known: Known,
    pub(crate) by_address: ByAddress,
}

type Known = Mutex<HashMap<(Installation, UserId), (Instant, Judged)>>;

pub(crate) type Judged = Result<Clicker, NoReviewer>;

#[derive(Serialize)]
struct UserArgument<'a> {
    user: &'a str,
}

#[derive(Debug, Deserialize)]
pub(crate) struct UserAnswer {
    pub(crate) user: User,
}

/// What Slack says of a user. Whatever is missing is not known, and that is no.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct User {
    pub(crate) id: Option<String>,
    team_id: Option<String>,
    deleted: Option<bool>,
    is_bot: Option<bool>,
    is_restricted: Option<bool>,
    is_ultra_restricted: Option<bool>,
    is_stranger: Option<bool>,
    is_email_confirmed: Option<bool>,
    profile: Option<Profile>,
    enterprise_user: Option<EnterpriseUser>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Profile {
    email: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EnterpriseUser {
    id: Option<String>,
    enterprise_id: Option<String>,
}

impl People {
    pub(crate) fn new(api: Arc<Api>, installations: Vec<Installation>) -> Self {
        Self {
            api,
            installations,
            known: Known::default(),
            by_address: ByAddress::default(),
        }
    }

    /// Who clicked, as Slack says now or said within the last minute.
    pub(crate) async fn clicker(&self, installation: &Installation, user: &UserId) -> Judged {
        let key = (installation.clone(), user.clone());
        if let Some((at, judged)) = self.known().get(&key)
            && at.elapsed() < FRESH
        {
            return judged.clone();
        }
        let argument = UserArgument {
            user: user.as_str(),
        };
        let asked = self
            .api
            .call::<UserAnswer>(Method::UsersInfo, Rank::NOW, &argument);
        let judged = match asked.await {
            Ok(answer) => judge(installation, user, &answer.user),
            Err(ApiError {
                class: Class::Destination,
                ..
            }) => Err(NoReviewer::Unknown),
            Err(error) => {
                tracing::error!(%error, "who clicked could not be found out");
                return Err(NoReviewer::NotSaid(error.why));
            }
        };
        let mut known = self.known();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, (Instant::now(), judged.clone()));
        judged
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(Installation, UserId), (Instant, Judged)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a user may vote, and as whom.
pub(crate) fn judge(installation: &Installation, asked: &UserId, user: &User) -> Judged {
    // In an organisation a user may be asked for by either id.
    let in_organisation = match (installation, &user.enterprise_user) {
        (Installation::Organisation(_), Some(of)) => of.id.as_deref(),
        (Installation::Organisation(_) | Installation::Workspace(_), _) => None,
    };
    if ![user.id.as_deref(), in_organisation].contains(&Some(asked.as_str())) {
        return Err(NoReviewer::Unknown);
    }
    if user.deleted != Some(false) {
        return Err(NoReviewer::Deleted);
    }
    if user.is_bot != Some(false) {
        return Err(NoReviewer::Bot);
    }
    // Slack leaves these out where they make no sense, as of users of other workspaces.
    if user.is_stranger == Some(true) {
        return Err(NoReviewer::Foreign);
    }
    let restricted = [user.is_restricted, user.is_ultra_restricted];
    if restricted.contains(&Some(true)) {
        return Err(NoReviewer::Guest);
    }
    let member = match installation {
        Installation::Workspace(team) => user.team_id.as_deref() == Some(team.as_str()),
        Installation::Organisation(enterprise) => {
            let of = user.enterprise_user.as_ref();
            of.and_then(|of| of.enterprise_id.as_deref()) == Some(enterprise.as_str())
        }
    };
    if !member {
        return Err(NoReviewer::Foreign);
    }
    // A member of this installation always has them: without, nobody knows whether it is a guest.
    if restricted.contains(&None) {
        return Err(NoReviewer::Guest);
    }
    let stable = match (installation, &user.enterprise_user) {
        (Installation::Workspace(_), _) => asked.as_str(),
        (Installation::Organisation(_), Some(EnterpriseUser { id: Some(id), .. })) => id.as_str(),
        (Installation::Organisation(_), _) => {
            let why = "no id in the organisation".to_owned();
            return Err(NoReviewer::NotSaid(why));
        }
    };
    // What is not said to be confirmed is not known, and that is no.
    let profile = user
        .profile
        .as_ref()
        .filter(|_| user.is_email_confirmed == Some(true));
    let address = profile.and_then(|profile| profile.email.clone());
    Ok(Clicker {
        tenant: installation.tenant().to_owned(),
        user: stable.to_owned(),
        address: address.filter(|address| !address.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(json: serde_json::Value) -> User {
        let mut whole = serde_json::json!({
            "id": "U1", "team_id": "T1", "deleted": false, "is_bot": false,
            "is_restricted": false, "is_ultra_restricted": false
        });
        for (name, value) in json.as_object().unwrap() {
            whole[name] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn guests_foreign_users_bots_and_deleted_users_are_no_reviewers_and_neither_is_a_doubt() {
        let here = Installation::Workspace(TeamId::new("T1").unwrap());
        let asked = UserId::new("U1").unwrap();
        let judge = |json| judge(&here, &asked, &user(json));
        assert_eq!(judge(serde_json::json!({})).unwrap().user, "U1");
        for (json, why) in [
            (serde_json::json!({"is_bot": true}), NoReviewer::Bot),
            (serde_json::json!({"is_bot": null}), NoReviewer::Bot),
            (serde_json::json!({"deleted": true}), NoReviewer::Deleted),
            (serde_json::json!({"deleted": null}), NoReviewer::Deleted),
            (
                serde_json::json!({"is_restricted": true}),
                NoReviewer::Guest,
            ),
            (
                serde_json::json!({"is_restricted": null}),
                NoReviewer::Guest,
            ),
            (
                serde_json::json!({"is_ultra_restricted": true}),
                NoReviewer::Guest,
            ),
            (
                serde_json::json!({"is_stranger": true}),
                NoReviewer::Foreign,
            ),
            (serde_json::json!({"team_id": "T2"}), NoReviewer::Foreign),
            (serde_json::json!({"team_id": null}), NoReviewer::Foreign),
            (serde_json::json!({"id": "U2"}), NoReviewer::Unknown),
        ] {
            assert_eq!(judge(json.clone()), Err(why), "{json}");
        }
    }

    #[test]
    fn an_address_counts_when_slack_says_that_it_is_confirmed() {
        let here = Installation::Workspace(TeamId::new("T1").unwrap());
        let asked = UserId::new("U1").unwrap();
        let address = |json| judge(&here, &asked, &user(json)).unwrap().address;
        let email = serde_json::json!({"email": "a@example.com"});
        let with = |confirmed: serde_json::Value, profile: &serde_json::Value| serde_json::json!({"is_email_confirmed": confirmed, "profile": profile});
        assert_eq!(
            address(with(true.into(), &email)).as_deref(),
            Some("a@example.com")
        );
        for confirmed in [false.into(), serde_json::Value::Null] {
            assert_eq!(address(with(confirmed, &email)), None);
        }
        for nothing in [
            serde_json::json!({}),
            serde_json::json!({"email": ""}),
            serde_json::json!({"email": null}),
            serde_json::Value::Null,
        ] {
            assert_eq!(address(with(true.into(), &nothing)), None, "{nothing}");
        }
    }

    #[test]
    fn in_an_organisation_its_own_users_count_under_their_stable_id() {
        let here = Installation::Organisation(EnterpriseId::new("E1").unwrap());
        let asked = UserId::new("U1").unwrap();
        let of = |enterprise: &str| {
            let json = serde_json::json!({
                "team_id": "T9",
                "enterprise_user": {"id": "W7", "enterprise_id": enterprise}
            });
            judge(&here, &asked, &user(json))
        };
        let clicker = Clicker {
            tenant: "E1".to_owned(),
            user: "W7".to_owned(),
            address: None,
        };
        assert_eq!(of("E1"), Ok(clicker.clone()));
        // Under the stable id it is the same user, and under another one nobody.
        let json = serde_json::json!({
            "id": "U1", "team_id": "T9", "enterprise_user": {"id": "W7", "enterprise_id": "E1"}
        });
        let asked_as =
            |id: &str| super::judge(&here, &UserId::new(id).unwrap(), &user(json.clone()));
        assert_eq!(asked_as("W7"), Ok(clicker));
        assert_eq!(asked_as("W8"), Err(NoReviewer::Unknown));
        assert_eq!(of("E2"), Err(NoReviewer::Foreign));
        assert_eq!(
            judge(&here, &asked, &user(serde_json::json!({}))),
            Err(NoReviewer::Foreign)
        );
    }
}
