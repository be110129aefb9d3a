//! Opening a request: what is known is looked up, judged and written in one transaction.

use std::sync::Arc;

use approvals_core::audit::NewEvent;
use approvals_core::review::{Admission, Bucket, Opening, Standing, Transition, admit};
use approvals_core::store::lookup::{Columns, PROPOSAL_COUNTS_FOR, bucket, proposals};
use approvals_core::store::{Delivery, Known, Opened, StoreError, encoding};
use approvals_core::{Digest, PersonId, Phase, Record, Timestamp, What};

use crate::clock::StoreClock;
use crate::copies;
use crate::decoded::Decoded;
use crate::entries::{self, Stands};
use crate::head::{latest, latest_in};
use crate::rows::{self, Row};
use crate::script::Script;
use crate::swapping::{Text, Written};
use crate::traffic::Traffic;
use crate::transaction::{Failure, Transaction};

/// Everything that decides about an opening, in one statement. Of the denials of a digest only the
/// latest decides.
pub(crate) const STANDING: &str = "
SELECT 'exists' AS kind, NULL AS id, NULL AS text, NULL AS person, NULL AS pending, NULL AS asks, NULL AS denials
FROM requests INDEXED BY requests_by_id WHERE id = ?
UNION ALL
SELECT 'keyed', k.request, coalesce(r.record, t.record, ''), NULL, NULL, NULL, NULL
FROM keys k LEFT JOIN requests r ON r.id = k.request LEFT JOIN tombstones t ON t.id = k.request
WHERE k.key = ?
UNION ALL
SELECT 'equal', r.id, r.record, NULL, NULL, NULL, NULL
FROM entries e CROSS JOIN requests r INDEXED BY requests_by_id ON r.id = e.request
WHERE e.kind = 4 AND e.value = ? AND r.found = 'decides'
UNION ALL
SELECT 'equal', id, record, NULL, NULL, NULL, NULL FROM (
    SELECT r.id, r.record
    FROM entries e CROSS JOIN requests r INDEXED BY requests_by_id ON r.id = e.request
    WHERE e.kind = 11 AND e.value = ? ORDER BY e.part DESC LIMIT 1)
UNION ALL
SELECT 'bucket', NULL, NULL, NULL, pending, asks, denials FROM buckets WHERE bucket = ?
UNION ALL
SELECT 'proposal', NULL, proposal, person, NULL, NULL, NULL
FROM proposals INDEXED BY proposals_by_chain WHERE chain = ? AND at > ?";

/// What of an opening is worked out before the writer gets it, which has others to serve.
#[derive(Debug)]
pub(crate) struct Worded {
    bucket: Digest,
    proposals: Digest,
    /// What was asked, as JSON.
    asked: String,
    /// The event that it was, as JSON.
    requested: [String; 1],
}

impl Worded {
    pub(crate) fn of(opening: &Opening) -> Result<Self, StoreError> {
        let asked = encoding::encode_asked(&opening.asked)?;
        Ok(Self {
            bucket: bucket(&opening.asked),
            proposals: proposals(&opening.asked),
            requested: [requested(&asked)],
            asked,
        })
    }
}

/// [`What::Requested`] as JSON, of what was asked as JSON: most of a request, put into words once.
fn requested(asked: &str) -> String {
    ["{\"what\":\"requested\",\"asked\":", asked, "}"].concat()
}

/// What the lookup found.
struct Looked {
    standing: Standing,
    exists: bool,
    asks: Traffic,
}

/// What decides about an opening whose key names a request already, in a snapshot that is only read.
pub(crate) const KEYED: &str = concat!(
    "SELECT 'latest' AS kind, NULL AS id, NULL AS text, ",
    latest!(),
    " AS latest, NULL AS copies
UNION ALL
SELECT 'keyed', k.request, coalesce(r.record, t.record, ''), NULL, coalesce(r.copies, '[]')
FROM keys k LEFT JOIN requests r ON r.id = k.request LEFT JOIN tombstones t ON t.id = k.request
WHERE k.key = ?
UNION ALL
SELECT 'equal', r.id, r.record, NULL, NULL
FROM entries e CROSS JOIN requests r INDEXED BY requests_by_id ON r.id = e.request
WHERE e.kind = 4 AND e.value = ? AND r.found = 'decides' AND r.phase IN ('executing', 'in_doubt')"
);

pub(crate) fn keyed(key: Digest, digest: Digest) -> Script {
    let mut script = Script::new(KEYED);
    script
        .bind(key.as_bytes().to_vec())
        .bind(digest.as_bytes().to_vec());
    script
}

