//! Everybody whom a people file knows: a value that exists has passed every check.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use approvals_core::{ChannelIdentity, GroupId, PersonId, PrincipalId};

use crate::draft::{self, Draft, PersonDraft, ProgramDraft};
use crate::email::Address;
use crate::groups;
use crate::mistake::{LineStarts, LoadError, Mistakes, quoted};
use crate::syntax::{self, At};

/// A person of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: Option<String>,
    pub(crate) email: Option<Address>,
    pub(crate) active: bool,
}

/// A checked people file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Roster {
    pub(crate) people: BTreeMap<PersonId, Person>,
    /// Of each group the active people, also those of groups in it.
    pub(crate) groups: BTreeMap<GroupId, BTreeSet<PersonId>>,
    /// Of each agent and service the active people who own it.
    pub(crate) owners: BTreeMap<PrincipalId, BTreeSet<PersonId>>,
    pub(crate) identities: BTreeMap<ChannelIdentity, PersonId>,
    pub(crate) emails: BTreeMap<Address, PersonId>,
}

impl Roster {
    /// Reads a people file.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, LoadError> {
        let mut mistakes = Mistakes::default();
        let roster = Self::read(text, &mut mistakes);
        mistakes.judge(file, text)?;
        Ok(roster)
    }

    fn read(text: &str, mistakes: &mut Mistakes) -> Self {
        let table = syntax::parse(text, mistakes).unwrap_or_default();
        let mut draft = draft::read(&table, mistakes);
        // As they stand in the file, so that of two it is the later one that is wrong.
        draft.people.sort_by_key(|person| person.span.start);
        let lines = LineStarts::of(text);
        let names = Names::of(&draft, &lines, mistakes);
        let mut roster = Self {
            people: BTreeMap::new(),
            groups: BTreeMap::new(),
            owners: BTreeMap::new(),
            identities: BTreeMap::new(),
            emails: BTreeMap::new(),
        };
        roster.take_emails(&draft, &lines, mistakes);
        roster.take_identities(&draft, &lines, mistakes);
        let is_active: BTreeSet<&str> = draft
            .people
            .iter()
            .filter(|person| person.value.active)
            .map(|person| person.value.id.as_str())
            .collect();
        for program in &draft.programs {
            roster.take_program(program, &names, &is_active, mistakes);
        }
        roster.groups = groups::resolve(&draft.groups, &names, &is_active, mistakes);
        // Where other things are wrong, people may be there that could not be read.
        if draft.people.is_empty() && mistakes.is_empty() {
            let message =
                "nobody is in this file: add a person, such as `[people.alice]` with a `name`";
            mistakes.add(&(0..0), message);
        }
        for person in draft.people {
            let PersonDraft {
                id,
                name,
                email,
                active,
                identities: _,
            } = person.value;
            let email = email.map(|email| email.value);
            let person = Person {
                name,
                email,
                active,
            };
            roster.people.insert(id, person);
        }
        roster
    }

    fn take_emails(&mut self, draft: &Draft<'_>, lines: &LineStarts, mistakes: &mut Mistakes) {
        let ids: BTreeMap<String, &PersonId> = draft
            .people
            .iter()
            .map(|person| {
                (
                    person.value.id.as_str().to_ascii_lowercase(),
                    &person.value.id,
                )
            })
            .collect();
        let mut claims: Vec<_> = draft
            .people
            .iter()
            .filter_map(|person| Some((person.value.email.as_ref()?, &person.value.id)))
            .collect();
        claims.sort_by_key(|(email, _)| email.span.start);
        let mut first: BTreeMap<&Address, (&PersonId, Range<usize>)> = BTreeMap::new();
        for (email, person) in claims {
            let address = &email.value;
            let shown = quoted(address.as_str());
            if let Some((earlier, span)) = first.get(address) {
                let message = format!(
                    "the e-mail address {shown} is {} already ({}): one address belongs to one person, correct one of them",
                    whose(earlier),
                    at_line(lines, span)
                );
                mistakes.add(&email.span, message);
                continue;
            }
            if let Some(namesake) = ids.get(address.as_str())
                && *namesake != person
            {
                let message = format!(
                    "the e-mail address {shown} of {} is the id of another person: correct one of them",
                    quoted(person.as_str())
                );
                mistakes.add(&email.span, message);
            }
            first.insert(address, (person, email.span.clone()));
            self.emails.insert(address.clone(), person.clone());
        }
    }

    fn take_identities(&mut self, draft: &Draft<'_>, lines: &LineStarts, mistakes: &mut Mistakes) {
        let mut claims: Vec<_> = draft
            .people
            .iter()
            .flat_map(|person| {
                let id = &person.value.id;
                person.value.identities.iter().map(move |one| (one, id))
            })
            .collect();
        claims.sort_by_key(|(identity, _)| identity.span.start);
        let mut first: BTreeMap<&ChannelIdentity, (&PersonId, &Range<usize>)> = BTreeMap::new();
        for (identity, person) in claims {
            if let Some((earlier, span)) = first.get(&identity.value) {
                let shown = quoted(&identity.value.to_string());
                let place = at_line(lines, span);
                let message = if *earlier == person {
                    format!("the identity {shown} is there twice ({place}): remove one")
                } else {
                    format!(
                        "the identity {shown} is {} already ({place}): one identity belongs to one person, correct one of them",
                        whose(earlier)
                    )
                };
                mistakes.add(&identity.span, message);
                continue;
            }
            first.insert(&identity.value, (person, &identity.span));
            self.identities
                .insert(identity.value.clone(), person.clone());
        }
    }

    fn take_program(
        &mut self,
        program: &At<ProgramDraft<'_>>,
        names: &Names<'_>,
        is_active: &BTreeSet<&str>,
        mistakes: &mut Mistakes,
    ) {
        let shown = quoted(&program.value.id.to_string());
        let mut owners = BTreeSet::new();
        let mut all_known = true;
        for owner in &program.value.owners {
            match names.person(owner.value) {
                Ok(person) if is_active.contains(person.as_str()) => {
                    owners.insert(person.clone());
                }
                Ok(_) => {}
                Err(why) => {
                    all_known = false;
                    mistakes.add(&owner.span, format!("owner {why} (of {shown})"));
                }
            }
        }
        if owners.is_empty() && all_known && !program.value.owners.is_empty() {
            let message =
                format!("nobody who owns {shown} is active: name a person who is, or remove it");
            mistakes.add(&program.span, message);
        }
        self.owners.insert(program.value.id.clone(), owners);
    }
}

