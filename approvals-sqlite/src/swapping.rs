//! Replacing a record: judged and written in one transaction.

use std::ops::Range;
use std::sync::Arc;

use approvals_core::review::{Refused, State, stands};
use approvals_core::store::lookup::{Columns, denial, proposals};
use approvals_core::store::{StoreError, Swap, Swapped, encoding};
use approvals_core::{Phase, Record, RequestId, Timestamp};

use crate::entries::{self, Stands};
use crate::lately::Standing;
use crate::opening::bounded;
use crate::rows;
use crate::script::Script;
use crate::traffic::Traffic;
use crate::transaction::{Failure, Transaction};

pub(crate) const STANDS_AS: &str = "
SELECT revision, schema, phase, due_at, found, waiter, review_owed, changed_at
FROM requests INDEXED BY requests_by_id WHERE id = ?";

/// What a request that is about to run leans on.
pub(crate) const LEANS_ON: &str = "
SELECT 'equal' AS kind, r.id, r.record
FROM entries e CROSS JOIN requests r INDEXED BY requests_by_id ON r.id = e.request
WHERE e.kind = 4 AND e.value = ? AND r.found = 'decides' AND r.phase IN ('executing', 'in_doubt')
UNION ALL
SELECT 'grantor', id, record FROM requests INDEXED BY requests_by_id WHERE id = ?";

/// A record as it stands in its row.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) columns: Columns,
    pub(crate) text: Text,
    /// The texts of the events that go with it, as far as they were put into words.
    pub(crate) events: Vec<String>,
}

/// A record's text, and where in it stands what was asked: that part is the same in its next form.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) whole: Arc<str>,
    asked: Range<usize>,
}

impl Text {
    pub(crate) fn of(record: &Record, asked: &str) -> Result<Self, StoreError> {
        let (whole, asked) = encoding::encode_with(record, asked)?;
        let whole = whole.into();
        Ok(Self { whole, asked })
    }

    pub(crate) fn asked(&self) -> Option<&str> {
        self.whole.get(self.asked.clone())
    }
}

impl Written {
    /// With the text of what was asked, where it is known.
    pub(crate) fn of(record: &Record, known: Option<&Text>) -> Result<Self, StoreError> {
        let columns = Columns::of(record);
        let text = match known.and_then(Text::asked) {
            Some(asked) => Text::of(record, asked)?,
            None => Text::of(record, &encoding::encode_asked(&record.asked)?)?,
        };
        Ok(Self {
            columns,
            text,
            events: Vec::new(),
        })
    }
}

/// Judges and carries out a swap. What it writes was put into words before: the writer has others to
/// serve.
pub(crate) fn swap(
    transaction: &mut Transaction<'_>,
    swap: &Swap,
    written: &Written,
) -> Result<Swapped, Failure> {
    let now = transaction.now()?;
    let record = &swap.record;
    let id = record.id();
    let before = standing(transaction, id)?;
    encoding::may_replace(&id.to_string(), before.schema)?;
    if before.revision != swap.expected {
        return Ok(Swapped::Conflict);
    }
    if swap.unfrozen && transaction.head.frozen.is_some() {
        return Ok(Swapped::Frozen);
    }
    if swap.not_after.is_some_and(|deadline| deadline <= now) {
        return Ok(Swapped::TooLate);
    }
    if swap.stands
        && let Err(fallen) = leans(transaction, record, now)?
    {
        return Ok(Swapped::Fallen(fallen));
    }
    let before = before.stands;
    let mut script = Script::default();
    let stands = update(&mut script, record, written, &before);
    if before.phase() == Phase::Pending && record.state.phase() != Phase::Pending {
        left_pending(transaction, &mut script, record, written, now)?;
    }
    transaction.events(&mut script, &swap.events, &written.events, now)?;
    transaction.changed(id);
    transaction.lately.forget(id);
    transaction.write(script)?;
    transaction.lately.stands(&written.columns, stands);
    Ok(Swapped::Done {
        record: Arc::clone(record),
        last_event: transaction.head.last_event,
    })
}

/// Whether a request that is about to be claimed or started still stands.
fn leans(
    transaction: &mut Transaction<'_>,
    record: &Record,
    now: Timestamp,
) -> Result<Result<(), Refused>, Failure> {
    let mut script = Script::new(LEANS_ON);
    script
        .bind(record.asked.digest.as_bytes().to_vec())
        .bind(record.granted_by.map(|id| id.to_bytes().to_vec()));
    let (mut equal, mut grantor) = (Vec::new(), None);
    for row in script.rows(transaction.connection)? {
        let found = rows::record(&row, "record")?;
        match rows::value::<&str>(&row, "kind")? {
            "grantor" => grantor = found,
            _ => equal.extend(found.map(Arc::new)),
        }
    }
    Ok(stands(record, &equal, grantor.as_ref(), now))
}

