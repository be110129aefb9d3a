//! What most calls have nothing of: kept apart, so that a parked one takes no room for it.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Argument, Arguments, Bound, Call, Declaration, redaction};
use crate::digest::Digest;
use crate::id::{Environment, IdempotencyKey};
use crate::principal::Requester;

#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct More {
    pub(super) fields: Arguments,
    pub(super) resource: Option<Box<str>>,
    pub(super) environment: Option<Environment>,
    pub(super) labels: Vec<(Box<str>, Box<str>)>,
    pub(super) justification: Option<Box<str>>,
    pub(super) summary: Option<Box<str>>,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) masked: Vec<Box<str>>,
    /// What the author marked as sensitive, sorted.
    pub(super) sensitive: Vec<Box<str>>,
}

static NOTHING: More = More {
    fields: Arguments::none(),
    resource: None,
    environment: None,
    labels: Vec::new(),
    justification: None,
    summary: None,
    key: None,
    masked: Vec::new(),
    sensitive: Vec::new(),
};

impl More {
    /// Nothing is kept of nothing.
    pub(super) fn boxed(self) -> Option<Box<Self>> {
        (self != NOTHING).then(|| Box::new(self))
    }

    /// Masks what looks like a secret, and says where.
    pub(super) fn mask(&mut self, found: &mut Vec<Box<str>>) {
        if self.fields.may_hold_secrets() {
            self.fields.mask(found);
        }
        for (what, text) in [
            ("resource", &mut self.resource),
            ("justification", &mut self.justification),
            ("summary", &mut self.summary),
        ] {
            if let Some(text) = text {
                redaction::mask_text(what, text, found);
            }
        }
        for (name, value) in &mut self.labels {
            redaction::mask_label(name, value, found);
        }
        self.fields.shrink();
    }

    /// Whether reviewers are shown something of this name.
    pub(super) fn shows(&self, name: &str, arguments: &Arguments) -> bool {
        let is_plain = |argument: Argument<'_>| match argument.bound {
            Bound::Value | Bound::Debug | Bound::Display => true,
            Bound::Redacted(_) | Bound::Skipped => false,
        };
        let text = match name {
            "resource" => self.resource.is_some(),
            "justification" => self.justification.is_some(),
            "summary" => self.summary.is_some(),
            "key" => self.key.is_some(),
            _ => false,
        };
        text || arguments.get(name).is_some_and(is_plain)
            || self.fields.get(name).is_some_and(is_plain)
            || self.labels.iter().any(|(label, _)| **label == *name)
    }

    pub(super) fn of(kept: Option<&Self>) -> &Self {
        kept.unwrap_or(&NOTHING)
    }
}

/// A call as it is stored.
#[derive(Serialize)]
struct Stored<'a> {
    declaration: &'a Declaration,
    requester: &'a Requester,
    arguments: &'a Arguments,
    fields: &'a Arguments,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a Environment>,
    labels: &'a [(Box<str>, Box<str>)],
    #[serde(skip_serializing_if = "Option::is_none")]
    justification: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a IdempotencyKey>,
    /// It was taken over what will run; a stored call cannot give it again where it is masked.
    digest: Option<&'a Digest>,
    masked: &'a [Box<str>],
    #[serde(skip_serializing_if = "is_nothing")]
    sensitive: &'a [Box<str>],
}

/// Most calls have no marks, and are written as they were before there were any.
const fn is_nothing(list: &&[Box<str>]) -> bool {
    list.is_empty()
}

/// A stored call as it is read.
#[derive(Deserialize)]
struct Read {
    declaration: Arc<Declaration>,
    requester: Requester,
    arguments: Arguments,
    fields: Arguments,
    #[serde(default)]
    resource: Option<Box<str>>,
    #[serde(default)]
    environment: Option<Environment>,
    labels: Vec<(Box<str>, Box<str>)>,
    #[serde(default)]
    justification: Option<Box<str>>,
    #[serde(default)]
    summary: Option<Box<str>>,
    #[serde(default)]
    key: Option<IdempotencyKey>,
    #[serde(deserialize_with = "Option::deserialize")]
    digest: Option<Digest>,
    masked: Vec<Box<str>>,
    #[serde(default)]
    sensitive: Vec<Box<str>>,
}

impl Serialize for Call {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let more = self.more();
        let stored = Stored {
            declaration: &self.declaration,
            requester: &self.requester,
            arguments: &self.arguments,
            fields: &more.fields,
            resource: more.resource.as_deref(),
            environment: more.environment.as_ref(),
            labels: &more.labels,
            justification: more.justification.as_deref(),
            summary: more.summary.as_deref(),
            key: more.key.as_ref(),
            digest: self.digest.get(),
            masked: &more.masked,
            sensitive: &more.sensitive,
        };
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Call {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Read::deserialize(deserializer)?;
        let more = More {
            fields: read.fields,
            resource: read.resource,
            environment: read.environment,
            labels: read.labels,
            justification: read.justification,
            summary: read.summary,
            key: read.key,
            masked: read.masked,
            sensitive: read.sensitive,
        };
        Ok(Self {
            declaration: read.declaration,
            requester: read.requester,
            arguments: read.arguments,
            digest: read.digest.map(OnceLock::from).unwrap_or_default(),
            more: more.boxed(),
        })
    }
}
