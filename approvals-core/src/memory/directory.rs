//! People in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use crate::directory::{Directory, DirectoryError, Members, Resolved, Voter, Whom};
use crate::id::{ChannelId, GroupId, NameError, PersonId};
use crate::policy::Membership;
use crate::principal::{ChannelIdentity, PrincipalError, PrincipalId, Requester};
use crate::shared_set::{self, Groups};

/// People, groups and channel identities that are set in code. Can be changed while a gate uses it.
///
/// A person's identity on every channel is their id, unless another one is linked.
///
/// ```
/// use approvals_core::memory::InMemoryDirectory;
/// let directory = InMemoryDirectory::new();
/// directory.person("alice", ["senior-engineers"])?;
/// directory.owner("agent:exporter", "alice")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct InMemoryDirectory {
    people: Mutex<People>,
}

#[derive(Debug, Default)]
struct People {
    groups_of: BTreeMap<PersonId, BTreeSet<GroupId>>,
    groups: BTreeSet<GroupId>,
    owners: BTreeMap<PrincipalId, BTreeSet<PersonId>>,
    linked: BTreeMap<ChannelIdentity, PersonId>,
    addresses: BTreeMap<PersonId, String>,
    unknown: BTreeSet<(PersonId, GroupId)>,
    failing: Option<String>,
}

impl InMemoryDirectory {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn people(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn answering(&self) -> Result<MutexGuard<'_, People>, DirectoryError> {
        let people = self.people();
        match &people.failing {
            None => Ok(people),
            Some(why) => Err(DirectoryError(why.clone())),
        }
    }

    /// Adds a person, or sets the groups that a known person is in.
    ///
    /// # Errors
    /// [`NameError`] when a name is malformed.
    pub fn person<I>(&self, name: &str, groups: I) -> Result<(), NameError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let person = PersonId::new(name)?;
        let groups = groups
            .into_iter()
            .map(GroupId::new)
            .collect::<Result<BTreeSet<_>, _>>()?;
        let mut people = self.people();
        people.groups.extend(groups.iter().cloned());
        people.groups_of.insert(person, groups);
        Ok(())
    }

    /// Removes a person: whoever asks about them is told that they are unknown.
    pub fn remove(&self, person: &PersonId) {
        self.people().groups_of.remove(person);
    }

    /// Makes a person an owner of an agent or a service: `agent:exporter`.
    ///
    /// # Errors
    /// [`PrincipalError`] when a name is malformed.
    pub fn owner(&self, principal: &str, owner: &str) -> Result<(), PrincipalError> {
        let (principal, owner) = (principal.parse()?, PersonId::new(owner)?);
        let mut people = self.people();
        people.owners.entry(principal).or_default().insert(owner);
        Ok(())
    }

    /// Links a channel identity to a person: the same human behind another account.
    ///
    /// # Errors
    /// [`NameError`] when the person's name is malformed.
    pub fn link(&self, identity: ChannelIdentity, person: &str) -> Result<(), NameError> {
        let person = PersonId::new(person)?;
        self.people().linked.insert(identity, person);
        Ok(())
    }

    /// Gives a person an e-mail address, in place of what they had: it is found in any case.
    ///
    /// # Errors
    /// [`NameError`] when the person's name is malformed.
    pub fn address(&self, person: &str, address: &str) -> Result<(), NameError> {
        let person = PersonId::new(person)?;
        let address = address.to_ascii_lowercase();
        self.people().addresses.insert(person, address);
        Ok(())
    }

    /// Makes the directory answer `Unknown` about one membership.
    pub fn forget_membership(&self, person: &PersonId, group: &GroupId) {
        let mut people = self.people();
        people.unknown.insert((person.clone(), group.clone()));
    }

    /// Makes every answer an error, or stops doing so: for tests of what fails closed.
    pub fn fail(&self, why: Option<&str>) {
        self.people().failing = why.map(str::to_owned);
    }
}

impl People {
    /// The person behind a channel identity, and their groups.
    fn behind(&self, identity: &ChannelIdentity) -> Option<(&PersonId, &BTreeSet<GroupId>)> {
        match self.linked.get(identity) {
            Some(person) => self.groups_of.get_key_value(person),
            None => self.groups_of.get_key_value(&*identity.user),
        }
    }

    /// What is known of one membership, if anything is.
    fn knows(&self, person: &PersonId, group: &GroupId) -> bool {
        self.unknown.is_empty() || !self.unknown.contains(&(person.clone(), group.clone()))
    }

