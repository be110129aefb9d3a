//! The schema of entries: made from entries of every kind, and kept beside the code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use approvals_audit::{AuditLog, Checkpoint, Directory, Hash, Note, SCHEMA, Signer};
use approvals_core::{AuditSink as _, Event, What};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::every::every_event;
use crate::support::*;
use crate::words::{choices_of, meaning_of};

/// What values of one place look like.
#[derive(Debug, Default)]
struct Shape {
    types: BTreeSet<&'static str>,
    /// Of objects: the members, and how many objects had each.
    members: BTreeMap<String, (Shape, usize)>,
    objects: usize,
    items: Option<Box<Shape>>,
    texts: BTreeSet<String>,
}

/// Members of these names look the same wherever they are.
const SHARED: [&str; 9] = [
    "action_call",
    "arguments",
    "call",
    "declaration",
    "identity",
    "requester",
    "tracks",
    "vote",
    "reasons",
];

/// Objects whose members are named by whoever makes them.
const NAMED_BY_OTHERS: [&str; 2] = ["proposal", "committed"];

impl Shape {
    fn see(&mut self, value: &Value) {
        self.types.insert(match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        });
        match value {
            Value::String(text) => drop(self.texts.insert(text.clone())),
            Value::Array(items) => {
                let shape = self.items.get_or_insert_default();
                items.iter().for_each(|item| shape.see(item));
            }
            Value::Object(members) => {
                self.objects += 1;
                for (name, value) in members {
                    let (shape, times) = self.members.entry(name.clone()).or_default();
                    shape.see(value);
                    *times += 1;
                }
            }
            _ => {}
        }
    }

    /// The schema of a member of this name; what is shared goes to `shared`.
    fn schema(&self, name: &str, shared: &mut BTreeMap<String, Value>) -> Value {
        let mut schema = Map::new();
        if let Some(meaning) = meaning_of(name) {
            schema.insert("description".into(), meaning.into());
        }
        let mut types: Vec<&str> = self.types.iter().copied().collect();
        types.dedup();
        schema.insert(
            "type".into(),
            match types.as_slice() {
                [one] => json!(one),
                several => json!(several),
            },
        );
        if self.types.contains("integer") {
            schema.insert("minimum".into(), json!(0));
        }
        if let Some(choices) = choices_of(name) {
            for text in &self.texts {
                assert!(choices.contains(&text.as_str()), "`{text}` is no {name}");
            }
            let mut all: Vec<Value> = choices.iter().map(|&choice| choice.into()).collect();
            if self.types.contains("null") {
                all.push(Value::Null);
            }
            // Where another form is possible, such as an object, the type says so.
            if !self.types.contains("object") {
                schema.insert("enum".into(), all.into());
            }
        }
        if let Some(items) = &self.items {
            let of = format!("{name}[]");
            if items.types.is_empty() {
                schema.insert("items".into(), json!(true));
            } else {
                schema.insert("items".into(), items.schema(&of, shared));
            }
        }
        if self.objects > 0 && NAMED_BY_OTHERS.contains(&name) {
            schema.insert("additionalProperties".into(), json!(true));
        } else if self.objects > 0 {
            let mut properties = Map::new();
            for (name, (shape, _)) in &self.members {
                let schema = shape.schema(name, shared);
                let schema = if SHARED.contains(&name.as_str()) {
                    let place = shared.entry(name.clone());
                    let known = place.or_insert_with(|| schema.clone());
                    widen(known, &schema);
                    json!({ "$ref": format!("#/$defs/{name}") })
                } else {
                    schema
                };
                properties.insert(name.clone(), schema);
            }
            let always = self.members.iter();
            let always = always.filter(|(_, (_, times))| *times == self.objects);
            let always: Vec<&String> = always.map(|(name, _)| name).collect();
            schema.insert("properties".into(), properties.into());
            schema.insert("required".into(), json!(always));
            schema.insert("additionalProperties".into(), json!(false));
        }
        schema.into()
    }
}

/// Has a schema allow what another one allows. Where a member is left out, it is not required.
fn widen(known: &mut Value, other: &Value) {
    match (known, other) {
        (Value::Object(known), Value::Object(other)) => {
            for (name, value) in other {
                match (name.as_str(), known.get_mut(name)) {
                    ("required", Some(Value::Array(names))) => {
                        let others = value.as_array().unwrap();
                        names.retain(|name| others.contains(name));
                    }
                    ("type" | "enum", Some(had)) if had != value => {
                        let list = |value: &Value| match value {
                            Value::Array(all) => all.clone(),
                            one => vec![one.clone()],
                        };
                        let mut all = list(had);
                        for one in list(value) {
                            if !all.contains(&one) {
                                all.push(one);
                            }
                        }
                        all.sort_by_key(ToString::to_string);
                        *had = all.into();
                    }
                    (_, Some(had)) => widen(had, value),
                    (_, None) => drop(known.insert(name.clone(), value.clone())),
                }
            }
        }
        (known, other) if known == &json!(true) => *known = other.clone(),
        _ => {}
    }
}

