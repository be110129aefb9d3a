//! Records and events as rows.

use std::sync::Arc;

use approvals_core::audit::NewEvent;
use approvals_core::digest::Digest;
use approvals_core::review::{Phase, Record, State};
use approvals_core::store::{encoding, lookup};
use approvals_core::{Event, EventId, OwnerId, RequestId, StoreError, Timestamp};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use crate::clock::{stored, unsigned};
use crate::copies::Noted;
use crate::failure::Failure;
use crate::transaction::Statement;

/// Numbers events, and stores them. Joined to a statement, it is one commit with it.
///
/// Numbers come from the row of `head`, which stays locked until the commit: whoever sees event n
/// sees every one before it. A sequence would leave gaps where a transaction rolls back, and would
/// let event n + 1 be seen (and a cursor pass it) before n is committed. The lock is held by one
/// commit at a time, so it is taken by the last statement of each transaction.
///
/// An event is of the latest time that anything was committed at: times are in the order of the
/// numbers.
macro_rules! with_events {
    ($before:expr, $ids:literal, $requests:literal, $revisions:literal, $whats:literal, $now:literal) => {
        concat!(
            "WITH numbered AS (UPDATE head SET last_event = last_event + cardinality(",
            $ids,
            "::bytea[]), latest = greatest(latest, ",
            $now,
            "::bigint) WHERE cardinality(",
            $ids,
            "::bytea[]) > 0 RETURNING last_event, last_event - cardinality(",
            $ids,
            "::bytea[]) AS before, latest), \
             noted AS (INSERT INTO events (number, id, at, request, revision, what) \
             SELECT before + e.place, e.id, latest, e.request, e.revision, e.what \
             FROM numbered, unnest(",
            $ids,
            "::bytea[], ",
            $requests,
            "::bytea[], ",
            $revisions,
            "::bigint[], ",
            $whats,
            "::text[]) WITH ORDINALITY AS e (id, request, revision, what, place))",
            $before
        )
    };
}

const REPLACE: &str = with_events!(
    ", replaced AS (UPDATE requests SET revision = $7, schema = $8, phase = $9, record = $10, \
     due_at = $11, awaited_by = $12, decides = $13, grant_until = $14, denied_at = $15, \
     review_owed = $16, changed_at = $5, \
     denied_here_at = coalesce($17, denied_here_at), proposed_to = coalesce($18, proposed_to) \
     WHERE id = $6 AND revision = $7 - 1 RETURNING id) \
     SELECT (SELECT count(*) FROM replaced) AS changed, \
     (SELECT last_event FROM numbered) AS last_event, (SELECT latest FROM numbered) AS at, \
     CASE WHEN $19 THEN pg_notify($20, $21) END",
    "$1",
    "$2",
    "$3",
    "$4",
    "$5"
);

const INSERT: &str = with_events!(
    ", made AS (INSERT INTO requests (id, revision, schema, phase, record, due_at, awaited_by, \
     decides, grant_until, denied_at, review_owed, changed_at, action, digest, bucket, asked_at, key) \
     VALUES ($6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $5, $17, $18, $19, $20, $21) \
     RETURNING id), \
     named AS (INSERT INTO keys (key, request) SELECT $21, $6 WHERE $21 IS NOT NULL), \
     of AS (INSERT INTO requesters (principal, request) SELECT unnest($22::text[]), $6), \
     copies AS (INSERT INTO deliveries (request, channel, body, due, due_kept) \
     SELECT $6, d.channel, d.body, d.due, 1 \
     FROM unnest($23::text[], $24::text[], $25::bigint[]) AS d (channel, body, due)) \
     SELECT (SELECT count(*) FROM made) AS changed, \
     (SELECT last_event FROM numbered) AS last_event, (SELECT latest FROM numbered) AS at",
    "$1",
    "$2",
    "$3",
    "$4",
    "$5"
);

const APPEND: &str = with_events!(
    " SELECT 0::bigint AS changed, (SELECT last_event FROM numbered) AS last_event, \
     (SELECT latest FROM numbered) AS at",
    "$1",
    "$2",
    "$3",
    "$4",
    "$5"
);

/// What a statement with events did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// How many requests it changed.
    pub(crate) changed: i64,
    /// The number of the last event, and its time, where it had events.
    pub(crate) last: Option<(u64, Timestamp)>,
}

impl Written {
    fn of(row: &PgRow) -> Result<Self, Failure> {
        let number: Option<i64> = row.try_get("last_event")?;
        let at: Option<i64> = row.try_get("at")?;
        let last = number.zip(at);
        Ok(Self {
            changed: row.try_get("changed")?,
            last: last.map(|(number, at)| (unsigned(number), time(at))),
        })
    }
}

/// Where a decision is told to other processes, and by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hint<'a> {
    pub(crate) channel: &'a str,
    pub(crate) sender: OwnerId,
}

/// Puts a record in place of the revision before it, with events. `was` is the phase that stands.
pub(crate) async fn replace(
    connection: &mut PgConnection,
    record: &Record,
    was: &str,
    events: &[NewEvent],
    now: Timestamp,
    hint: Hint<'_>,
) -> Result<Written, Failure> {
    let text = encoding::encode(record)?;
    let was_pending = was == Phase::Pending.as_str();
    let said = was_pending.then(|| said_here(record)).flatten();
    let proposed = said.as_ref().is_some_and(|said| said.proposal.is_some());
    let proposed_to = proposed.then(|| lookup::proposals(&record.asked));
    let decided = was_pending && record.state.phase() != Phase::Pending;
    let payload = format!("{} {}", record.id(), hint.sender);
    let row = with_columns(with_numbered(REPLACE, events, now)?, record, &text)
        .bind(said.map(|_| stored(now.as_millis())))
        .bind(proposed_to.map(|digest| digest.as_bytes().to_vec()))
        .bind(decided)
        .bind(hint.channel)
        .bind(payload)
        .fetch_one(connection)
        .await?;
    Written::of(&row)
}

