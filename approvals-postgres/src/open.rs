//! Opening a request: what is known is looked up, judged and acted on in one transaction.

use std::sync::Arc;

use approvals_core::RequestStore;
use approvals_core::audit::NewEvent;
use approvals_core::review::{
    Admission, Bucket, Opening, Record, Standing, State, Transition, admit,
};
use approvals_core::store::{Delivery, Opened, lookup};
use approvals_core::{StoreError, Timestamp};
use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use crate::PostgresStore;
use crate::clock::timed;
use crate::copies::Noted;
use crate::failure::Failure;
use crate::rows::{self, Beside};
use crate::swap::equal;
use crate::transaction::{Ended, Locks, Work};

/// Everything that an opening is judged by, read after its key, digest and bucket were locked.
/// `$8` and `$9` are how long traffic and proposals count, in milliseconds.
///
/// Of the denials of a digest only the latest decides.
pub(crate) const STANDING: &str = timed!(
    "SELECT clock, latest, now, last_event, \
     EXISTS (SELECT FROM requests WHERE id = $3) OR EXISTS (SELECT FROM archived WHERE id = $3) \
     AS known, \
     (SELECT coalesce(r.record, a.record) FROM keys k LEFT JOIN requests r ON r.id = k.request \
     LEFT JOIN archived a ON a.id = k.request WHERE k.key = $4) AS keyed, \
     EXISTS (SELECT FROM keys WHERE key = $4) AS key_known, \
     ARRAY(SELECT record FROM requests WHERE digest = $5 AND decides \
     AND (phase IN ('executing', 'in_doubt') OR grant_until > now)) \
     || ARRAY(SELECT record FROM requests WHERE digest = $5 AND denied_at IS NOT NULL \
     ORDER BY denied_at DESC LIMIT 1) AS equal, \
     (SELECT count(*) FROM requests WHERE bucket = $6 AND phase = 'pending') AS pending, \
     (SELECT count(*) FROM requests WHERE bucket = $6 AND asked_at > now - $8) AS asks, \
     (SELECT count(*) FROM requests WHERE bucket = $6 AND denied_here_at > now - $8) AS denials, \
     (SELECT max(denied_here_at) FROM requests WHERE bucket = $6 AND denied_here_at > now - $8) \
     AS last_denial, \
     ARRAY(SELECT record FROM requests WHERE proposed_to = $7 AND denied_here_at > now - $9) \
     AS proposals \
     FROM time"
);

impl PostgresStore {
    pub(crate) async fn opened(
        &self,
        opening: &Opening,
        deliveries: &[Delivery],
    ) -> Result<Opened, StoreError> {
        let asked = &opening.asked;
        let bucket = lookup::bucket(asked);
        let mut locks = Locks::default().name(&asked.digest).name(&bucket);
        if let Some(key) = &opening.key {
            locks = locks.name(key);
        }
        let deliveries = deliveries
            .iter()
            .map(|delivery| Noted::of(delivery, asked.asked_at))
            .collect::<Result<Vec<_>, StoreError>>()?;
        let opening = OpeningIn {
            opening,
            bucket: bucket.as_bytes().to_vec(),
            deliveries: &deliveries,
        };
        let opened = self.transaction(&locks, &opening).await?;
        if let Opened::Granted { record, .. } = &opened
            && let Some(grantor) = record.granted_by
        {
            self.hints().changed(grantor);
        }
        Ok(opened)
    }
}

struct OpeningIn<'a> {
    opening: &'a Opening,
    bucket: Vec<u8>,
    deliveries: &'a [Noted],
}