/// Entries of every kind, as the log writes them.
async fn entries() -> Vec<Value> {
    let mut all = Vec::new();
    let mut events = every_event();
    // The same event under a second number, and one that is too long.
    let again = Event {
        number: events.len() as u64 + 1,
        ..events[15].clone()
    };
    events.push(again);
    let mut long = events[15].clone();
    long.number += events.len() as u64 - 15;
    long.id = approvals_core::EventId::new();
    long.what = What::Withdrawn {
        why: "x".repeat(70_000).into(),
    };
    events.push(long);
    for sensitive in [None, Some("table")] {
        let place = tempfile::tempdir().unwrap();
        let log = AuditLog::at(place.path(), key()).sensitive(sensitive);
        let log = log.open().await.unwrap();
        log.record(&events).await.unwrap();
        log.close().await;
        let directory = Directory::at(place.path());
        let size = events.len() as u64;
        let read = (0..size).map(|index| directory.entry(index, size).unwrap());
        all.extend(read.map(|entry| serde_json::from_slice::<Value>(&entry).unwrap()));
    }
    all
}

async fn schema() -> Value {
    let mut by_kind: BTreeMap<String, Shape> = BTreeMap::new();
    for mut entry in entries().await {
        let what = entry["what"].as_str().unwrap().to_owned();
        let kind = match entry.get("payload") {
            Some(_) => "(an event that is too long for an entry)".to_owned(),
            None => what,
        };
        let members = entry.as_object_mut().unwrap();
        // Any entry may have these.
        members.remove("committed");
        by_kind.entry(kind).or_default().see(&entry);
    }
    let mut shared = BTreeMap::new();
    let mut kinds = Vec::new();
    for (kind, shape) in &by_kind {
        let mut schema = shape.schema("entry", &mut shared);
        schema["title"] = json!(kind);
        schema["description"] =
            json!(meaning_of(kind).unwrap_or_else(|| panic!("what is {kind}?")));
        if shape.members["what"].0.texts.len() == 1 && !kind.starts_with('(') {
            schema["properties"]["what"] = json!({ "const": kind });
        }
        schema["properties"]["schema"] =
            json!({ "const": SCHEMA, "description": meaning_of("schema") });
        // A refusal is about a request where what would have run was another call.
        schema["properties"]["request"]["type"] = json!(["string", "null"]);
        for (name, form) in [
            (
                "committed",
                json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            ),
            (
                "big_integers",
                json!({ "type": "array", "items": { "type": "string" } }),
            ),
        ] {
            let mut form = form;
            form["description"] = meaning_of(name).into();
            schema["properties"][name] = form;
        }
        if kind.starts_with('(') {
            // Whatever its event is judged by.
            for (name, form) in [
                ("fence", json!({ "type": "integer", "minimum": 0 })),
                ("succeeded", json!({ "type": "boolean" })),
                (
                    "vote",
                    json!({ "type": "object", "properties": { "choice": { "enum": choices_of("choice") } }, "required": ["choice"], "additionalProperties": false }),
                ),
            ] {
                let mut form = form;
                form["description"] = meaning_of(name).into();
                schema["properties"][name] = form;
            }
        }
        kinds.push(schema);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:approvals:audit:event:v{SCHEMA}"),
        "title": "An entry of the log of approvals",
        "description": "What the trail says of one event, as the exact JSON (RFC 8785) whose hash the log has. Times are UTC, in milliseconds since 1970.",
        "oneOf": kinds,
        "$defs": shared,
    })
}

fn place() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("schema/event.v{SCHEMA}.json"))
}

/// Set to have the schema of a new version written. That of a version that is there stays.
const WRITES: &str = "APPROVALS_AUDIT_WRITE_SCHEMA";

#[tokio::test]
async fn entries_have_the_shape_that_is_published_for_their_version() {
    let made = format!("{:#}\n", schema().await);
    let place = place();
    if std::env::var_os(WRITES).is_some() && !place.exists() {
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(&place, &made).unwrap();
    }
    let published = std::fs::read_to_string(&place).unwrap_or_default();
    let differs = made
        .lines()
        .zip(published.lines())
        .position(|(a, b)| a != b);
    assert!(
        made == published,
        "entries have another shape than {} says (line {:?}): whoever reads them has to be told. Add one to `SCHEMA` and run this test with {WRITES}=1",
        place.display(),
        differs.map(|line| line + 1),
    );
}

