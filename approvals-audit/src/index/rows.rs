//! One entry after the other, as rows.

use approvals_core::RequestId;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest as _, Sha256};

use super::IndexError;
use super::seen::{Call, Chain, Seen};
use super::standing::{Decision, Standing, marks};
use super::terms::Terms;
use crate::log::{SCHEMA, hex};
use crate::reading::{Raw, SignedLog};

/// Places and times are far below 2^63.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Where rows go.
pub(super) struct Rows<'a> {
    pub(super) connection: &'a Connection,
    pub(super) terms: &'a mut Terms,
    pub(super) log: &'a SignedLog,
}

impl Rows<'_> {
    pub(super) fn take(&mut self, raw: &Raw<'_>) -> Result<(), IndexError> {
        let no_event = || self.log.no_event(raw.index);
        let seen: Seen<'_> = serde_json::from_slice(raw.bytes).map_err(|_| no_event())?;
        if seen.schema > SCHEMA {
            return Err(IndexError::Newer { entry: raw.index });
        }
        let Some(payload) = &seen.payload else {
            return self.event(raw.index, &seen);
        };
        match self.log.payload(&payload.sha256)? {
            // What is left of it has its place, its time and its kind.
            None => self.event(raw.index, &seen),
            Some(text) if hex(&Sha256::digest(&text)) == *payload.sha256 => {
                let whole: Seen<'_> = serde_json::from_slice(&text).map_err(|_| no_event())?;
                self.event(raw.index, &whole)
            }
            Some(_) => Err(self.log.changed_beside(raw.index).into()),
        }
    }

    fn event(&mut self, entry: u64, seen: &Seen<'_>) -> Result<(), IndexError> {
        use Decision::{Approved, Denied, DeniedWith, Expired, Withdrawn};
        let at = seen.at.as_millis();
        match (&*seen.what, seen.request) {
            ("requested", Some(request)) => {
                self.asked(entry, request, seen, Standing::Pending, None)
            }
            ("requested_under_grant", Some(request)) => self.asked(
                entry,
                request,
                seen,
                Standing::Approved,
                Some(Decision::UnderGrant),
            ),
            ("allowed", None) => self.decided_alone(entry, seen, Standing::Allowed),
            ("refused", None) => self.decided_alone(entry, seen, Standing::Refused),
            (what, Some(request)) => {
                let Some((call, asked_at)) = self.step(entry, request, seen)? else {
                    // The log begins after it was asked.
                    return Ok(());
                };
                let stands = |standing: Standing| self.stands(call, standing);
                let took = number(at.saturating_sub(asked_at));
                let decided = |standing, decision| self.decided(call, standing, decision, took);
                match what {
                    "voted" => self.voted(call, seen),
                    "vote_refused" => self.vote_refused(entry, Some(call), seen),
                    "approved" => decided(Standing::Approved, Approved),
                    "denied" => decided(Standing::Denied, Denied),
                    "denied_with" => decided(Standing::Denied, DeniedWith),
                    "withdrawn" => decided(Standing::Withdrawn, Withdrawn),
                    "expired" => decided(Standing::Expired, Expired),
                    "lapsed" => stands(Standing::Lapsed),
                    "revoked" => self.revoked(call),
                    "started" => stands(Standing::Executing),
                    "finished" => self.finished(call, seen),
                    "in_doubt" => stands(Standing::InDoubt),
                    "resolved" => self.finished(call, seen),
                    "glass_broken" => self.mark(call, marks::GLASS_BROKEN | marks::REVIEW_OWED),
                    "reviewed_afterwards" => self.unmark(call, marks::REVIEW_OWED),
                    // These leave it where it stands.
                    "refused" | "grant_used" | "grant_closed" | "stage_opened" | "widened"
                    | "reminded" | "claimed" | "claim_released" | "lease_lost"
                    | "finished_late" | "repeated" => Ok(()),
                    _ => Err(IndexError::Newer { entry }),
                }
            }
            ("vote_refused", None) => self.vote_refused(entry, None, seen),
            ("frozen" | "thawed" | "repeated", None) => Ok(()),
            (_, None) => Err(IndexError::Newer { entry }),
        }
    }

    fn term(&mut self, text: &str) -> Result<i64, IndexError> {
        Ok(self.terms.number(self.connection, text)?)
    }

    fn optional(&mut self, text: Option<&str>) -> Result<Option<i64>, IndexError> {
        text.map(|text| self.term(text)).transpose()
    }

    fn asked(
        &mut self,
        entry: u64,
        request: RequestId,
        seen: &Seen<'_>,
        standing: Standing,
        decision: Option<Decision>,
    ) -> Result<(), IndexError> {
        // Its text was destroyed: that it was asked is all that is known.
        let Some(asked) = &seen.asked else {
            return self.begin(
                entry,
                Some(request),
                None,
                "",
                None,
                seen,
                standing,
                decision,
            );
        };
        let risk = match &*asked.risk {
            "low" => 1,
            "medium" => 2,
            "high" => 3,
            "critical" => 4,
            _ => 0,
        };
        let version = asked.policy_version.as_deref();
        let action = &asked.call.declaration.action;
        self.begin(
            entry,
            Some(request),
            Some(&asked.call),
            action,
            Some(&asked.call.requester),
            seen,
            standing,
            decision,
        )?;
        self.more(entry, version, Some(risk))?;
        self.fired(asked.reasons.iter().map(|rule| &*rule.id), seen)
    }

    fn decided_alone(
        &mut self,
        entry: u64,
        seen: &Seen<'_>,
        standing: Standing,
    ) -> Result<(), IndexError> {
        let requester = seen.requester.as_ref();
        let requester = requester.or(seen.call.as_ref().map(|call| &call.requester));
        let action = seen.action.as_deref().unwrap_or_default();
        self.begin(
            entry,
            None,
            seen.call.as_ref(),
            action,
            requester,
            seen,
            standing,
            None,
        )?;
        self.more(entry, seen.policy_version.as_deref(), None)?;
        self.fired(seen.reasons.iter().map(|rule| &*rule.id), seen)
    }

    /// What is known of some calls only.
    fn more(
        &mut self,
        entry: u64,
        version: Option<&str>,
        risk: Option<i64>,
    ) -> Result<(), IndexError> {
        let version = self.optional(version)?;
        if version.is_none() && risk.is_none() {
            return Ok(());
        }
        let mut more = self
            .connection
            .prepare_cached("UPDATE call SET policy_version = ?2, risk = ?3 WHERE entry = ?1")?;
        more.execute(params![number(entry), version, risk])?;
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "a row has as many columns")]
    fn begin(
        &mut self,
        entry: u64,
        request: Option<RequestId>,
        call: Option<&Call<'_>>,
        action: &str,
        requester: Option<&Chain<'_>>,
        seen: &Seen<'_>,
        standing: Standing,
        decision: Option<Decision>,
    ) -> Result<(), IndexError> {
        let action = self.term(action)?;
        let actor = self.optional(requester.map(|chain| &*chain.actor))?;
        let resource = self.optional(call.and_then(|call| call.resource.as_deref()))?;
        let environment = self.optional(call.and_then(|call| call.environment.as_deref()))?;
        let policy = self.optional(call.map(|call| &*call.declaration.policy))?;
        let mut insert = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO call
             (entry, request, action, requester, resource, environment, policy, at, standing, decision)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        insert.execute(params![
            number(entry),
            request.map(RequestId::to_bytes),
            action,
            actor,
            resource,
            environment,
            policy,
            number(seen.at.as_millis()),
            standing.code(),
            decision.map(|decision| decision as i64),
        ])?;
        for principal in requester
            .into_iter()
            .flat_map(|chain| std::iter::once(&chain.actor).chain(&chain.acting_for))
        {
            let principal = self.term(principal)?;
            let mut insert = self
                .connection
                .prepare_cached("INSERT OR IGNORE INTO party (principal, entry) VALUES (?1, ?2)")?;
            insert.execute([principal, number(entry)])?;
        }
        Ok(())
    }

    fn fired<'t>(
        &mut self,
        rules: impl Iterator<Item = &'t str>,
        seen: &Seen<'_>,
    ) -> Result<(), IndexError> {
        for rule in rules {
            let id = self.term(rule)?;
            let mut upsert = self.connection.prepare_cached(
                "INSERT INTO rule (id, fired, last) VALUES (?1, 1, ?2)
                 ON CONFLICT (id) DO UPDATE SET fired = fired + 1, last = max(last, excluded.last)",
            )?;
            upsert.execute([id, number(seen.at.as_millis())])?;
        }
        Ok(())
    }

    /// Notes an entry as one of its request's, and returns the request's row and when it was asked.
    fn step(
        &mut self,
        entry: u64,
        request: RequestId,
        seen: &Seen<'_>,
    ) -> Result<Option<(i64, u64)>, IndexError> {
        let mut find = self
            .connection
            .prepare_cached("SELECT entry, at FROM call WHERE request = ?1")?;
        let found = find
            .query_row([request.to_bytes()], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)?))
            })
            .optional()?;
        let Some((call, at)) = found else {
            return Ok(None);
        };
        let what = self.term(&seen.what)?;
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO step (call, entry, what, at) VALUES (?1, ?2, ?3, ?4)")?;
        insert.execute([call, number(entry), what, number(seen.at.as_millis())])?;
        Ok(Some((call, at.unsigned_abs())))
    }

    fn stands(&self, call: i64, standing: Standing) -> Result<(), IndexError> {
        let mut update = self
            .connection
            .prepare_cached("UPDATE call SET standing = ?2 WHERE entry = ?1")?;
        update.execute([call, standing.code()])?;
        Ok(())
    }

    fn decided(
        &self,
        call: i64,
        standing: Standing,
        decision: Decision,
        took: i64,
    ) -> Result<(), IndexError> {
        let mut update = self.connection.prepare_cached(
            "UPDATE call SET standing = ?2, decision = ?3, took = ?4 WHERE entry = ?1",
        )?;
        update.execute([call, standing.code(), decision as i64, took])?;
        Ok(())
    }

    /// After the start only what is left of a grant can be taken back.
    fn revoked(&self, call: i64) -> Result<(), IndexError> {
        let mut update = self
            .connection
            .prepare_cached("UPDATE call SET standing = ?2 WHERE entry = ?1 AND standing = ?3")?;
        update.execute([call, Standing::Revoked.code(), Standing::Approved.code()])?;
        Ok(())
    }

    fn finished(&self, call: i64, seen: &Seen<'_>) -> Result<(), IndexError> {
        match seen.succeeded {
            Some(true) => self.stands(call, Standing::Succeeded),
            Some(false) => self.stands(call, Standing::Failed),
            // Its text was destroyed.
            None => Ok(()),
        }
    }

    fn voted(&mut self, call: i64, seen: &Seen<'_>) -> Result<(), IndexError> {
        let Some(vote) = seen
            .vote
            .as_ref()
            .filter(|vote| *vote.choice != *"withdrawn")
        else {
            return Ok(());
        };
        let Some(person) = &vote.person else {
            return Ok(());
        };
        let person = self.term(person)?;
        let mut insert = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO reviewed (person, entry) VALUES (?1, ?2)")?;
        insert.execute([person, call])?;
        Ok(())
    }

    fn vote_refused(
        &mut self,
        entry: u64,
        call: Option<i64>,
        seen: &Seen<'_>,
    ) -> Result<(), IndexError> {
        if seen.own_request != Some(true) {
            return Ok(());
        }
        let person = self.optional(seen.person.as_deref())?;
        let identity = match &seen.identity {
            Some(identity) => format!(
                "{}:{}:{}",
                &*identity.channel, &*identity.tenant, &*identity.user
            ),
            None => String::new(),
        };
        let identity = self.term(&identity)?;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO self_approval (entry, call, person, identity, at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        insert.execute(params![
            number(entry),
            call,
            person,
            identity,
            number(seen.at.as_millis())
        ])?;
        match call {
            Some(call) => self.mark(call, marks::SELF_APPROVAL),
            None => Ok(()),
        }
    }

    fn mark(&self, call: i64, bits: i64) -> Result<(), IndexError> {
        let mut update = self
            .connection
            .prepare_cached("UPDATE call SET marks = marks | ?2 WHERE entry = ?1")?;
        update.execute([call, bits])?;
        Ok(())
    }

    fn unmark(&self, call: i64, bits: i64) -> Result<(), IndexError> {
        let mut update = self
            .connection
            .prepare_cached("UPDATE call SET marks = marks & ~?2 WHERE entry = ?1")?;
        update.execute([call, bits])?;
        Ok(())
    }
}
