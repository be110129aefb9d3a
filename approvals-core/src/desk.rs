//! Votes in: the desk resolves who voted, and lets the engine judge.

mod refusals;

use std::sync::Arc;

use crate::approver::{Coverage, Receipt};
use crate::audit::{NewEvent, What};
use crate::digest::Digest;
use crate::directory::{ChainError, Directory, DirectoryError, LinkRefused, Resolved, Whom};
use crate::id::{ChannelId, PersonId, RequestId};
use crate::observe;
use crate::principal::ChannelIdentity;
use crate::review::{Ballot, Choice, Command, Proposal, Record, Refused, State};
use crate::store::{Delivery, Outcome, RequestStore, Seen, StoreError, carry_out};

use refusals::Refusals;

/// Accepts votes. Made first, from store and directory, so that a click after a restart finds one.
///
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Desk {
    store: Arc<dyn RequestStore>,
    directory: Arc<dyn Directory>,
    refusals: Arc<Refusals>,
}

/// A vote as a channel hands it in: who clicked, on what they saw, what they said.
#[derive(Debug, Clone, PartialEq)]
pub struct CastVote {
    /// The request.
    pub request: RequestId,
    /// The tenant of the channel identity, verified by the channel; empty where there is none.
    pub tenant: String,
    /// The immutable user id, verified by the channel.
    pub user: String,
    /// What they said.
    pub choice: Choice,
    /// In their words.
    pub comment: Option<String>,
    /// With a denial: other values that they would agree to.
    pub proposal: Option<Proposal>,
    /// The digest that they saw.
    pub digest: Digest,
    /// The hash of the presentation that they saw.
    pub shown: Digest,
    /// The record's revision that they saw.
    pub revision: u64,
}

/// Why a vote was refused, for the person who voted.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum VoteError {
    /// There is no such request.
    #[error("there is no request {0}: it may be finished and archived")]
    UnknownRequest(RequestId),
    /// The directory does not know the channel identity.
    #[error("{0} is nobody that the directory knows: ask an administrator to link it to a person")]
    UnknownPerson(ChannelIdentity),
    /// The request was not presented on this channel.
    #[error("{request} was not presented on the channel `{channel}`")]
    NotPresentedHere {
        /// The request.
        request: RequestId,
        /// The channel.
        channel: ChannelId,
    },
    /// The channel could not show everything, so nobody can approve here.
    #[error("this channel does not show the whole call ({0}): approve where all of it is shown")]
    NotWhole(String),
    /// The request is over: what stands.
    #[error("{}", stands(.0))]
    Settled(Arc<Record>),
    /// The engine refused.
    #[error(transparent)]
    Refused(Refused),
    /// The directory cannot answer.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Says what stood, for whoever came second.
fn stands(record: &Record) -> String {
    match &record.state {
        State::Denied { by, at, .. } => format!("{by} denied the request at {at}"),
        State::Revoked { by, at, .. } => format!("{by} revoked the approval at {at}"),
        State::Expired { at } => format!("the request expired at {at}"),
        State::Withdrawn { at, why } => format!("the request was withdrawn at {at}: {why}"),
        State::Pending
        | State::Approved { .. }
        | State::Claimed { .. }
        | State::Executing { .. }
        | State::Succeeded { .. }
        | State::Failed { .. }
        | State::InDoubt { .. }
        | State::Lapsed { .. } => format!("the request is {} already", record.state.phase()),
    }
}

impl Desk {
    /// A desk over a store and a directory.
    pub fn new(store: Arc<dyn RequestStore>, directory: Arc<dyn Directory>) -> Self {
        Self {
            store,
            directory,
            refusals: Arc::default(),
        }
    }

    /// The desk of one channel: it stamps the channel's id on every vote.
    #[must_use]
    pub fn channel(&self, channel: ChannelId) -> ChannelDesk {
        ChannelDesk {
            desk: self.clone(),
            channel,
        }
    }

    pub(crate) const fn store(&self) -> &Arc<dyn RequestStore> {
        &self.store
    }

    pub(crate) const fn directory(&self) -> &Arc<dyn Directory> {
        &self.directory
    }
}

/// One channel's desk.
#[derive(Debug, Clone)]
pub struct ChannelDesk {
    desk: Desk,
    channel: ChannelId,
}

