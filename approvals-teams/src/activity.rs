//! What Teams says happened: read leniently, since fields come and go, and believed only as far as
//! the token vouches for whoever sent it.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// An activity. Its text may hold a code, so there is no `Debug`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Activity {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) channel_id: Option<String>,
    pub(crate) service_url: Option<String>,
    pub(crate) from: Option<Account>,
    pub(crate) recipient: Option<Account>,
    pub(crate) conversation: Option<Conversation>,
    pub(crate) reply_to_id: Option<String>,
    pub(crate) channel_data: Option<ChannelData>,
    pub(crate) members_removed: Option<Vec<Account>>,
    /// Of a form that depends on what this is: read when that is known.
    pub(crate) value: Option<Box<RawValue>>,
    pub(crate) text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Account {
    pub(crate) id: Option<String>,
    pub(crate) aad_object_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Conversation {
    pub(crate) id: Option<String>,
    pub(crate) conversation_type: Option<String>,
    pub(crate) tenant_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ChannelData {
    pub(crate) tenant: Option<Named>,
    pub(crate) channel: Option<Named>,
    pub(crate) team: Option<Named>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Named {
    pub(crate) id: Option<String>,
}

/// The value of an `adaptiveCard/action`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Invoked {
    pub(crate) action: Option<Executed>,
    pub(crate) trigger: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Executed {
    pub(crate) verb: Option<String>,
    pub(crate) data: Option<Map<String, Value>>,
}

impl Activity {
    /// The tenants that it names: all of them have to be the bot's own.
    pub(crate) fn tenants(&self) -> (Option<&str>, Option<&str>) {
        let data = self.channel_data.as_ref();
        let data = data.and_then(|data| data.tenant.as_ref()?.id.as_deref());
        let conversation = self.conversation.as_ref();
        (data, conversation.and_then(|c| c.tenant_id.as_deref()))
    }
}
