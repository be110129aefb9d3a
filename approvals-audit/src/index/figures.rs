//! Figures: how calls of a time were decided, how long that took, and which rules are of no use.

use approvals_core::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::histogram::Histogram;
use super::question::first_at;
use super::standing::{Decision, Standing};
use super::{Index, IndexError, terms};

/// A time: from this point, which is in it, until that one, which is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    from: Timestamp,
    until: Timestamp,
}

impl Period {
    /// From this point until that one.
    ///
    /// # Errors
    /// [`IndexError::Question`] when it ends before it begins.
    pub fn of(from: Timestamp, until: Timestamp) -> Result<Self, IndexError> {
        if until < from {
            return Err(IndexError::Question("a period ends after it begins"));
        }
        Ok(Self { from, until })
    }

    /// All of it.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            from: Timestamp::from_millis(0),
            until: Timestamp::from_millis(i64::MAX as u64),
        }
    }

    pub(super) fn bounds(self) -> (i64, i64) {
        let millis = |time: Timestamp| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        (millis(self.from), millis(self.until))
    }
}

/// How the calls of a period were decided, by when they were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Calls that policy allowed.
    pub allowed: u64,
    /// Calls that were refused, and nobody was asked.
    pub refused: u64,
    /// Requests that people were asked.
    pub asked: u64,
    /// Of those: everybody who had to agree did.
    pub approved: u64,
    /// A person said no.
    pub denied: u64,
    /// The same call was denied in another request.
    pub denied_with: u64,
    /// The requester took it back.
    pub withdrawn: u64,
    /// Nobody decided in time.
    pub expired: u64,
    /// Not decided yet.
    pub open: u64,
    /// Requests that were born approved, under a grant.
    pub under_grant: u64,
}

impl Rates {
    /// How many of a hundred requests that people decided they approved; `None` where they decided
    /// none.
    #[must_use]
    pub fn approved_percent(&self) -> Option<f64> {
        let decided = self.approved + self.denied;
        #[expect(clippy::cast_precision_loss, reason = "for people to read")]
        let percent = 100.0 * self.approved as f64 / decided as f64;
        (decided > 0).then_some(percent)
    }

    fn count(&mut self, standing: i64, decision: Option<i64>) {
        let is = |one: Decision| decision == Some(one as i64);
        if standing == Standing::Allowed.code() {
            self.allowed += 1;
            return;
        }
        if standing == Standing::Refused.code() {
            self.refused += 1;
            return;
        }
        if is(Decision::UnderGrant) {
            self.under_grant += 1;
            return;
        }
        self.asked += 1;
        for (one, sum) in [
            (Decision::Approved, &mut self.approved),
            (Decision::Denied, &mut self.denied),
            (Decision::DeniedWith, &mut self.denied_with),
            (Decision::Withdrawn, &mut self.withdrawn),
            (Decision::Expired, &mut self.expired),
        ] {
            *sum += u64::from(is(one));
        }
        self.open += u64::from(decision.is_none());
    }
}

/// How long people took to decide, in milliseconds: half of the requests took at most `median`.
/// Each percentile is at most a sixty-fourth too high.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeToDecision {
    /// Requests that people approved or denied.
    pub decided: u64,
    /// The time that half took at most.
    pub median: u64,
    /// The time that nine of ten took at most.
    pub p90: u64,
    /// The time that 99 of a hundred took at most.
    pub p99: u64,
    /// The longest, exactly.
    pub most: u64,
}

/// How often a rule fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleUse {
    /// The rule's id.
    pub rule: String,
    /// How often, ever.
    pub fired: u64,
    /// When it fired last; `None` when it never did.
    pub last: Option<Timestamp>,
}

impl Index {
    /// How the calls that were made in a period were decided, of one action or of all.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn rates(&self, period: Period, action: Option<&str>) -> Result<Rates, IndexError> {
        let connection = self.reading();
        let mut rates = Rates::default();
        let Some(calls) = Calls::of(&connection, period, action)? else {
            return Ok(rates);
        };
        // Counted here: grouping has SQLite sort all calls first.
        let sql = format!("SELECT standing, decision {}", calls.sql);
        let mut find = connection.prepare_cached(&sql)?;
        let mut rows = find.query(calls.values)?;
        while let Some(row) = rows.next()? {
            let standing: i64 = row.get(0)?;
            let decision: Option<i64> = row.get(1)?;
            rates.count(standing, decision);
        }
        Ok(rates)
    }

    /// How long people took to decide the requests that were made in a period, of one action or of
    /// all. `None` where they decided none.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn time_to_decision(
        &self,
        period: Period,
        action: Option<&str>,
    ) -> Result<Option<TimeToDecision>, IndexError> {
        let connection = self.reading();
        let Some(calls) = Calls::of(&connection, period, action)? else {
            return Ok(None);
        };
        let mut find = connection
            .prepare_cached(&format!("SELECT took {} AND decision IN (1, 2)", calls.sql))?;
        let mut rows = find.query(calls.values)?;
        let mut histogram = Histogram::default();
        while let Some(row) = rows.next()? {
            histogram.add(row.get::<_, i64>(0)?.unsigned_abs());
        }
        Ok((histogram.total() > 0).then(|| TimeToDecision {
            decided: histogram.total(),
            median: histogram.percentile(50),
            p90: histogram.percentile(90),
            p99: histogram.percentile(99),
            most: histogram.most(),
        }))
    }

    /// Which of these rules have not fired since then: candidates for removal, or rules that do not
    /// do what their author meant.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn stale_rules<'a>(
        &self,
        rules: impl IntoIterator<Item = &'a str>,
        since: Timestamp,
    ) -> Result<Vec<RuleUse>, IndexError> {
        let connection = self.reading();
        let mut find = connection.prepare_cached(
            "SELECT r.fired, r.last FROM term t CROSS JOIN rule r ON r.id = t.id WHERE t.text = ?1",
        )?;
        let mut stale = Vec::new();
        for rule in rules {
            let used: Option<(i64, i64)> = find
                .query_row([rule], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let last = used.map(|(_, last)| Timestamp::from_millis(last.unsigned_abs()));
            if last.is_none_or(|last| last < since) {
                stale.push(RuleUse {
                    rule: rule.to_owned(),
                    fired: used.map_or(0, |(fired, _)| fired.unsigned_abs()),
                    last,
                });
            }
        }
        Ok(stale)
    }
}

/// The calls of a period, of one action or of all. Rows are in the order of time, so a period is a
/// range of places.
struct Calls {
    sql: &'static str,
    values: [i64; 3],
}

impl Calls {
    /// `None` where no call is of the action.
    fn of(
        connection: &Connection,
        period: Period,
        action: Option<&str>,
    ) -> Result<Option<Self>, IndexError> {
        let first = first_at(connection, period.from)?;
        let end = first_at(connection, period.until)?;
        let (sql, number) = match action {
            None => (
                "FROM call NOT INDEXED WHERE entry >= ?1 AND entry < ?2 AND ?3 = 0",
                Some(0),
            ),
            Some(action) => (
                "FROM call INDEXED BY call_action WHERE entry >= ?1 AND entry < ?2 AND action = ?3",
                terms::known(connection, action)?,
            ),
        };
        Ok(number.map(|number| Self {
            sql,
            values: [first, end, number],
        }))
    }
}
