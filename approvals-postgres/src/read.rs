//! What is asked of the store without changing anything.

use std::sync::Arc;

use approvals_core::digest::Digest;
use approvals_core::review::{Phase, Record};
use approvals_core::store::{Due, Filter, Snapshot};
use approvals_core::{RequestId, StoreError, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};

use crate::PostgresStore;
use crate::clock::{Asked, timed};
use crate::failure::Failure;
use crate::rows;
use crate::transaction::Statement;

pub(crate) const NOW: &str = timed!("SELECT clock, latest, now, last_event FROM time");

const READ: &str = timed!(
    "SELECT clock, latest, now, coalesce((SELECT record FROM requests WHERE id = $3), \
     (SELECT record FROM archived WHERE id = $3)) AS record, \
     EXISTS (SELECT FROM frozen) AS frozen FROM time"
);

/// `owners` steps from one gate that is waited for to the next: however many requests wait for
/// one, it is looked at once.
pub(crate) const DUE: &str = timed!(
    "SELECT clock, latest, now, \
     ARRAY(SELECT id FROM requests WHERE due_at <= time.now ORDER BY due_at, id LIMIT $3) AS due, \
     (SELECT due_at FROM requests WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1) AS next, \
     ARRAY(WITH RECURSIVE owners AS ( \
     (SELECT awaited_by AS owner FROM requests WHERE awaited_by IS NOT NULL \
     ORDER BY awaited_by LIMIT 1) \
     UNION ALL \
     SELECT (SELECT r.awaited_by FROM requests r WHERE r.awaited_by > o.owner \
     ORDER BY r.awaited_by LIMIT 1) FROM owners o WHERE o.owner IS NOT NULL) \
     SELECT r.id FROM owners o \
     CROSS JOIN LATERAL (SELECT id FROM requests WHERE awaited_by = o.owner ORDER BY id LIMIT $3) r \
     WHERE o.owner IS NOT NULL AND NOT EXISTS \
     (SELECT FROM heartbeats h WHERE h.owner = o.owner AND h.until > time.now) LIMIT $3) AS abandoned \
     FROM time"
);

pub(crate) const PENDING_WITH: &str =
    "SELECT id FROM requests WHERE digest = $1 AND phase = 'pending' ORDER BY id";

/// Every request: the primary key is in the order of the list.
pub(crate) const LIST_ALL: &str =
    "SELECT id, record FROM requests WHERE id > $1 ORDER BY id LIMIT $2";

