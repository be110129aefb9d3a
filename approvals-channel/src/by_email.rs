//! People by the address of their account, where the host wants that: a directory over another one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use approvals_core::{
    ChannelId, ChannelIdentity, Directory, DirectoryError, GroupId, Groups, LinkRefused, Members,
    Membership, PersonId, PrincipalId, Resolved, Voter, Whom,
};
use async_trait::async_trait;

/// How long a vendor's answer is waited for: a claim and a click wait for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a channel's vendor says of accounts.
#[async_trait]
pub trait Accounts: fmt::Debug + Send + Sync {
    /// The address that the vendor has verified of an account that may vote now; `None` of every
    /// other: a guest's, a bot's, one that was deleted, one of another tenant, one without an address
    /// or with one that nobody has confirmed.
    ///
    /// # Errors
    /// [`DirectoryError`] when the vendor does not say. Whoever asked refuses.
    async fn address(&self, identity: &ChannelIdentity) -> Result<Option<String>, DirectoryError>;
}

/// A directory over another one, which finds whoever that one does not know by the address that the
/// channel's vendor has verified of their account.
///
/// Weaker than a channel identity: whoever administers the vendor's accounts can make one account
/// somebody else's by its address. So it is a choice of the host's, for addresses of its own domains
/// alone. Whoever has an identity on the channel is not found by an address.
///
/// Give it to the desk in the other one's place, and to the channels that are to look people up. It
/// asks at the vote and again at the claim; every process with a gate needs it, with its channels,
/// since where it is missing a voter who was found by an address is nobody. A vendor that does not
/// answer is an error, and so the vote or the call is refused.
///
/// ```
/// use std::sync::Arc;
/// use approvals_channel::ByEmail;
/// use approvals_core::{Desk, memory::{InMemoryDirectory, MemoryStore}};
///
/// let directory = Arc::new(InMemoryDirectory::new());
/// directory.person("alice", ["senior-engineers"])?;
/// directory.address("alice", "alice@example.com")?;
/// let by_email = Arc::new(ByEmail::over(directory, ["example.com"])?);
/// let desk = Desk::new(Arc::new(MemoryStore::new()), by_email.clone());
/// // and `.people_by_email(by_email)` among the channel's settings
/// # let _ = desk;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ByEmail {
    directory: Arc<dyn Directory>,
    domains: BTreeSet<String>,
    accounts: RwLock<BTreeMap<ChannelId, Arc<dyn Accounts>>>,
}

/// Domains that nobody can be found in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DomainError {
    /// There is none.
    #[error("no domain is named: nobody would be found by an address")]
    None,
    /// It is not one.
    #[error("{0:?} is no domain: write what stands behind the `@`, as `example.com`")]
    Malformed(String),
}

