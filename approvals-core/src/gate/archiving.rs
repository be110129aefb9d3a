//! Archiving what finished long ago: one gate at a time has the store do it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::shared::Shared;
use crate::observe;
use crate::store::Duty;

/// How often what is to be archived is looked for.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// How soon after it could not be done.
const AGAIN: Duration = Duration::from_secs(60);

/// How long after their end requests are archived, if they are, and when that is looked for next.
#[derive(Debug, Default)]
pub(super) struct Archiving {
    after: Option<Duration>,
    /// Whoever has it locked is archiving.
    next: Mutex<Option<Instant>>,
}

impl Archiving {
    pub(super) fn new(after: Option<Duration>) -> Self {
        Self {
            after,
            next: Mutex::default(),
        }
    }

    pub(super) const fn is_wanted(&self) -> bool {
        self.after.is_some()
    }
}

/// Has the store archive what finished long ago, when it is time for that and this gate's duty.
pub(super) async fn archive(shared: Arc<Shared>) {
    let Some(after) = shared.archiving.after else {
        return;
    };
    if !shared.duties.has(&Duty::Archive) {
        return;
    }
    let Ok(mut next) = shared.archiving.next.try_lock() else {
        return;
    };
    if next.is_some_and(|next| Instant::now() < next) {
        return;
    }
    let wait = match shared.store().archive(after).await {
        Ok(0) => EVERY,
        Ok(archived) => {
            observe::archived(archived);
            EVERY
        }
        Err(error) => {
            tracing::error!(%error, "what finished long ago was not archived");
            AGAIN
        }
    };
    *next = Some(Instant::now() + wait);
}
