//! Channels: they put requests before reviewers and carry their votes back through a desk.

mod closure;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use closure::{FromFn, from_fn};

use crate::presentation::Presentation;
use crate::review::{Asked, Phase, Record, State};

/// Whether a channel can show every bound argument whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// Everything is shown: reviewers may approve here.
    Whole,
    /// Something is not: the channel offers no approve button, only the way to where all is shown.
    Partial {
        /// What is not shown, and why.
        why: String,
    },
}

/// A request as a channel shows it: what was asked, and how far it has come.
///
/// Whatever a channel renders comes from [`Notice::presentation`], whose hash is what a vote
/// carries as `shown`; progress and outcome stand beside it.
#[derive(Debug, Clone)]
pub struct Notice {
    record: Arc<Record>,
    reminder: bool,
}

impl Notice {
    pub(crate) const fn new(record: Arc<Record>) -> Self {
        Self {
            record,
            reminder: false,
        }
    }

    /// The same for a copy that shows no more than this revision: it reminds when people were to be
    /// reminded since, and are still waited for.
    pub(crate) fn since(record: Arc<Record>, shown: u64) -> Self {
        let reminder = record.reminded > shown && record.state.phase() == Phase::Pending;
        Self { record, reminder }
    }

    /// Whether people who have not answered are to be reminded, beside what the update shows: a
    /// channel tells those of its audience whose vote is not among the record's. A gate asks once
    /// for each reminder, and again only after an error or a crash.
    #[must_use]
    pub const fn is_reminder(&self) -> bool {
        self.reminder
    }

    /// What was asked.
    #[must_use]
    pub fn asked(&self) -> &Arc<Asked> {
        &self.record.asked
    }

    /// The record, with its votes and progress.
    #[must_use]
    pub const fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// Where the request is in its life.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.record.state
    }

    /// The revision that a vote on this notice carries.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.record.revision
    }

    /// What reviewers see, escaped, the same on every channel.
    #[must_use]
    pub fn presentation(&self) -> Presentation<'_> {
        Presentation::of(&self.record.asked)
    }
}

/// Where a channel put a request: what it needs to find its message again, also after a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Receipt(Option<Box<str>>);

impl Receipt {
    /// Nothing to find again.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// A message's handle, in the channel's own form.
    #[must_use]
    pub fn handle(handle: &str) -> Self {
        Self(Some(handle.into()))
    }

    /// The handle.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// A channel could not show a request.
///
/// A gate tries again what failed, ever less often, until the request's deadline: a channel that is
/// away may come back. Where trying again is pointless (a token that was revoked, a message that
/// the channel will never take) the channel says so, and a request that every channel failed for
/// good is refused at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct ApproverError {
    why: String,
    for_good: bool,
    gone: bool,
    receipt: Option<Receipt>,
}

impl ApproverError {
    /// The channel failed, and may do better next time.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            for_good: false,
            gone: false,
            receipt: None,
        }
    }

    /// The channel failed, and would fail again.
    #[must_use]
    pub fn for_good(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            for_good: true,
            gone: false,
            receipt: None,
        }
    }

    /// Nobody sees the request on this channel any more, or can answer it there, and nobody will:
    /// its message was taken away, or the channel itself. A pending request that nobody else sees is
    /// then refused, with this as the cause.
    #[must_use]
    pub fn gone(why: impl Into<String>) -> Self {
        Self {
            gone: true,
            ..Self::for_good(why)
        }
    }

    /// The same where some people see the request all the same: where they do. What is missing is
    /// then made up for by [`Approver::follow`], with this receipt, and not by posting anew.
    #[must_use]
    pub fn partly(mut self, receipt: Receipt) -> Self {
        self.receipt = Some(receipt);
        self
    }

    /// Where some people see the request, if the channel said so.
    #[must_use]
    pub const fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }

    /// Whether nobody sees the request on this channel any more.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        self.gone && self.receipt.is_none()
    }

    /// Whether trying again is pointless.
    #[must_use]
    pub const fn is_for_good(&self) -> bool {
        self.for_good
    }
}

/// Puts requests before people.
///
/// A channel is given its [`ChannelDesk`](crate::ChannelDesk) when it is made and hands every vote
/// to it, with the digest, the presentation's hash and the revision that its reviewer saw. Votes
/// may arrive before `present` has returned.
///
/// ```
/// use approvals_core::{
///     Approver, ApproverError, Coverage, Notice, Presentation, Receipt, async_trait,
/// };
///
/// /// Writes requests to standard error. Nobody can vote here.
/// #[derive(Debug)]
/// struct Announce;
///
/// #[async_trait]
/// impl Approver for Announce {
///     fn coverage(&self, _: &Presentation<'_>) -> Coverage {
///         Coverage::Partial { why: "this channel only announces".to_owned() }
///     }
///
///     async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
///         eprintln!("{}", notice.presentation());
///         Ok(Receipt::none())
///     }
///
///     async fn update(&self, notice: &Notice, _: &Receipt) -> Result<(), ApproverError> {
///         eprintln!("{} is {}", notice.asked().id, notice.state().phase());
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Approver: fmt::Debug + Send + Sync {
    /// Whether it can show every bound argument of this presentation whole. Committed before the
    /// request is posted: approvals from a channel that said `Partial` are refused.
    fn coverage(&self, presentation: &Presentation<'_>) -> Coverage;

    /// Puts a request before people. After an error it is called again, unless that is
    /// [for good](ApproverError::for_good); also by another process. If people saw it all the same,
    /// copies answer the same request. An error that says [where some see
    /// it](ApproverError::partly) is followed by [`follow`](Self::follow) instead.
    ///
    /// # Errors
    /// [`ApproverError`] when people may not see it.
    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError>;

    /// Shows progress or the outcome in place; when the notice [is a
    /// reminder](Notice::is_reminder), also reminds those who have not answered.
    ///
    /// # Errors
    /// [`ApproverError`] when the message may still show the former state.
    async fn update(&self, notice: &Notice, receipt: &Receipt) -> Result<(), ApproverError>;

    /// Shows progress or the outcome as [`update`](Self::update) does, for a channel that goes on to
    /// further people when other people are asked: it returns where the request is now, which takes
    /// the receipt's place. `None` keeps the receipt, as the provided method does.
    ///
    /// # Errors
    /// [`ApproverError`] when a message may still show the former state, or when somebody who is
    /// asked by now may not see it. It is called again as `update` would be, with the receipt that
    /// the error [brings along](ApproverError::partly), or else with the same.
    async fn follow(
        &self,
        notice: &Notice,
        receipt: &Receipt,
    ) -> Result<Option<Receipt>, ApproverError> {
        self.update(notice, receipt).await.map(|()| None)
    }

    /// Whether its copies are in this process alone, as at a terminal: then no other process can
    /// work on them in this one's place.
    fn is_local(&self) -> bool {
        false
    }
}

const _: fn(&dyn Approver) = |_| {};
