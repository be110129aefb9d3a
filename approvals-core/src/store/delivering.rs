//! When a channel's copy of a request is worked on again, and who works on what.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Delivery, DeliveryState, Filter, RequestStore, StoreError};
use crate::approver::Receipt;
use crate::id::{ChannelId, RequestId, SinkId};
use crate::time::Timestamp;

/// How long whoever made a request has to put it before people, before another process does.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// How many records a scan reads at once.
const PAGE: usize = 256;

/// What failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Retry {
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub at: Timestamp,
}

impl DeliveryState {
    /// The receipt, where there is one.
    #[must_use]
    pub const fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Delivered(receipt) | Self::Outdated { receipt, .. } => Some(receipt),
            Self::Intended | Self::Failed { .. } => None,
        }
    }

    /// How often it was tried in vain.
    pub(crate) const fn attempts(&self) -> u32 {
        match self {
            Self::Failed {
                retry: Some(retry), ..
            }
            | Self::Outdated { retry, .. } => retry.attempts,
            Self::Intended | Self::Delivered(_) | Self::Failed { retry: None, .. } => 0,
        }
    }
}

impl Delivery {
    /// When somebody has to work on this copy if it stays as it is: what a store's
    /// [`copies_due`](RequestStore::copies_due) is ordered by. `asked_at` is of the request. An
    /// intent is due a while later, when whoever made the request must have died before posting it.
    #[must_use]
    pub fn due(&self, asked_at: Timestamp) -> Option<Timestamp> {
        match &self.state {
            DeliveryState::Intended => Some(asked_at.plus(GRACE)),
            DeliveryState::Failed { retry, .. } => retry.map(|retry| retry.at),
            DeliveryState::Outdated { retry, .. } => Some(retry.at),
            DeliveryState::Delivered(_) => None,
        }
    }
}

/// A kind of background work that one gate at a time does for all that share a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// Letting deadlines, lost leases and lost waiters take effect, and with them the widening of
    /// audiences.
    Deadlines,
    /// Posting again what failed on this channel, and showing there what requests have become.
    Channel(ChannelId),
    /// Handing the trail to this sink.
    Sink(SinkId),
    /// Archiving what finished long ago.
    Archive,
}

/// As a store names it: `deadlines`, `channel/slack`, `sink/merkle-log`, `archive`.
impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadlines => f.write_str("deadlines"),
            Self::Channel(channel) => write!(f, "channel/{channel}"),
            Self::Sink(sink) => write!(f, "sink/{sink}"),
            Self::Archive => f.write_str("archive"),
        }
    }
}

/// Finds due copies by reading every request.
pub(super) async fn scan<S: RequestStore + ?Sized>(
    store: &S,
    channel: &ChannelId,
    limit: usize,
) -> Result<Vec<RequestId>, StoreError> {
    let now = store.now().await?;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(&Filter::default(), after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        after = Some(last.id());
        for record in &page {
            if found.len() >= limit {
                return Ok(found);
            }
            let deliveries = store.deliveries(record.id()).await?;
            let due = |delivery: &Delivery| {
                let due = delivery.due(record.asked.asked_at);
                delivery.channel == *channel && due.is_some_and(|due| due <= now)
            };
            if deliveries.iter().any(due) {
                found.push(record.id());
            }
        }
    }
}
