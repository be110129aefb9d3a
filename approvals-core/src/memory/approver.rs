//! A channel for test suites: await the next request, look at it, answer as somebody.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::approver::{Approver, ApproverError, Coverage, Notice, Receipt};
use crate::desk::{CastVote, ChannelDesk, VoteError};
use crate::id::RequestId;
use crate::presentation::Presentation;
use crate::review::{Asked, Choice, Phase, Proposal, Record};

/// Puts requests into a queue that a test reads. Cheap to clone; all clones are one channel.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use approvals_core::memory::{Answer, InMemoryApprover};
/// let approver = InMemoryApprover::new();
/// // Answers that are given ahead, one a request, in order:
/// approver.script([Answer::approve("alice"), Answer::deny("bob", "not today")]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct InMemoryApprover {
    channel: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    desk: OnceLock<ChannelDesk>,
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Notice>,
    script: VecDeque<Answer>,
    asked: Vec<Arc<Asked>>,
    outcomes: Vec<(RequestId, Phase)>,
    reminders: Vec<RequestId>,
    failing: Option<ApproverError>,
    not_updating: Option<ApproverError>,
    limit: Option<usize>,
    keep: bool,
}

/// What somebody will say to the next request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    who: String,
    choice: Choice,
    comment: Option<String>,
    proposal: Option<Proposal>,
}

impl Answer {
    /// This person approves.
    #[must_use]
    pub fn approve(who: &str) -> Self {
        Self::of(who, Choice::Approve, None)
    }

    /// This person denies, saying why.
    #[must_use]
    pub fn deny(who: &str, comment: &str) -> Self {
        Self::of(who, Choice::Deny, Some(comment))
    }

    /// This person says this.
    #[must_use]
    pub fn of(who: &str, choice: Choice, comment: Option<&str>) -> Self {
        Self {
            who: who.to_owned(),
            choice,
            comment: comment.map(str::to_owned),
            proposal: None,
        }
    }

    /// Adds a comment.
    #[must_use]
    pub fn saying(mut self, comment: &str) -> Self {
        self.comment = Some(comment.to_owned());
        self
    }

    /// Adds other values that the person would agree to.
    #[must_use]
    pub fn proposing(mut self, proposal: Proposal) -> Self {
        self.proposal = Some(proposal);
        self
    }
}

impl InMemoryApprover {
    /// A channel that nobody answers on yet. It shows calls of any size whole.
    #[must_use]
    pub fn new() -> Self {
        let channel = Self::default();
        channel.queue().keep = true;
        channel
    }

    /// A channel that keeps nothing of what was asked: for long runs.
    #[must_use]
    pub fn forgetful() -> Self {
        Self::default()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.channel.queue.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// For [`GateBuilder::approver`](crate::GateBuilder::approver): gives the channel its desk.
    pub fn connect(&self) -> impl FnOnce(ChannelDesk) -> Arc<Self> + use<> {
        let channel = self.clone();
        move |desk| {
            // A channel that is connected twice keeps its first desk.
            let _ = channel.channel.desk.set(desk);
            Arc::new(channel)
        }
    }

    /// Sets answers that are given as requests arrive, one each, in order.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.queue().script.extend(answers);
    }

    /// Makes the channel fail for good with this message, or stops doing so.
    pub fn fail(&self, why: Option<&str>) {
        self.queue().failing = why.map(ApproverError::for_good);
    }

    /// Makes the channel fail in a way that is worth another try, for showing and for updating, or
    /// stops doing so.
    pub fn away(&self, why: Option<&str>) {
        self.queue().failing = why.map(ApproverError::new);
    }

    /// Makes every update fail for good with this message, as where a message was deleted, or stops
    /// doing so.
    pub fn fail_updates(&self, why: Option<&str>) {
        self.queue().not_updating = why.map(ApproverError::for_good);
    }

    /// Makes the channel unable to show more than so many bytes.
    pub fn shows_at_most(&self, bytes: usize) {
        self.queue().limit = Some(bytes);
    }

    /// The next request that was put before people here. Waits for it.
    pub async fn next(&self) -> PendingRequest {
        loop {
            let arrived = self.channel.arrived.notified();
            if let Some(notice) = self.queue().waiting.pop_front() {
                return PendingRequest {
                    notice,
                    channel: self.clone(),
                };
            }
            arrived.await;
        }
    }

