//! What a people file says, read but not yet held against itself.

use std::ops::Range;

use approvals_core::{ChannelId, ChannelIdentity, GroupId, NameError, PersonId, PrincipalId};
use toml::de::{DeTable, DeValue};

use crate::email::Address;
use crate::identity;
use crate::mistake::{Mistakes, quoted};
use crate::syntax::{
    At, boolean, entries, list, table, text, texts, unknown_key, unknown_key_of_id,
};

/// The longest name of a person, in bytes.
const MAX_DISPLAY_NAME: usize = 256;

/// A whole file.
#[derive(Debug, Default)]
pub(crate) struct Draft<'t> {
    pub(crate) people: Vec<At<PersonDraft>>,
    pub(crate) groups: Vec<At<GroupDraft<'t>>>,
    pub(crate) programs: Vec<At<ProgramDraft<'t>>>,
}

#[derive(Debug)]
pub(crate) struct PersonDraft {
    pub(crate) id: PersonId,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<At<Address>>,
    pub(crate) active: bool,
    pub(crate) identities: Vec<At<ChannelIdentity>>,
}

#[derive(Debug)]
pub(crate) struct GroupDraft<'t> {
    pub(crate) id: GroupId,
    pub(crate) people: Vec<At<&'t str>>,
    pub(crate) groups: Vec<At<&'t str>>,
}

/// An agent or a service.
#[derive(Debug)]
pub(crate) struct ProgramDraft<'t> {
    pub(crate) id: PrincipalId,
    pub(crate) owners: Vec<At<&'t str>>,
}

/// What the file says, as far as it can be read.
pub(crate) fn read<'a>(file: &'a DeTable<'_>, mistakes: &mut Mistakes) -> Draft<'a> {
    let mut draft = Draft::default();
    for (section, value) in entries(file) {
        let known = ["people", "groups", "agents", "services"];
        if !known.contains(&section.value) {
            unknown_key(&section, &known, "the file", mistakes);
            continue;
        }
        let Some(inside) = table(&section, value, mistakes) else {
            continue;
        };
        for (id, value) in entries(inside) {
            let Some(fields) = table(&id, value, mistakes) else {
                continue;
            };
            let span = id.span.clone();
            match section.value {
                "people" => {
                    let read = person(&id, fields, mistakes);
                    draft.people.extend(read.map(|value| At { span, value }));
                }
                "groups" => {
                    let read = group(&id, fields, mistakes);
                    draft.groups.extend(read.map(|value| At { span, value }));
                }
                kind => {
                    let make = match kind {
                        "agents" => PrincipalId::agent,
                        _ => PrincipalId::service,
                    };
                    let read = program(&id, fields, make, mistakes);
                    draft.programs.extend(read.map(|value| At { span, value }));
                }
            }
        }
    }
    draft
}

fn named<T>(id: &At<&str>, name: Result<T, NameError>, mistakes: &mut Mistakes) -> Option<T> {
    match name {
        Ok(name) => Some(name),
        Err(error) => {
            mistakes.add(&id.span, malformed(&error, id.value));
            None
        }
    }
}

/// A malformed name's message, with as much of the name as a message repeats.
pub(crate) fn malformed(error: &NameError, text: &str) -> String {
    match error {
        NameError::Character {
            what,
            found,
            allowed,
            example,
            ..
        } => format!(
            "{what} {} has the character {found:?}: use ASCII letters, digits and `{allowed}`, such as `{example}`",
            quoted(text)
        ),
        other => other.to_string(),
    }
}

fn person(id: &At<&str>, fields: &DeTable<'_>, mistakes: &mut Mistakes) -> Option<PersonDraft> {
    let mut name = None;
    let mut email = None;
    let mut active = true;
    let mut identities = Vec::new();
    let whose = format!("person {}", quoted(id.value));
    for (key, value) in entries(fields) {
        match key.value {
            "name" => {
                if let Some(text) = text(&key, value, mistakes) {
                    name = display_name(&text, mistakes);
                }
            }
            "email" => {
                let Some(text) = text(&key, value, mistakes) else {
                    continue;
                };
                match Address::parse(text.value) {
                    Ok(address) => {
                        email = Some(At {
                            span: text.span,
                            value: address,
                        });
                    }
                    Err(why) => {
                        let message = format!("the e-mail address {} {why}", quoted(text.value));
                        mistakes.add(&text.span, message);
                    }
                }
            }
            "active" => active = boolean(&key, value, mistakes).unwrap_or(false),
            "identities" => {
                let example = "write `[[people.….identities]]` with `channel`, `tenant` and `user`";
                let array = list(&key, value, example, mistakes);
                for item in array.into_iter().flat_map(|array| array.iter()) {
                    // Tables of a list have the place of their header, and inline ones their own.
                    if let Some(fields) = table(&key, item, mistakes) {
                        identities.extend(identity_of(item.span(), fields, &whose, mistakes));
                    }
                }
            }
            _ => {
                let known = ["name", "email", "active", "identities"];
                unknown_key_of_id(&key, value, &known, &whose, mistakes);
            }
        }
    }
    if fields.is_empty() {
        let message = format!(
            "{whose} has nothing: write at least a `name`, an `email` or `identities`, or remove the person"
        );
        mistakes.add(&id.span, message);
    }
    Some(PersonDraft {
        id: named(id, PersonId::new(id.value), mistakes)?,
        name,
        email,
        active,
        identities,
    })
}