impl ByEmail {
    /// The same people, found as well by addresses of exactly these domains. Only name domains in
    /// which your organisation gives the addresses.
    ///
    /// # Errors
    /// [`DomainError`] when one is malformed, or there is none.
    pub fn over<I>(directory: Arc<dyn Directory>, domains: I) -> Result<Self, DomainError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut known = BTreeSet::new();
        for domain in domains {
            let domain = domain.as_ref();
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            let label = |label: &str| !label.is_empty() && label.bytes().all(plain);
            if !domain.contains('.') || !domain.split('.').all(label) {
                return Err(DomainError::Malformed(domain.to_owned()));
            }
            known.insert(domain.to_ascii_lowercase());
        }
        if known.is_empty() {
            return Err(DomainError::None);
        }
        Ok(Self {
            directory,
            domains: known,
            accounts: RwLock::default(),
        })
    }

    /// From now on this says what the accounts of a channel are. A channel's settings do this.
    pub fn ask(&self, channel: ChannelId, accounts: Arc<dyn Accounts>) {
        let mut all = self
            .accounts
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.insert(channel, accounts);
    }

    /// Whether people may be found by this address.
    #[must_use]
    pub fn allows(&self, address: &str) -> bool {
        let domain = address.rsplit_once('@').map(|(_, domain)| domain);
        domain.is_some_and(|domain| self.domains.contains(&domain.to_ascii_lowercase()))
    }

    /// Who is behind an identity that the other directory does not know.
    async fn found(&self, identity: &ChannelIdentity) -> Result<Option<PersonId>, DirectoryError> {
        let accounts = {
            let all = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
            all.get(&identity.channel).cloned()
        };
        let Some(accounts) = accounts else {
            return Ok(None);
        };
        let asked = tokio::time::timeout(PATIENCE, accounts.address(identity));
        let said = asked.await.unwrap_or_else(|_| {
            let why = format!("whose account {identity} is was not said in time");
            Err(DirectoryError(why))
        });
        let Some(address) = said? else {
            return Ok(None);
        };
        if !self.allows(&address) {
            tracing::warn!(%identity, "the address of an account is of no domain that is named");
            return Ok(None);
        }
        let person = self.directory.by_email(identity, &address).await?;
        match person {
            Some(person) if self.directory.exists(&person).await? => {
                tracing::debug!(%identity, %person, "somebody was found by their address");
                Ok(Some(person))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Those of `groups` that somebody is in; `Unknown` is no.
    async fn memberships(
        &self,
        person: &PersonId,
        groups: &[&GroupId],
    ) -> Result<Groups, DirectoryError> {
        let mut found = Vec::new();
        for group in groups {
            match self.directory.membership(person, group).await? {
                Membership::Member => found.push((*group).clone()),
                Membership::NotMember | Membership::Unknown => {}
            }
        }
        Ok(found.into())
    }
}

#[async_trait]
impl Directory for ByEmail {
    async fn person(&self, identity: &ChannelIdentity) -> Result<Option<PersonId>, DirectoryError> {
        match self.directory.person(identity).await? {
            Some(person) => Ok(Some(person)),
            None => self.found(identity).await,
        }
    }

    async fn exists(&self, person: &PersonId) -> Result<bool, DirectoryError> {
        self.directory.exists(person).await
    }

    async fn membership(
        &self,
        person: &PersonId,
        group: &GroupId,
    ) -> Result<Membership, DirectoryError> {
        self.directory.membership(person, group).await
    }

    async fn members(&self, group: &GroupId) -> Result<Members, DirectoryError> {
        self.directory.members(group).await
    }

    async fn owners(&self, principal: &PrincipalId) -> Result<BTreeSet<PersonId>, DirectoryError> {
        self.directory.owners(principal).await
    }

    /// Those that the other directory knows: an address is no identity.
    async fn identities(
        &self,
        person: &PersonId,
        channel: &ChannelId,
    ) -> Result<Vec<ChannelIdentity>, DirectoryError> {
        self.directory.identities(person, channel).await
    }

    async fn by_email(
        &self,
        identity: &ChannelIdentity,
        address: &str,
    ) -> Result<Option<PersonId>, DirectoryError> {
        self.directory.by_email(identity, address).await
    }

    async fn email(&self, person: &PersonId) -> Result<Option<String>, DirectoryError> {
        self.directory.email(person).await
    }

    async fn link_by_code(
        &self,
        identity: &ChannelIdentity,
        code: &str,
    ) -> Result<PersonId, LinkRefused> {
        self.directory.link_by_code(identity, code).await
    }

    async fn spend_code(&self, code: &str) -> Result<(), LinkRefused> {
        self.directory.spend_code(code).await
    }

    async fn resolve(&self, whom: &Whom<'_>) -> Result<Resolved, DirectoryError> {
        let mut resolved = self.directory.resolve(whom).await?;
        for (identity, voter) in whom.identities.iter().zip(&mut resolved.voters) {
            if voter.is_none()
                && let Some(person) = self.found(identity).await?
            {
                let groups = self.memberships(&person, whom.groups).await?;
                *voter = Some(Voter { person, groups });
            }
        }
        Ok(resolved)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use approvals_core::Requester;
    use approvals_core::memory::InMemoryDirectory;

    /// A vendor that says one thing of every account.
    #[derive(Debug)]
    struct Says(Mutex<Result<Option<String>, DirectoryError>>);

    #[async_trait]
    impl Accounts for Says {
        async fn address(&self, _: &ChannelIdentity) -> Result<Option<String>, DirectoryError> {
            self.0.lock().unwrap().clone()
        }
    }

    fn channel(name: &str) -> ChannelId {
        ChannelId::new(name).unwrap()
    }

    fn town() -> (Arc<InMemoryDirectory>, ByEmail, Arc<Says>) {
        let directory = Arc::new(InMemoryDirectory::new());
        directory.person("alice", ["reviewers"]).unwrap();
        directory.address("alice", "Alice@Example.com").unwrap();
        let by_email = ByEmail::over(directory.clone(), ["EXAMPLE.com"]).unwrap();
        let says = Arc::new(Says(Mutex::new(Ok(Some("alice@example.COM".to_owned())))));
        by_email.ask(channel("chat"), says.clone());
        (directory, by_email, says)
    }

    /// Who is behind an account, and in which of two groups.
    async fn voter(
        by_email: &ByEmail,
        on: &str,
    ) -> Result<Option<(String, usize)>, DirectoryError> {
        let identity = ChannelIdentity::new(channel(on), "T1", "U1");
        let requester = Requester::agent("exporter").unwrap();
        let groups = ["reviewers", "others"].map(|name| GroupId::new(name).unwrap());
        let whom = Whom {
            requester: &requester,
            identities: &[&identity],
            groups: &[&groups[0], &groups[1]],
        };
        let resolved = by_email.resolve(&whom).await?;
        let found = resolved.voters[0].as_ref();
        let found = found.map(|voter| (voter.person.to_string(), voter.groups.iter().count()));
        // Asked one by one it says the same.
        let person = by_email.person(&identity).await?;
        assert_eq!(person.map(|p| p.to_string()), found.clone().map(|(p, _)| p));
        Ok(found)
    }

    #[tokio::test]
    async fn whoever_has_no_account_here_is_found_by_the_address_that_the_vendor_verified() {
        let (directory, by_email, says) = town();
        let alice = Some(("alice".to_owned(), 1));
        assert_eq!(voter(&by_email, "chat").await.unwrap(), alice);
        // On a channel that nobody is asked about, nobody.
        assert_eq!(voter(&by_email, "other").await.unwrap(), None);
        for said in [
            None,
            Some("alice@example.com.evil.example"),
            Some("alice@evil.example"),
            Some("alice@mail.example.com"),
            Some("alice"),
            Some("bob@example.com"),
        ] {
            *says.0.lock().unwrap() = Ok(said.map(str::to_owned));
            assert_eq!(voter(&by_email, "chat").await.unwrap(), None, "{said:?}");
        }
        *says.0.lock().unwrap() = Ok(Some("alice@example.com".to_owned()));
        directory.remove(&PersonId::new("alice").unwrap());
        assert_eq!(voter(&by_email, "chat").await.unwrap(), None);
    }

    #[tokio::test]
    async fn whoever_has_an_account_here_is_not_found_by_an_address() {
        let (directory, by_email, _) = town();
        let own = ChannelIdentity::new(channel("chat"), "T1", "UALICE");
        directory.link(own, "alice").unwrap();
        assert_eq!(voter(&by_email, "chat").await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_account_that_is_known_is_not_looked_up() {
        let (directory, by_email, says) = town();
        *says.0.lock().unwrap() = Err(DirectoryError("away".to_owned()));
        directory.person("bob", ["others"]).unwrap();
        let bobs = ChannelIdentity::new(channel("chat"), "T1", "U1");
        directory.link(bobs, "bob").unwrap();
        let bob = Some(("bob".to_owned(), 1));
        assert_eq!(voter(&by_email, "chat").await.unwrap(), bob);
    }

    #[tokio::test]
    async fn a_vendor_that_does_not_say_is_an_error_and_nobody() {
        let (_, by_email, says) = town();
        *says.0.lock().unwrap() = Err(DirectoryError("away".to_owned()));
        let error = voter(&by_email, "chat").await.unwrap_err();
        assert!(error.to_string().contains("away"), "{error}");
    }

    /// A vendor that never answers.
    #[derive(Debug)]
    struct Hangs;

    #[async_trait]
    impl Accounts for Hangs {
        async fn address(&self, _: &ChannelIdentity) -> Result<Option<String>, DirectoryError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_vendor_that_hangs_is_an_error_in_time() {
        let (_, by_email, _) = town();
        by_email.ask(channel("chat"), Arc::new(Hangs));
        let error = voter(&by_email, "chat").await.unwrap_err();
        assert!(error.to_string().contains("not said in time"), "{error}");
    }

    #[test]
    fn domains_are_named_and_nothing_else_is_one() {
        let over = |domains: &[&str]| ByEmail::over(Arc::new(InMemoryDirectory::new()), domains);
        assert_eq!(over(&[]).unwrap_err(), DomainError::None);
        for other in [
            "",
            "com",
            "@example.com",
            "*.example.com",
            "example..com",
            "ex ample.com",
        ] {
            let malformed = DomainError::Malformed(other.to_owned());
            assert_eq!(over(&["example.com", other]).unwrap_err(), malformed);
        }
    }
}
