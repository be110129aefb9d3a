//! Records and events as rows.

use std::sync::Arc;

use approvals_core::audit::NewEvent;
use approvals_core::digest::Digest;
use approvals_core::review::{Phase, Record, State};
use approvals_core::store::{encoding, lookup};
use approvals_core::{Event, EventId, OwnerId, RequestId, StoreError, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::clock::{stored, unsigned};
use crate::copies::Noted;
use crate::failure::Failure;
use crate::literal::{Prepared, Values};
use crate::parameters::Parameters;

/// Numbers events, and stores them. Joined to a statement, it is one commit with it: `$1` to `$4`
/// are the events, `$5` the time, `$6` what the time has to be before.
///
/// Numbers come from the row of `head`, which stays locked until the commit: whoever sees event n
/// sees every one before it. A sequence would leave gaps where a transaction rolls back, and would
/// let event n + 1 be seen (and a cursor pass it) before n is committed. The lock is held by one
/// commit at a time, so it is taken by the last statement of each transaction.
///
/// An event is of the latest time that anything was committed at: times are in the order of the
/// numbers. While this waits for its turn to number its events, others may be committed that are as
/// late as its deadline: nothing that was late may look as if it had been in time. As the `COMMIT`
/// follows without a look at what was written, an event is refused where that is so (it has no
/// time), and where no request was changed (it has no number). The transaction is made again then,
/// and judged by what it finds.
macro_rules! with_events {
    ($changed:literal, $before:expr) => {
        concat!(
            "WITH numbered AS (UPDATE head SET last_event = last_event + cardinality($1), \
             latest = greatest(latest, $5) WHERE cardinality($1) > 0 \
             RETURNING last_event, last_event - cardinality($1) AS before, latest)",
            $before,
            ", noted AS (INSERT INTO events (number, id, at, request, revision, what) \
             SELECT CASE WHEN ",
            $changed,
            " THEN before + e.place END, e.id, \
             CASE WHEN $6 IS NULL OR latest < $6 THEN latest END, e.request, e.revision, e.what \
             FROM numbered, unnest($1, $2, $3, $4) \
             WITH ORDINALITY AS e (id, request, revision, what, place)) "
        )
    };
}

/// The types of `$1` to `$6`.
macro_rules! event_types {
    ($more:literal) => {
        concat!("bytea[], bytea[], bigint[], text[], bigint, bigint", $more)
    };
}

pub(crate) const REPLACE: Prepared = Prepared {
    name: "approvals_replace",
    types: event_types!(
        ", bytea, bigint, integer, text, text, bigint, bytea, boolean, bigint, bigint, boolean, \
         bigint, bytea, boolean, text, text"
    ),
    sql: concat!(
        with_events!(
            "(SELECT count(*) FROM replaced) = 1",
            ", replaced AS (UPDATE requests SET revision = $8, schema = $9, phase = $10, \
             record = $11, due_at = $12, awaited_by = $13, decides = $14, grant_until = $15, \
             denied_at = $16, review_owed = $17, changed_at = $5, \
             denied_here_at = coalesce($18, denied_here_at), \
             proposed_to = coalesce($19, proposed_to) \
             WHERE id = $7 AND revision = $8 - 1 RETURNING id)"
        ),
        "SELECT (SELECT count(*) FROM replaced) AS changed, \
         (SELECT last_event FROM numbered) AS last_event, \
         CASE WHEN $20 THEN pg_notify($21, $22) END"
    ),
};

pub(crate) const INSERT: Prepared = Prepared {
    name: "approvals_insert",
    types: event_types!(
        ", bytea, bigint, integer, text, text, bigint, bytea, boolean, bigint, bigint, boolean, \
         text, bytea, bytea, bigint, bytea, text[], text[], text[], bigint[]"
    ),
    sql: concat!(
        with_events!(
            "(SELECT count(*) FROM made) = 1",
            ", made AS (INSERT INTO requests (id, revision, schema, phase, record, due_at, \
             awaited_by, decides, grant_until, denied_at, review_owed, changed_at, action, digest, \
             bucket, asked_at, key) \
             VALUES ($7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $5, $18, $19, $20, $21, $22) \
             RETURNING id), \
             named AS (INSERT INTO keys (key, request) SELECT $22, $7 WHERE $22 IS NOT NULL), \
             of AS (INSERT INTO requesters (principal, request) SELECT unnest($23), $7), \
             copies AS (INSERT INTO deliveries (request, channel, body, due, due_kept) \
             SELECT $7, d.channel, d.body, d.due, 1 \
             FROM unnest($24, $25, $26) AS d (channel, body, due))"
        ),
        "SELECT (SELECT count(*) FROM made) AS changed, \
         (SELECT last_event FROM numbered) AS last_event"
    ),
};

pub(crate) const APPEND: Prepared = Prepared {
    name: "approvals_append",
    types: event_types!(""),
    sql: concat!(
        with_events!("true", ""),
        "SELECT 0::bigint AS changed, (SELECT last_event FROM numbered) AS last_event"
    ),
};

/// The number of the last event that a statement with events stored, where it had some.
pub(crate) fn last_event(row: &PgRow) -> Result<Option<u64>, Failure> {
    let number: Option<i64> = row.try_get("last_event")?;
    Ok(number.map(unsigned))
}

/// Where a decision is told to other processes, and by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hint<'a> {
    pub(crate) channel: &'a str,
    pub(crate) sender: OwnerId,
}