    /// Everything that was asked here, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Arc<Asked>> {
        self.queue().asked.clone()
    }

    /// How requests ended, as the channel was told.
    #[must_use]
    pub fn outcomes(&self) -> Vec<(RequestId, Phase)> {
        self.queue().outcomes.clone()
    }

    /// The requests about which people were reminded here, in order, each as often as they were.
    #[must_use]
    pub fn reminders(&self) -> Vec<RequestId> {
        self.queue().reminders.clone()
    }

    async fn vote(
        &self,
        asked: &Asked,
        revision: u64,
        answer: Answer,
    ) -> Result<Arc<Record>, VoteError> {
        let Some(desk) = self.channel.desk.get() else {
            return Err(VoteError::UnknownRequest(asked.id));
        };
        desk.vote(CastVote {
            request: asked.id,
            tenant: String::new(),
            user: answer.who,
            choice: answer.choice,
            comment: answer.comment,
            proposal: answer.proposal,
            digest: asked.digest,
            shown: asked.shown,
            revision,
        })
        .await
    }
}

#[async_trait]
impl Approver for InMemoryApprover {
    fn coverage(&self, presentation: &Presentation<'_>) -> Coverage {
        match self.queue().limit {
            Some(limit) if presentation.bytes() > limit => Coverage::Partial {
                why: format!("it has more than {limit} bytes"),
            },
            Some(_) | None => Coverage::Whole,
        }
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        let answer = {
            let mut queue = self.queue();
            if let Some(why) = &queue.failing {
                return Err(why.clone());
            }
            if queue.keep {
                queue.asked.push(Arc::clone(notice.asked()));
            }
            let answer = queue.script.pop_front();
            if answer.is_none() {
                queue.waiting.push_back(notice.clone());
            }
            answer
        };
        match answer {
            None => self.channel.arrived.notify_one(),
            Some(answer) => {
                let voted = self.vote(notice.asked(), notice.revision(), answer).await;
                voted.map_err(|error| {
                    ApproverError::for_good(format!("a scripted answer was refused: {error}"))
                })?;
            }
        }
        Ok(Receipt::none())
    }

    async fn update(&self, notice: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        let mut queue = self.queue();
        if let Some(error) = queue.failing.as_ref().filter(|error| !error.is_for_good()) {
            return Err(error.clone());
        }
        if let Some(error) = &queue.not_updating {
            return Err(error.clone());
        }
        if queue.keep {
            if notice.is_reminder() {
                queue.reminders.push(notice.asked().id);
            }
            queue
                .outcomes
                .push((notice.asked().id, notice.state().phase()));
        }
        Ok(())
    }
}

/// A request as a test sees it.
#[derive(Debug, Clone)]
#[must_use = "somebody has to answer it"]
pub struct PendingRequest {
    notice: Notice,
    channel: InMemoryApprover,
}

impl PendingRequest {
    /// What was asked.
    #[must_use]
    pub fn asked(&self) -> &Arc<Asked> {
        self.notice.asked()
    }

    /// The request's id.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.notice.asked().id
    }

    /// What a reviewer is shown.
    #[must_use]
    pub fn presentation(&self) -> Presentation<'_> {
        self.notice.presentation()
    }

    /// Approves as this person.
    ///
    /// # Errors
    /// [`VoteError`] when the vote does not count.
    pub async fn approve_as(&self, who: &str) -> Result<Arc<Record>, VoteError> {
        self.answer(Answer::approve(who)).await
    }

    /// Denies as this person, saying why.
    ///
    /// # Errors
    /// [`VoteError`] when the vote does not count.
    pub async fn deny_as(&self, who: &str, comment: &str) -> Result<Arc<Record>, VoteError> {
        self.answer(Answer::deny(who, comment)).await
    }

    /// Answers, having looked at the request as it is now.
    ///
    /// # Errors
    /// [`VoteError`] when the vote does not count.
    pub async fn answer(&self, answer: Answer) -> Result<Arc<Record>, VoteError> {
        let revision = match self.channel.channel.desk.get() {
            Some(desk) => desk.look(self.id()).await?.revision,
            None => self.notice.revision(),
        };
        let asked = self.notice.asked();
        self.channel.vote(asked, revision, answer).await
    }

    /// Answers as if the request were still as it was when it arrived: an old click.
    ///
    /// # Errors
    /// [`VoteError`] when the vote does not count.
    pub async fn answer_as_seen(&self, answer: Answer) -> Result<Arc<Record>, VoteError> {
        let asked = self.notice.asked();
        let revision = self.notice.revision();
        self.channel.vote(asked, revision, answer).await
    }
}
