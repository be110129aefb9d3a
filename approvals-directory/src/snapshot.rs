//! Everything that is known at one moment: every answer comes from one of these.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use approvals_core::{
    ChannelId, ChannelIdentity, GroupId, Members, Membership, People, PersonId, PrincipalId,
    Requester, Resolved, Voter, Whom,
};

use crate::email::Address;
use crate::file::{self, Contents};
use crate::links::Links;
use crate::mistake::{LoadError, Mistake};
use crate::roster::{Person, Roster};

/// Where the files are.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) people: PathBuf,
    pub(crate) links: PathBuf,
}

/// What both files held.
#[derive(Debug)]
pub(crate) struct Both {
    people: Contents,
    links: Option<Contents>,
}

/// By what it is known that files have changed.
pub(crate) type Hashes = ([u8; 32], Option<[u8; 32]>);

/// For how long files have to stay as they are before they are taken for written.
pub(crate) const SETTLED: Duration = Duration::from_millis(500);
/// How often they are looked at, at most, until they do.
const LOOKS: u32 = 6;

impl Files {
    /// Reads both, for a change that is made by what they say. Files that are not what is known are
    /// read again until two looks find the same: somebody may just be writing them.
    ///
    /// Waits: not for the inside of an async task.
    pub(crate) fn read_settled(&self, known: Hashes) -> Result<Both, LoadError> {
        let wait = || std::thread::sleep(SETTLED);
        settled(known, || self.read(), wait).unwrap_or_else(|| {
            let message = "the file is being written again and again: try it later";
            Err(LoadError::one(Mistake::of_file(&self.people, message)))
        })
    }

    /// Reads both. Everything that is wrong with either is told.
    pub(crate) fn read(&self) -> Result<Both, LoadError> {
        match (file::read(&self.people), file::read_if_there(&self.links)) {
            (Ok(people), Ok(links)) => Ok(Both { people, links }),
            (Err(error), Err(other)) => Err(error.and(other)),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        }
    }
}

/// What two looks in a row found alike; nothing when they never did.
fn settled(
    known: Hashes,
    mut look: impl FnMut() -> Result<Both, LoadError>,
    mut wait: impl FnMut(),
) -> Option<Result<Both, LoadError>> {
    let found = |read: &Result<Both, LoadError>| {
        let found = read.as_ref().map(Both::hashes);
        found.map_err(LoadError::clone)
    };
    let mut before = look();
    if found(&before) == Ok(known) {
        return Some(before);
    }
    for _ in 1..LOOKS {
        wait();
        let now = look();
        if found(&now) == found(&before) {
            return Some(now);
        }
        before = now;
    }
    None
}

impl Both {
    pub(crate) fn hashes(&self) -> Hashes {
        let links = self.links.as_ref().map(|links| links.hash);
        (self.people.hash, links)
    }
}

/// People and links that were checked against each other.
#[derive(Debug)]
pub(crate) struct Snapshot {
    roster: Arc<Roster>,
    pub(crate) links: Links,
    /// Of active people alone, from both files.
    identities: BTreeMap<ChannelIdentity, PersonId>,
    by_person: BTreeMap<PersonId, Vec<ChannelIdentity>>,
    pub(crate) hashes: Hashes,
}

impl Snapshot {
    /// Checks what both files held.
    pub(crate) fn of(files: &Files, both: &Both) -> Result<Self, LoadError> {
        let roster = Roster::parse(&files.people, &both.people.text);
        let text = both.links.as_ref().map_or("", |links| &links.text);
        let given = |identity: &ChannelIdentity| {
            let roster = roster.as_ref().ok()?;
            roster.identities.get(identity).cloned()
        };
        let links = Links::parse(&files.links, text, given);
        match (roster, links) {
            (Ok(roster), Ok(links)) => Ok(Self::made_of(Arc::new(roster), links, both.hashes())),
            (Err(error), Err(other)) => Err(error.and(other)),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        }
    }

    /// The same people with other links, as a file of this text holds them.
    pub(crate) fn with_links(&self, file: &Path, text: &Contents) -> Result<Self, LoadError> {
        let given = |identity: &ChannelIdentity| self.roster.identities.get(identity).cloned();
        let links = Links::parse(file, &text.text, given)?;
        let hashes = (self.hashes.0, Some(text.hash));
        Ok(Self::made_of(self.roster.clone(), links, hashes))
    }