/// What these rows tell.
pub(crate) fn told(
    rows: &[Row],
    clock: &StoreClock,
    decoded: &Decoded,
) -> Result<Known, StoreError> {
    let mut standing = Standing::default();
    let mut latest = Timestamp::from_millis(0);
    let mut deliveries = Vec::new();
    for row in rows {
        match rows::value::<&str>(row, "kind")? {
            "latest" => latest = latest_in(row, "latest")?,
            "keyed" => {
                let text = rows::value(row, "text")?;
                standing.keyed = Some(decoded.record_once(rows::id(row, "id")?, text)?);
                deliveries = rows::copies(row)?;
            }
            _ => standing
                .same_digest
                .extend(rows::record(row, "text")?.map(Arc::new)),
        }
    }
    Ok(Known {
        now: clock.now(latest)?,
        standing,
        deliveries: deliveries.into(),
    })
}

/// What an opening with a key finds under it, where nothing is to be written. A key names its
/// request for good, and what was found is judged again before anything is done with it.
pub(crate) fn found(opening: &Opening, known: &Known) -> Option<Arc<Record>> {
    known.standing.keyed.as_ref()?;
    match admit(opening, &known.standing, known.now) {
        Admission::Found(record) => Some(record),
        Admission::Refuse(_) | Admission::Ask(_) | Admission::UseGrant { .. } => None,
    }
}

/// Judges and carries out an opening. Returned with it is the text of a record that was made.
pub(crate) fn open(
    transaction: &mut Transaction<'_>,
    opening: &Opening,
    deliveries: &[Delivery],
    worded: &Worded,
) -> Result<(Opened, Option<Text>), Failure> {
    let now = transaction.now()?;
    let rows = standing(opening, worded, now).rows(transaction.connection)?;
    let Looked {
        standing,
        exists,
        mut asks,
    } = known(&rows, now)?;
    if exists {
        return Err(Failure::Refused(StoreError::Invalid(format!(
            "a request with the id {} exists: make a new id",
            opening.asked.id
        ))));
    }
    Ok(match admit(opening, &standing, now) {
        Admission::Refuse(refusal) => (Opened::Refused(refusal), None),
        Admission::Found(record) => (Opened::Found(record), None),
        Admission::Ask(transition) => {
            asks.add(now);
            let mut script = Script::default();
            let (record, text) = insert(
                transaction,
                &mut script,
                *transition,
                deliveries,
                (opening, worded),
                now,
            )?;
            script
                .add("; INSERT INTO buckets (bucket, pending, asks, denials) VALUES (?, 1, ?, x'') ON CONFLICT (bucket) DO UPDATE SET pending = pending + 1, asks = excluded.asks")
                .bind(worded.bucket.as_bytes().to_vec())
                .bind(asks.bytes());
            transaction.write(script)?;
            let last_event = transaction.head.last_event;
            (Opened::Asked { record, last_event }, Some(text))
        }
        Admission::UseGrant { grantor, record } => {
            let mut script = Script::default();
            let Transition {
                record: poorer,
                events,
            } = *grantor;
            let events = about(&poorer, events);
            let before = crate::swapping::standing(transaction, poorer.id())?;
            let written = Written::of(&poorer, None)?;
            crate::swapping::update(&mut script, &poorer, &written, &before.stands);
            transaction.lately.forget(poorer.id());
            transaction.events(&mut script, &events, &[], now)?;
            transaction.changed(poorer.id());
            // Nobody is asked, so no channel is given anything.
            let (record, text) = insert(
                transaction,
                &mut script,
                *record,
                &[],
                (opening, worded),
                now,
            )?;
            transaction.write(script)?;
            let last_event = transaction.head.last_event;
            (Opened::Granted { record, last_event }, Some(text))
        }
    })
}

fn about(record: &Record, events: Vec<approvals_core::What>) -> Vec<NewEvent> {
    events
        .into_iter()
        .map(|what| NewEvent::about(record.id(), record.revision, what))
        .collect()
}

/// What decides about an opening, to be looked up.
fn standing(opening: &Opening, worded: &Worded, now: Timestamp) -> Script {
    let asked = &opening.asked;
    let digest = asked.digest.as_bytes().to_vec();
    let mut script = Script::new(STANDING);
    script
        .bind(asked.id.to_bytes().to_vec())
        .bind(opening.key.map(|key| key.as_bytes().to_vec()))
        .bind(digest.clone())
        .bind(digest)
        .bind(worded.bucket.as_bytes().to_vec())
        .bind(worded.proposals.as_bytes().to_vec())
        .bind_number(now.minus(PROPOSAL_COUNTS_FOR).as_millis());
    script
}