impl ChannelDesk {
    /// The channel.
    #[must_use]
    pub const fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// The store's desk.
    #[must_use]
    pub const fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The record of a request, for showing how far it has come.
    ///
    /// # Errors
    /// [`VoteError`] when there is none or the store cannot answer.
    pub async fn look(&self, request: RequestId) -> Result<Arc<Record>, VoteError> {
        match self.desk.store.read(request).await? {
            Some(snapshot) => Ok(snapshot.record),
            None => Err(VoteError::UnknownRequest(request)),
        }
    }

    /// Where this channel put a request, as far as that is noted: for a channel that is asked about
    /// one of its messages and does not remember it.
    ///
    /// # Errors
    /// [`VoteError`] when the store cannot answer.
    pub async fn receipt(&self, request: RequestId) -> Result<Option<Receipt>, VoteError> {
        let deliveries = self.desk.store.deliveries(request).await?;
        let mut here = deliveries.iter().filter(|row| row.channel == self.channel);
        Ok(here.find_map(|row| row.state.receipt().cloned()))
    }

    /// Judges a vote. The channel has verified that this user, in this tenant, cast it.
    ///
    /// # Errors
    /// [`VoteError`] says to the voter why it does not count. Refused votes are recorded; one that is
    /// refused to the same identity for the same reason again, only counted.
    pub async fn vote(&self, cast: CastVote) -> Result<Arc<Record>, VoteError> {
        let seen = self.seen(cast.request).await?;
        self.vote_on(seen, cast).await
    }

    /// The same, unless the request as it stands gives a reason why this is not handed in at all: for
    /// a channel that would otherwise look at the request first, and then have it read again. Nothing
    /// is recorded of what is not handed in.
    ///
    /// # Errors
    /// The reason, where there is one.
    pub async fn vote_unless<T>(
        &self,
        cast: CastVote,
        objection: impl FnOnce(&Record) -> Option<T>,
    ) -> Result<Result<Arc<Record>, VoteError>, T> {
        let seen = match self.seen(cast.request).await {
            Ok(seen) => seen,
            Err(error) => return Ok(Err(error)),
        };
        match objection(&seen.snapshot.record) {
            Some(objection) => Err(objection),
            None => Ok(self.vote_on(seen, cast).await),
        }
    }

    async fn seen(&self, request: RequestId) -> Result<Seen, VoteError> {
        let seen = self.desk.store.read_with_deliveries(request).await?;
        seen.ok_or(VoteError::UnknownRequest(request))
    }

    async fn vote_on(&self, seen: Seen, cast: CastVote) -> Result<Arc<Record>, VoteError> {
        let snapshot = &seen.snapshot;
        let identity = ChannelIdentity::new(self.channel.clone(), &cast.tenant, &cast.user);
        let asked = &snapshot.record.asked;
        let whom = Whom {
            requester: asked.call.requester(),
            identities: &[&identity],
            groups: &asked.groups(),
        };
        let resolved = self.desk.directory.resolve(&whom).await;
        let voter = resolved.as_ref().ok().and_then(|found| found.voter());
        let person = voter.map(|voter| voter.person.clone());
        let judged = match resolved {
            Ok(resolved) => self.judge(&cast, seen, &identity, resolved).await,
            Err(error) => Err(VoteError::Directory(error)),
        };
        // Of a store that did not answer nobody knows whether the vote counted.
        if let Err(error) = &judged
            && !matches!(error, VoteError::Store(_))
        {
            let own = matches!(error, VoteError::Refused(Refused::OwnRequest(_)));
            let why = error.to_string();
            let recorded = Box::pin(self.record_refusal(&cast, person, identity, &why, own)).await;
            if let Err(lost) = recorded {
                tracing::error!(request = %cast.request, error = %lost, "a refused vote was not recorded");
            }
        }
        judged
    }

    /// Records a vote that the channel itself refuses, because the account that cast it may not vote:
    /// a guest, a bot, somebody of another tenant, or somebody of whom the vendor does not tell.
    /// Nobody is looked up, and nothing counts.
    ///
    /// # Errors
    /// [`VoteError`] when there is no such request, or the store cannot answer.
    pub async fn refuse(&self, cast: &CastVote, why: &str) -> Result<(), VoteError> {
        if self.desk.store.read(cast.request).await?.is_none() {
            return Err(VoteError::UnknownRequest(cast.request));
        }
        let identity = ChannelIdentity::new(self.channel.clone(), &cast.tenant, &cast.user);
        let recorded = self.record_refusal(cast, None, identity, why, false);
        Ok(recorded.await?)
    }

