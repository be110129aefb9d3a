//! A channel in one line: a closure that answers for one configured identity.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::approver::{Approver, ApproverError, Coverage, Notice, Receipt};
use crate::desk::{CastVote, ChannelDesk};
use crate::presentation::Presentation;
use crate::review::Choice;

/// Makes a channel of a closure that is shown each request whole and answers as `user`, who must be
/// somebody that the directory knows on this channel. `None` leaves the request to others.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::sync::Arc;
/// use approvals_core::{Choice, Gate, Requirement, Risk, approver};
/// # use approvals_core::memory::{InMemoryDirectory, MemoryStore};
/// # let directory = Arc::new(InMemoryDirectory::new());
/// # directory.person("alice", ["on-call"])?;
/// let gate = Gate::builder(Arc::new(MemoryStore::new()), directory)
///     .policy("deploys", Requirement::one_of("on-call")?)
///     .approver("rota", approver::from_fn("alice", |request| {
///         (request.risk <= Risk::Medium).then_some((Choice::Approve, None))
///     }))
///     .build()
///     .await?;
/// # let _ = gate;
/// # Ok(())
/// # }
/// ```
pub fn from_fn<F>(user: &str, answer: F) -> impl FnOnce(ChannelDesk) -> Arc<FromFn<F>> + use<F>
where
    F: Fn(&Presentation<'_>) -> Option<(Choice, Option<String>)> + Send + Sync,
{
    let user = user.to_owned();
    move |desk| Arc::new(FromFn { desk, user, answer })
}

/// See [`from_fn`].
pub struct FromFn<F> {
    desk: ChannelDesk,
    user: String,
    answer: F,
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn")
            .field("channel", self.desk.channel())
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<F> Approver for FromFn<F>
where
    F: Fn(&Presentation<'_>) -> Option<(Choice, Option<String>)> + Send + Sync,
{
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        let answer = (self.answer)(&notice.presentation());
        if let Some((choice, comment)) = answer {
            let asked = notice.asked();
            let cast = CastVote {
                request: asked.id,
                tenant: String::new(),
                user: self.user.clone(),
                choice,
                comment,
                proposal: None,
                digest: asked.digest,
                shown: asked.shown,
                revision: notice.revision(),
            };
            let voted = self.desk.vote(cast).await;
            voted.map_err(|error| ApproverError::for_good(error.to_string()))?;
        }
        Ok(Receipt::none())
    }

    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        Ok(())
    }
}
