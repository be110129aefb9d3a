//! Having copies show what their requests have become, and reminding people there.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard};

use super::delivering::retry;
use super::presenting::{answer, given_up, here, note, run_or_spawn};
use super::shared::{Channel, Shared};
use super::unpanicked::Unpanicked;
use crate::approver::{ApproverError, Notice, Receipt};
use crate::id::{ChannelId, RequestId};
use crate::review::{Phase, Record};
use crate::store::{Delivery, DeliveryState, Seen, StoreError};

/// The copies that a task of this gate is updating. One task at a time has a copy in
/// hand, so that an older form never arrives after a newer one.
#[derive(Debug, Default)]
pub(super) struct Copies(Mutex<HashMap<(RequestId, ChannelId), Again>>);

/// Whether the request changed while its copy was in hand.
type Again = bool;

impl Copies {
    fn in_hand(&self) -> MutexGuard<'_, HashMap<(RequestId, ChannelId), Again>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Takes a copy in hand; when another task has it, tells that one to look again.
    fn take(&self, request: RequestId, channel: &ChannelId) -> bool {
        match self.in_hand().entry((request, channel.clone())) {
            Entry::Occupied(mut again) => {
                again.insert(true);
                false
            }
            Entry::Vacant(free) => {
                free.insert(false);
                true
            }
        }
    }

    /// Takes a copy in hand that no task has.
    fn take_free(&self, request: RequestId, channel: &ChannelId) -> bool {
        match self.in_hand().entry((request, channel.clone())) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(false);
                true
            }
        }
    }

    /// Lets go of a copy, unless its request changed meanwhile.
    fn let_go(&self, request: RequestId, channel: &ChannelId) -> bool {
        match self.in_hand().entry((request, channel.clone())) {
            Entry::Occupied(mut again) if *again.get() => {
                again.insert(false);
                false
            }
            Entry::Occupied(done) => {
                done.remove();
                true
            }
            Entry::Vacant(_) => true,
        }
    }
}

/// Has the copies of a request on these channels show what it has become.
///
/// They are taken in hand before anything is read, so that what is read stands, and one look is
/// enough for all of them.
pub(super) async fn update_copies(
    shared: &Arc<Shared>,
    request: RequestId,
    on: impl Fn(&Channel) -> bool,
) {
    let channels = shared.channels.iter().filter(|channel| on(channel));
    let in_hand = |channel: &&Channel| shared.copies.take(request, &channel.id);
    let channels: Vec<Channel> = channels.filter(in_hand).cloned().collect();
    if channels.is_empty() {
        return;
    }
    let seen = match shared.store().read_with_deliveries(request).await {
        Ok(seen) => seen,
        Err(error) => {
            tracing::error!(%request, %error, "messages were not updated");
            None
        }
    };
    for channel in channels {
        let outdated = seen
            .clone()
            .and_then(|seen| Outdated::among(shared, &channel, seen));
        if outdated.is_none() && shared.copies.let_go(request, &channel.id) {
            continue;
        }
        let shared = Arc::clone(shared);
        run_or_spawn(Box::pin(update_on(shared, channel, request, outdated)));
    }
}

/// Tries again to have one copy show what its request has become.
pub(super) fn update_again(shared: &Arc<Shared>, channel: &Channel, request: RequestId) {
    if shared.copies.take_free(request, &channel.id) {
        let (shared, channel) = (Arc::clone(shared), channel.clone());
        run_or_spawn(Box::pin(update_on(shared, channel, request, None)));
    }
}

/// A copy that was posted and shows less than what stands.
struct Outdated {
    record: Arc<Record>,
    delivery: Delivery,
    receipt: Receipt,
}

impl Outdated {
    /// The copy on this channel, if it is one.
    fn among(shared: &Shared, channel: &Channel, seen: Seen) -> Option<Self> {
        let record = seen.snapshot.record;
        let mut rows = seen.deliveries.iter();
        let row = rows.find(|row| row.channel == channel.id)?;
        let delivery = here(shared, channel, record.id(), row)?;
        let receipt = delivery.state.receipt().cloned()?;
        (delivery.revision < record.revision).then_some(Self {
            record,
            delivery,
            receipt,
        })
    }
}

/// Has one copy, which is in hand, show what its request has become. `outdated` is what was read
/// since it was taken in hand.
async fn update_on(
    shared: Arc<Shared>,
    channel: Channel,
    request: RequestId,
    mut outdated: Option<Outdated>,
) {
    loop {
        if let Err(error) = update_copy(&shared, &channel, request, outdated.take()).await {
            tracing::error!(%request, channel = %channel.id, %error, "a message was not updated");
        }
        if shared.copies.let_go(request, &channel.id) {
            return;
        }
    }
}

/// Why a copy still shows what a request was.
#[derive(Debug, thiserror::Error)]
enum NotUpdated {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Channel(#[from] ApproverError),
}

async fn update_copy(
    shared: &Shared,
    channel: &Channel,
    request: RequestId,
    outdated: Option<Outdated>,
) -> Result<(), NotUpdated> {
    // The copy is in hand, so what is read of it now stands until it is noted.
    let outdated = match outdated {
        Some(outdated) => Some(outdated),
        None => {
            let seen = shared.store().read_with_deliveries(request).await?;
            seen.and_then(|seen| Outdated::among(shared, channel, seen))
        }
    };
    let Some(Outdated {
        record,
        delivery,
        receipt,
    }) = outdated
    else {
        return Ok(());
    };
    let over = record.state.phase().is_final();
    let notice = Notice::since(record, delivery.revision);
    let followed = answer(Unpanicked(channel.approver.follow(&notice, &receipt)).await);
    let receipt = match followed {
        Ok(further) => further.unwrap_or(receipt),
        Err(error) => {
            let pending = notice.state().phase() == Phase::Pending;
            if error.is_gone() && pending && !shared.is_local(&channel.id) {
                // Nobody sees it there: that it was posted once is no longer worth anything.
                let state = DeliveryState::Failed {
                    why: error.to_string(),
                    retry: None,
                };
                let revision = delivery.revision;
                note(shared, request, delivery, revision, state).await;
                given_up(shared, request).await;
                return Err(NotUpdated::Channel(error));
            }
            let receipt = error.receipt().cloned().unwrap_or(receipt);
            let state = if error.is_for_good() {
                // Not due any more; the next change of the request tries once more.
                DeliveryState::Delivered(receipt)
            } else {
                let attempts = delivery.state.attempts().saturating_add(1);
                DeliveryState::Outdated {
                    receipt,
                    why: error.to_string(),
                    retry: retry(attempts, shared.store().now().await?),
                }
            };
            // A copy that is looked at again and again here counts as tried.
            let tried = error.is_for_good() && shared.is_local(&channel.id);
            let revision = if tried {
                notice.revision()
            } else {
                delivery.revision
            };
            note(shared, request, delivery, revision, state).await;
            if tried && over {
                shared.local.forget(&channel.id, request);
            }
            return Err(NotUpdated::Channel(error));
        }
    };
    let state = DeliveryState::Delivered(receipt);
    note(shared, request, delivery, notice.revision(), state).await;
    if over {
        shared.local.forget(&channel.id, request);
    }
    Ok(())
}