#[tokio::test]
async fn a_validator_that_nobody_here_wrote_takes_entries_of_every_kind_and_no_others() {
    let published = std::fs::read_to_string(place()).unwrap();
    let published: Value = serde_json::from_str(&published).unwrap();
    let validator = jsonschema::draft202012::new(&published).unwrap();
    let (mut kinds, mut mutated) = (BTreeSet::new(), 0);
    for entry in entries().await {
        let said: Vec<String> = validator
            .iter_errors(&entry)
            .map(|error| error.to_string())
            .collect();
        assert!(said.is_empty(), "{entry}: {said:?}");
        kinds.insert(entry["what"].as_str().unwrap().to_owned());
        // What was changed is noticed.
        let mut changes = vec![
            ("schema", json!(SCHEMA + 1)),
            ("number", json!("1")),
            ("at", json!(null)),
            ("revision", json!(-1)),
            ("stranger", json!(1)),
        ];
        // Of what is too long for an entry any kind is taken.
        if entry.get("payload").is_none() {
            changes.push(("what", json!("waved_through")));
        }
        let without = [
            "what", "schema", "number", "at", "id", "request", "revision",
        ];
        let removed = without.map(|name| {
            let mut entry = entry.clone();
            entry.as_object_mut().unwrap().remove(name).unwrap();
            entry
        });
        let changed = changes.into_iter().map(|(name, value)| {
            let mut entry = entry.clone();
            entry[name] = value;
            entry
        });
        for entry in removed.into_iter().chain(changed) {
            assert!(!validator.is_valid(&entry), "{entry}");
            mutated += 1;
        }
    }
    // Every kind of event, and the one that repeats another.
    assert_eq!(kinds.len(), crate::every::KINDS + 1, "{kinds:?}");
    println!("{} kinds; {mutated} entries that are none", kinds.len());
}

/// The SHA-256 of what was published for each version. A line is added with a version, and none is
/// ever changed.
const PUBLISHED: [&str; SCHEMA as usize] = [
    "9399446a5ad7b29190c287631ba084f8462abe074127b28075988e09ee2e7764",
    "1da296ba4de9661981a78df87b6b4b16d9bc5120831656551e9e4f876ccfce38",
];

#[test]
fn what_was_published_for_a_version_is_never_written_anew() {
    let place = place();
    for (version, hash) in (1..).zip(PUBLISHED) {
        let path = place.with_file_name(format!("event.v{version}.json"));
        let found = Sha256::digest(std::fs::read(&path).unwrap());
        let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, hash, "{}: take the next version", path.display());
    }
}

#[tokio::test]
async fn every_part_of_an_entry_is_explained() {
    fn unexplained(schema: &Value, found: &mut BTreeSet<String>) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for name in properties.keys() {
                if meaning_of(name).is_none() {
                    found.insert(name.clone());
                }
            }
        }
        match schema {
            Value::Object(members) => members.values().for_each(|part| unexplained(part, found)),
            Value::Array(items) => items.iter().for_each(|part| unexplained(part, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    unexplained(&schema().await, &mut found);
    assert!(found.is_empty(), "{found:?}");
}

/// Puts other bytes in the place of these, wherever they stand below a directory.
fn replace(within: &Path, from: &[u8], to: &[u8]) -> usize {
    let mut replaced = 0;
    for found in std::fs::read_dir(within).unwrap() {
        let path = found.unwrap().path();
        if path.is_dir() {
            replaced += replace(&path, from, to);
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(from.len()).position(|part| part == from) {
            bytes.splice(at..at + from.len(), to.iter().copied());
            std::fs::write(&path, bytes).unwrap();
            replaced += 1;
        }
    }
    replaced
}

#[tokio::test]
async fn an_entry_of_the_version_before_is_verified_and_read() {
    let (place, key) = (tempfile::tempdir().unwrap(), key());
    let refused = every_event().into_iter().find(|event| {
        matches!(&event.what, What::Refused { reasons, call: Some(_), .. } if !reasons.is_empty())
    });
    written(place.path(), &key, &[refused.unwrap()]).await;
    // The same entry as the first version wrote it: a refusal had no rules.
    let directory = Directory::at(place.path());
    let entry = directory.entry(0, 1).unwrap();
    let mut before: Value = serde_json::from_slice(&entry).unwrap();
    before["schema"] = json!(1);
    before.as_object_mut().unwrap().remove("reasons").unwrap();
    let before = before.to_string().into_bytes();
    let framed = |entry: &[u8]| [&(entry.len() as u16).to_be_bytes(), entry].concat();
    let [old, new] = [&before, &entry].map(|entry| Hash::of_leaf(entry));
    assert!(replace(place.path(), &framed(&entry), &framed(&before)) > 0);
    assert!(replace(&place.path().join("tile"), new.as_bytes(), old.as_bytes()) > 0);
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 1,
        root: old,
    };
    let note = Note::signed(&checkpoint.text(), [&*key as &dyn Signer]).unwrap();
    std::fs::write(place.path().join("checkpoint"), note.to_string()).unwrap();
    // It has what was signed over the other.
    std::fs::remove_file(place.path().join("head")).unwrap();
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 1);
    let read: Event = serde_json::from_slice(&directory.entry(0, 1).unwrap()).unwrap();
    let What::Refused { reasons, .. } = read.what else {
        panic!("no refusal");
    };
    assert!(reasons.is_empty());
    // And the log goes on from it, in the version of now.
    let mut next = every_event().remove(0);
    next.number = read.number + 1;
    next.at = read.at;
    written(place.path(), &key, &[next]).await;
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 2);
}
