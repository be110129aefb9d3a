//! The links file: identities that people have proven to be theirs, and the codes that are open.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use approvals_core::{ChannelId, ChannelIdentity, PersonId, Timestamp};
use toml::de::DeTable;

use crate::code::CodeHash;
use crate::draft::{self, IDENTITY_KEYS, malformed};
use crate::mistake::{LoadError, Mistakes, quoted};
use crate::syntax::{self, At, entries, list, number, table, text, unknown_key};

/// A channel identity that a person has proven to be theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Whose.
    pub person: PersonId,
    /// Which.
    pub identity: ChannelIdentity,
    /// When it was proven.
    pub at: Timestamp,
}

/// A code that was not used yet.
#[derive(Debug, Clone)]
pub(crate) struct OpenCode {
    pub(crate) person: PersonId,
    pub(crate) channel: ChannelId,
    pub(crate) hash: CodeHash,
    pub(crate) expires: Timestamp,
}

/// A checked links file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    pub(crate) links: Vec<Link>,
    pub(crate) codes: Vec<OpenCode>,
}

impl Links {
    /// Reads a links file. `given` says whose an identity is by the people file.
    pub(crate) fn parse(
        file: &Path,
        text: &str,
        given: impl Fn(&ChannelIdentity) -> Option<PersonId>,
    ) -> Result<Self, LoadError> {
        let mut mistakes = Mistakes::default();
        let parsed = syntax::parse(text, &mut mistakes).unwrap_or_default();
        let mut links: Vec<At<Link>> = Vec::new();
        let mut codes = Vec::new();
        for (section, value) in entries(&parsed) {
            let known = ["links", "codes"];
            if !known.contains(&section.value) {
                unknown_key(&section, &known, "the file", &mut mistakes);
                continue;
            }
            let example = "write `[[links]]`";
            let items = list(&section, value, example, &mut mistakes);
            for item in items.into_iter().flat_map(|items| items.iter()) {
                let Some(fields) = table(&section, item, &mut mistakes) else {
                    continue;
                };
                let at = At {
                    span: item.span(),
                    value: fields,
                };
                if section.value == "links" {
                    links.extend(link(&at, &mut mistakes));
                } else {
                    codes.extend(code(&at, &mut mistakes));
                }
            }
        }
        never_two(&links, given, &mut mistakes);
        mistakes.judge(file, text)?;
        let links = links.into_iter().map(|link| link.value).collect();
        Ok(Self { links, codes })
    }
}

/// An identity that is in the file twice, or in the people file as somebody else's.
fn never_two(
    links: &[At<Link>],
    given: impl Fn(&ChannelIdentity) -> Option<PersonId>,
    mistakes: &mut Mistakes,
) {
    let mut first: BTreeMap<&ChannelIdentity, &PersonId> = BTreeMap::new();
    for link in links {
        let Link {
            person, identity, ..
        } = &link.value;
        let shown = quoted(&identity.to_string());
        if let Some(earlier) = first.insert(identity, person) {
            let message = format!(
                "the identity {shown} is linked to {} already: remove one of the links",
                quoted(earlier.as_str())
            );
            mistakes.add(&link.span, message);
        } else if let Some(other) = given(identity).filter(|other| other != person) {
            let message = format!(
                "the identity {shown} is linked to {}, and the people file gives it to {}: remove one of both",
                quoted(person.as_str()),
                quoted(other.as_str())
            );
            mistakes.add(&link.span, message);
        }
    }
}