    fn voter(&self, identity: &ChannelIdentity, asked: &[&GroupId]) -> Option<Voter> {
        let (person, groups) = self.behind(identity)?;
        let mut counts = Groups::new();
        for group in asked {
            if groups.contains(*group) && self.knows(person, group) {
                counts.insert((*group).clone());
            }
        }
        Some(Voter {
            person: person.clone(),
            groups: counts,
        })
    }

    fn chain(&self, requester: &Requester) -> Result<shared_set::People, PrincipalId> {
        let mut people = shared_set::People::new();
        for principal in requester.chain() {
            match principal.as_person() {
                Some(person) if self.groups_of.contains_key(person) => {
                    people.insert(person.clone());
                }
                Some(_) => return Err(principal.clone()),
                None => people.extend(self.owners.get(principal).into_iter().flatten().cloned()),
            }
        }
        Ok(people)
    }
}

#[async_trait]
impl Directory for InMemoryDirectory {
    async fn person(&self, identity: &ChannelIdentity) -> Result<Option<PersonId>, DirectoryError> {
        let people = self.answering()?;
        Ok(people.behind(identity).map(|(person, _)| person.clone()))
    }

    async fn exists(&self, person: &PersonId) -> Result<bool, DirectoryError> {
        Ok(self.answering()?.groups_of.contains_key(person))
    }

    async fn membership(
        &self,
        person: &PersonId,
        group: &GroupId,
    ) -> Result<Membership, DirectoryError> {
        let people = self.answering()?;
        if !people.knows(person, group) {
            return Ok(Membership::Unknown);
        }
        let groups = people.groups_of.get(person);
        Ok(if groups.is_some_and(|groups| groups.contains(group)) {
            Membership::Member
        } else {
            Membership::NotMember
        })
    }

    async fn members(&self, group: &GroupId) -> Result<Members, DirectoryError> {
        let people = self.answering()?;
        if !people.groups.contains(group) {
            return Ok(Members::NoSuchGroup);
        }
        let members = people.groups_of.iter();
        Ok(Members::Listed(
            members
                .filter(|(_, groups)| groups.contains(group))
                .map(|(person, _)| person.clone())
                .collect(),
        ))
    }

    async fn owners(&self, principal: &PrincipalId) -> Result<BTreeSet<PersonId>, DirectoryError> {
        let people = self.answering()?;
        Ok(people.owners.get(principal).cloned().unwrap_or_default())
    }

    async fn identities(
        &self,
        person: &PersonId,
        channel: &ChannelId,
    ) -> Result<Vec<ChannelIdentity>, DirectoryError> {
        let people = self.answering()?;
        if !people.groups_of.contains_key(person) {
            return Ok(Vec::new());
        }
        let own = ChannelIdentity::new(channel.clone(), "", person.as_str());
        // Linked to somebody else, it is that person's.
        let own = Some(own).filter(|own| !people.linked.contains_key(own));
        let linked = people
            .linked
            .iter()
            .filter(|(identity, linked)| *linked == person && identity.channel == *channel)
            .map(|(identity, _)| identity.clone());
        Ok(own.into_iter().chain(linked).collect())
    }

    async fn by_email(
        &self,
        identity: &ChannelIdentity,
        address: &str,
    ) -> Result<Option<PersonId>, DirectoryError> {
        let people = self.answering()?;
        if people.linked.contains_key(identity) || people.groups_of.contains_key(&*identity.user) {
            return Ok(None);
        }
        let address = address.to_ascii_lowercase();
        let mut having = people.addresses.iter().filter(|(_, own)| **own == address);
        // Of two people with one address it is neither.
        let (Some((person, _)), None) = (having.next(), having.next()) else {
            return Ok(None);
        };
        let mut linked = people.linked.iter();
        let has_one = linked.any(|(other, of)| of == person && other.channel == identity.channel);
        let found = !has_one && people.groups_of.contains_key(person);
        Ok(found.then(|| person.clone()))
    }

    async fn email(&self, person: &PersonId) -> Result<Option<String>, DirectoryError> {
        let people = self.answering()?;
        let known = people.groups_of.contains_key(person);
        Ok(people.addresses.get(person).filter(|_| known).cloned())
    }

    async fn resolve(&self, whom: &Whom<'_>) -> Result<Resolved, DirectoryError> {
        let people = self.answering()?;
        let identities = whom.identities.iter();
        Ok(Resolved {
            chain: people.chain(whom.requester),
            voters: identities.map(|i| people.voter(i, whom.groups)).collect(),
        })
    }
}