/// Puts a record in place of the revision before it, with events. `was` is the phase that stands.
pub(crate) fn replace(
    record: &Record,
    was: &str,
    events: &[NewEvent],
    when: When,
    hint: Hint<'_>,
) -> Result<String, Failure> {
    let was_pending = was == Phase::Pending.as_str();
    let said = was_pending.then(|| said_here(record)).flatten();
    let proposed_to = proposed_to(record, said.as_ref());
    let decided = was_pending && record.state.phase() != Phase::Pending;
    let values = with_columns(numbered::<Values>(events, when)?, record)?
        .number(said.map(|_| stored(when.now.as_millis())))
        .bytes(proposed_to.as_deref())
        .flag(decided)
        .text(hint.channel)
        .text(&payload(record, hint));
    Ok(REPLACE.execute(&values))
}

/// When something is written, and by when it had to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct When {
    pub(crate) now: Timestamp,
    pub(crate) not_after: Option<Timestamp>,
}

impl When {
    pub(crate) const fn at(now: Timestamp) -> Self {
        Self {
            now,
            not_after: None,
        }
    }
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
pub(crate) fn insert(
    record: &Record,
    beside: &Beside<'_>,
    events: &[NewEvent],
    now: Timestamp,
) -> Result<String, Failure> {
    let columns = lookup::Columns::of(record);
    let principals = principals(&columns);
    let copies = beside.deliveries.iter();
    let values = with_columns(numbered::<Values>(events, When::at(now))?, record)?
        .text(columns.action.as_str())
        .bytes(Some(columns.digest.as_bytes()))
        .bytes(Some(columns.bucket.as_bytes()))
        .number(beside.asks.then(|| stored(now.as_millis())))
        .bytes(beside.key.as_ref().map(|key| &key.as_bytes()[..]))
        .all_texts(principals.iter().map(String::as_str))
        .all_texts(copies.clone().map(|copy| copy.channel.as_str()))
        .all_texts(copies.clone().map(|copy| copy.body.as_str()))
        .all_numbers(copies.map(|copy| copy.due));
    Ok(INSERT.execute(&values))
}

/// Whom a request can be listed by.
pub(crate) fn principals(columns: &lookup::Columns) -> Vec<String> {
    let principals = columns.principals.iter();
    principals.map(ToString::to_string).collect()
}

/// Stores events that belong to no change of a record.
pub(crate) fn append(events: &[NewEvent], now: Timestamp) -> Result<String, Failure> {
    Ok(APPEND.execute(&numbered(events, When::at(now))?))
}

/// `$1` to `$6`: events and the time.
pub(crate) fn numbered<P: Parameters>(events: &[NewEvent], when: When) -> Result<P, Failure> {
    let mut ids = Vec::with_capacity(events.len());
    let mut requests = Vec::with_capacity(events.len());
    let mut whats = Vec::with_capacity(events.len());
    for event in events {
        ids.push(event.id.to_bytes());
        requests.push(event.about.map(|(id, _)| id.to_bytes()));
        whats.push(encoding::encode_event(&event.what)?);
    }
    let revisions = events
        .iter()
        .map(|event| Some(stored(event.about.map_or(0, |(_, at)| at))));
    Ok(P::default()
        .all_bytes(ids.iter().map(|id| Some(&id[..])))
        .all_bytes(requests.iter().map(|id| id.as_ref().map(|id| &id[..])))
        .all_numbers(revisions)
        .all_texts(whats.iter().map(String::as_str))
        .count(when.now.as_millis())
        .number(when.not_after.map(|at| stored(at.as_millis()))))
}

/// `$7` to `$17`: what changes with every revision.
pub(crate) fn with_columns<P: Parameters>(values: P, record: &Record) -> Result<P, Failure> {
    let columns = lookup::Columns::of(record);
    let open = record.grant.filter(|grant| !grant.closed);
    let denied = match &record.state {
        State::Denied { at, .. } => Some(stored(at.as_millis())),
        _ => None,
    };
    let waiter = columns.waiter.map(OwnerId::to_bytes);
    Ok(values
        .bytes(Some(&columns.id.to_bytes()))
        .count(columns.revision)
        .count(columns.schema.into())
        .text(columns.phase.as_str())
        .text(&encoding::encode(record)?)
        .number(columns.due_at.map(|at| stored(at.as_millis())))
        .bytes(waiter.as_ref().map(|owner| &owner[..]))
        .flag(columns.found == Some(lookup::Found::Decides))
        .number(open.map(|grant| stored(grant.until.as_millis())))
        .number(denied)
        .flag(columns.review_owed))
}

/// Whom a proposal is for, where one was made.
pub(crate) fn proposed_to(record: &Record, said: Option<&lookup::Said>) -> Option<Vec<u8>> {
    said?.proposal.as_ref()?;
    Some(lookup::proposals(&record.asked).as_bytes().to_vec())
}

/// What other processes are told of a decision.
pub(crate) fn payload(record: &Record, hint: Hint<'_>) -> String {
    format!("{} {}", record.id(), hint.sender)
}

/// The denial that was said on a record that is no longer pending, if one was.
pub(crate) fn said_here(record: &Record) -> Option<lookup::Said> {
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