fn display_name(text: &At<&str>, mistakes: &mut Mistakes) -> Option<String> {
    let name = text.value;
    let plain = approvals_core::text::is_plain(name) && name.trim() == name;
    if name.is_empty() || name.len() > MAX_DISPLAY_NAME || !plain {
        let message = format!(
            "the name {} cannot be shown: write up to {MAX_DISPLAY_NAME} bytes without control and invisible characters",
            quoted(name)
        );
        mistakes.add(&text.span, message);
        return None;
    }
    Some(name.to_owned())
}

/// A channel identity, from a table with `channel`, `tenant` and `user`; other keys are the
/// caller's to know.
fn identity_of(
    span: Range<usize>,
    fields: &DeTable<'_>,
    whose: &str,
    mistakes: &mut Mistakes,
) -> Option<At<ChannelIdentity>> {
    for (key, _) in entries(fields) {
        if !IDENTITY_KEYS.contains(&key.value) {
            let inside = format!("an identity of {whose}");
            unknown_key(&key, &IDENTITY_KEYS, &inside, mistakes);
        }
    }
    identity(span, fields, whose, mistakes)
}

pub(crate) const IDENTITY_KEYS: [&str; 3] = ["channel", "tenant", "user"];

/// The channel identity that a table has, where it is one.
pub(crate) fn identity(
    span: Range<usize>,
    fields: &DeTable<'_>,
    whose: &str,
    mistakes: &mut Mistakes,
) -> Option<At<ChannelIdentity>> {
    let mut parts = [None, None, None];
    let mut malformed_part = false;
    for (key, value) in entries(fields) {
        for (part, known) in parts.iter_mut().zip(IDENTITY_KEYS) {
            if key.value == known {
                *part = text(&key, value, mistakes);
                malformed_part |= part.is_none();
            }
        }
    }
    let [channel, tenant, user] = parts;
    let (Some(channel), Some(user)) = (channel, user) else {
        if !malformed_part {
            let message = format!(
                "an identity of {whose} has no `channel` or no `user`: write both, and the `tenant` where the channel has one"
            );
            mistakes.add(&span, message);
        }
        return None;
    };
    let id = named(&channel, ChannelId::new(channel.value), mistakes)?;
    let tenant = tenant.map_or("", |tenant| tenant.value);
    let identity = ChannelIdentity::new(id, tenant, user.value);
    match identity::check(&identity) {
        Ok(()) => Some(At {
            span: user.span,
            value: identity,
        }),
        Err(why) => {
            mistakes.add(&user.span, format!("{why} (an identity of {whose})"));
            None
        }
    }
}

fn group<'a>(
    id: &At<&'a str>,
    fields: &'a DeTable<'_>,
    mistakes: &mut Mistakes,
) -> Option<GroupDraft<'a>> {
    let (mut people, mut groups) = (Vec::new(), Vec::new());
    let mut says_who = false;
    for (key, value) in entries(fields) {
        says_who |= !is_empty_list(value.get_ref());
        match key.value {
            "people" => people = texts(&key, value, mistakes),
            "groups" => groups = texts(&key, value, mistakes),
            _ => {
                let inside = format!("group {}", quoted(id.value));
                unknown_key_of_id(&key, value, &["people", "groups"], &inside, mistakes);
            }
        }
    }
    if !says_who {
        let message = format!(
            "group {} is empty, and nobody could ever agree for it: name its `people` or `groups`, or remove it",
            quoted(id.value)
        );
        mistakes.add(&id.span, message);
    }
    Some(GroupDraft {
        id: named(id, GroupId::new(id.value), mistakes)?,
        people,
        groups,
    })
}

/// What is wrong in another way is told as that, and not as being empty.
fn is_empty_list(value: &DeValue<'_>) -> bool {
    value.as_array().is_some_and(|array| array.is_empty())
}

fn program<'a>(
    id: &At<&'a str>,
    fields: &'a DeTable<'_>,
    make: fn(&str) -> Result<PrincipalId, NameError>,
    mistakes: &mut Mistakes,
) -> Option<ProgramDraft<'a>> {
    let mut owners = Vec::new();
    let mut says_who = false;
    for (key, value) in entries(fields) {
        says_who |= !is_empty_list(value.get_ref());
        if key.value == "owners" {
            owners = texts(&key, value, mistakes);
        } else {
            let inside = quoted(id.value);
            unknown_key_of_id(&key, value, &["owners"], &inside, mistakes);
        }
    }
    if !says_who {
        let message = format!(
            "nobody owns {}: name at least one person, `owners = [\"alice\"]`",
            quoted(id.value)
        );
        mistakes.add(&id.span, message);
    }
    Some(ProgramDraft {
        id: named(id, make(id.value), mistakes)?,
        owners,
    })
}