fn link(fields: &At<&DeTable<'_>>, mistakes: &mut Mistakes) -> Option<At<Link>> {
    let mut person = None;
    let mut at = None;
    for (key, value) in entries(fields.value) {
        match key.value {
            "person" => person = text(&key, value, mistakes),
            "linked_at" => at = number(&key, value, mistakes),
            known if IDENTITY_KEYS.contains(&known) => {}
            _ => {
                let known = ["person", "channel", "tenant", "user", "linked_at"];
                unknown_key(&key, &known, "a link", mistakes);
            }
        }
    }
    let identity = draft::identity(fields.span.clone(), fields.value, "a link", mistakes);
    let person = person_id(fields, person, mistakes)?;
    let at = Timestamp::from_millis(at.or_else(|| missing(fields, "linked_at", mistakes))?);
    let identity = identity?;
    Some(At {
        span: identity.span,
        value: Link {
            person,
            identity: identity.value,
            at,
        },
    })
}

fn code(fields: &At<&DeTable<'_>>, mistakes: &mut Mistakes) -> Option<OpenCode> {
    let (mut person, mut channel, mut hash, mut expires) = (None, None, None, None);
    for (key, value) in entries(fields.value) {
        match key.value {
            "person" => person = text(&key, value, mistakes),
            "channel" => channel = text(&key, value, mistakes),
            "sha256" => hash = text(&key, value, mistakes),
            "expires_at" => expires = number(&key, value, mistakes),
            _ => {
                let known = ["person", "channel", "sha256", "expires_at"];
                unknown_key(&key, &known, "a code", mistakes);
            }
        }
    }
    let person = person_id(fields, person, mistakes);
    let channel = channel.or_else(|| missing(fields, "channel", mistakes))?;
    let hash = hash.or_else(|| missing(fields, "sha256", mistakes))?;
    let expires = expires.or_else(|| missing(fields, "expires_at", mistakes))?;
    let id = ChannelId::new(channel.value);
    let id = id.map_err(|error| mistakes.add(&channel.span, malformed(&error, channel.value)));
    let Some(hash) = CodeHash::from_hex(hash.value) else {
        let message = "this is no hash of a code: remove the whole entry, and begin the link again";
        mistakes.add(&hash.span, message);
        return None;
    };
    Some(OpenCode {
        person: person?,
        channel: id.ok()?,
        hash,
        expires: Timestamp::from_millis(expires),
    })
}

fn person_id(
    fields: &At<&DeTable<'_>>,
    person: Option<At<&str>>,
    mistakes: &mut Mistakes,
) -> Option<PersonId> {
    let person = person.or_else(|| missing(fields, "person", mistakes))?;
    let id = PersonId::new(person.value);
    id.map_err(|error| mistakes.add(&person.span, malformed(&error, person.value)))
        .ok()
}

fn missing<T>(fields: &At<&DeTable<'_>>, key: &str, mistakes: &mut Mistakes) -> Option<T> {
    // What is there and malformed was told of already.
    if !entries(fields.value).any(|(found, _)| found.value == key) {
        let message = format!("this entry has no `{key}`: remove the whole entry, and link again");
        mistakes.add(&fields.span, message);
    }
    None
}

impl fmt::Display for Links {
    /// The file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "# Channel identities that people have proven to be theirs, and codes that are open.\n\
             # Written by the program. A link may be removed here; people are the people file's.\n",
        )?;
        for link in &self.links {
            let identity = &link.identity;
            write!(
                f,
                "\n[[links]]\nperson = {}\nchannel = {}\ntenant = {}\nuser = {}\nlinked_at = {} # {}\n",
                basic_string(link.person.as_str()),
                basic_string(identity.channel.as_str()),
                basic_string(&identity.tenant),
                basic_string(&identity.user),
                link.at.as_millis(),
                link.at,
            )?;
        }
        for code in &self.codes {
            write!(
                f,
                "\n[[codes]]\nperson = {}\nchannel = {}\nsha256 = \"{}\"\nexpires_at = {} # {}\n",
                basic_string(code.person.as_str()),
                basic_string(code.channel.as_str()),
                code.hash,
                code.expires.as_millis(),
                code.expires,
            )?;
        }
        Ok(())
    }
}

/// A TOML string. Ids are printable ASCII, so that only these two have to be escaped.
fn basic_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
