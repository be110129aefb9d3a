//! What is asked of the store without changing anything.

use std::sync::Arc;

use approvals_core::digest::Digest;
use approvals_core::review::{Phase, Record};
use approvals_core::store::{Due, Filter, Seen, Snapshot};
use approvals_core::{RequestId, StoreError, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use tokio::time::Instant;

use crate::PostgresStore;
use crate::clock::{Asked, timed};
use crate::copies;
use crate::failure::Failure;
use crate::rows;
use crate::together::{Together, Unanswered};
use crate::transaction::Statement;

pub(crate) const NOW: &str = timed!("SELECT clock, latest, now, last_event FROM time");

const READ: &str = timed!(
    "SELECT clock, latest, now, coalesce((SELECT record FROM requests WHERE id = $3), \
     (SELECT record FROM archived WHERE id = $3)) AS record, \
     EXISTS (SELECT FROM frozen) AS frozen FROM time"
);

/// Of several requests, in their order.
pub(crate) const READ_WITH_COPIES: &str = timed!(
    "SELECT clock, latest, now, coalesce((SELECT record FROM requests WHERE id = asked.id), \
     (SELECT record FROM archived WHERE id = asked.id)) AS record, \
     EXISTS (SELECT FROM frozen) AS frozen, \
     ARRAY(SELECT body FROM deliveries WHERE request = asked.id ORDER BY channel) AS copies \
     FROM time, unnest($3::bytea[]) WITH ORDINALITY AS asked (id, place) ORDER BY place"
);

/// `owners` steps from one gate that is waited for to the next: however many requests wait for
/// one, it is looked at once. What waits for a gate is asked for as a range in the order of its index:
/// asked for by the id alone, requests of all gates are looked through until enough of this one's are
/// found, which is every one where the gate that is gone has few.
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
     CROSS JOIN LATERAL (SELECT id FROM requests WHERE awaited_by BETWEEN o.owner AND o.owner \
     ORDER BY awaited_by, id LIMIT $3) r \
     WHERE o.owner IS NOT NULL AND NOT EXISTS \
     (SELECT FROM heartbeats h WHERE h.owner = o.owner AND h.until > time.now) LIMIT $3) AS abandoned \
     FROM time"
);

pub(crate) const PENDING_WITH: &str =
    "SELECT id FROM requests WHERE digest = $1 AND phase = 'pending' ORDER BY id";

/// A page of the list. What it looks for stands in the statement, which is planned for it: a rare
/// phase or action is looked for as a rare one. Only a requester's name is a parameter.
///
/// Each phase is a range of an index in the order of the list, and a page is merged from theirs.
pub(crate) fn page_statement(filter: &Filter, after: Option<RequestId>, limit: usize) -> String {
    let after = after.map_or(0, |id| u128::from_be_bytes(id.to_bytes()));
    let limit = at_most(limit);
    // No id is zero.
    let after = format!("decode('{after:032x}', 'hex')");
    let mut phases: Vec<&str> = filter.phases.iter().map(|phase| phase.as_str()).collect();
    // One that is named twice is listed once.
    phases.sort_unstable();
    phases.dedup();
    // A name has no quotes; two would be one.
    let action = filter.action.as_ref().map_or_else(String::new, |action| {
        format!(" AND action = '{}'", action.as_str().replace('\'', "''"))
    });
    let changed = if filter.changed {
        " AND revision > 1"
    } else {
        ""
    };
    if filter.requester.is_some() || filter.review_owed {
        let phases = if phases.is_empty() {
            String::new()
        } else {
            format!(" AND phase IN ('{}')", phases.join("', '"))
        };
        let owed = if filter.review_owed {
            " AND review_owed"
        } else {
            ""
        };
        return if filter.requester.is_some() {
            format!(
                "SELECT id, record FROM requesters JOIN requests ON id = request \
                 WHERE principal = $1 AND request > {after}{phases}{action}{owed}{changed} \
                 ORDER BY request LIMIT {limit}"
            )
        } else {
            format!(
                "SELECT id, record FROM requests WHERE id > {after}{phases}{action}{owed}{changed} \
                 ORDER BY id LIMIT {limit}"
            )
        };
    }
    if phases.is_empty() && action.is_empty() {
        return format!(
            "SELECT id, record FROM requests WHERE id > {after}{changed} ORDER BY id LIMIT {limit}"
        );
    }
    if phases.is_empty() {
        phases = PHASES.iter().map(|phase| phase.as_str()).collect();
    }
    let pages: Vec<String> = phases
        .iter()
        .map(|phase| {
            format!(
                "(SELECT id, record FROM requests WHERE phase = '{phase}'{action} AND id > {after}{changed} \
                 ORDER BY id LIMIT {limit})"
            )
        })
        .collect();
    let pages = pages.join(" UNION ALL ");
    format!("SELECT id, record FROM ({pages}) AS pages ORDER BY id LIMIT {limit}")
}

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

