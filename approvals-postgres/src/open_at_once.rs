//! An opening in one round trip, where nothing is known that decides about it.

use std::sync::Arc;

use approvals_core::StoreError;
use approvals_core::review::{Admission, Record, Standing, admit};
use approvals_core::store::{Opened, lookup};

use crate::PostgresStore;
use crate::at_once::AtOnce;
use crate::clock::Trusted;
use crate::copies::Noted;
use crate::literal::{Prepared, Values};
use crate::open::{OpeningIn, events_of, millis};
use crate::rows::{self, When};
use crate::transaction::Locks;

/// Stores a new request if nothing is known that decides about it, and else changes nothing: its id
/// and its key are new, no equal call is executing, in doubt, denied or has a grant, nobody denied
/// or proposed anything lately that counts, the limits are not reached (`$27` and `$28`; null where
/// there is none), and the clock goes on as it should (`$5` and `$26`). `$30` and `$31` are how long
/// traffic and proposals count, in milliseconds. Whatever is known is judged under the same locks
/// by [`STANDING`](crate::open::STANDING).
pub(crate) const OPEN: Prepared = Prepared {
    name: "approvals_open",
    types: "bytea[], bytea[], bigint[], text[], bigint, bigint, bytea, bigint, integer, text, text, \
            bigint, bytea, boolean, bigint, bigint, boolean, text, bytea, bytea, bytea, text[], \
            text[], text[], bigint[], bigint, bigint, bigint, bytea, bigint, bigint",
    sql: "WITH reading AS MATERIALIZED (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)\
          ::bigint AS clock, latest FROM head LIMIT 1), \
          time AS MATERIALIZED (SELECT *, greatest(clock, latest, $5) AS now FROM reading), \
          free AS MATERIALIZED (SELECT now FROM time \
          WHERE clock BETWEEN greatest(latest, $5) - 2000 AND $26 \
          AND NOT EXISTS (SELECT FROM requests WHERE id = $7) \
          AND NOT EXISTS (SELECT FROM archived WHERE id = $7) \
          AND NOT EXISTS (SELECT FROM keys WHERE key = $21) \
          AND NOT EXISTS (SELECT FROM requests WHERE digest = $19 AND decides) \
          AND NOT EXISTS (SELECT FROM requests WHERE digest = $19 AND denied_at IS NOT NULL) \
          AND NOT EXISTS (SELECT FROM requests WHERE bucket = $20 AND denied_here_at > now - $30) \
          AND NOT EXISTS (SELECT FROM requests WHERE proposed_to = $29 \
          AND denied_here_at > now - $31) \
          AND ($27 IS NULL OR $27 > (SELECT count(*) FROM (SELECT FROM requests \
          WHERE bucket = $20 AND phase = 'pending' LIMIT $27) AS pending)) \
          AND ($28 IS NULL OR $28 > (SELECT count(*) FROM (SELECT FROM requests \
          WHERE bucket = $20 AND asked_at > now - $30 LIMIT $28) AS asks))), \
          made AS (INSERT INTO requests (id, revision, schema, phase, record, due_at, \
          awaited_by, decides, grant_until, denied_at, review_owed, changed_at, action, digest, \
          bucket, asked_at, key) \
          SELECT $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, now, $18, $19, $20, now, $21 \
          FROM free RETURNING id, changed_at), \
          named AS (INSERT INTO keys (key, request) SELECT $21, id FROM made \
          WHERE $21 IS NOT NULL), \
          of AS (INSERT INTO requesters (principal, request) SELECT p, id FROM made, \
          unnest($22) AS p), \
          copies AS (INSERT INTO deliveries (request, channel, body, due, due_kept) \
          SELECT id, d.channel, d.body, d.due, 1 \
          FROM made, unnest($23, $24, $25) AS d (channel, body, due)), \
          numbered AS (UPDATE head SET last_event = head.last_event + cardinality($1), \
          latest = greatest(head.latest, made.changed_at) FROM made \
          RETURNING head.last_event, head.last_event - cardinality($1) AS before, head.latest), \
          noted AS (INSERT INTO events (number, id, at, request, revision, what) \
          SELECT before + e.place, e.id, CASE WHEN $6 IS NULL OR latest < $6 THEN latest END, \
          e.request, e.revision, e.what FROM numbered, unnest($1, $2, $3, $4) \
          WITH ORDINALITY AS e (id, request, revision, what, place)) \
          SELECT clock, latest, now, (SELECT count(*) FROM made) AS changed, \
          (SELECT last_event FROM numbered) AS last_event FROM time",
};

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
        let values = rows::numbered(
            &events_of(&transition),
            When {
                now: trusted.told,
                not_after: None,
            },
        );
        let values = values
            .and_then(|values| rows::with_columns(values, &transition.record))
            .map_err(StoreError::from)?;
        let statement = statement(values, &transition.record, opening, trusted);
        let done = self.attempts(locks, &AtOnce { statement }).await?;
        Ok(done.map(|last_event| Opened::Asked {
            record: Arc::new(transition.record),
            last_event,
        }))
    }
}

fn statement(values: Values, record: &Record, opening: &OpeningIn<'_>, trusted: Trusted) -> String {
    let OpeningIn {
        opening,
        bucket,
        deliveries,
    } = opening;
    let asked = &opening.asked;
    let principals = rows::principals(&lookup::Columns::of(record));
    let copies = deliveries.iter();
    let limit = |limit: u32| (limit < u32::MAX).then(|| i64::from(limit));
    let values = values
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
        .number(millis(lookup::PROPOSAL_COUNTS_FOR));
    OPEN.execute(&values)
}
