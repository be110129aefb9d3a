//! The captured arguments: canonical JSON in one buffer, with how each is bound.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::slots::{Form, Slots, TooLong};
use super::{CallError, preimage, redaction};
use crate::digest::{Digest, Domain};

/// How an argument is bound to the digest, and so what a reviewer's yes covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// By its value, through `Serialize`.
    Value,
    /// By the text that `Debug` gives.
    Debug,
    /// By the text that `Display` gives.
    Display,
    /// By a fingerprint: HMAC-SHA256 under the redaction key with this id. The value is not kept.
    Redacted(Box<str>),
    /// Not at all: the author's word that it does not change what the call does.
    Skipped,
}

/// The captured arguments, in declared order. `Debug` masks what looks like a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Arguments(Slots);

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form::from(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let slots = Slots::try_from(Form::deserialize(deserializer)?);
        slots.map(Self).map_err(D::Error::custom)
    }
}

/// One captured argument. `Debug` masks what looks like a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Argument<'a> {
    /// Its name in the function's signature.
    pub name: &'a str,
    /// How it is bound.
    pub bound: &'a Bound,
    /// Canonical JSON of its value, text or fingerprint; empty when it is skipped.
    pub json: &'a str,
    /// JSON pointers into `json` of the integers beyond 2^53 that are carried as decimal strings.
    pub big_integers: &'a [String],
}

impl Argument<'_> {
    /// Whether its name may say that its value is a secret, which the value alone does not show.
    fn is_told_by_name(&self) -> bool {
        self.json.starts_with('"')
            && !matches!(self.bound, Bound::Redacted(_))
            && crate::secrets::is_announced_by(self.name)
    }

    /// Its value; `None` when it is redacted or skipped.
    #[must_use]
    pub fn value(&self) -> Option<serde_json::Value> {
        match self.bound {
            Bound::Value | Bound::Debug | Bound::Display => serde_json::from_str(self.json).ok(),
            Bound::Redacted(_) | Bound::Skipped => None,
        }
    }

    /// Its value as a whole number, also one that is carried as a decimal string.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        let value = self.value()?;
        if self.big_integers.is_empty() {
            return value.as_u64();
        }
        value.as_str()?.parse().ok()
    }

    /// Its value as text.
    #[must_use]
    pub fn as_str(&self) -> Option<String> {
        if !self.big_integers.is_empty() {
            return None;
        }
        self.value()?.as_str().map(str::to_owned)
    }

    /// Its value as a truth value.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        self.value()?.as_bool()
    }
}

impl Arguments {
    pub(super) const fn none() -> Self {
        Self(Slots::none())
    }

    /// None yet, with room for as much as these take.
    pub(super) fn as_large_as(other: &Self) -> Self {
        Self(Slots::as_large_as(&other.0))
    }

    /// The arguments in declared order.
    pub fn iter(&self) -> impl Iterator<Item = Argument<'_>> {
        self.0.iter().map(|found| Argument {
            name: found.name,
            bound: found.bound,
            json: found.json,
            big_integers: found.integers,
        })
    }

    /// The argument of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Argument<'_>> {
        self.iter().find(|argument| argument.name == name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.names().any(|known| known == name)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Whether one of them is not bound to the digest.
    #[must_use]
    pub fn has_skipped(&self) -> bool {
        self.iter()
            .any(|argument| *argument.bound == Bound::Skipped)
    }

    /// The size of their canonical JSON, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.iter().map(|argument| argument.json.len()).sum()
    }

    /// The buffer that the next argument's canonical JSON is appended to; [`Self::seal`] ends it.
    pub(super) fn buffer(&mut self) -> &mut String {
        self.0.buffer()
    }

    pub(super) fn seal(
        &mut self,
        name: &str,
        bound: Bound,
        integers: Vec<String>,
    ) -> Result<(), CallError> {
        let sealed = self.0.seal(name, bound, integers);
        sealed.map_err(|TooLong| CallError::TooLong {
            what: "list of arguments",
            limit: TooLong::LIMIT,
        })
    }

    /// The hash of these arguments alone.
    pub(crate) fn digest(&self) -> Digest {
        let mut text = String::with_capacity(64 + self.0.text().len() * 2);
        preimage::write_arguments(self, &mut text);
        Digest::of(Domain::Arguments, text.as_bytes())
    }

    /// Gives back what growing left over: a parked call should not hold spare capacity.
    pub(super) fn shrink(&mut self) {
        self.0.shrink();
    }

    /// Whether something may have to be masked.
    pub(super) fn may_hold_secrets(&self) -> bool {
        self.iter().any(|argument| argument.is_told_by_name())
            || !crate::secrets::find(self.0.text()).is_empty()
    }

    /// Masks what looks like a secret in every value, and says where.
    pub(super) fn mask(&mut self, found: &mut Vec<Box<str>>) {
        let mut masked = Slots::as_large_as(&self.0);
        for argument in self.iter() {
            let mut json = Box::from(argument.json);
            if !matches!(argument.bound, Bound::Redacted(_)) {
                redaction::mask_value(argument.name, &mut json, found);
            }
            masked.buffer().push_str(&json);
            let integers = argument.big_integers.to_vec();
            let sealed = masked.seal(argument.name, argument.bound.clone(), integers);
            if sealed.is_err() {
                // Nobody can approve what is not shown.
                found.push("the arguments are too long to be masked".into());
                masked = Slots::none();
                break;
            }
        }
        self.0 = masked;
    }
}

impl fmt::Debug for Argument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = Box::from(self.json);
        if !matches!(self.bound, Bound::Redacted(_)) {
            redaction::mask_value(self.name, &mut json, &mut Vec::new());
        }
        f.debug_struct("Argument")
            .field("name", &self.name)
            .field("bound", self.bound)
            .field("json", &json)
            .field("big_integers", &self.big_integers)
            .finish()
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
