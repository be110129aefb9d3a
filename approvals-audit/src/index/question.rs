//! Which calls: by action, requester, reviewer, resource, standing, time and policy version.

use approvals_core::{RequestId, Risk, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::standing::{Standing, marks};
use super::{Index, IndexError, terms};

/// Which calls are asked for. Everything that is named has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    action: Option<String>,
    requester: Option<String>,
    reviewer: Option<String>,
    resource: Option<String>,
    policy_version: Option<String>,
    standing: Option<Standing>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    marks: i64,
    oldest_first: bool,
}

impl Question {
    /// All calls, the newest first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of this action.
    #[must_use]
    pub fn action(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }

    /// Made by this principal, or on its behalf: `agent:exporter`, `person:alice`.
    #[must_use]
    pub fn requester(mut self, principal: &str) -> Self {
        self.requester = Some(principal.to_owned());
        self
    }

    /// That this person voted on.
    #[must_use]
    pub fn reviewer(mut self, person: &str) -> Self {
        self.reviewer = Some(person.to_owned());
        self
    }

    /// On this resource.
    #[must_use]
    pub fn resource(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    /// Asked by this version of the policy.
    #[must_use]
    pub fn policy_version(mut self, version: &str) -> Self {
        self.policy_version = Some(version.to_owned());
        self
    }

    /// That stand so, as far as the log tells.
    #[must_use]
    pub const fn standing(mut self, standing: Standing) -> Self {
        self.standing = Some(standing);
        self
    }

    /// Made at this time or later.
    #[must_use]
    pub const fn from(mut self, time: Timestamp) -> Self {
        self.from = Some(time);
        self
    }

    /// Made before this time.
    #[must_use]
    pub const fn until(mut self, time: Timestamp) -> Self {
        self.until = Some(time);
        self
    }

    /// That somebody released alone.
    #[must_use]
    pub const fn glass_broken(mut self) -> Self {
        self.marks |= marks::GLASS_BROKEN;
        self
    }

    /// That owe a review after the fact.
    #[must_use]
    pub const fn review_owed(mut self) -> Self {
        self.marks |= marks::REVIEW_OWED;
        self
    }

    /// That somebody tried to approve for themselves.
    #[must_use]
    pub const fn self_approval_attempted(mut self) -> Self {
        self.marks |= marks::SELF_APPROVAL;
        self
    }

    /// The oldest first.
    #[must_use]
    pub const fn oldest_first(mut self) -> Self {
        self.oldest_first = true;
        self
    }
}

/// From where to go on: a place in the log, which means the same however long the log has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(pub u64);

/// Some of the calls that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub found: Vec<Found>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<Cursor>,
}

/// A call: a request, or one that policy decided alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The place in the log of the entry that began it.
    pub entry: u64,
    /// The request; none where policy decided alone.
    pub request: Option<RequestId>,
    /// The action; empty where its text was destroyed.
    pub action: String,
    /// Who made it.
    pub requester: Option<String>,
    /// What it is done to.
    pub resource: Option<String>,
    /// Where.
    pub environment: Option<String>,
    /// The policy that judged it.
    pub policy: Option<String>,
    /// The version of the policy that asked.
    pub policy_version: Option<String>,
    /// The risk of a request.
    pub risk: Option<Risk>,
    /// When it was made.
    pub at: Timestamp,
    /// Where it stands.
    pub standing: Standing,
    /// How long people, or a deadline, took to decide, in milliseconds.
    pub took: Option<u64>,
    /// Whether somebody released it alone.
    pub glass_broken: bool,
    /// Whether a review after the fact is owed.
    pub review_owed: bool,
    /// Whether somebody tried to approve it for themselves.
    pub self_approval_attempted: bool,
}

const COLUMNS: &str = "c.entry, c.request,
 (SELECT text FROM term WHERE id = c.action), (SELECT text FROM term WHERE id = c.requester),
 (SELECT text FROM term WHERE id = c.resource), (SELECT text FROM term WHERE id = c.environment),
 (SELECT text FROM term WHERE id = c.policy), (SELECT text FROM term WHERE id = c.policy_version),
 c.risk, c.at, c.standing, c.took, c.marks";

impl Index {
    /// The calls that were asked for, from this place on: at most so many.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn find(
        &self,
        question: &Question,
        after: Option<Cursor>,
        most: usize,
    ) -> Result<Page, IndexError> {
        let connection = self.reading();
        let none = Page {
            found: Vec::new(),
            next: None,
        };
        let Some(plan) = Plan::of(&connection, question, after)? else {
            return Ok(none);
        };
        let most = most.clamp(1, 10_000);
        let sql = plan.sql(most + 1);
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(plan.values), found)?;
        let mut found = rows.collect::<Result<Vec<_>, _>>()?;
        let more = found.len() > most;
        found.truncate(most);
        let last = found.last().map(|found| Cursor(found.entry));
        Ok(Page {
            next: last.filter(|_| more),
            found,
        })
    }
}

/// How a question is answered: which index is walked, and what else has to hold.
struct Plan {
    /// What is walked, and the column that has the order.
    walked: &'static str,
    place: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
    order: &'static str,
}

