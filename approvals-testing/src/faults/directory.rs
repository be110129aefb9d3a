//! A directory that fails by script.

use std::collections::BTreeSet;
use std::sync::Arc;

use approvals_core::{
    ChannelId, ChannelIdentity, Directory, DirectoryError, GroupId, LinkRefused, Members,
    Membership, PersonId, PrincipalId, async_trait,
};

use super::script::{Method, Script};

/// Passes every call on to another directory, and fails by script.
#[derive(Debug)]
pub struct FaultyDirectory {
    inner: Arc<dyn Directory>,
    script: Arc<Script>,
}

impl FaultyDirectory {
    /// A directory that fails as the script says.
    #[must_use]
    pub fn new(inner: Arc<dyn Directory>, script: Arc<Script>) -> Self {
        Self { inner, script }
    }
}

#[async_trait]
impl Directory for FaultyDirectory {
    async fn person(&self, identity: &ChannelIdentity) -> Result<Option<PersonId>, DirectoryError> {
        let call = || self.inner.person(identity);
        self.script
            .carry(Method::Person, call, DirectoryError)
            .await
    }

    async fn exists(&self, person: &PersonId) -> Result<bool, DirectoryError> {
        let call = || self.inner.exists(person);
        self.script
            .carry(Method::Exists, call, DirectoryError)
            .await
    }

    async fn membership(
        &self,
        person: &PersonId,
        group: &GroupId,
    ) -> Result<Membership, DirectoryError> {
        let call = || self.inner.membership(person, group);
        self.script
            .carry(Method::Membership, call, DirectoryError)
            .await
    }

    async fn members(&self, group: &GroupId) -> Result<Members, DirectoryError> {
        let call = || self.inner.members(group);
        self.script
            .carry(Method::Members, call, DirectoryError)
            .await
    }

    async fn owners(&self, principal: &PrincipalId) -> Result<BTreeSet<PersonId>, DirectoryError> {
        let call = || self.inner.owners(principal);
        self.script
            .carry(Method::Owners, call, DirectoryError)
            .await
    }

    async fn identities(
        &self,
        person: &PersonId,
        channel: &ChannelId,
    ) -> Result<Vec<ChannelIdentity>, DirectoryError> {
        let call = || self.inner.identities(person, channel);
        self.script
            .carry(Method::Identities, call, DirectoryError)
            .await
    }

    async fn by_email(
        &self,
        identity: &ChannelIdentity,
        address: &str,
    ) -> Result<Option<PersonId>, DirectoryError> {
        let call = || self.inner.by_email(identity, address);
        self.script
            .carry(Method::ByEmail, call, DirectoryError)
            .await
    }

    async fn email(&self, person: &PersonId) -> Result<Option<String>, DirectoryError> {
        let call = || self.inner.email(person);
        self.script.carry(Method::Email, call, DirectoryError).await
    }

    async fn link_by_code(
        &self,
        identity: &ChannelIdentity,
        code: &str,
    ) -> Result<PersonId, LinkRefused> {
        let call = || self.inner.link_by_code(identity, code);
        self.script
            .carry(Method::LinkByCode, call, LinkRefused::Unavailable)
            .await
    }

    async fn spend_code(&self, code: &str) -> Result<(), LinkRefused> {
        let call = || self.inner.spend_code(code);
        self.script
            .carry(Method::SpendCode, call, LinkRefused::Unavailable)
            .await
    }
}
