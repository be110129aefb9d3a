//! What became of one request, and who tried to approve for themselves.

use approvals_core::{RequestId, Timestamp};

use super::{Cursor, Index, IndexError, Period};

/// An entry about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its place in the log.
    pub entry: u64,
    /// The event's kind, as the log has it: `voted`.
    pub what: String,
    /// When.
    pub at: Timestamp,
}

/// A vote on one's own request, which did not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfApproval {
    /// Its place in the log.
    pub entry: u64,
    /// The request, where the log tells that it was asked.
    pub request: Option<RequestId>,
    /// Who, where the directory knew them.
    pub person: Option<String>,
    /// Through which channel identity.
    pub identity: String,
    /// When.
    pub at: Timestamp,
}

impl Index {
    /// The entries about a request, in order: the one that asked is the first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn steps(&self, request: RequestId) -> Result<Vec<Step>, IndexError> {
        let connection = self.reading();
        let mut find = connection.prepare_cached(
            "SELECT entry, CASE decision WHEN 6 THEN 'requested_under_grant' ELSE 'requested' END, at
             FROM call WHERE request = ?1
             UNION ALL
             SELECT s.entry, t.text, s.at FROM call c CROSS JOIN step s ON s.call = c.entry
             JOIN term t ON t.id = s.what WHERE c.request = ?1
             ORDER BY 1",
        )?;
        let steps = find.query_map([request.to_bytes()], |row| {
            Ok(Step {
                entry: row.get::<_, i64>(0)?.unsigned_abs(),
                what: row.get(1)?,
                at: Timestamp::from_millis(row.get::<_, i64>(2)?.unsigned_abs()),
            })
        })?;
        Ok(steps.collect::<Result<_, _>>()?)
    }

    /// Votes on one's own request, in order, after this place: at most so many.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn self_approvals(
        &self,
        period: Period,
        after: Option<Cursor>,
        most: usize,
    ) -> Result<Vec<SelfApproval>, IndexError> {
        let connection = self.reading();
        let mut find = connection.prepare_cached(
            "SELECT s.entry, c.request, p.text, i.text, s.at
             FROM self_approval s LEFT JOIN call c ON c.entry = s.call
             LEFT JOIN term p ON p.id = s.person JOIN term i ON i.id = s.identity
             WHERE s.entry > ?1 AND s.at >= ?2 AND s.at < ?3 ORDER BY s.entry LIMIT ?4",
        )?;
        let after = after.map_or(-1, |Cursor(entry)| i64::try_from(entry).unwrap_or(i64::MAX));
        let (from, until) = period.bounds();
        let most = i64::try_from(most.clamp(1, 10_000)).unwrap_or(i64::MAX);
        let attempts = find.query_map([after, from, until, most], |row| {
            Ok(SelfApproval {
                entry: row.get::<_, i64>(0)?.unsigned_abs(),
                request: row
                    .get::<_, Option<[u8; 16]>>(1)?
                    .map(RequestId::from_bytes),
                person: row.get(2)?,
                identity: row.get(3)?,
                at: Timestamp::from_millis(row.get::<_, i64>(4)?.unsigned_abs()),
            })
        })?;
        Ok(attempts.collect::<Result<_, _>>()?)
    }
}
