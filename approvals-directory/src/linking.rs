//! Linking a channel identity to a person, with proof that both are the same human.

use std::io;
use std::sync::MutexGuard;

use approvals_core::{ChannelId, ChannelIdentity, ClockError, PersonId, Timestamp};

use crate::code::{CodeHash, LinkCode};
use crate::directory::{FileDirectory, Inner};
use crate::file::{self, Contents, WriteLock};
use crate::identity;
use crate::links::{Link, Links, OpenCode};
use crate::mistake::LoadError;
use crate::snapshot::Snapshot;

/// Why an identity was not linked. `Display` is written for whoever sent the code, and names nobody.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The person is not in the people file, or not active.
    #[error(
        "this is for nobody who is active in the directory: an operator has to add them to the people file first"
    )]
    UnknownPerson(PersonId),
    /// No such code is open.
    #[error("this code is wrong, was used before or has expired: ask for a new one")]
    WrongCode,
    /// The code was right, once.
    #[error("this code has expired: ask for a new one")]
    Expired,
    /// The code was made for another channel.
    #[error("this code is for `{0}`: send it there, or ask for one for this channel")]
    OtherChannel(ChannelId),
    /// The identity is somebody else's.
    #[error("this account is linked to somebody else: an operator has to remove that link first")]
    Taken(PersonId),
    /// The identity is not of the form that its channel's have.
    #[error("this account cannot be linked: {0}")]
    Malformed(String),
    /// A file is broken: nothing is linked by what it said before.
    #[error("links cannot be changed now: an operator has to repair the directory's files")]
    Broken(#[source] LoadError),
    /// The links file could not be written.
    #[error("links cannot be changed now: the links file cannot be written")]
    Unwritable(#[source] io::Error),
    /// The time is not known, so nobody can say whether a code is still good.
    #[error("links cannot be changed now: the clock cannot be trusted")]
    Clock(#[from] ClockError),
    /// The operating system gave no random bits.
    #[error("links cannot be changed now: there is no source of random numbers")]
    NoRandomness,
}

impl FileDirectory {
    /// Begins to link an identity on a channel to a person, and returns the one-time code that
    /// proves it. An earlier code of the person for the channel is not good any more.
    ///
    /// Whoever calls this knows who the person is: an operator who talks to them, or the person's
    /// own session on the host. The code goes to that person and to nobody else. They send it from
    /// the account that is to be theirs, in private, and the channel's handler calls
    /// [`finish_link`](Self::finish_link). Any process that has the same files may do that.
    ///
    /// Writes to the disk: not for the inside of an async task.
    ///
    /// # Errors
    /// [`LinkError`] when the person is not active, or the files or the clock fail.
    pub fn begin_link(
        &self,
        person: &PersonId,
        channel: &ChannelId,
    ) -> Result<LinkCode, LinkError> {
        let code = self.0.change_links(|known, links, now| {
            if known.active(person).is_none() {
                return Err(LinkError::UnknownPerson(person.clone()));
            }
            let expires = now.plus(self.0.code_valid_for);
            let (code, hash) = LinkCode::new(expires).map_err(|_| LinkError::NoRandomness)?;
            let is_earlier = |open: &OpenCode| open.person == *person && open.channel == *channel;
            links.codes.retain(|open| !is_earlier(open));
            links.codes.push(OpenCode {
                person: person.clone(),
                channel: channel.clone(),
                hash,
                expires,
            });
            Ok(code)
        })?;
        tracing::info!(%person, %channel, "a link was begun");
        Ok(code)
    }

    /// Links the identity from which a code was sent to the person for whom it was made. From then
    /// on votes from that identity are theirs, also after a restart.
    ///
    /// The channel has made sure that the code came from this account in private, and that the
    /// account may vote at all: no bot, no guest, nobody deleted and nobody of a foreign tenant. It
    /// tells the account whom it is linked to now, so that somebody who was talked into sending
    /// another person's code sees it.
    ///
    /// Writes to the disk: not for the inside of an async task.
    ///
    /// ```no_run
    /// use approvals_core::ChannelIdentity;
    /// use approvals_directory::FileDirectory;
    ///
    /// /// What a host hands to its channel.
    /// async fn link(
    ///     directory: FileDirectory,
    ///     account: ChannelIdentity,
    ///     code: String,
    /// ) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    ///     let linking = move || directory.finish_link(&account, &code);
    ///     let person = tokio::task::spawn_blocking(linking).await??;
    ///     Ok(format!("You are {person} from now on. If you are not, tell an operator."))
    /// }
    /// ```
    ///
    /// # Errors
    /// [`LinkError`]; nothing is linked, and unless it was used or has expired, the code stays good.
    pub fn finish_link(
        &self,
        identity: &ChannelIdentity,
        code: &str,
    ) -> Result<PersonId, LinkError> {
        identity::check(identity).map_err(LinkError::Malformed)?;
        let Some(hash) = CodeHash::of_typed(code) else {
            tracing::warn!(%identity, "a wrong code was sent");
            return Err(LinkError::WrongCode);
        };
        let linked = self.0.change_links(|known, links, now| {
            // All are compared, so that the time does not tell which one it was.
            let mut found = None;
            for (place, open) in links.codes.iter().enumerate() {
                if open.hash.is(&hash) {
                    found = Some((place, open.clone()));
                }
            }
            let (place, open) = found.ok_or(LinkError::WrongCode)?;
            if now >= open.expires {
                return Err(LinkError::Expired);
            }
            if open.channel != identity.channel {
                return Err(LinkError::OtherChannel(open.channel));
            }
            if known.active(&open.person).is_none() {
                return Err(LinkError::UnknownPerson(open.person));
            }
            match known.given_to(identity) {
                Some(other) if *other != open.person => {
                    return Err(LinkError::Taken(other.clone()));
                }
                Some(_) => {}
                None => links.links.push(Link {
                    person: open.person.clone(),
                    identity: identity.clone(),
                    at: now,
                }),
            }
            links.codes.remove(place);
            Ok(open.person)
        });
        match &linked {
            Ok(person) => tracing::info!(%person, %identity, "an identity was linked"),
            Err(error) => tracing::warn!(%identity, %error, "an identity was not linked"),
        }
        linked
    }

    /// Ends an open code that others may have read, and says whether there was one: it links nothing
    /// from then on, on any channel. A channel does this with a code that was sent in public. Also
    /// works while the people file is broken.
    ///
    /// Writes to the disk: not for the inside of an async task.
    ///
    /// # Errors
    /// [`LinkError`] when the links file fails: the code may still be good then.
    pub fn revoke_code(&self, code: &str) -> Result<bool, LinkError> {
        let Some(hash) = CodeHash::of_typed(code) else {
            return Ok(false);
        };
        let changing = self.0.changing();
        let alone = self.0.lock_links()?;
        let mut links = self.0.read_links()?;
        let before = links.codes.len();
        links.codes.retain(|open| !open.hash.is(&hash));
        let revoked = links.codes.len() < before;
        if revoked {
            self.0.write_links(&changing, &alone, &links)?;
            tracing::warn!("a code was sent where others could read it, and links nothing now");
        }
        Ok(revoked)
    }

    /// Removes a link that was made with a code, and says whether there was one. Votes from the
    /// identity are nobody's from then on. Also works while the people file is broken.
    ///
    /// # Errors
    /// [`LinkError`] when the links file or the clock fail.
    pub fn unlink(&self, identity: &ChannelIdentity) -> Result<bool, LinkError> {
        let changing = self.0.changing();
        let alone = self.0.lock_links()?;
        let mut links = self.0.read_links()?;
        let before = links.links.len();
        links.links.retain(|link| link.identity != *identity);
        let removed = links.links.len() < before;
        if removed {
            self.0.write_links(&changing, &alone, &links)?;
            tracing::info!(%identity, "a link was removed");
        }
        Ok(removed)
    }

    /// The identities that people have linked with a code.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        self.0.snapshot().links.links.clone()
    }
}

impl Inner {
    /// Changes the links as the files are now, alone among all processes. What this returns is on
    /// the disk; on an error nothing has changed.
    fn change_links<T>(
        &self,
        change: impl FnOnce(&Snapshot, &mut Links, Timestamp) -> Result<T, LinkError>,
    ) -> Result<T, LinkError> {
        let now = self.clock.now()?;
        let changing = self.changing();
        let alone = self.lock_links()?;
        // Who is missing in half a file would lose their links.
        let read = self.files.read_settled(self.hashes());
        self.take(&changing, read).map_err(LinkError::Broken)?;
        let known = self.snapshot();
        let mut links = known.links.clone();
        let answer = change(&known, &mut links, now)?;
        // A person who is added again is not the one who once linked an identity.
        links.links.retain(|link| known.knows(&link.person));
        links
            .codes
            .retain(|open| now < open.expires && known.knows(&open.person));
        self.write_links(&changing, &alone, &links)?;
        Ok(answer)
    }

    fn lock_links(&self) -> Result<WriteLock, LinkError> {
        WriteLock::take(&self.files.links).map_err(LinkError::Unwritable)
    }

    /// The links file as it is, whatever the people file says.
    fn read_links(&self) -> Result<Links, LinkError> {
        let file = &self.files.links;
        let contents = file::read_if_there(file).map_err(LinkError::Broken)?;
        let text = contents.map(|contents| contents.text).unwrap_or_default();
        Links::parse(file, &text, |_| None).map_err(LinkError::Broken)
    }

    /// Writes the links, and answers from them.
    fn write_links(
        &self,
        changing: &MutexGuard<'_, ()>,
        alone: &WriteLock,
        links: &Links,
    ) -> Result<(), LinkError> {
        let file = &self.files.links;
        let contents = Contents::of(links.to_string());
        // What could not be read again is not written.
        let known = self
            .snapshot()
            .with_links(file, &contents)
            .map_err(LinkError::Broken)?;
        file::replace(alone, file, &contents.text).map_err(LinkError::Unwritable)?;
        self.replace(changing, known);
        Ok(())
    }
}
