//! The channel: puts requests before people in Teams and shows what becomes of them.

use std::sync::{Arc, Weak};

use approvals_channel::{Attempts, Memory, Unheard, follow, present};
use approvals_core::{
    Approver, ApproverError, ChannelDesk, Clock, Coverage, Directory, Notice, Presentation,
    Receipt, Record, RequestId,
};
use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::api::Api;
use crate::card::{Face, card};
use crate::conversations::Conversations;
use crate::destination::Routes;
use crate::id::{AppId, TenantId};
use crate::keys::Keys;
use crate::pace::Line;
use crate::people::People;

/// The Teams channel. Made by [`TeamsBuilder`](crate::TeamsBuilder); cheap to clone, and all clones
/// are one channel.
#[derive(Debug, Clone)]
pub struct Teams(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    /// This, for what goes on after an answer.
    pub(crate) own: Weak<Inner>,
    pub(crate) api: Arc<Api>,
    pub(crate) desk: ChannelDesk,
    pub(crate) app: AppId,
    pub(crate) tenant: TenantId,
    pub(crate) routes: Routes,
    pub(crate) face: Face,
    pub(crate) directory: Option<Arc<dyn Directory>>,
    pub(crate) conversations: Arc<dyn Conversations>,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) people: Arc<People>,
    pub(crate) memory: Memory,
    /// By request and conversation.
    pub(crate) unheard: Unheard<(RequestId, Line)>,
    /// By the id that Teams names them by.
    pub(crate) links_tried: Attempts<Option<String>>,
    /// What goes on after an answer: so much at a time.
    pub(crate) asides: Arc<Semaphore>,
}

/// How much goes on after answers at a time. Whoever tells of more waits, or it is left.
pub(crate) const MOST_ASIDES: usize = 256;

/// What is wrong between the settings and Microsoft.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CheckError(String);

impl Teams {
    /// The card of a request as it is sent, as JSON.
    #[must_use]
    pub fn preview(&self, record: &Record) -> String {
        card(record, &self.0.face).into_string()
    }

    /// Asks for the bot's token: for the start of a program, so that a wrong secret is found before
    /// a request waits for it.
    ///
    /// # Errors
    /// [`CheckError`] when there is none for these settings.
    pub async fn check(&self) -> Result<(), CheckError> {
        let token = self.0.api.has_token().await;
        token.map_err(|error| CheckError(error.to_string()))
    }
}

#[async_trait]
impl Approver for Teams {
    fn coverage(&self, presentation: &Presentation<'_>) -> Coverage {
        self.0.face.pages(presentation).coverage
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