/// What every name of the file is.
#[derive(Debug)]
pub(crate) struct Names<'d> {
    people: BTreeMap<&'d str, &'d PersonId>,
    groups: BTreeSet<&'d str>,
    programs: BTreeMap<&'d str, &'d PrincipalId>,
    /// People by their ids in lower case: for saying what was meant.
    folded: BTreeMap<String, &'d PersonId>,
}

impl<'d> Names<'d> {
    fn of(draft: &'d Draft<'_>, lines: &LineStarts, mistakes: &mut Mistakes) -> Self {
        let mut names = Self {
            people: BTreeMap::new(),
            groups: BTreeSet::new(),
            programs: BTreeMap::new(),
            folded: BTreeMap::new(),
        };
        let mut spans = BTreeMap::new();
        for person in &draft.people {
            let id = &person.value.id;
            names.people.insert(id.as_str(), id);
            let folded = id.as_str().to_ascii_lowercase();
            spans.entry(folded.clone()).or_insert(&person.span);
            let first = *names.folded.entry(folded.clone()).or_insert(id);
            if first != id {
                let place = spans.get(&folded).map(|span| at_line(lines, span));
                let message = format!(
                    "the ids {} and {} ({}) differ in case only, and would be taken for one person: rename one of them",
                    quoted(id.as_str()),
                    quoted(first.as_str()),
                    place.unwrap_or_default()
                );
                mistakes.add(&person.span, message);
            }
        }
        for group in &draft.groups {
            names.groups.insert(group.value.id.as_str());
        }
        for program in &draft.programs {
            let id = &program.value.id;
            names.programs.insert(id.name(), id);
            if let Some(person) = names.folded.get(&id.name().to_ascii_lowercase()) {
                let message = format!(
                    "{} has the id of the person {}: only people vote, so give one of them another id",
                    quoted(&id.to_string()),
                    quoted(person.as_str())
                );
                mistakes.add(&program.span, message);
            }
        }
        names
    }

    /// The person who is called so, or why nobody is, and the fix.
    pub(crate) fn person(&self, name: &str) -> Result<&'d PersonId, String> {
        if let Some(person) = self.people.get(name) {
            return Ok(person);
        }
        let shown = quoted(name);
        let bare = name.split_once(':').map_or(name, |(_, bare)| bare);
        if let Some(program) = self.programs.get(bare) {
            return Err(format!(
                "{shown} is {}, and only people vote and own: name a person",
                quoted(&program.to_string())
            ));
        }
        if self.groups.contains(name) {
            return Err(format!(
                "{shown} is a group: groups in groups stand in `groups = […]`, and owners are people"
            ));
        }
        if let Some(person) = self
            .people
            .get(bare)
            .or_else(|| self.folded.get(&bare.to_ascii_lowercase()))
        {
            return Err(format!(
                "{shown} is nobody: write {}",
                quoted(person.as_str())
            ));
        }
        Err(format!(
            "{shown} is nobody: add the person as `[people.…]`, or correct the name"
        ))
    }

    /// Why a group is not there, and the fix.
    pub(crate) fn no_group(&self, name: &str) -> String {
        let shown = quoted(name);
        if self.people.contains_key(name) {
            return format!("{shown} is a person: people of a group stand in `people = […]`");
        }
        let bare = name.split_once(':').map_or(name, |(_, bare)| bare);
        if let Some(program) = self.programs.get(bare) {
            return format!(
                "{shown} is {}, and only people are in groups: remove it",
                quoted(&program.to_string())
            );
        }
        format!("{shown} is no group: add it as `[groups.…]`, or correct the name")
    }
}

fn whose(person: &PersonId) -> String {
    format!("that of {}", quoted(person.as_str()))
}

fn at_line(lines: &LineStarts, span: &Range<usize>) -> String {
    format!("line {}", lines.line(span.start))
}