/// What callers ask that come back, each about its own request.
#[derive(Debug, Default)]
pub(crate) struct Returning {
    pub(crate) resumed: Together<RequestId, (PgRow, Timestamp)>,
    pub(crate) called: Together<Keyed, (PgRow, Timestamp)>,
}

/// A call with a key: the key and the call's digest.
pub(crate) type Keyed = (Digest, Digest);

impl PostgresStore {
    /// One row of a statement that reads the time, with the time.
    pub(crate) async fn timed_row<'q>(
        &self,
        statement: impl Fn(Asked) -> Statement<'q>,
    ) -> Result<(PgRow, Timestamp), StoreError> {
        let (row, now) = self.at_one_time(statement).await?;
        let row = row.into_iter().next().ok_or_else(no_head)?;
        Ok((row, now))
    }

    /// The rows of a statement that reads the time once for all of them, with the time.
    async fn at_one_time<'q>(
        &self,
        statement: impl Fn(Asked) -> Statement<'q>,
    ) -> Result<(Vec<PgRow>, Timestamp), StoreError> {
        let asking = self.timed_rows(|| {
            let asked = self.time.ask()?;
            Ok((asked, statement(asked)))
        });
        let (rows, asked) = asking.await?;
        let now = self.time.of(rows.first().ok_or_else(no_head)?, asked)?;
        Ok((rows, now))
    }

    /// The row that answers a question which many may ask at the same moment, with the time.
    /// `statement` asks several, and has a row for each, in their order.
    pub(crate) async fn together<'q, Q: Copy + Send + Sync>(
        &self,
        together: &Together<Q, (PgRow, Timestamp)>,
        question: Q,
        statement: impl Fn(&[Q], Asked) -> Statement<'q> + Sync,
    ) -> Result<(PgRow, Timestamp), StoreError> {
        let deadline = Instant::now() + self.answer_within;
        let statement = &statement;
        let all = |questions: Vec<Q>| async move {
            let (rows, now) = self
                .at_one_time(|asked| statement(&questions, asked))
                .await?;
            Ok(rows.into_iter().map(|row| (row, now)).collect())
        };
        let answer = together.ask(question, deadline, all).await;
        answer.map_err(|why| match why {
            Unanswered::Failed(error) => error,
            Unanswered::NoTurn => StoreError::Unreachable(
                "too many questions were asked at once for it to answer all in time".into(),
            ),
            Unanswered::TooLate => {
                // Where one connection is silent, the others may be as well.
                self.connections.give_up_idle();
                StoreError::Unreachable("PostgreSQL did not answer in time".into())
            }
        })
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
        snapshot_of(id, &row, now)
    }

    pub(crate) async fn seen(&self, id: RequestId) -> Result<Option<Seen>, StoreError> {
        let asking = self.together(&self.comes_back.resumed, id, |ids, asked| {
            let ids = ids.iter().map(|id| id.to_bytes().to_vec());
            sqlx::query(READ_WITH_COPIES)
                .bind(asked.given)
                .bind(asked.told)
                .bind(ids.collect::<Vec<_>>())
        });
        let (row, now) = asking.await?;
        let Some(snapshot) = snapshot_of(id, &row, now)? else {
            return Ok(None);
        };
        Ok(Some(Seen {
            snapshot,
            deliveries: copies::all(id, &row)?,
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
        let statement = page_statement(filter, after, limit);
        let requester = filter.requester.as_ref().map(ToString::to_string);
        let rows = self
            .rows(|| {
                let page = sqlx::query(AssertSqlSafe(statement.as_str())).persistent(false);
                match &requester {
                    Some(requester) => page.bind(requester.clone()),
                    None => page,
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

fn no_head() -> StoreError {
    StoreError::Invalid("the table `head` is empty: restore the store from a backup".into())
}

fn snapshot_of(id: RequestId, row: &PgRow, now: Timestamp) -> Result<Option<Snapshot>, StoreError> {
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

pub(crate) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn id(row: &PgRow) -> Result<RequestId, Failure> {
    rows::request(row.try_get("id")?)
}

pub(crate) fn ids(row: &PgRow, column: &str) -> Result<Vec<RequestId>, StoreError> {
    let ids: Vec<Vec<u8>> = row.try_get(column).map_err(Failure::of)?;
    let ids = ids.iter().map(|id| Ok(rows::request(id)?));
    ids.collect()
}
