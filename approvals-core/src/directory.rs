//! People: who is behind a channel identity, who is in a group, who owns an agent.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;

use crate::id::{ChannelId, GroupId, PersonId};
use crate::policy::Membership;
use crate::principal::{ChannelIdentity, PrincipalId, Requester};
use crate::shared_set::{Groups, People};

/// The directory could not answer. Whoever asked refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the directory cannot answer: {0}")]
pub struct DirectoryError(pub String);

/// Why a code linked no identity. `Display` is written for whoever sent the code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkRefused {
    /// The directory makes no codes.
    #[error("the directory takes no codes: an operator enters accounts there")]
    NoCodes,
    /// The code links nothing, or not this identity.
    #[error("{0}")]
    Refused(String),
    /// Nothing can be linked now.
    #[error("{0}")]
    Unavailable(String),
}

/// Who is in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// These.
    Listed(BTreeSet<PersonId>),
    /// The directory can say of one person whether they are in it, but not list all.
    Unenumerable,
    /// There is no such group.
    NoSuchGroup,
}

/// Knows people, their groups and their channel identities.
///
/// It is asked when somebody votes and again when the approval is used. An error, and an answer of
/// `Unknown`, are no.
///
/// ```
/// use std::collections::BTreeSet;
/// use approvals_core::{
///     ChannelId, ChannelIdentity, Directory, DirectoryError, GroupId, Members, Membership,
///     PersonId, PrincipalId, async_trait,
/// };
///
/// /// One operator, known on the terminal.
/// #[derive(Debug)]
/// struct OnlyAlice(PersonId);
///
/// #[async_trait]
/// impl Directory for OnlyAlice {
///     async fn person(&self, who: &ChannelIdentity) -> Result<Option<PersonId>, DirectoryError> {
///         let alice = who.channel.as_str() == "terminal" && &*who.user == "alice";
///         Ok(alice.then(|| self.0.clone()))
///     }
///     async fn exists(&self, person: &PersonId) -> Result<bool, DirectoryError> {
///         Ok(*person == self.0)
///     }
///     async fn membership(&self, _: &PersonId, _: &GroupId) -> Result<Membership, DirectoryError> {
///         Ok(Membership::NotMember)
///     }
///     async fn members(&self, _: &GroupId) -> Result<Members, DirectoryError> {
///         Ok(Members::NoSuchGroup)
///     }
///     async fn owners(&self, _: &PrincipalId) -> Result<BTreeSet<PersonId>, DirectoryError> {
///         Ok(BTreeSet::new())
///     }
///     async fn identities(
///         &self, _: &PersonId, _: &ChannelId,
///     ) -> Result<Vec<ChannelIdentity>, DirectoryError> {
///         Ok(Vec::new())
///     }
/// }
/// ```
#[async_trait]
pub trait Directory: fmt::Debug + Send + Sync {
    /// The person behind a channel identity; `None` when there is none, also for guests, bots and
    /// deleted users.
    ///
    /// # Errors
    /// [`DirectoryError`] when it cannot say.
    async fn person(&self, identity: &ChannelIdentity) -> Result<Option<PersonId>, DirectoryError>;

    /// Whether the person is known and active.
    ///
    /// # Errors
    /// [`DirectoryError`] when it cannot say.
    async fn exists(&self, person: &PersonId) -> Result<bool, DirectoryError>;

    /// Whether a person is in a group now, also through groups in groups.
    ///
    /// # Errors
    /// [`DirectoryError`] when it cannot say.
    async fn membership(
        &self,
        person: &PersonId,
        group: &GroupId,
    ) -> Result<Membership, DirectoryError>;

    /// Who is in a group.
    ///
    /// # Errors
    /// [`DirectoryError`] when it cannot say.
    async fn members(&self, group: &GroupId) -> Result<Members, DirectoryError>;

    /// The people who own an agent or a service. They count as principals that it acts for.
    ///
    /// # Errors
    /// [`DirectoryError`] when it cannot say.
    async fn owners(&self, principal: &PrincipalId) -> Result<BTreeSet<PersonId>, DirectoryError>;

    /// A person's identities on a channel.
    ///
    /// # Errors
    /// [`DirectoryError`] when it cannot say.
    async fn identities(
        &self,
        person: &PersonId,
        channel: &ChannelId,
    ) -> Result<Vec<ChannelIdentity>, DirectoryError>;

    /// The person with exactly this e-mail address, for a channel whose vendor has verified that it
    /// is the address of `identity`: an account that may vote, and that the directory does not know.
    ///
    /// An address is weaker than an identity: whoever can change the address of an account becomes
    /// somebody else by it. So nobody is found who is inactive or has an identity on the channel,
    /// and no identity that is anybody's, active or not, is found by an address. The provided method
    /// finds nobody.
    ///
    /// # Errors
    /// [`DirectoryError`] when it cannot say.
    async fn by_email(
        &self,
        identity: &ChannelIdentity,
        address: &str,
    ) -> Result<Option<PersonId>, DirectoryError> {
        let _ = (identity, address);
        Ok(None)
    }

    /// The e-mail address of an active person, for writing to them and never for deciding who
    /// somebody is. The provided method knows none.
    ///
    /// # Errors
    /// [`DirectoryError`] when it cannot say.
    async fn email(&self, person: &PersonId) -> Result<Option<String>, DirectoryError> {
        let _ = person;
        Ok(None)
    }

