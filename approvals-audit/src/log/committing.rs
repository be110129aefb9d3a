//! Which values of an event are sensitive, and what the event says instead.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::LogError;
use super::commitment::Disclosure;

/// Texts about a call that may be named as an argument is.
const TEXTS: [&str; 4] = ["resource", "summary", "justification", "key"];

/// Shorter values are not looked for in other texts: every text would have them.
const SHORTEST: usize = 4;

/// How a slot of arguments says that its value is a commitment: as one that is redacted.
const BOUND: &str = "commitment";

/// Commits to what is sensitive in an event.
pub(super) struct Committing<'a> {
    names: &'a BTreeSet<String>,
    /// Whether what was sensitive is not known any more, so that any text may tell it.
    is_shredded: bool,
    /// Of earlier events of the same request.
    earlier: &'a [Disclosure],
    /// What was sensitive, to be looked for in all other texts.
    plain: Vec<String>,
    made: Vec<Disclosure>,
    places: BTreeMap<String, String>,
}

/// What an event says now, and what it does not say any more.
#[derive(Debug, Default)]
pub(super) struct Committed {
    /// The commitments, by the place where the values stood.
    pub(super) places: BTreeMap<String, String>,
    /// The values.
    pub(super) made: Vec<Disclosure>,
}

/// What is known of the sensitive values of the request that an event is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// No earlier event had one.
    None,
    /// Earlier events had the ones that are handed over.
    These,
    /// Earlier events had some, which were destroyed. Whatever people and programs say may tell
    /// them, and nothing is left to compare with.
    Shredded,
}

/// Commits to every value that has one of these names or tells one of them.
pub(super) fn commit(
    event: &mut Value,
    names: &BTreeSet<String>,
    earlier: &[Disclosure],
    known: Known,
) -> Result<Committed, LogError> {
    let mut committing = Committing {
        names,
        is_shredded: known == Known::Shredded,
        earlier,
        plain: Vec::new(),
        made: Vec::new(),
        places: BTreeMap::new(),
    };
    for disclosure in earlier {
        // What is hashed over a value does not tell it.
        if !matches!(disclosure.name(), "digest" | "shown") {
            texts_of(disclosure.value(), &mut committing.plain);
        }
    }
    for call in ["/call", "/asked/call"] {
        if let Some(call) = event.pointer(call) {
            committing.look(call)?;
        }
    }
    for call in ["/call", "/asked/call"] {
        if let Some(found) = event.pointer_mut(call) {
            committing.call(call, found)?;
        }
    }
    committing.others(event)?;
    if known != Known::None || !committing.places.is_empty() {
        // They are taken over the values, and whoever guessed one could compare.
        for (place, name) in [
            ("/call/digest", "digest"),
            ("/asked/call/digest", "digest"),
            ("/asked/digest", "digest"),
            ("/asked/shown", "shown"),
            ("/shown", "shown"),
        ] {
            if let Some(found) = event.pointer_mut(place) {
                committing.replace(place, name, found)?;
            }
        }
    }
    Ok(Committed {
        places: committing.places,
        made: committing.made,
    })
}