fn known(rows: &[Row], now: Timestamp) -> Result<Looked, StoreError> {
    let mut known = Looked {
        standing: Standing::default(),
        exists: false,
        asks: Traffic::default(),
    };
    for row in rows {
        let standing = &mut known.standing;
        match rows::value::<&str>(row, "kind")? {
            "exists" => known.exists = true,
            "keyed" => standing.keyed = rows::record(row, "text")?.map(Arc::new),
            "equal" => standing
                .same_digest
                .extend(rows::record(row, "text")?.map(Arc::new)),
            "bucket" => {
                let mut asks = Traffic::read(rows::value(row, "asks")?);
                let mut denials = Traffic::read(rows::value(row, "denials")?);
                asks.forget(now);
                denials.forget(now);
                let pending = rows::number(row, "pending")?;
                standing.bucket = Bucket {
                    pending: u32::try_from(pending).unwrap_or(u32::MAX),
                    asks: asks.total(),
                    denials: denials.total(),
                    last_denial: denials.last(),
                };
                known.asks = asks;
            }
            "proposal" => {
                let wrong = |why: String| {
                    StoreError::Invalid(format!(
                        "the store is damaged: a proposal cannot be read ({why}): restore it from a backup"
                    ))
                };
                let person = PersonId::new(rows::value::<&str>(row, "person")?)
                    .map_err(|e| wrong(e.to_string()))?;
                let proposal = serde_json::from_str(rows::value(row, "text")?)
                    .map_err(|e| wrong(e.to_string()))?;
                standing.proposals.push((person, Arc::new(proposal)));
            }
            other => {
                return Err(StoreError::Invalid(format!(
                    "the lookup has a part `{other}` that nobody reads"
                )));
            }
        }
    }
    Ok(known)
}

/// Adds a new record to what is written.
fn insert(
    transaction: &mut Transaction<'_>,
    script: &mut Script,
    transition: Transition,
    deliveries: &[Delivery],
    (opening, worded): (&Opening, &Worded),
    now: Timestamp,
) -> Result<(Arc<Record>, Text), StoreError> {
    let Transition { record, events } = transition;
    let columns = Columns::in_bucket(&record, worded.bucket);
    let text = if Arc::ptr_eq(&record.asked, &opening.asked) {
        Text::of(&record, &worded.asked)?
    } else {
        Text::of(&record, &encoding::encode_asked(&record.asked)?)?
    };
    let id = columns.id.to_bytes().to_vec();
    script
        .add("; INSERT INTO requests (id, revision, schema, phase, finished, due_at, digest, found, bucket, waiter, review_owed, action, changed_at, copies, asked_at, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(id.clone())
        .bind_number(columns.revision)
        .bind(i64::from(columns.schema))
        .bind_text(columns.phase.as_str())
        .bind(columns.phase.is_final())
        .bind(columns.due_at.map(bounded))
        .bind(columns.digest.as_bytes().to_vec())
        .bind(columns.found.map(|found| found.as_str().to_owned()))
        .bind(columns.bucket.as_bytes().to_vec())
        .bind(columns.waiter.map(|waiter| waiter.to_bytes().to_vec()))
        .bind(columns.review_owed)
        .bind(columns.action.as_str().to_owned())
        .bind_number(record.changed_at.as_millis())
        .bind(rows::json(deliveries)?)
        .bind_number(record.asked.asked_at.as_millis())
        .bind_text(&text.whole);
    for delivery in deliveries {
        copies::moved(
            script,
            columns.id,
            record.asked.asked_at,
            None,
            Some(delivery),
        );
    }
    let stands = Stands::of(&columns, record.changed_at);
    entries::moved(script, &columns, None, Some(&stands));
    if let Some(key) = opening.key {
        script
            .add("; INSERT INTO keys (key, request) VALUES (?, ?)")
            .bind(key.as_bytes().to_vec())
            .bind(id);
    }
    if let Some(waiter) = columns.waiter.filter(|_| columns.phase == Phase::Pending) {
        // Nothing is known of it: until it says that it is alive, it is gone.
        script
            .add("; INSERT INTO gates (owner, alive_until) VALUES (?, 0) ON CONFLICT DO NOTHING")
            .bind(waiter.to_bytes().to_vec());
    }
    let events = about(&record, events);
    let texts: &[String] = match events.first().map(|event| &event.what) {
        Some(What::Requested { asked }) if Arc::ptr_eq(asked, &opening.asked) => &worded.requested,
        Some(_) | None => &[],
    };
    transaction.events(script, &events, texts, now)?;
    // Whatever fails from here on ends the transaction, and nothing of it is known any more.
    transaction.lately.stands(&columns, stands);
    Ok((Arc::new(record), text))
}

pub(crate) fn bounded(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use approvals_testing::sample::Sample;

    use super::*;

    #[test]
    fn what_was_asked_says_the_same_in_the_event_as_alone() {
        let opening = Sample::at(Timestamp::from_millis(1_000_000)).opening();
        let event = encoding::encode_event(&What::Requested {
            asked: Arc::clone(&opening.asked),
        });
        assert_eq!(Worded::of(&opening).unwrap().requested, [event.unwrap()]);
    }
}