/// Adds a record's next form to what is written, and returns how it stands then.
pub(crate) fn update(
    script: &mut Script,
    record: &Record,
    written: &Written,
    before: &Stands,
) -> Stands {
    let Written { columns, text, .. } = written;
    let id = columns.id.to_bytes().to_vec();
    script
        .add("; UPDATE requests SET revision = ?, schema = ?, phase = ?, finished = ?, due_at = ?, found = ?, waiter = ?, review_owed = ?, changed_at = ?, record = ? WHERE id = ?")
        .bind_number(columns.revision)
        .bind(i64::from(columns.schema))
        .bind_text(columns.phase.as_str())
        .bind(columns.phase.is_final())
        .bind(columns.due_at.map(bounded))
        .bind(columns.found.map(|found| found.as_str().to_owned()))
        .bind(columns.waiter.map(|waiter| waiter.to_bytes().to_vec()))
        .bind(columns.review_owed)
        .bind_number(record.changed_at.as_millis())
        .bind_text(&text.whole)
        .bind(id);
    let stands = Stands::of(columns, record.changed_at);
    entries::moved(script, columns, Some(before), Some(&stands));
    stands
}

/// What the limits count when a request is decided.
fn left_pending(
    transaction: &mut Transaction<'_>,
    script: &mut Script,
    record: &Record,
    written: &Written,
    now: Timestamp,
) -> Result<(), Failure> {
    let bucket = written.columns.bucket.as_bytes().to_vec();
    let said = match &record.state {
        State::Denied { .. } => said(transaction, record)?,
        _ => None,
    };
    let Some(said) = said else {
        script
            .add("; UPDATE buckets SET pending = max(pending - 1, 0) WHERE bucket = ?")
            .bind(bucket);
        return Ok(());
    };
    let mut read = Script::new("SELECT denials FROM buckets WHERE bucket = ?");
    read.bind(bucket.clone());
    let mut denials = match read.row(transaction.connection)? {
        Some(row) => Traffic::read(rows::value(&row, "denials")?),
        None => Traffic::default(),
    };
    denials.add(now);
    script
        .add("; INSERT INTO buckets (bucket, pending, asks, denials) VALUES (?, 0, x'', ?) ON CONFLICT (bucket) DO UPDATE SET pending = max(pending - 1, 0), denials = excluded.denials")
        .bind(bucket)
        .bind(denials.bytes());
    if let Some(proposal) = said.proposal {
        script
            .add("; INSERT INTO proposals (chain, at, person, proposal) VALUES (?, ?, ?, ?)")
            .bind(proposals(&record.asked).as_bytes().to_vec())
            .bind_number(now.as_millis())
            .bind(said.by.as_str().to_owned())
            .bind(rows::json(proposal.as_ref())?);
    }
    Ok(())
}

/// The denial that was said on this record, if it was said here.
fn said(
    transaction: &mut Transaction<'_>,
    record: &Record,
) -> Result<Option<approvals_core::store::lookup::Said>, Failure> {
    let before = stored(transaction, record.id())?;
    Ok(before.and_then(|before| denial(&before, record)))
}

/// A record as it stands in the transaction.
pub(crate) fn stored(
    transaction: &mut Transaction<'_>,
    id: RequestId,
) -> Result<Option<Record>, Failure> {
    let mut script =
        Script::new("SELECT id, record FROM requests INDEXED BY requests_by_id WHERE id = ?");
    script.bind(id.to_bytes().to_vec());
    match script.row(transaction.connection)? {
        Some(row) => Ok(rows::record(&row, "record")?),
        None => Ok(None),
    }
}

/// How a request stands in the transaction.
pub(crate) fn standing(
    transaction: &mut Transaction<'_>,
    id: RequestId,
) -> Result<Standing, Failure> {
    if let Some(known) = transaction.lately.standing(id) {
        return Ok(known);
    }
    let mut script = Script::new(STANDS_AS);
    script.bind(id.to_bytes().to_vec());
    let Some(row) = script.row(transaction.connection)? else {
        return Err(Failure::Refused(StoreError::Invalid(format!(
            "there is no request {id}"
        ))));
    };
    let schema: i64 = rows::value(&row, "schema")?;
    Ok(Standing {
        revision: rows::number(&row, "revision")?,
        schema: u16::try_from(schema).unwrap_or(u16::MAX),
        stands: Stands::read(&row)?,
    })
}
