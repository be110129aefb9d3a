//! Deadlines that have passed and that the store does not record: nobody waits for them for ever.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::errors::from_state;
use super::review::{expired, told};
use super::{Gate, Shared};
use crate::error::{ApprovalError, Kind};
use crate::id::RequestId;
use crate::review::{Command, Phase, Record};
use crate::store::{Delivery, Outcome, Seen, StoreError, carry_out};
use crate::time::Timestamp;

/// How long after a deadline it is recorded at the latest, beside the lease that whoever minds
/// deadlines may have had when it died.
const RECORDED_WITHIN: Duration = Duration::from_secs(30);

/// When everything that was due had last taken effect by this gate.
#[derive(Debug)]
pub(crate) struct Looked(Mutex<Instant>);

impl Looked {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    pub(super) fn now(&self) {
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = Instant::now();
    }

    fn elapsed(&self) -> Duration {
        let looked = *self.0.lock().unwrap_or_else(|e| e.into_inner());
        looked.elapsed()
    }
}

impl Shared {
    /// How long whoever waits puts up with a deadline that is not recorded, or with a store that
    /// does not answer. By then another gate has taken deadlines over from one that died.
    fn patience(&self) -> Duration {
        RECORDED_WITHIN.saturating_add(self.lease)
    }
}

/// Has those who wait look for themselves, an eighth at every turn: where another process may have
/// made a change, and where deadlines have not taken effect for a while. Asks nothing of the store,
/// so that nothing keeps it, by the monotonic clock alone.
pub(super) async fn keep_waking(shared: Arc<Shared>, tick: Duration) {
    let mut turn = 0_u8;
    loop {
        sleep(tick).await;
        turn = turn.wrapping_add(1);
        let store = shared.store();
        if store.is_durable() || shared.looked.elapsed() >= shared.patience() {
            store.hints().some_may_have_changed(turn);
        }
    }
}

impl Gate {
    /// Reads a request, as long as there is patience for it.
    pub(super) async fn read(&self, request: RequestId) -> Result<Seen, ApprovalError> {
        let read = self.shared().store().read_with_deliveries(request);
        match self.answered(read).await {
            Ok(Some(seen)) => Ok(seen),
            Ok(None) => Err(ApprovalError::new(
                Kind::Unavailable,
                "the store has lost the request",
            )
            .request(request)),
            Err(error) => Err(ApprovalError::unavailable("the store", error).request(request)),
        }
    }

    async fn answered<T>(
        &self,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let patience = self.shared().patience();
        match timeout(patience, question).await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::Unreachable(format!(
                "it has not answered for {} seconds",
                patience.as_secs()
            ))),
        }
    }

    /// Invariant 2: refuses what has been too late for longer than it takes to record that, when it
    /// cannot be recorded now either. Nobody can vote for it or start it any more, so nothing runs
    /// later, whenever the store takes changes again.
    pub(super) async fn judge_overdue(
        &self,
        record: &Record,
        deliveries: &[Delivery],
        now: Timestamp,
    ) -> Result<(), ApprovalError> {
        let late = record.late_from();
        if late.is_none_or(|late| now < late.plus(self.shared().patience())) {
            return Ok(());
        }
        Box::pin(self.record_overdue(record, deliveries)).await
    }

    async fn record_overdue(
        &self,
        record: &Record,
        deliveries: &[Delivery],
    ) -> Result<(), ApprovalError> {
        let request = record.id();
        let due = carry_out(self.shared().store(), request, &Command::Due, None);
        let why = match self.answered(due).await {
            Ok(Outcome::Done { record, .. }) => return over(&record, deliveries),
            // Somebody else was first.
            Ok(Outcome::Refused { record: found, .. }) if found.revision != record.revision => {
                return over(&found, deliveries);
            }
            Ok(Outcome::Refused { refused, .. }) => refused.to_string(),
            Ok(Outcome::Stale | Outcome::Unknown) => "the store has lost the request".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::error!(%request, %why, "a deadline has passed and cannot be recorded");
        let error = ApprovalError::new(
            Kind::Unavailable,
            "its deadline has passed, and the store could not record that",
        );
        Err(told(error.request(request).detailed(why)))
    }
}

/// What is told of a request after what was due has taken effect, if it is over now.
fn over(record: &Record, deliveries: &[Delivery]) -> Result<(), ApprovalError> {
    match record.state.phase() {
        Phase::Pending | Phase::Approved | Phase::Claimed | Phase::Executing => Ok(()),
        Phase::Expired => Err(expired(record, deliveries)),
        Phase::Succeeded
        | Phase::Failed
        | Phase::InDoubt
        | Phase::Denied
        | Phase::Withdrawn
        | Phase::Revoked
        | Phase::Lapsed => Err(told(from_state(record))),
    }
}