/// What is stored beside a new record.
#[derive(Debug)]
pub(crate) struct Beside<'a> {
    /// Its name.
    pub(crate) key: Option<Digest>,
    /// Its copies.
    pub(crate) deliveries: &'a [Noted],
    /// Whether people are asked.
    pub(crate) asks: bool,
}

/// Stores a new record, with events.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    record: &Record,
    beside: Beside<'_>,
    events: &[NewEvent],
    now: Timestamp,
) -> Result<Written, Failure> {
    let text = encoding::encode(record)?;
    let columns = lookup::Columns::of(record);
    let principals: Vec<String> = columns.principals.iter().map(ToString::to_string).collect();
    let copies = beside.deliveries.iter();
    let channels: Vec<&str> = copies.clone().map(|copy| copy.channel.as_str()).collect();
    let bodies: Vec<&str> = copies.clone().map(|copy| copy.body.as_str()).collect();
    let due: Vec<Option<i64>> = copies.map(|copy| copy.due).collect();
    let row = with_columns(with_numbered(INSERT, events, now)?, record, &text)
        .bind(columns.action.as_str())
        .bind(columns.digest.as_bytes().to_vec())
        .bind(columns.bucket.as_bytes().to_vec())
        .bind(beside.asks.then(|| stored(now.as_millis())))
        .bind(beside.key.map(|key| key.as_bytes().to_vec()))
        .bind(principals)
        .bind(channels)
        .bind(bodies)
        .bind(due)
        .fetch_one(connection)
        .await?;
    Written::of(&row)
}

/// Stores events that belong to no change of a record.
pub(crate) async fn append(
    connection: &mut PgConnection,
    events: &[NewEvent],
    now: Timestamp,
) -> Result<Written, Failure> {
    let row = with_numbered(APPEND, events, now)?
        .fetch_one(connection)
        .await?;
    Written::of(&row)
}

/// `$1` to `$5`: events and the time.
fn with_numbered(
    statement: &'static str,
    events: &[NewEvent],
    now: Timestamp,
) -> Result<Statement<'static>, Failure> {
    let mut ids = Vec::with_capacity(events.len());
    let mut requests = Vec::with_capacity(events.len());
    let mut revisions = Vec::with_capacity(events.len());
    let mut whats = Vec::with_capacity(events.len());
    for event in events {
        let (request, revision) = event.about.map_or((None, 0), |(id, at)| (Some(id), at));
        ids.push(event.id.to_bytes().to_vec());
        requests.push(request.map(|id| id.to_bytes().to_vec()));
        revisions.push(stored(revision));
        whats.push(encoding::encode_event(&event.what)?);
    }
    Ok(sqlx::query(statement)
        .bind(ids)
        .bind(requests)
        .bind(revisions)
        .bind(whats)
        .bind(stored(now.as_millis())))
}

/// `$6` to `$16`: what changes with every revision.
fn with_columns<'q>(query: Statement<'q>, record: &Record, text: &'q str) -> Statement<'q> {
    let columns = lookup::Columns::of(record);
    let open = record.grant.filter(|grant| !grant.closed);
    let denied = match &record.state {
        State::Denied { at, .. } => Some(stored(at.as_millis())),
        _ => None,
    };
    query
        .bind(columns.id.to_bytes().to_vec())
        .bind(stored(columns.revision))
        .bind(i32::from(columns.schema))
        .bind(columns.phase.as_str())
        .bind(text)
        .bind(columns.due_at.map(|at| stored(at.as_millis())))
        .bind(columns.waiter.map(|owner| owner.to_bytes().to_vec()))
        .bind(columns.found == Some(lookup::Found::Decides))
        .bind(open.map(|grant| stored(grant.until.as_millis())))
        .bind(denied)
        .bind(columns.review_owed)
}

/// The denial that was said on a record that is no longer pending, if one was.
fn said_here(record: &Record) -> Option<lookup::Said> {
    let before = Record {
        state: State::Pending,
        ..record.clone()
    };
    lookup::denial(&before, record)
}

/// The record in a column; `what` names it in an error.
pub(crate) fn record(what: &str, text: &str) -> Result<Arc<Record>, StoreError> {
    encoding::decode(what, text).map(Arc::new)
}

pub(crate) fn request(bytes: &[u8]) -> Result<RequestId, Failure> {
    Ok(RequestId::from_bytes(sixteen(bytes)?))
}

fn sixteen(bytes: &[u8]) -> Result<[u8; 16], Failure> {
    bytes
        .try_into()
        .map_err(|_| Failure::invalid(format!("an id of {} bytes is stored", bytes.len())))
}

pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(unsigned(millis))
}

/// A row of the outbox.
pub(crate) fn event(row: &PgRow) -> Result<Event, Failure> {
    let number = unsigned(row.try_get("number")?);
    let id: &[u8] = row.try_get("id")?;
    let about: Option<&[u8]> = row.try_get("request")?;
    Ok(Event {
        number,
        id: EventId::from_bytes(sixteen(id)?),
        at: time(row.try_get("at")?),
        request: about.map(request).transpose()?,
        revision: unsigned(row.try_get("revision")?),
        what: encoding::decode_event(number, row.try_get("what")?)?,
    })
}
