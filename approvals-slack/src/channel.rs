//! The channel: puts requests before people in Slack and shows what becomes of them.

use std::sync::Arc;

use approvals_channel::pages::pages;
use approvals_channel::{Attempts, ByEmail, Memory, PageLink, Unheard, follow, present};
use approvals_core::{
    Approver, ApproverError, ChannelDesk, Clock, Coverage, Directory, Notice, Presentation,
    Receipt, Record,
};
use async_trait::async_trait;

use crate::api::Api;
use crate::destination::Routes;
use crate::id::{AppId, UserId};
use crate::message::{self, ROOM, Rest};
use crate::people::People;
use crate::replay::Replays;
use crate::signature::SigningSecrets;
use crate::unheard::{Answered, Place};

/// The Slack channel. Made by [`SlackBuilder`](crate::SlackBuilder); cheap to clone, and all clones
/// are one channel.
#[derive(Debug, Clone)]
pub struct Slack(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) api: Arc<Api>,
    pub(crate) desk: ChannelDesk,
    pub(crate) app: AppId,
    pub(crate) routes: Routes,
    pub(crate) link: Option<PageLink>,
    pub(crate) directory: Option<Arc<dyn Directory>>,
    pub(crate) secrets: SigningSecrets,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) people: Arc<People>,
    /// Where people are found by their addresses.
    pub(crate) by_email: Option<Arc<ByEmail>>,
    pub(crate) replays: Replays,
    pub(crate) memory: Memory,
    /// Messages of which nothing was heard, by request and where they go.
    pub(crate) unheard: Unheard<Place>,
    /// Whether Slack answered when it was asked last.
    pub(crate) answered: Answered,
    /// All share what Slack allows, and anybody in a conversation can press a button.
    pub(crate) forms_opened: Attempts<UserId>,
    pub(crate) links_tried: Attempts<UserId>,
}

impl Slack {
    /// The messages of a request as they are sent, as JSON: the one with the buttons first. Without
    /// whom they call, which depends on where they go.
    #[must_use]
    pub fn preview(&self, record: &Record) -> Vec<String> {
        message::all(record, self.0.face(&[], Rest::There))
    }
}

#[async_trait]
impl Approver for Slack {
    fn coverage(&self, presentation: &Presentation<'_>) -> Coverage {
        pages(presentation, ROOM).coverage
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        present(self.0.as_ref(), notice.record()).await
    }

    async fn update(&self, notice: &Notice, receipt: &Receipt) -> Result<(), ApproverError> {
        follow(self.0.as_ref(), notice, receipt).await.map(drop)
    }

    async fn follow(
        &self,
        notice: &Notice,
        receipt: &Receipt,
    ) -> Result<Option<Receipt>, ApproverError> {
        follow(self.0.as_ref(), notice, receipt).await
    }
}
