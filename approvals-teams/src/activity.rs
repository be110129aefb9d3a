//! What Teams says happened: read leniently, since fields come and go, and believed only as far as
//! the token vouches for whoever sent it.
//!
//! Texts stand in the body that they were read from: most of them are looked at once.

use std::borrow::Cow;
use std::ops::Deref;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::button::Carried;

/// An activity. Its text may hold a code, so there is no `Debug`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct Activity<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: Option<Said<'a>>,
    pub(crate) name: Option<Said<'a>>,
    pub(crate) action: Option<Said<'a>>,
    pub(crate) channel_id: Option<Said<'a>>,
    pub(crate) service_url: Option<Said<'a>>,
    pub(crate) from: Option<Account<'a>>,
    pub(crate) recipient: Option<Account<'a>>,
    pub(crate) conversation: Option<Conversation<'a>>,
    pub(crate) reply_to_id: Option<Said<'a>>,
    pub(crate) channel_data: Option<ChannelData<'a>>,
    pub(crate) members_removed: Option<Vec<Account<'a>>>,
    /// Of a form that depends on what this is: read when that is known.
    pub(crate) value: Option<&'a RawValue>,
    pub(crate) text: Option<Said<'a>>,
}

/// A text, which is copied only where it has escapes.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Said<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Said<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct Account<'a> {
    pub(crate) id: Option<Said<'a>>,
    pub(crate) aad_object_id: Option<Said<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct Conversation<'a> {
    pub(crate) id: Option<Said<'a>>,
    pub(crate) conversation_type: Option<Said<'a>>,
    pub(crate) tenant_id: Option<Said<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct ChannelData<'a> {
    pub(crate) tenant: Option<Named<'a>>,
    pub(crate) channel: Option<Named<'a>>,
    pub(crate) team: Option<Named<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(crate) struct Named<'a> {
    pub(crate) id: Option<Said<'a>>,
}

/// The value of an `adaptiveCard/action`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(crate) struct Invoked<'a> {
    pub(crate) action: Option<Executed<'a>>,
    pub(crate) trigger: Option<Said<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(crate) struct Executed<'a> {
    pub(crate) verb: Option<Said<'a>>,
    pub(crate) data: Option<Carried<'a>>,
}

impl Activity<'_> {
    /// The tenants that it names: all of them have to be the bot's own.
    pub(crate) fn tenants(&self) -> (Option<&str>, Option<&str>) {
        let data = self.channel_data.as_ref();
        let data = data.and_then(|data| data.tenant.as_ref()?.id.as_deref());
        let conversation = self.conversation.as_ref();
        (data, conversation.and_then(|c| c.tenant_id.as_deref()))
    }
}

impl Account<'_> {
    /// The same without the body that it was read from.
    pub(crate) fn kept(self) -> Account<'static> {
        Account {
            id: self.id.map(Said::kept),
            aad_object_id: self.aad_object_id.map(Said::kept),
        }
    }
}

impl Said<'_> {
    fn kept(self) -> Said<'static> {
        Said(Cow::Owned(self.0.into_owned()))
    }

    /// As a text of its own.
    pub(crate) fn into_string(self) -> String {
        self.0.into_owned()
    }
}
