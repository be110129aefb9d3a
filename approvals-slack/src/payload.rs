//! What Slack says happened: read leniently, since fields come and go, and believed only where
//! something else stands behind it.

use serde::Deserialize;

/// An interaction of somebody with a message or a form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Interaction {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) api_app_id: Option<String>,
    /// Missing where the app is installed in a whole organisation.
    pub(crate) team: Option<Named>,
    pub(crate) enterprise: Option<Named>,
    pub(crate) user: Option<User>,
    pub(crate) container: Option<Container>,
    pub(crate) trigger_id: Option<String>,
    pub(crate) response_url: Option<String>,
    pub(crate) actions: Option<Vec<Action>>,
    pub(crate) view: Option<View>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Named {
    pub(crate) id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct User {
    pub(crate) id: Option<String>,
    pub(crate) team_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Container {
    pub(crate) message_ts: Option<String>,
    pub(crate) channel_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Action {
    pub(crate) action_id: Option<String>,
    pub(crate) value: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct View {
    pub(crate) callback_id: Option<String>,
    pub(crate) private_metadata: Option<String>,
    pub(crate) state: Option<ViewState>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ViewState {
    values: std::collections::BTreeMap<String, std::collections::BTreeMap<String, Typed>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    value: Option<String>,
}

impl View {
    /// What was typed into a field; nothing where it is empty.
    pub(crate) fn typed(&self, field: &str) -> Option<&str> {
        let values = &self.state.as_ref()?.values;
        let typed = values.get(field)?.get(field)?.value.as_deref()?.trim();
        (!typed.is_empty()).then_some(typed)
    }
}

impl Interaction {
    pub(crate) fn team(&self) -> Option<&str> {
        self.team.as_ref()?.id.as_deref()
    }

    pub(crate) fn enterprise(&self) -> Option<&str> {
        self.enterprise.as_ref()?.id.as_deref()
    }
}

/// The one field of a form-encoded body that there may be of this name.
pub(crate) fn only<'a>(
    body: &'a [u8],
    name: &str,
) -> Result<Option<std::borrow::Cow<'a, str>>, Twice> {
    let mut found = None;
    for (key, value) in form_urlencoded::parse(body) {
        if key == name && found.replace(value).is_some() {
            return Err(Twice);
        }
    }
    Ok(found)
}

/// A field that came twice: which one is meant, nobody knows.
#[derive(Debug)]
pub(crate) struct Twice;