/// Each phase is a range of an index in the order of the list, and a page is merged from pages. The
/// phases stand in the statement, so that a rare one is looked for as a rare one. `$3` is the action,
/// where one is wanted.
pub(crate) fn list_by_phase(phases: &[&'static str], of_action: bool) -> String {
    let action = if of_action { "action = $3 AND " } else { "" };
    let pages: Vec<String> = phases
        .iter()
        .map(|phase| {
            format!(
                "(SELECT id, record FROM requests WHERE {action}phase = '{phase}' AND id > $1 \
                 ORDER BY id LIMIT $2)"
            )
        })
        .collect();
    let pages = pages.join(" UNION ALL ");
    format!("SELECT id, record FROM ({pages}) AS pages ORDER BY id LIMIT $2")
}

/// Few owe a review: they have an index of their own.
pub(crate) const LIST_OWING: &str = "SELECT id, record FROM requests \
     WHERE review_owed AND id > $1 AND phase = ANY($3::text[]) \
     AND ($4::text IS NULL OR action = $4) ORDER BY id LIMIT $2";

pub(crate) const LIST_BY_REQUESTER: &str = "SELECT r.id, r.record FROM requesters q \
     JOIN requests r ON r.id = q.request \
     WHERE q.principal = $5 AND q.request > $1 AND r.phase = ANY($3::text[]) \
     AND ($4::text IS NULL OR r.action = $4) AND (NOT $6 OR r.review_owed) \
     ORDER BY q.request LIMIT $2";

const PHASES: [Phase; 12] = [
    Phase::Pending,
    Phase::Approved,
    Phase::Claimed,
    Phase::Executing,
    Phase::Succeeded,
    Phase::Failed,
    Phase::InDoubt,
    Phase::Denied,
    Phase::Withdrawn,
    Phase::Expired,
    Phase::Revoked,
    Phase::Lapsed,
];

impl PostgresStore {
    /// One row of a statement that reads the time, with the time.
    async fn timed_row<'q>(
        &self,
        statement: impl Fn(Asked) -> Statement<'q>,
    ) -> Result<(PgRow, Timestamp), StoreError> {
        let (mut rows, asked) = self
            .timed_rows(|| {
                let asked = self.time.ask()?;
                Ok((asked, statement(asked)))
            })
            .await?;
        let row = rows.pop().ok_or_else(|| {
            StoreError::Invalid("the table `head` is empty: restore the store from a backup".into())
        })?;
        let now = self.time.of(&row, asked)?;
        Ok((row, now))
    }

    pub(crate) async fn time_now(&self) -> Result<Timestamp, StoreError> {
        let (_, now) = self
            .timed_row(|asked| sqlx::query(NOW).bind(asked.given).bind(asked.told))
            .await?;
        Ok(now)
    }

    pub(crate) async fn snapshot(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError> {
        let (row, now) = self
            .timed_row(|asked| {
                sqlx::query(READ)
                    .bind(asked.given)
                    .bind(asked.told)
                    .bind(id.to_bytes().to_vec())
            })
            .await?;
        let text: Option<&str> = row.try_get("record").map_err(Failure::of)?;
        let Some(text) = text else {
            return Ok(None);
        };
        Ok(Some(Snapshot {
            record: rows::record(&id.to_string(), text)?,
            now,
            frozen: row.try_get("frozen").map_err(Failure::of)?,
        }))
    }

    pub(crate) async fn what_is_due(&self, limit: usize) -> Result<Due, StoreError> {
        let (row, _) = self
            .timed_row(|asked| {
                sqlx::query(DUE)
                    .bind(asked.given)
                    .bind(asked.told)
                    .bind(at_most(limit))
            })
            .await?;
        let next: Option<i64> = row.try_get("next").map_err(Failure::of)?;
        Ok(Due {
            requests: ids(&row, "due")?,
            abandoned: ids(&row, "abandoned")?,
            next: next.map(rows::time),
        })
    }

    pub(crate) async fn pending_equal(&self, digest: Digest) -> Result<Vec<RequestId>, StoreError> {
        let rows = self
            .rows(|| sqlx::query(PENDING_WITH).bind(digest.as_bytes().to_vec()))
            .await?;
        rows.iter().map(|row| Ok(id(row)?)).collect()
    }

    pub(crate) async fn page(
        &self,
        filter: &Filter,
        after: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        // No id is empty, and every id is after it.
        let after = after.map_or_else(Vec::new, |id| id.to_bytes().to_vec());
        let mut phases: Vec<&'static str> = if filter.phases.is_empty() {
            PHASES.iter().map(|phase| phase.as_str()).collect()
        } else {
            filter.phases.iter().map(|phase| phase.as_str()).collect()
        };
        // One that is named twice is listed once.
        phases.sort_unstable();
        phases.dedup();
        let action = filter.action.as_ref().map(|action| action.as_str());
        let requester = filter.requester.as_ref().map(ToString::to_string);
        let by_phase = list_by_phase(&phases, action.is_some());
        let rows = self
            .rows(|| {
                let page = |statement: &str| {
                    // Made of constants of this file. Planned anew for what is wanted: what fits the
                    // average phase, action or requester does not fit a rare one.
                    sqlx::query(AssertSqlSafe(statement))
                        .persistent(false)
                        .bind(after.clone())
                        .bind(at_most(limit))
                };
                match (&requester, filter.review_owed, action) {
                    (Some(requester), owed, action) => page(LIST_BY_REQUESTER)
                        .bind(phases.clone())
                        .bind(action)
                        .bind(requester.clone())
                        .bind(owed),
                    (None, true, action) => page(LIST_OWING).bind(phases.clone()).bind(action),
                    (None, false, Some(action)) => page(&by_phase).bind(action),
                    (None, false, None) if filter.phases.is_empty() => page(LIST_ALL),
                    (None, false, None) => page(&by_phase),
                }
            })
            .await?;
        rows.iter()
            .map(|row| {
                let text: &str = row.try_get("record").map_err(Failure::of)?;
                rows::record(&id(row)?.to_string(), text)
            })
            .collect()
    }
}

fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn id(row: &PgRow) -> Result<RequestId, Failure> {
    rows::request(row.try_get("id")?)
}

fn ids(row: &PgRow, column: &str) -> Result<Vec<RequestId>, StoreError> {
    let ids: Vec<Vec<u8>> = row.try_get(column).map_err(Failure::of)?;
    let ids = ids.iter().map(|id| Ok(rows::request(id)?));
    ids.collect()
}
