//! What an entry says.

use approvals_core::{Event, EventId, RequestId, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Raw;
use crate::log::{Directory, LogError, SCHEMA, hex};
use crate::tree::Hash;

/// An entry of a log, with the event that it is of.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its place in the log, counted from 0: the cursor of whoever reads on from here.
    pub index: u64,
    /// The hash that the tree has of it.
    pub leaf: Hash,
    /// The event's number in its store.
    pub number: u64,
    /// The event. An entry that repeats another has that one's.
    pub id: EventId,
    /// When the store took it.
    pub at: Timestamp,
    /// The request it is about.
    pub request: Option<RequestId>,
    /// What the log has of it.
    pub told: Told,
    /// The entry, as it is hashed.
    pub entry: String,
    /// The event's whole text, where it was too long for an entry and lies beside it.
    pub beside: Option<String>,
}

/// What the log has of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// All of it.
    Whole(Box<Event>),
    /// It was too long for an entry, and its text was destroyed since.
    Destroyed {
        /// What had happened: the event's kind.
        what: String,
    },
    /// Nothing more than under this number: a store that lost an answer took the event twice.
    Repeats {
        /// The number that has the event.
        of: u64,
    },
}

/// What is needed to know what an entry is.
#[derive(Deserialize)]
struct Outline<'a> {
    schema: u32,
    number: u64,
    id: EventId,
    at: Timestamp,
    request: Option<RequestId>,
    what: &'a str,
    payload: Option<Beside<'a>>,
    repeats: Option<u64>,
    #[serde(default)]
    big_integers: Vec<String>,
}

#[derive(Deserialize)]
struct Beside<'a> {
    sha256: &'a str,
}

/// What a whole event that lies beside its entry says of itself.
#[derive(Deserialize)]
struct Carried {
    #[serde(default)]
    big_integers: Vec<String>,
}

impl Recorded {
    pub(crate) fn read(directory: &Directory, raw: &Raw<'_>) -> Result<Self, LogError> {
        let wrong = |why| directory.damaged(raw.index, why);
        let no_event = || wrong("it is no audit event");
        let text = str::from_utf8(raw.bytes).map_err(|_| no_event())?;
        let outline: Outline<'_> = serde_json::from_str(text).map_err(|_| no_event())?;
        if outline.schema > SCHEMA {
            return Err(wrong("it is of a newer version than this reader"));
        }
        let mut whole = None;
        let told = match (outline.repeats, &outline.payload) {
            (Some(of), _) => Told::Repeats { of },
            (None, None) => {
                let event = event(text, &outline.big_integers).ok_or_else(no_event)?;
                Told::Whole(Box::new(event))
            }
            (None, Some(beside)) => match directory.payload(beside.sha256)? {
                None => Told::Destroyed {
                    what: outline.what.to_owned(),
                },
                Some(bytes) => {
                    let changed = || wrong("the text that lies beside it was changed");
                    if hex(&Sha256::digest(&bytes)) != beside.sha256 {
                        return Err(changed());
                    }
                    let text = String::from_utf8(bytes).map_err(|_| changed())?;
                    let carried: Carried = serde_json::from_str(&text).map_err(|_| changed())?;
                    let event = event(&text, &carried.big_integers).ok_or_else(no_event)?;
                    whole = Some(text);
                    Told::Whole(Box::new(event))
                }
            },
        };
        Ok(Self {
            index: raw.index,
            leaf: raw.leaf,
            number: outline.number,
            id: outline.id,
            at: outline.at,
            request: outline.request,
            told,
            entry: text.to_owned(),
            beside: whole,
        })
    }

    /// The event's whole text: that of the entry, or what lies beside it.
    #[must_use]
    pub fn text(&self) -> &str {
        self.beside.as_deref().unwrap_or(&self.entry)
    }
}

/// The event of this text. The numbers at these places are carried as text.
fn event(text: &str, big_integers: &[String]) -> Option<Event> {
    if big_integers.is_empty() {
        return serde_json::from_str(text).ok();
    }
    let mut value: Value = serde_json::from_str(text).ok()?;
    for place in big_integers {
        let carried = value.pointer_mut(place)?;
        let digits = carried.as_str()?;
        *carried = match (digits.parse::<u64>(), digits.parse::<i64>()) {
            (Ok(number), _) => number.into(),
            (_, Ok(number)) => number.into(),
            // Beyond 64 bits no number of this program can be: it stays text.
            (Err(_), Err(_)) => continue,
        };
    }
    serde_json::from_value(value).ok()
}
