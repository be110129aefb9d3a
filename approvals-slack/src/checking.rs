//! Whether the app's token is for where the settings say.

use approvals_channel::Rank;
use serde::Deserialize;
use serde_json::json;

use crate::channel::Slack;
use crate::method::Method;
use crate::people::Installation;

/// What is wrong between the settings and Slack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// Slack did not answer, or not for this token.
    #[error("{0}")]
    Slack(String),
    /// The token is for somewhere else.
    #[error("the bot token is of {found}, where the settings do not say that the app is installed")]
    Elsewhere {
        /// The workspace, and the organisation where there is one.
        found: String,
    },
}

#[derive(Deserialize)]
struct Tested {
    team_id: Option<String>,
    enterprise_id: Option<String>,
}

impl Slack {
    /// Asks Slack whose token this is: for the start of a program, so that a wrong token is found
    /// before a request waits for it.
    ///
    /// # Errors
    /// [`CheckError`] when Slack does not take the token, or it is of another installation.
    pub async fn check(&self) -> Result<(), CheckError> {
        let nothing = json!({});
        let tested = self
            .0
            .api
            .call::<Tested>(Method::AuthTest, Rank::NOW, &nothing);
        let tested = tested
            .await
            .map_err(|error| CheckError::Slack(error.to_string()))?;
        let here = |installation: &Installation| match installation {
            Installation::Workspace(team) => tested.team_id.as_deref() == Some(team.as_str()),
            Installation::Organisation(enterprise) => {
                tested.enterprise_id.as_deref() == Some(enterprise.as_str())
            }
        };
        if self.0.people.installations.iter().any(here) {
            return Ok(());
        }
        let found = [tested.team_id, tested.enterprise_id].into_iter().flatten();
        let found: Vec<String> = found.collect();
        Err(CheckError::Elsewhere {
            found: found.join(", "),
        })
    }
}