impl Plan {
    /// `None` where something is named that no call has.
    fn of(
        connection: &Connection,
        question: &Question,
        after: Option<Cursor>,
    ) -> Result<Option<Self>, IndexError> {
        let mut plan = Self {
            walked: "call c NOT INDEXED",
            place: "c.entry",
            conditions: Vec::new(),
            values: Vec::new(),
            order: if question.oldest_first { "ASC" } else { "DESC" },
        };
        // The last of these that is named is walked: what few calls have in common.
        let standing = question
            .standing
            .map(|standing| standing.code().to_string());
        for (column, text, index) in [
            ("action", &question.action, "call c INDEXED BY call_action"),
            (
                "policy_version",
                &question.policy_version,
                "call c INDEXED BY call_policy_version",
            ),
            (
                "resource",
                &question.resource,
                "call c INDEXED BY call_resource",
            ),
        ] {
            let Some(text) = text else {
                continue;
            };
            let Some(number) = terms::known(connection, text)? else {
                return Ok(None);
            };
            plan.holds(&format!("c.{column} = ?"), number);
            plan.walked = index;
        }
        if let Some(code) = standing {
            plan.conditions.push(format!("c.standing = {code}"));
            if plan.walked == "call c NOT INDEXED" {
                plan.walked = "call c INDEXED BY call_standing";
            }
        }
        if question.marks != 0 {
            let marks = question.marks;
            plan.conditions
                .push(format!("c.marks <> 0 AND c.marks & {marks} = {marks}"));
            plan.walked = "call c INDEXED BY call_marks";
        }
        for (table, column, text, walked, place) in [
            (
                "party",
                "principal",
                &question.requester,
                "party w CROSS JOIN call c ON c.entry = w.entry",
                "w.entry",
            ),
            (
                "reviewed",
                "person",
                &question.reviewer,
                "reviewed w CROSS JOIN call c ON c.entry = w.entry",
                "w.entry",
            ),
        ] {
            let Some(text) = text else {
                continue;
            };
            let Some(number) = terms::known(connection, text)? else {
                return Ok(None);
            };
            if plan.place == "c.entry" {
                plan.holds(&format!("w.{column} = ?"), number);
                (plan.walked, plan.place) = (walked, place);
            } else {
                plan.holds(
                    &format!("EXISTS (SELECT 1 FROM {table} o WHERE o.{column} = ? AND o.entry = w.entry)"),
                    number,
                );
            }
        }
        let place = plan.place;
        // Rows are in the order of time: times are places.
        for (time, comparison) in [(question.from, ">="), (question.until, "<")] {
            let Some(time) = time else {
                continue;
            };
            let first = first_at(connection, time)?;
            plan.holds(&format!("{place} {comparison} ?"), first);
        }
        if let Some(Cursor(after)) = after {
            let comparison = if question.oldest_first { ">" } else { "<" };
            let after = i64::try_from(after).unwrap_or(i64::MAX);
            plan.holds(&format!("{place} {comparison} ?"), after);
        }
        Ok(Some(plan))
    }

    fn holds(&mut self, condition: &str, value: i64) {
        self.conditions.push(condition.to_owned());
        self.values.push(Value::Integer(value));
    }

    fn sql(&self, most: usize) -> String {
        let (walked, place, order) = (self.walked, self.place, self.order);
        let holds = if self.conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", self.conditions.join(" AND "))
        };
        format!("SELECT {COLUMNS} FROM {walked} {holds} ORDER BY {place} {order} LIMIT {most}")
    }
}

/// The place of the first call that was made at this time or later; past all others if there is none.
pub(super) fn first_at(connection: &Connection, time: Timestamp) -> Result<i64, IndexError> {
    let mut find = connection.prepare_cached(
        "SELECT entry FROM call INDEXED BY call_at WHERE at >= ?1 ORDER BY at LIMIT 1",
    )?;
    let at = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let mut rows = find.query([at])?;
    let Some(row) = rows.next()? else {
        return Ok(i64::MAX);
    };
    let first: i64 = row.get(0)?;
    // Of several that were made in one millisecond, the one that came first.
    let at: i64 = connection.query_row("SELECT at FROM call WHERE entry = ?1", [first], |row| {
        row.get(0)
    })?;
    let earliest = connection
        .prepare_cached("SELECT min(entry) FROM call INDEXED BY call_at WHERE at = ?1")?
        .query_row([at], |row| row.get(0))?;
    Ok(earliest)
}

fn found(row: &Row<'_>) -> Result<Found, rusqlite::Error> {
    let bits: i64 = row.get(12)?;
    let request: Option<[u8; 16]> = row.get(1)?;
    let standing: i64 = row.get(10)?;
    let out_of_range = rusqlite::Error::IntegralValueOutOfRange(10, standing);
    Ok(Found {
        entry: row.get::<_, i64>(0)?.unsigned_abs(),
        request: request.map(RequestId::from_bytes),
        action: row.get(2)?,
        requester: row.get(3)?,
        resource: row.get(4)?,
        environment: row.get(5)?,
        policy: row.get(6)?,
        policy_version: row.get(7)?,
        risk: match row.get::<_, Option<i64>>(8)? {
            Some(1) => Some(Risk::Low),
            Some(2) => Some(Risk::Medium),
            Some(3) => Some(Risk::High),
            Some(4) => Some(Risk::Critical),
            Some(_) | None => None,
        },
        at: Timestamp::from_millis(row.get::<_, i64>(9)?.unsigned_abs()),
        standing: Standing::of_code(standing).ok_or(out_of_range)?,
        took: row.get::<_, Option<i64>>(11)?.map(i64::unsigned_abs),
        glass_broken: bits & marks::GLASS_BROKEN != 0,
        review_owed: bits & marks::REVIEW_OWED != 0,
        self_approval_attempted: bits & marks::SELF_APPROVAL != 0,
    })
}
