//! Opening a request: what is known is looked up, judged and acted on in one transaction.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::RequestStore;
use approvals_core::audit::NewEvent;
use approvals_core::digest::Digest;
use approvals_core::review::{
    Admission, Bucket, Opening, Record, Standing, State, Transition, admit,
};
use approvals_core::store::{Delivery, Known, Opened, lookup};
use approvals_core::{StoreError, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::clock::{Asked, timed};
use crate::copies::{self, Noted};
use crate::exchange::{Exchange, Judgment};
use crate::failure::Failure;
use crate::literal::Prepared;
use crate::parameters::Parameters;
use crate::read::Keyed;
use crate::rows::{self, Beside, When};
use crate::swap::equal;
use crate::transaction::Locks;

/// Everything that an opening is judged by, read after its key, digest and bucket were locked.
/// `$8` and `$9` are how long traffic and proposals count, in milliseconds.
///
/// Of the denials of a digest only the latest decides.
pub(crate) const STANDING: Prepared = Prepared {
    name: "approvals_standing",
    types: "bigint, bigint, bytea, bytea, bytea, bytea, bytea, bigint, bigint",
    sql: timed!(
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
    ),
};

/// What decides about calls that come back, in their order: what a key names, what is executing or
/// in doubt of the same digest, and the copies.
pub(crate) const KNOWN: &str = timed!(
    "SELECT clock, latest, now, named.request IS NOT NULL AS key_known, \
     coalesce((SELECT record FROM requests WHERE id = named.request), \
     (SELECT record FROM archived WHERE id = named.request)) AS keyed, \
     ARRAY(SELECT record FROM requests WHERE digest = named.digest AND decides \
     AND phase IN ('executing', 'in_doubt')) AS equal, \
     ARRAY(SELECT body FROM deliveries WHERE request = named.request ORDER BY channel) AS copies \
     FROM time, (SELECT (SELECT request FROM keys k WHERE k.key = asked.key) AS request, \
     asked.digest, asked.place \
     FROM unnest($3::bytea[], $4::bytea[]) WITH ORDINALITY AS asked (key, digest, place) OFFSET 0) \
     AS named ORDER BY named.place"
);

impl PostgresStore {
    pub(crate) async fn known_under(
        &self,
        key: Digest,
        digest: Digest,
    ) -> Result<Known, StoreError> {
        let calls = &self.comes_back.called;
        let asking = self.together(calls, (key, digest), |calls, asked| {
            let [keys, digests] = [|call: &Keyed| call.0, |call: &Keyed| call.1].map(|of| {
                let all = calls.iter().map(|call| of(call).as_bytes().to_vec());
                all.collect::<Vec<_>>()
            });
            sqlx::query(KNOWN)
                .bind(asked.given)
                .bind(asked.told)
                .bind(keys)
                .bind(digests)
        });
        let (row, now) = asking.await?;
        let keyed = keyed(&row)?;
        let deliveries = match &keyed {
            Some(record) => copies::all(record.id(), &row)?,
            None => Arc::from([]),
        };
        Ok(Known {
            now,
            deliveries,
            standing: Standing {
                keyed,
                same_digest: equal(&row, "equal", &digest)?,
                ..Standing::default()
            },
        })
    }

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
            bucket,
            deliveries: &deliveries,
        };
        let opened = match self.open_at_once(&locks, &opening).await? {
            Some(opened) => opened,
            None => self.exchange(&locks, &opening).await?,
        };
        if let Opened::Granted { record, .. } = &opened
            && let Some(grantor) = record.granted_by
        {
            self.hints().changed(grantor);
        }
        Ok(opened)
    }
}

/// An opening with what is written beside it.
pub(crate) struct OpeningIn<'a> {
    pub(crate) opening: &'a Opening,
    pub(crate) bucket: Digest,
    pub(crate) deliveries: &'a [Noted],
}

impl Exchange for OpeningIn<'_> {
    type Done = Opened;

    fn question(&self, asked: Asked) -> String {
        let about = &self.opening.asked;
        let key = self.opening.key.as_ref();
        let values = asked
            .values()
            .bytes(Some(&about.id.to_bytes()))
            .bytes(key.map(|key| &key.as_bytes()[..]))
            .bytes(Some(about.digest.as_bytes()))
            .bytes(Some(self.bucket.as_bytes()))
            .bytes(Some(lookup::proposals(about).as_bytes()))
            .number(millis(lookup::TRAFFIC_COUNTS_FOR))
            .number(millis(lookup::PROPOSAL_COUNTS_FOR));
        STANDING.execute(&values)
    }

    fn judge(
        &self,
        store: &PostgresStore,
        row: &PgRow,
        asked: Asked,
    ) -> Result<Judgment<Opened>, Failure> {
        let opening = self.opening;
        let now = store.time.of(row, asked)?;
        if row.try_get("known")? {
            return Err(Failure::invalid(format!(
                "a request with the id {} exists: make a new id",
                opening.asked.id
            )));
        }
        let standing = standing(opening, row)?;
        match admit(opening, &standing, now) {
            Admission::Refuse(refusal) => Ok(Judgment::Answer(Opened::Refused(refusal))),
            Admission::Found(record) => Ok(Judgment::Answer(Opened::Found(record))),
            Admission::Ask(transition) => {
                let beside = Beside {
                    key: opening.key,
                    deliveries: self.deliveries,
                    asks: true,
                };
                let write = make(&transition, &beside, now)?;
                let record = Arc::new(transition.record);
                Ok(Judgment::Write(
                    write,
                    Box::new(move |row| {
                        let last_event = rows::last_event(row)?.unwrap_or(0);
                        Ok(Opened::Asked { record, last_event })
                    }),
                ))
            }
            Admission::UseGrant { grantor, record } => {
                let poorer = &grantor.record;
                let events = events_of(&grantor);
                let was = poorer.state.phase().as_str();
                let taken = rows::replace(poorer, was, &events, When::at(now), store.hint())?;
                // Nobody is asked, so no channel is given anything.
                let beside = Beside {
                    key: opening.key,
                    deliveries: &[],
                    asks: false,
                };
                let made = make(&record, &beside, now)?;
                let record = Arc::new(record.record);
                Ok(Judgment::Write(
                    format!("{taken}; {made}"),
                    Box::new(move |row| {
                        let last_event = rows::last_event(row)?.unwrap_or(0);
                        Ok(Opened::Granted { record, last_event })
                    }),
                ))
            }
        }
    }
}

/// A span as PostgreSQL has it.
pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The record that a key names.
fn keyed(row: &PgRow) -> Result<Option<Arc<Record>>, Failure> {
    let keyed: Option<&str> = row.try_get("keyed")?;
    let keyed = keyed.map(|text| rows::record("the request of this key", text));
    let keyed = keyed.transpose()?;
    if keyed.is_none() && row.try_get("key_known")? {
        return Err(Failure::invalid(
            "the request of this key is gone: restore the store from a backup",
        ));
    }
    Ok(keyed)
}

fn standing(opening: &Opening, row: &PgRow) -> Result<Standing, Failure> {
    let keyed = keyed(row)?;
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

pub(crate) fn events_of(transition: &Transition) -> Vec<NewEvent> {
    let record = &transition.record;
    let about = |what| NewEvent::about(record.id(), record.revision, what);
    transition.events.iter().cloned().map(about).collect()
}

fn make(transition: &Transition, beside: &Beside<'_>, now: Timestamp) -> Result<String, Failure> {
    rows::insert(&transition.record, beside, &events_of(transition), now)
}
