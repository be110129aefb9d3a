//! The captured arguments: canonical JSON in one buffer, with how each is bound.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{preimage, redaction};
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
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arguments {
    text: String,
    slots: Vec<Slot>,
}

/// Kept for every argument of every parked call, so what is rare stands apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SlotForm", into = "SlotForm")]
struct Slot {
    name: Cow<'static, str>,
    how: How,
    end: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum How {
    Value,
    Debug,
    Display,
    Skipped,
    /// With JSON pointers of integers that are carried as decimal strings.
    Rare(Box<(Bound, Box<[String]>)>),
}

impl Slot {
    fn new(name: Cow<'static, str>, bound: Bound, end: usize, integers: Box<[String]>) -> Self {
        let how = match (bound, integers.is_empty()) {
            (Bound::Value, true) => How::Value,
            (Bound::Debug, true) => How::Debug,
            (Bound::Display, true) => How::Display,
            (Bound::Skipped, true) => How::Skipped,
            (bound @ (Bound::Value | Bound::Debug | Bound::Display | Bound::Skipped), false)
            | (bound @ Bound::Redacted(_), true | false) => How::Rare(Box::new((bound, integers))),
        };
        Self { name, how, end }
    }

    fn bound(&self) -> &Bound {
        match &self.how {
            How::Value => &Bound::Value,
            How::Debug => &Bound::Debug,
            How::Display => &Bound::Display,
            How::Skipped => &Bound::Skipped,
            How::Rare(rare) => &rare.0,
        }
    }

    fn integers(&self) -> &[String] {
        match &self.how {
            How::Value | How::Debug | How::Display | How::Skipped => &[],
            How::Rare(rare) => &rare.1,
        }
    }
}

/// A slot as it is stored.
#[derive(Serialize, Deserialize)]
struct SlotForm {
    name: Cow<'static, str>,
    bound: Bound,
    end: usize,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    integers: Box<[String]>,
}

impl From<SlotForm> for Slot {
    fn from(form: SlotForm) -> Self {
        Self::new(form.name, form.bound, form.end, form.integers)
    }
}

impl From<Slot> for SlotForm {
    fn from(slot: Slot) -> Self {
        Self {
            bound: slot.bound().clone(),
            integers: slot.integers().into(),
            end: slot.end,
            name: slot.name,
        }
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
    /// The arguments in declared order.
    pub fn iter(&self) -> impl Iterator<Item = Argument<'_>> {
        let mut start = 0;
        self.slots.iter().map(move |slot| {
            let json = self.text.get(start..slot.end).unwrap_or_default();
            start = slot.end;
            Argument {
                name: &slot.name,
                bound: slot.bound(),
                json,
                big_integers: slot.integers(),
            }
        })
    }

    /// Nothing yet, with room for as much as these arguments hold.
    pub(super) fn as_large_as(other: &Self) -> Self {
        Self {
            text: String::with_capacity(other.text.len()),
            slots: Vec::with_capacity(other.slots.len()),
        }
    }

    /// Whether one of them has this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.slots.iter().any(|slot| slot.name == name)
    }

    /// The argument of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Argument<'_>> {
        self.iter().find(|argument| argument.name == name)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether one of them is not bound to the digest.
    #[must_use]
    pub fn has_skipped(&self) -> bool {
        self.slots
            .iter()
            .any(|slot| *slot.bound() == Bound::Skipped)
    }

    /// The size of their canonical JSON, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The buffer that the next argument's canonical JSON is appended to; [`Self::seal`] ends it.
    pub(super) fn buffer(&mut self) -> &mut String {
        if self.text.capacity() == 0 {
            // Room for the arguments of most calls.
            self.text.reserve(256);
        }
        &mut self.text
    }

    pub(super) fn seal(&mut self, name: Cow<'static, str>, bound: Bound, integers: Vec<String>) {
        let end = self.text.len();
        self.slots
            .push(Slot::new(name, bound, end, integers.into_boxed_slice()));
    }

    /// The hash of these arguments alone.
    pub(crate) fn digest(&self) -> Digest {
        let mut text = String::with_capacity(64 + self.text.len() * 2);
        preimage::write_arguments(self, &mut text);
        Digest::of(Domain::Arguments, text.as_bytes())
    }

    /// Gives back what growing left over: a parked call should not hold spare capacity.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.slots.shrink_to_fit();
    }

    /// Whether something may have to be masked.
    pub(super) fn may_hold_secrets(&self) -> bool {
        self.iter().any(|argument| argument.is_told_by_name())
            || !crate::secrets::find(&self.text).is_empty()
    }

    /// Masks what looks like a secret in every value, and says where.
    pub(super) fn mask(&mut self, found: &mut Vec<Box<str>>) {
        let mut masked = String::with_capacity(self.text.len());
        let mut ends = Vec::with_capacity(self.slots.len());
        for argument in self.iter() {
            let mut json = Box::from(argument.json);
            if !matches!(argument.bound, Bound::Redacted(_)) {
                redaction::mask_value(argument.name, &mut json, found);
            }
            masked.push_str(&json);
            ends.push(masked.len());
        }
        self.text = masked;
        for (slot, end) in self.slots.iter_mut().zip(ends) {
            slot.end = end;
        }
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