#[async_trait]
impl Work for OpeningIn<'_> {
    type Done = Opened;

    async fn attempt(
        &self,
        store: &PostgresStore,
        connection: &mut PgConnection,
    ) -> Result<Ended<Opened>, Failure> {
        let opening = self.opening;
        let about = &opening.asked;
        let asked = store.time.ask()?;
        let millis = |span: std::time::Duration| i64::try_from(span.as_millis());
        let row = sqlx::query(STANDING)
            .bind(asked.given)
            .bind(asked.told)
            .bind(about.id.to_bytes().to_vec())
            .bind(opening.key.map(|key| key.as_bytes().to_vec()))
            .bind(about.digest.as_bytes().to_vec())
            .bind(&self.bucket)
            .bind(lookup::proposals(about).as_bytes().to_vec())
            .bind(millis(lookup::TRAFFIC_COUNTS_FOR).unwrap_or(i64::MAX))
            .bind(millis(lookup::PROPOSAL_COUNTS_FOR).unwrap_or(i64::MAX))
            .fetch_one(&mut *connection)
            .await?;
        let now = store.time.of(&row, asked)?;
        if row.try_get("known")? {
            return Err(Failure::invalid(format!(
                "a request with the id {} exists: make a new id",
                about.id
            )));
        }
        let standing = standing(opening, &row)?;
        match admit(opening, &standing, now) {
            Admission::Refuse(refusal) => Ok(Ended::RollBack(Opened::Refused(refusal))),
            Admission::Found(record) => Ok(Ended::RollBack(Opened::Found(record))),
            Admission::Ask(transition) => {
                let beside = Beside {
                    key: opening.key,
                    deliveries: self.deliveries,
                    asks: true,
                };
                let (record, last_event) = make(connection, *transition, beside, now).await?;
                Ok(Ended::Commit(Opened::Asked { record, last_event }))
            }
            Admission::UseGrant { grantor, record } => {
                let poorer = &grantor.record;
                let events = events_of(&grantor);
                let was = poorer.state.phase().as_str();
                let hint = store.hint();
                let written = rows::replace(connection, poorer, was, &events, now, hint).await?;
                if written.changed != 1 {
                    return Ok(Ended::Again);
                }
                // Nobody is asked, so no channel is given anything.
                let beside = Beside {
                    key: opening.key,
                    deliveries: &[],
                    asks: false,
                };
                let (record, last_event) = make(connection, *record, beside, now).await?;
                Ok(Ended::Commit(Opened::Granted { record, last_event }))
            }
        }
    }
}

fn standing(opening: &Opening, row: &PgRow) -> Result<Standing, Failure> {
    let keyed: Option<&str> = row.try_get("keyed")?;
    let keyed = keyed.map(|text| rows::record("the request of this key", text));
    let keyed = keyed.transpose()?;
    if keyed.is_none() && row.try_get("key_known")? {
        return Err(Failure::invalid(
            "the request of this key is gone: restore the store from a backup",
        ));
    }
    let count = |column: &str| -> Result<u32, Failure> {
        let count: i64 = row.try_get(column)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    };
    let last_denial: Option<i64> = row.try_get("last_denial")?;
    Ok(Standing {
        keyed,
        same_digest: equal(row, "equal", &opening.asked.digest)?,
        bucket: Bucket {
            pending: count("pending")?,
            asks: count("asks")?,
            denials: count("denials")?,
            last_denial: last_denial.map(rows::time),
        },
        proposals: equal(row, "proposals", &opening.asked.digest)?
            .iter()
            .filter_map(|record| match &record.state {
                State::Denied { by, proposal, .. } => {
                    proposal.clone().map(|proposal| (by.clone(), proposal))
                }
                _ => None,
            })
            .collect(),
    })
}

fn events_of(transition: &Transition) -> Vec<NewEvent> {
    let record = &transition.record;
    let about = |what| NewEvent::about(record.id(), record.revision, what);
    transition.events.iter().cloned().map(about).collect()
}

async fn make(
    connection: &mut PgConnection,
    transition: Transition,
    beside: Beside<'_>,
    now: Timestamp,
) -> Result<(Arc<Record>, u64), Failure> {
    let events = events_of(&transition);
    let written = rows::insert(connection, &transition.record, beside, &events, now).await?;
    let last_event = written.last.map_or(0, |(number, _)| number);
    Ok((Arc::new(transition.record), last_event))
}
