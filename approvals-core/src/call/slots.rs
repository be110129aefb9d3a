//! Where each captured argument stands in the buffer that all of them share.

use serde::{Deserialize, Serialize};

use super::Bound;
use crate::canonical;

/// Ends a value and a name: canonical JSON has no line feed of its own.
const END: char = '\n';

/// Values and names, one after the other in one buffer, each with how it is bound.
///
/// Kept for every parked call, so an argument takes no more than two ends and a byte beside its
/// text, and what is rare stands apart.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Slots {
    /// Of each argument the canonical JSON, then the name, with [`END`] behind both.
    text: String,
    slots: Vec<Slot>,
    /// In the order of their slots.
    rare: Option<Box<[Rare]>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    json_end: u32,
    name_end: u32,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Value,
    Debug,
    Display,
    Skipped,
    Rare,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rare {
    slot: usize,
    bound: Bound,
    /// JSON pointers of integers that are carried as decimal strings.
    integers: Box<[String]>,
}

/// One of them.
pub(super) struct Found<'a> {
    pub(super) json: &'a str,
    pub(super) name: &'a str,
    pub(super) bound: &'a Bound,
    pub(super) integers: &'a [String],
}

/// The arguments are longer than 4 GiB together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl TooLong {
    pub(super) const LIMIT: usize = u32::MAX as usize;
}

impl Slots {
    pub(super) const fn none() -> Self {
        Self {
            text: String::new(),
            slots: Vec::new(),
            rare: None,
        }
    }

