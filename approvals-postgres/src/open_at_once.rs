//! An opening in one round trip, where nothing is known that decides about it.

use std::sync::Arc;

use approvals_core::StoreError;
use approvals_core::review::{Admission, Record, Standing, admit};
use approvals_core::store::{Opened, lookup};

use crate::PostgresStore;
use crate::clock::Trusted;
use crate::copies::Noted;
use crate::open::{OpeningIn, events_of, millis};
use crate::parameters::{Bound, Parameters};
use crate::rows::{self, When};
use crate::transaction::Locks;

/// Stores a new request if nothing is known that decides about it, and else changes nothing. Whatever
/// is known is judged under the same locks by [`STANDING`](crate::open::STANDING).
pub(crate) const OPEN: &str = "SELECT * FROM open_at_once($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
     $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, \
     $33)";

impl PostgresStore {
    /// The request that was made, or `None` where something is known that may decide: then nothing
    /// was done.
    pub(crate) async fn open_at_once(
        &self,
        locks: &Locks,
        opening: &OpeningIn<'_>,
    ) -> Result<Option<Opened>, StoreError> {
        // See `swap_at_once`.
        if !self.connections.was_heard_of_just_now() {
            return Ok(None);
        }
        let Some(trusted) = self.time.trusted() else {
            return Ok(None);
        };
        let nothing = Standing::default();
        let Admission::Ask(transition) = admit(opening.opening, &nothing, trusted.told) else {
            return Ok(None);
        };
        let values = rows::numbered::<Bound>(
            &events_of(&transition),
            When {
                now: trusted.told,
                not_after: None,
            },
        );
        let values = values
            .and_then(|values| rows::with_columns(values, &transition.record))
            .map_err(StoreError::from)?;
        let values = with_opening(values, &transition.record, opening, trusted);
        let values = locks.bound(values).arguments();
        let values = values.map_err(StoreError::from)?;
        let done = self.at_once(OPEN, values).await?;
        Ok(done.map(|last_event| Opened::Asked {
            record: Arc::new(transition.record),
            last_event,
        }))
    }
}

fn with_opening(
    values: Bound,
    record: &Record,
    opening: &OpeningIn<'_>,
    trusted: Trusted,
) -> Bound {
    let OpeningIn {
        opening,
        bucket,
        deliveries,
    } = opening;
    let asked = &opening.asked;
    let principals = rows::principals(&lookup::Columns::of(record));
    let copies = deliveries.iter();
    let limit = |limit: u32| (limit < u32::MAX).then(|| i64::from(limit));
    values
        .text(asked.call.action().as_str())
        .bytes(Some(asked.digest.as_bytes()))
        .bytes(Some(bucket.as_bytes()))
        .bytes(opening.key.as_ref().map(|key| &key.as_bytes()[..]))
        .all_texts(principals.iter().map(String::as_str))
        .all_texts(copies.clone().map(|copy| copy.channel.as_str()))
        .all_texts(copies.clone().map(|copy| copy.body.as_str()))
        .all_numbers(copies.map(|copy: &Noted| copy.due))
        .count(trusted.latest.as_millis())
        .number(limit(opening.limits.pending))
        .number(limit(opening.limits.asks_per_hour))
        .bytes(Some(lookup::proposals(asked).as_bytes()))
        .number(millis(lookup::TRAFFIC_COUNTS_FOR))
        .number(millis(lookup::PROPOSAL_COUNTS_FOR))
}