impl Committing<'_> {
    /// Takes note of the values of a call that are sensitive by their names.
    fn look(&mut self, call: &Value) -> Result<(), LogError> {
        for list in ["arguments", "fields"] {
            for slot in call.get(list).map_or(Ok(Vec::new()), slots)? {
                if self.names.contains(&slot.name) && slot.is_plain {
                    texts_of(&slot.value, &mut self.plain);
                }
            }
        }
        for (name, value) in labels(call) {
            if self.names.contains(name) {
                texts_of(&Value::from(value), &mut self.plain);
            }
        }
        for name in TEXTS {
            if let (true, Some(text)) = (self.names.contains(name), call.get(name)) {
                texts_of(text, &mut self.plain);
            }
        }
        Ok(())
    }

    fn call(&mut self, at: &str, call: &mut Value) -> Result<(), LogError> {
        for list in ["arguments", "fields"] {
            let Some(found) = call.get_mut(list) else {
                continue;
            };
            let mut all = slots(found)?;
            let mut changed = false;
            for slot in all.iter_mut().filter(|slot| slot.is_plain) {
                if self.names.contains(&slot.name) || self.tells(&slot.value) {
                    let place = format!("{at}/{list}/{}", escaped(&slot.name));
                    // Also that there is none may tell something.
                    self.put(&place, &place, &mut slot.value)?;
                    slot.bound = serde_json::json!({ "redacted": BOUND });
                    slot.json = slot.value.to_string();
                    slot.integers = None;
                    changed = true;
                }
            }
            if changed {
                *found = together(all);
            }
        }
        let labels = call.get_mut("labels").and_then(Value::as_array_mut);
        for label in labels.into_iter().flatten() {
            let [name, value] = label.as_array_mut().map_or(&mut [][..], |pair| pair) else {
                continue;
            };
            let name = name.as_str().unwrap_or_default();
            if self.names.contains(name) || self.tells(value) {
                let place = format!("{at}/labels/{}", escaped(name));
                self.replace(&place, &place, value)?;
            }
        }
        for name in TEXTS {
            if let Some(text) = call.get_mut(name)
                && (self.names.contains(name) || self.tells(text))
            {
                let place = format!("{at}/{name}");
                self.replace(&place, &place, text)?;
            }
        }
        Ok(())
    }

    /// What people and policies say, which may repeat a value.
    fn others(&mut self, event: &mut Value) -> Result<(), LogError> {
        for place in ["/why", "/reason", "/summary", "/vote/comment", "/comment"] {
            let Some(text) = event.pointer_mut(place) else {
                continue;
            };
            let by_name = place.ends_with("/comment") && self.names.contains("comment");
            if text.is_string() && (by_name || self.tells(text)) {
                self.replace(place, place, text)?;
            }
        }
        for list in ["/reasons", "/asked/reasons"] {
            let rules = event.pointer_mut(list).and_then(Value::as_array_mut);
            for (index, rule) in rules.into_iter().flatten().enumerate() {
                if let Some(why) = rule.get_mut("why")
                    && self.tells(why)
                {
                    let place = format!("{list}/{index}/why");
                    self.replace(&place, &place, why)?;
                }
            }
        }
        let proposal = event.get_mut("proposal").and_then(Value::as_object_mut);
        for (name, value) in proposal.into_iter().flatten() {
            if self.names.contains(name) || self.tells(value) {
                let place = format!("/proposal/{}", escaped(name));
                self.replace(&place, &place, value)?;
            }
        }
        Ok(())
    }

    /// Whether a value tells one that is sensitive, or may.
    fn tells(&self, value: &Value) -> bool {
        match value {
            _ if self.is_shredded => true,
            Value::String(text) => self.plain.iter().any(|plain| text.contains(plain)),
            Value::Array(items) => items.iter().any(|item| self.tells(item)),
            Value::Object(members) => members.iter().any(|(name, item)| {
                self.plain.iter().any(|plain| name.contains(plain)) || self.tells(item)
            }),
            Value::Number(number) => self.plain.contains(&number.to_string()),
            Value::Null | Value::Bool(_) => false,
        }
    }

    fn replace(&mut self, place: &str, name: &str, value: &mut Value) -> Result<(), LogError> {
        if value.is_null() {
            return Ok(());
        }
        self.put(place, name, value)
    }

    fn put(&mut self, place: &str, name: &str, value: &mut Value) -> Result<(), LogError> {
        // One value of a request has one commitment, so that a vote still shows what it was for.
        let same = |known: &&Disclosure| known.name() == name && known.value() == value;
        let known = self.made.iter().chain(self.earlier).find(same);
        let disclosure = match known {
            Some(known) => known.clone(),
            None => Disclosure::new(name, value.clone())?,
        };
        *value = disclosure.mark();
        self.places
            .insert(place.to_owned(), disclosure.commitment());
        if !self.made.contains(&disclosure) {
            self.made.push(disclosure);
        }
        Ok(())
    }
}

/// An argument as it is stored.
struct Slot {
    name: String,
    bound: Value,
    integers: Option<Value>,
    json: String,
    value: Value,
    /// Whether its value is there at all.
    is_plain: bool,
}

fn slots(arguments: &Value) -> Result<Vec<Slot>, LogError> {
    let wrong = || LogError::Arguments;
    let text = arguments
        .get("text")
        .and_then(Value::as_str)
        .ok_or_else(wrong)?;
    let stored = arguments
        .get("slots")
        .and_then(Value::as_array)
        .ok_or_else(wrong)?;
    let mut start = 0;
    let slots = stored.iter().map(|slot| {
        let name = slot.get("name").and_then(Value::as_str).ok_or_else(wrong)?;
        let end = slot.get("end").and_then(Value::as_u64).ok_or_else(wrong)?;
        let end = usize::try_from(end).map_err(|_| wrong())?;
        let json = text.get(start..end).ok_or_else(wrong)?;
        start = end;
        let bound = slot.get("bound").cloned().unwrap_or_default();
        let is_plain = matches!(bound.as_str(), Some("value" | "debug" | "display"));
        let value = if is_plain {
            serde_json::from_str(json).map_err(|_| wrong())?
        } else {
            Value::Null
        };
        Ok(Slot {
            name: name.to_owned(),
            integers: slot.get("integers").cloned(),
            json: json.to_owned(),
            bound,
            value,
            is_plain,
        })
    });
    slots.collect()
}

fn together(slots: Vec<Slot>) -> Value {
    let mut text = String::new();
    let stored = slots.into_iter().map(|slot| {
        text.push_str(&slot.json);
        let mut stored = serde_json::json!({
            "name": slot.name,
            "bound": slot.bound,
            "end": text.len(),
        });
        if let (Some(integers), Some(stored)) = (slot.integers, stored.as_object_mut()) {
            stored.insert("integers".to_owned(), integers);
        }
        stored
    });
    let stored: Vec<Value> = stored.collect();
    serde_json::json!({ "text": text, "slots": stored })
}

fn labels(call: &Value) -> impl Iterator<Item = (&str, &str)> {
    let labels = call.get("labels").and_then(Value::as_array);
    labels.into_iter().flatten().filter_map(|label| {
        let [name, value] = label.as_array()?.as_slice() else {
            return None;
        };
        Some((name.as_str()?, value.as_str()?))
    })
}

/// Every text in a value by which it would be recognised.
fn texts_of(value: &Value, found: &mut Vec<String>) {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => return items.iter().for_each(|item| texts_of(item, found)),
        Value::Object(members) => return members.values().for_each(|item| texts_of(item, found)),
        Value::Null | Value::Bool(_) => return,
    };
    if text.len() >= SHORTEST && !found.contains(&text) {
        found.push(text);
    }
}

/// A name as JSON pointers write it.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
