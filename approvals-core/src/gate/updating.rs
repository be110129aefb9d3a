//! Having copies show what their requests have become, and reminding people there.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard};

use super::delivering::retry;
use super::presenting::{answer, delivery, here, note, run_or_spawn};
use super::shared::{Channel, Shared};
use super::unpanicked::Unpanicked;
use crate::approver::{ApproverError, Notice};
use crate::id::{ChannelId, RequestId};
use crate::review::Record;
use crate::store::{DeliveryState, Snapshot, StoreError};

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
pub(super) async fn update_copies(
    shared: &Arc<Shared>,
    record: &Arc<Record>,
    on: impl Fn(&Channel) -> bool,
) {
    let deliveries = match shared.store().deliveries(record.id()).await {
        Ok(deliveries) => deliveries,
        Err(error) => {
            tracing::error!(request = %record.id(), %error, "messages were not updated");
            return;
        }
    };
    for row in deliveries.iter() {
        let channel = shared.channels.iter().find(|c| c.id == row.channel);
        if let Some(channel) = channel.filter(|channel| on(channel))
            && let Some(delivery) = here(shared, channel, record.id(), row)
            && delivery.state.receipt().is_some()
            && delivery.revision < record.revision
            && shared.copies.take(record.id(), &channel.id)
        {
            let (shared, channel) = (Arc::clone(shared), channel.clone());
            run_or_spawn(Box::pin(update_on(shared, channel, record.id())));
        }
    }
}

/// Tries again to have one copy show what its request has become.
pub(super) fn update_again(shared: &Arc<Shared>, channel: &Channel, request: RequestId) {
    if shared.copies.take_free(request, &channel.id) {
        let (shared, channel) = (Arc::clone(shared), channel.clone());
        run_or_spawn(Box::pin(update_on(shared, channel, request)));
    }
}

/// Has one copy, which is in hand, show what its request has become.
async fn update_on(shared: Arc<Shared>, channel: Channel, request: RequestId) {
    loop {
        if let Err(error) = update_copy(&shared, &channel, request).await {
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
) -> Result<(), NotUpdated> {
    // The copy is in hand, so what is read of it now stands until it is noted.
    let Some(delivery) = delivery(shared, channel, request).await? else {
        return Ok(());
    };
    let Some(Snapshot { record, .. }) = shared.store().read(request).await? else {
        return Ok(());
    };
    let Some(receipt) = delivery.state.receipt().cloned() else {
        return Ok(());
    };
    if delivery.revision >= record.revision {
        return Ok(());
    }
    let over = record.state.phase().is_final();
    let notice = Notice::since(record, delivery.revision);
    let followed = answer(Unpanicked(channel.approver.follow(&notice, &receipt)).await);
    let receipt = match followed {
        Ok(further) => further.unwrap_or(receipt),
        Err(error) => {
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