    /// None yet, with room for as much as these take.
    pub(super) fn as_large_as(other: &Self) -> Self {
        Self {
            // The serializer wants some room beyond what it writes.
            text: String::with_capacity(other.text.len() + canonical::ROOM),
            slots: Vec::with_capacity(other.slots.len()),
            rare: None,
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().map(|slot| self.name(*slot))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Found<'_>> {
        let mut start = 0;
        self.slots.iter().enumerate().map(move |(index, slot)| {
            let json = self.text.get(start..position(slot.json_end));
            start = after(slot.name_end);
            let (bound, integers) = self.how(index, slot.how);
            Found {
                json: json.unwrap_or_default(),
                name: self.name(*slot),
                bound,
                integers,
            }
        })
    }

    fn name(&self, slot: Slot) -> &str {
        let place = after(slot.json_end)..position(slot.name_end);
        self.text.get(place).unwrap_or_default()
    }

    fn how(&self, index: usize, how: How) -> (&Bound, &[String]) {
        match how {
            How::Value => (&Bound::Value, &[]),
            How::Debug => (&Bound::Debug, &[]),
            How::Display => (&Bound::Display, &[]),
            How::Skipped => (&Bound::Skipped, &[]),
            How::Rare => {
                let rare = self.rare.as_deref().unwrap_or_default();
                let place = rare.binary_search_by_key(&index, |rare| rare.slot);
                let rare = place.ok().and_then(|place| rare.get(place));
                // It is always there; were it not, it would be shown as not bound.
                rare.map_or((&Bound::Skipped, &[]), |rare| (&rare.bound, &rare.integers))
            }
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Everything in one text, for a first look at whether anything may be a secret.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The buffer that the next value's canonical JSON is appended to; [`Self::seal`] ends it.
    pub(super) fn buffer(&mut self) -> &mut String {
        if self.text.capacity() == 0 {
            // Room for the arguments of most calls.
            self.text.reserve(256);
            self.slots.reserve(8);
        }
        &mut self.text
    }

    /// Ends a value.
    pub(super) fn seal(
        &mut self,
        name: &str,
        bound: Bound,
        integers: Vec<String>,
    ) -> Result<(), TooLong> {
        let how = match (&bound, integers.is_empty()) {
            (Bound::Value, true) => How::Value,
            (Bound::Debug, true) => How::Debug,
            (Bound::Display, true) => How::Display,
            (Bound::Skipped, true) => How::Skipped,
            (Bound::Value | Bound::Debug | Bound::Display | Bound::Skipped, false)
            | (Bound::Redacted(_), true | false) => How::Rare,
        };
        let json_end = u32::try_from(self.text.len()).map_err(|_| TooLong)?;
        self.text.push(END);
        self.text.push_str(name);
        let name_end = u32::try_from(self.text.len()).map_err(|_| TooLong)?;
        self.text.push(END);
        if how == How::Rare {
            let mut rare = self.rare.take().map_or_else(Vec::new, <[_]>::into_vec);
            rare.push(Rare {
                slot: self.slots.len(),
                bound,
                integers: integers.into_boxed_slice(),
            });
            self.rare = Some(rare.into_boxed_slice());
        }
        self.slots.push(Slot {
            json_end,
            name_end,
            how,
        });
        Ok(())
    }

    /// Gives back what growing left over: a parked call should not hold spare capacity.
    pub(super) fn shrink(&mut self) {
        // Copied, not shrunk in place: that would leave the allocator with scraps.
        if self.text.capacity() > self.text.len() {
            self.text = self.text.as_str().to_owned();
        }
        if self.slots.capacity() > self.slots.len() {
            self.slots = self.slots.as_slice().to_vec();
        }
    }
}

fn position(end: u32) -> usize {
    usize::try_from(end).unwrap_or(usize::MAX)
}

fn after(end: u32) -> usize {
    position(end).saturating_add(END.len_utf8())
}

/// The form in which they are stored: the values without the names, and where each ends.
#[derive(Serialize, Deserialize)]
pub(super) struct Form {
    text: String,
    slots: Vec<SlotForm>,
}

#[derive(Serialize, Deserialize)]
struct SlotForm {
    name: String,
    bound: Bound,
    end: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    integers: Vec<String>,
}

impl From<&Slots> for Form {
    fn from(slots: &Slots) -> Self {
        let mut text = String::with_capacity(slots.text.len());
        let stored = slots.iter().map(|found| {
            text.push_str(found.json);
            SlotForm {
                name: found.name.to_owned(),
                bound: found.bound.clone(),
                end: text.len(),
                integers: found.integers.to_vec(),
            }
        });
        Self {
            slots: stored.collect(),
            text,
        }
    }
}

impl TryFrom<Form> for Slots {
    type Error = &'static str;

    fn try_from(form: Form) -> Result<Self, Self::Error> {
        let mut slots = Self::default();
        let mut start = 0;
        for stored in form.slots {
            let json = form.text.get(start..stored.end);
            let json = json.ok_or("an argument ends outside of the text of all")?;
            if json.contains(END) {
                return Err("an argument is not canonical JSON");
            }
            start = stored.end;
            slots.buffer().push_str(json);
            slots
                .seal(&stored.name, stored.bound, stored.integers)
                .map_err(|TooLong| "the arguments are longer than 4 GiB together")?;
        }
        slots.shrink();
        Ok(slots)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn some() -> Slots {
        let mut slots = Slots::default();
        for (name, json, bound, integers) in [
            ("database", "\"db\"", Bound::Value, vec![]),
            ("pool", "", Bound::Skipped, vec![]),
            ("token", "\"f00\"", Bound::Redacted("key-1".into()), vec![]),
            (
                "rows",
                "[\"9007199254740993\"]",
                Bound::Value,
                vec!["/0".to_owned()],
            ),
            ("where\nso", "\"x\"", Bound::Debug, vec![]),
        ] {
            slots.buffer().push_str(json);
            slots.seal(name, bound, integers).unwrap();
        }
        slots
    }

    #[test]
    fn what_is_stored_is_the_values_in_one_text_and_where_each_ends() {
        let stored = serde_json::to_value(Form::from(&some())).unwrap();
        assert_eq!(
            stored,
            json!({
                "text": "\"db\"\"f00\"[\"9007199254740993\"]\"x\"",
                "slots": [
                    {"name": "database", "bound": "value", "end": 4},
                    {"name": "pool", "bound": "skipped", "end": 4},
                    {"name": "token", "bound": {"redacted": "key-1"}, "end": 9},
                    {"name": "rows", "bound": "value", "end": 29, "integers": ["/0"]},
                    {"name": "where\nso", "bound": "debug", "end": 32},
                ],
            })
        );
        let read: Form = serde_json::from_value(stored).unwrap();
        let read = Slots::try_from(read).unwrap();
        assert!(read == some());
        let names: Vec<&str> = read.iter().map(|found| found.name).collect();
        assert_eq!(names, ["database", "pool", "token", "rows", "where\nso"]);
        assert!(read.names().eq(names));
        let values: Vec<&str> = read.iter().map(|found| found.json).collect();
        assert_eq!(
            values,
            ["\"db\"", "", "\"f00\"", "[\"9007199254740993\"]", "\"x\""]
        );
    }

    #[test]
    fn a_stored_argument_outside_of_the_text_or_of_canonical_form_is_an_error() {
        for (text, ends) in [
            ("12", [1, 3]),
            ("12", [2, 1]),
            ("\"é\"", [2, 4]),
            ("1\n", [1, 2]),
        ] {
            let slots = ends.map(|end| json!({"name": "n", "bound": "value", "end": end}));
            let form = json!({"text": text, "slots": slots});
            let form: Form = serde_json::from_value(form).unwrap();
            assert!(Slots::try_from(form).is_err(), "{text:?} {ends:?}");
        }
    }
}