    fn made_of(roster: Arc<Roster>, links: Links, hashes: Hashes) -> Self {
        let mut identities = BTreeMap::new();
        let mut by_person: BTreeMap<PersonId, Vec<ChannelIdentity>> = BTreeMap::new();
        let linked = links
            .links
            .iter()
            .map(|link| (&link.identity, &link.person));
        for (identity, person) in roster.identities.iter().chain(linked) {
            let is_active = roster.people.get(person).is_some_and(|found| found.active);
            let is_new = !identities.contains_key(identity);
            if is_active && is_new {
                identities.insert(identity.clone(), person.clone());
                by_person
                    .entry(person.clone())
                    .or_default()
                    .push(identity.clone());
            }
        }
        Self {
            roster,
            links,
            identities,
            by_person,
            hashes,
        }
    }

    pub(crate) fn person(&self, identity: &ChannelIdentity) -> Option<&PersonId> {
        self.identities.get(identity)
    }

    /// A person who is known and active.
    pub(crate) fn active(&self, person: &PersonId) -> Option<&Person> {
        self.roster.people.get(person).filter(|found| found.active)
    }

    /// Whether the people file knows the person, active or not.
    pub(crate) fn knows(&self, person: &PersonId) -> bool {
        self.roster.people.contains_key(person)
    }

    pub(crate) fn by_email(&self, address: &Address) -> Option<&PersonId> {
        let person = self.roster.emails.get(address)?;
        self.active(person).map(|_| person)
    }

    pub(crate) fn people(&self) -> impl Iterator<Item = (&PersonId, &Person)> {
        self.roster.people.iter()
    }

    /// Whose an identity is by the files, active or not.
    pub(crate) fn given_to(&self, identity: &ChannelIdentity) -> Option<&PersonId> {
        let linked = self.links.links.iter();
        self.roster.identities.get(identity).or_else(|| {
            let mut found = linked.filter(|link| link.identity == *identity);
            found.next().map(|link| &link.person)
        })
    }

    pub(crate) fn membership(&self, person: &PersonId, group: &GroupId) -> Membership {
        match self.roster.groups.get(group) {
            None => Membership::Unknown,
            Some(members) if members.contains(person) => Membership::Member,
            Some(_) => Membership::NotMember,
        }
    }

    pub(crate) fn members(&self, group: &GroupId) -> Members {
        let members = self.roster.groups.get(group).cloned();
        members.map_or(Members::NoSuchGroup, Members::Listed)
    }

    pub(crate) fn owners(&self, principal: &PrincipalId) -> BTreeSet<PersonId> {
        self.roster
            .owners
            .get(principal)
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn identities(
        &self,
        person: &PersonId,
        channel: &ChannelId,
    ) -> Vec<ChannelIdentity> {
        let all = self.by_person.get(person).into_iter().flatten();
        all.filter(|identity| identity.channel == *channel)
            .cloned()
            .collect()
    }

    pub(crate) fn resolve(&self, whom: &Whom<'_>) -> Resolved {
        let voters = whom.identities.iter();
        Resolved {
            chain: self.chain(whom.requester),
            voters: voters.map(|who| self.voter(who, whom.groups)).collect(),
        }
    }

    fn voter(&self, identity: &ChannelIdentity, asked: &[&GroupId]) -> Option<Voter> {
        let person = self.person(identity)?;
        let groups = asked
            .iter()
            .filter(|group| self.membership(person, group) == Membership::Member)
            .map(|group| (*group).clone());
        Some(Voter {
            person: person.clone(),
            groups: groups.collect::<Vec<_>>().into(),
        })
    }

    /// Invariant 5: the owners of agents and services count as principals that these act for.
    fn chain(&self, requester: &Requester) -> Result<People, PrincipalId> {
        let mut people = Vec::new();
        for principal in requester.chain() {
            match principal.as_person() {
                Some(person) if self.active(person).is_some() => people.push(person.clone()),
                Some(_) => return Err(principal.clone()),
                None => people.extend(self.owners(principal)),
            }
        }
        Ok(people.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(people: &str) -> Both {
        Both {
            people: Contents::of(people.to_owned()),
            links: None,
        }
    }

    /// What is taken of files that hold these one after the other, and how often it was waited.
    fn taken(looks: &[&str]) -> (Option<String>, usize) {
        let (mut looks, mut waits) = (looks.iter(), 0);
        let known = both("known").hashes();
        let taken = settled(known, || Ok(both(looks.next().unwrap())), || waits += 1);
        let text = taken.map(|both| both.unwrap().people.text);
        (text, waits)
    }

    #[test]
    fn a_file_that_is_half_written_is_not_what_a_link_is_judged_by() {
        let of = |text: &str, waits| (Some(text.to_owned()), waits);
        assert_eq!(taken(&["known"]), of("known", 0));
        assert_eq!(taken(&["new", "new"]), of("new", 1));
        assert_eq!(taken(&["half", "whole", "whole"]), of("whole", 2));
        assert_eq!(taken(&["a", "b", "a", "b", "c", "c"]), of("c", 5));
        assert_eq!(taken(&["a", "b", "a", "b", "a", "b"]), (None, 5));
    }
}
