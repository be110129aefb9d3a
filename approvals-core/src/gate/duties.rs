//! Which background work this gate does for all that share its store.
//!
//! Each [`Duty`] has a lease in the store. The worker takes what is free and renews what it has;
//! a gate that ends gives its duties up, and those of one that died are free when their time has
//! passed. Whoever could not renew in time stops by its own monotonic clock, which was read before
//! the store was asked, so that it stops before anybody else begins.
//!
//! A lease keeps work from being done twice; it does not make anything safe. Where two gates
//! overlap all the same (a machine that was suspended between looking at its lease and acting on
//! it), deadlines are commands, of which one is committed and the other refused; a copy that is
//! posted twice answers the same request; a message that is updated twice shows the newer state or
//! is updated once more; and sinks are idempotent by the event's id, with a cursor that never goes
//! back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::id::OwnerId;
use crate::store::{Duty, RequestStore};

/// How long a duty is kept without being renewed, unless claims are kept for less.
const LONGEST: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Duties {
    owner: OwnerId,
    lease: Duration,
    /// Until when this gate has what it has.
    held: Mutex<BTreeMap<Duty, Instant>>,
}

impl Duties {
    pub(super) fn new(owner: OwnerId, lease: Duration) -> Self {
        Self {
            owner,
            lease: lease.min(LONGEST),
            held: Mutex::default(),
        }
    }

    pub(super) const fn owner(&self) -> OwnerId {
        self.owner
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Duty, Instant>> {
        self.held.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether this gate has a duty now.
    pub(super) fn has(&self, duty: &Duty) -> bool {
        let until = self.held().get(duty).copied();
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Takes a duty that is free, or renews it before its time is short. Says whether this gate
    /// has come to have it just now.
    pub(super) async fn take(&self, store: &dyn RequestStore, duty: &Duty) -> bool {
        let began = Instant::now();
        let until = self.held().get(duty).copied();
        if until.is_some_and(|until| began + self.lease.mul_f32(0.7) < until) {
            return false;
        }
        match store.lease(duty, self.owner, self.lease).await {
            Ok(true) => {
                self.held().insert(duty.clone(), began + self.lease);
                until.is_none_or(|until| until <= began)
            }
            Ok(false) => {
                self.held().remove(duty);
                false
            }
            // What it has runs out by itself.
            Err(error) => {
                tracing::error!(%duty, %error, "a duty could not be renewed");
                false
            }
        }
    }

    /// Gives a duty up, so that others need not wait until its time has passed.
    pub(super) async fn give_up(&self, store: &dyn RequestStore, duty: &Duty) {
        if self.held().remove(duty).is_none() {
            return;
        }
        if let Err(error) = store.lease(duty, self.owner, Duration::ZERO).await {
            tracing::debug!(%duty, %error, "a duty is free when its time has passed");
        }
    }
}
