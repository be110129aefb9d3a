//! What the model checker drives. Not for use by hand: no promise is made about it.

use crate::id::RequestId;
use crate::review::Command;
use crate::store::{self, Outcome, RequestStore, Snapshot, StoreError};

/// Carries a command out by the code that the gate and the desk use. Whether it took effect.
///
/// # Errors
/// [`StoreError`], as the store says.
pub async fn carry_out(
    store: &dyn RequestStore,
    id: RequestId,
    command: &Command,
    from: Option<Snapshot>,
) -> Result<bool, StoreError> {
    Ok(match store::carry_out(store, id, command, from).await? {
        Outcome::Done { .. } => true,
        Outcome::Refused { .. } | Outcome::Stale | Outcome::Unknown => false,
    })
}