    /// Links the identity from which a one-time code was sent to the person for whom the directory
    /// made it: from then on votes from that identity are theirs. The code is proof of possession,
    /// and nothing else is. It is good once.
    ///
    /// The channel has made sure that the code came from this account in private, and that the
    /// account may vote at all. It calls this through [`ChannelDesk::link`](crate::ChannelDesk::link).
    /// The provided method links nothing.
    ///
    /// # Errors
    /// [`LinkRefused`]; nothing is linked then.
    async fn link_by_code(
        &self,
        identity: &ChannelIdentity,
        code: &str,
    ) -> Result<PersonId, LinkRefused> {
        let _ = (identity, code);
        Err(LinkRefused::NoCodes)
    }

    /// Ends a code that others may have read: it links nothing from then on. Of a text that is no
    /// open code nothing changes, and that is no error. The provided method knows no codes.
    ///
    /// # Errors
    /// [`LinkRefused`] when the code may still be good.
    async fn spend_code(&self, code: &str) -> Result<(), LinkRefused> {
        let _ = code;
        Ok(())
    }

    /// Everything that a vote or a claim needs to know of people, asked at once. The provided
    /// method asks the questions above one after the other; a directory that can answer them in one
    /// go, such as one behind a network, may do that, with the same answers.
    ///
    /// # Errors
    /// [`DirectoryError`] when it cannot say.
    async fn resolve(&self, whom: &Whom<'_>) -> Result<Resolved, DirectoryError> {
        one_by_one(self, whom).await
    }
}

const _: fn(&dyn Directory) = |_| {};

/// Whom a vote or a claim needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Whom<'a> {
    /// Whose chain.
    pub requester: &'a Requester,
    /// The voters' channel identities.
    pub identities: &'a [&'a ChannelIdentity],
    /// The groups that count.
    pub groups: &'a [&'a GroupId],
}

/// What a directory answers to [`Whom`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The people of the requester's chain and the owners of its agents and services; or the
    /// person of the chain that the directory does not know.
    pub chain: Result<People, PrincipalId>,
    /// Who is behind each of the channel identities, in their order; `None` where that is nobody.
    pub voters: Vec<Option<Voter>>,
}

impl Resolved {
    /// Who is behind the one identity that was asked for; nobody where the answer is not about one.
    pub(crate) fn voter(&self) -> Option<&Voter> {
        match self.voters.as_slice() {
            [voter] => voter.as_ref(),
            _ => None,
        }
    }
}

/// Who is behind a channel identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    /// The person, known and active.
    pub person: PersonId,
    /// Those of the groups that they are a member of; `Unknown` is no.
    pub groups: Groups,
}

async fn one_by_one<D: Directory + ?Sized>(
    directory: &D,
    whom: &Whom<'_>,
) -> Result<Resolved, DirectoryError> {
    let mut voters = Vec::with_capacity(whom.identities.len());
    for identity in whom.identities {
        let mut voter = None;
        if let Some(person) = directory.person(identity).await?
            && directory.exists(&person).await?
        {
            let groups = memberships(directory, &person, whom.groups).await?;
            voter = Some(Voter { person, groups });
        }
        voters.push(voter);
    }
    Ok(Resolved {
        chain: people_of_chain(directory, whom.requester).await?,
        voters,
    })
}

/// Those of `groups` that a person is a member of now; `Unknown` is no.
///
/// # Errors
/// [`DirectoryError`] when the directory cannot say of any of them.
pub(crate) async fn memberships<D: Directory + ?Sized>(
    directory: &D,
    person: &PersonId,
    groups: &[&GroupId],
) -> Result<Groups, DirectoryError> {
    let mut found = Vec::new();
    for group in groups {
        match directory.membership(person, group).await? {
            Membership::Member => {
                found.push((*group).clone());
            }
            Membership::NotMember | Membership::Unknown => {}
        }
    }
    Ok(found.into())
}

/// The people of a requester's chain and the owners of its agents and services; or the person of
/// the chain that the directory does not know.
async fn people_of_chain<D: Directory + ?Sized>(
    directory: &D,
    requester: &Requester,
) -> Result<Result<People, PrincipalId>, DirectoryError> {
    let mut people = Vec::new();
    for principal in requester.chain() {
        match principal.as_person() {
            Some(person) => {
                if !directory.exists(person).await? {
                    return Ok(Err(principal.clone()));
                }
                people.push(person.clone());
            }
            None => people.extend(directory.owners(principal).await?),
        }
    }
    Ok(Ok(people.into()))
}

/// Why it cannot be said who is behind a requester.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChainError {
    /// A person of the chain is nobody.
    #[error("`{0}` is not known: add the person to the directory, or name whom the call is for")]
    Unknown(PrincipalId),
    /// The directory cannot answer.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl From<ChainError> for DirectoryError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Directory(error) => error,
            unknown @ ChainError::Unknown(_) => Self(unknown.to_string()),
        }
    }
}

/// The people behind a requester.
///
/// # Errors
/// [`ChainError`] when the directory cannot say, or does not know a person of the chain.
pub(crate) async fn people_behind(
    directory: &dyn Directory,
    requester: &Requester,
) -> Result<People, ChainError> {
    let whom = Whom {
        requester,
        identities: &[],
        groups: &[],
    };
    let resolved = directory.resolve(&whom).await?;
    resolved.chain.map_err(ChainError::Unknown)
}