    /// Links the account of this user in this tenant to the person for whom the directory made a
    /// one-time code. The channel has verified that the code came from it, in private, and that the
    /// account may vote at all.
    ///
    /// # Errors
    /// [`LinkRefused`] says to whoever sent the code why nothing was linked.
    pub async fn link(
        &self,
        tenant: &str,
        user: &str,
        code: &str,
    ) -> Result<PersonId, LinkRefused> {
        let identity = ChannelIdentity::new(self.channel.clone(), tenant, user);
        self.desk.directory.link_by_code(&identity, code).await
    }

    /// Ends a code that was sent where others could read it.
    ///
    /// # Errors
    /// [`LinkRefused`] when the code may still be good.
    pub async fn spend_code(&self, code: &str) -> Result<(), LinkRefused> {
        self.desk.directory.spend_code(code).await
    }

    async fn judge(
        &self,
        cast: &CastVote,
        seen: Seen,
        identity: &ChannelIdentity,
        resolved: Resolved,
    ) -> Result<Arc<Record>, VoteError> {
        let Some(voter) = resolved.voter().cloned() else {
            return Err(VoteError::UnknownPerson(identity.clone()));
        };
        // Who owns the agent may have changed since the request was made.
        let chain = resolved.chain.map_err(ChainError::Unknown);
        let excluded = chain.map_err(DirectoryError::from)?;
        self.presented(cast, &seen.deliveries).await?;
        let ballot = Ballot {
            person: voter.person,
            identity: identity.clone(),
            groups: voter.groups,
            excluded,
            choice: cast.choice,
            comment: cast.comment.as_deref().map(crate::secrets::masked),
            proposal: cast.proposal.clone().map(Arc::new),
            digest: cast.digest,
            shown: cast.shown,
            revision: cast.revision,
        };
        let command = Command::Vote(Box::new(ballot));
        let store = self.desk.store.as_ref();
        match carry_out(store, cast.request, &command, Some(seen.snapshot)).await? {
            Outcome::Done { record, .. } => {
                tracing::info!(
                    request = %record.id(), %identity, choice = ?cast.choice,
                    phase = %record.state.phase(), "vote counted"
                );
                observe::voted(&self.channel);
                Ok(record)
            }
            Outcome::Refused {
                refused: Refused::Settled(_),
                record,
            } => Err(VoteError::Settled(record)),
            Outcome::Refused { refused, .. } => Err(VoteError::Refused(refused)),
            Outcome::Stale | Outcome::Unknown => Err(VoteError::UnknownRequest(cast.request)),
        }
    }

    /// Votes come only from where the request was put, and approvals only where all of it is shown.
    async fn presented(&self, cast: &CastVote, deliveries: &[Delivery]) -> Result<(), VoteError> {
        let here = deliveries.iter().find(|d| d.channel == self.channel);
        let Some(Delivery { coverage, .. }) = here else {
            // A store forgets what is long over, also while the directory is asked.
            if self.desk.store.read(cast.request).await?.is_none() {
                return Err(VoteError::UnknownRequest(cast.request));
            }
            return Err(VoteError::NotPresentedHere {
                request: cast.request,
                channel: self.channel.clone(),
            });
        };
        match (coverage, cast.choice) {
            (Coverage::Whole, _) | (Coverage::Partial { .. }, Choice::Deny | Choice::Withdrawn) => {
                Ok(())
            }
            (Coverage::Partial { why }, Choice::Approve | Choice::Confirm | Choice::BreakGlass) => {
                Err(VoteError::NotWhole(why.clone()))
            }
        }
    }

    async fn record_refusal(
        &self,
        cast: &CastVote,
        person: Option<PersonId>,
        identity: ChannelIdentity,
        why: &str,
        own_request: bool,
    ) -> Result<(), StoreError> {
        observe::vote_refused(&self.channel);
        let (request, choice) = (cast.request, cast.choice);
        let refusals = &self.desk.refusals;
        let Some(noting) = refusals.begin((request, identity.clone()), choice, why, own_request)
        else {
            tracing::debug!(%request, %identity, why, "vote refused again");
            return Ok(());
        };
        tracing::warn!(%request, %identity, why, "vote refused");
        let what = What::VoteRefused {
            person,
            identity,
            choice: cast.choice,
            why: why.into(),
            own_request,
        };
        let event = NewEvent::about(cast.request, cast.revision, what);
        self.desk.store.append(vec![event]).await?;
        noting.recorded();
        Ok(())
    }
}
