//! The port: questions are answered from one version of the files each.

use std::collections::BTreeSet;

use approvals_core::{
    ChannelId, ChannelIdentity, Directory, DirectoryError, GroupId, LinkRefused, Members,
    Membership, PersonId, PrincipalId, Resolved, Whom,
};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};

use crate::directory::FileDirectory;
use crate::email::Address;
use crate::linking::LinkError;

#[async_trait]
impl Directory for FileDirectory {
    async fn person(&self, identity: &ChannelIdentity) -> Result<Option<PersonId>, DirectoryError> {
        Ok(self.0.answering()?.person(identity).cloned())
    }

    async fn exists(&self, person: &PersonId) -> Result<bool, DirectoryError> {
        Ok(self.0.answering()?.active(person).is_some())
    }

    async fn membership(
        &self,
        person: &PersonId,
        group: &GroupId,
    ) -> Result<Membership, DirectoryError> {
        Ok(self.0.answering()?.membership(person, group))
    }

    async fn members(&self, group: &GroupId) -> Result<Members, DirectoryError> {
        Ok(self.0.answering()?.members(group))
    }

    async fn owners(&self, principal: &PrincipalId) -> Result<BTreeSet<PersonId>, DirectoryError> {
        Ok(self.0.answering()?.owners(principal))
    }

    async fn identities(
        &self,
        person: &PersonId,
        channel: &ChannelId,
    ) -> Result<Vec<ChannelIdentity>, DirectoryError> {
        Ok(self.0.answering()?.identities(person, channel))
    }

    /// Compared in lower case and as a whole; addresses are unique in the file, so it is never two.
    async fn by_email(
        &self,
        identity: &ChannelIdentity,
        address: &str,
    ) -> Result<Option<PersonId>, DirectoryError> {
        let snapshot = self.0.answering()?;
        let Ok(address) = Address::parse(address) else {
            return Ok(None);
        };
        // Of somebody who has left, too.
        if snapshot.given_to(identity).is_some() {
            return Ok(None);
        }
        let person = snapshot.by_email(&address);
        let channel = &identity.channel;
        let unlinked = person.filter(|person| snapshot.identities(person, channel).is_empty());
        Ok(unlinked.cloned())
    }

    async fn email(&self, person: &PersonId) -> Result<Option<String>, DirectoryError> {
        let snapshot = self.0.answering()?;
        let email = snapshot
            .active(person)
            .and_then(|known| known.email.as_ref());
        Ok(email.map(|email| email.as_str().to_owned()))
    }

    /// [`finish_link`](FileDirectory::finish_link), on a thread that may write to the disk.
    async fn link_by_code(
        &self,
        identity: &ChannelIdentity,
        code: &str,
    ) -> Result<PersonId, LinkRefused> {
        let (identity, code) = (identity.clone(), SecretString::from(code));
        self.blocking(move |directory| directory.finish_link(&identity, code.expose_secret()))
            .await
    }

    /// [`revoke_code`](FileDirectory::revoke_code), on a thread that may write to the disk.
    async fn spend_code(&self, code: &str) -> Result<(), LinkRefused> {
        let code = SecretString::from(code);
        self.blocking(move |directory| directory.revoke_code(code.expose_secret()).map(drop))
            .await
    }

    async fn resolve(&self, whom: &Whom<'_>) -> Result<Resolved, DirectoryError> {
        Ok(self.0.answering()?.resolve(whom))
    }
}

impl FileDirectory {
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, LinkError> + Send + 'static,
    ) -> Result<T, LinkRefused> {
        let directory = self.clone();
        match tokio::task::spawn_blocking(move || work(&directory)).await {
            Ok(done) => done.map_err(refused),
            Err(error) => {
                tracing::error!(%error, "changing the links failed in a way that is a bug");
                let why = "links cannot be changed now: tell an operator";
                Err(LinkRefused::Unavailable(why.to_owned()))
            }
        }
    }
}

fn refused(error: LinkError) -> LinkRefused {
    let why = error.to_string();
    match error {
        LinkError::UnknownPerson(_)
        | LinkError::WrongCode
        | LinkError::Expired
        | LinkError::OtherChannel(_)
        | LinkError::Taken(_)
        | LinkError::Malformed(_) => LinkRefused::Refused(why),
        LinkError::Broken(_)
        | LinkError::Unwritable(_)
        | LinkError::Clock(_)
        | LinkError::NoRandomness => {
            // What only operators should read.
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "links cannot be changed"
            );
            LinkRefused::Unavailable(why)
        }
    }
}
