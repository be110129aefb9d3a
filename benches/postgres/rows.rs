//! A floor that writes the very rows of a cycle into a store's own tables, with their indices:
//! nothing is looked up, judged or put into words.

use approvals_benches::Failure;
use approvals_core::{RequestId, RequestStore, SinkId};
use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use crate::cycle::{STEPS, commands};
use crate::{beside, store};

/// What one commit of a cycle leaves, each row as PostgreSQL writes one: `(value,…)`.
#[derive(Debug)]
struct Step {
    /// What its request is called in these rows, and its digest.
    id: String,
    digest: String,
    request: String,
    requesters: Vec<String>,
    copies: Vec<String>,
    events: Vec<String>,
}

/// The rows of a cycle, to be written as often as wanted.
#[derive(Debug)]
pub(crate) struct Rows {
    connection: PgConnection,
    steps: Vec<Step>,
    written: u128,
}

const OPEN: &str = "WITH asked AS (INSERT INTO requests SELECT (r).* FROM (SELECT $1::text::requests AS r) AS one), \
     of AS (INSERT INTO requesters SELECT (r).* FROM unnest($2::text[]::requesters[]) AS r), \
     copies AS (INSERT INTO deliveries SELECT (d).* FROM unnest($3::text[]::deliveries[]) AS d), ";

const DELIVER: &str = "UPDATE deliveries SET body = (d).body, due = (d).due, due_kept = (d).due_kept \
     FROM unnest($1::text[]::deliveries[]) AS d \
     WHERE deliveries.request = (d).request AND deliveries.channel = (d).channel";

const CHANGE: &str = "WITH changed AS (UPDATE requests SET revision = (r).revision, schema = (r).schema, \
     phase = (r).phase, record = (r).record, due_at = (r).due_at, awaited_by = (r).awaited_by, \
     decides = (r).decides, grant_until = (r).grant_until, denied_at = (r).denied_at, \
     review_owed = (r).review_owed, changed_at = (r).changed_at \
     FROM (SELECT $1::text::requests AS r) AS one WHERE requests.id = (r).id), ";

const EVENTS: &str = "numbered AS (UPDATE head SET last_event = last_event + cardinality($4::text[]), \
     latest = latest + 1 RETURNING last_event - cardinality($4::text[]) AS before) \
     INSERT INTO events SELECT before + place, id, at, request, revision, what \
     FROM numbered, unnest($4::text[]::events[]) WITH ORDINALITY \
     AS e (number, id, at, request, revision, what, place)";

impl Rows {
    /// Takes them from a cycle; a connection of its own writes them.
    pub(crate) async fn of_a_cycle(url: &str) -> Result<Self, Failure> {
        let from = store(url, "rows_from").await?;
        from.register_sink(&SinkId::new("observer")?).await?;
        let mut reading = beside(url, "rows_from").await?;
        let mut steps = Vec::new();
        for step in 1..=STEPS {
            let id = commands(&from, step).await?;
            steps.push(Step::read(&mut reading, id).await?);
        }
        // Makes the tables, and leaves.
        drop(store(url, "rows_to").await?);
        Ok(Self {
            connection: beside(url, "rows_to").await?,
            steps,
            written: 0,
        })
    }

    /// The transactions of one cycle.
    pub(crate) async fn cycle(&mut self) -> Result<(), Failure> {
        self.written += 1;
        for (place, step) in self.steps.iter().enumerate() {
            let named = |text: &String| {
                text.replace(&step.id, &format!("{:032x}", self.written))
                    .replace(&step.digest, &format!("{:064x}", self.written))
            };
            let array = |texts: &[String]| -> Vec<String> { texts.iter().map(named).collect() };
            let statement = match place {
                0 => [OPEN, EVENTS].concat(),
                1 => DELIVER.to_owned(),
                _ => [CHANGE, "looks AS (SELECT $2::text[], $3::text[]), ", EVENTS].concat(),
            };
            if place == 1 {
                sqlx::query(sqlx::AssertSqlSafe(statement))
                    .bind(array(&step.copies))
                    .execute(&mut self.connection)
                    .await?;
                continue;
            }
            self.connection.execute(sqlx::raw_sql("BEGIN")).await?;
            sqlx::query(sqlx::AssertSqlSafe(statement))
                .bind(named(&step.request))
                .bind(array(&step.requesters))
                .bind(array(&step.copies))
                .bind(array(&step.events))
                .execute(&mut self.connection)
                .await?;
            self.connection.execute(sqlx::raw_sql("COMMIT")).await?;
        }
        Ok(())
    }
}

impl Step {
    async fn read(reading: &mut PgConnection, id: RequestId) -> Result<Self, Failure> {
        let row = sqlx::query(
            "SELECT encode(r.id, 'hex') AS id, encode(r.digest, 'hex') AS digest, r::text AS request, \
             ARRAY(SELECT q::text FROM requesters q WHERE q.request = r.id) AS requesters, \
             ARRAY(SELECT d::text FROM deliveries d WHERE d.request = r.id) AS copies, \
             ARRAY(SELECT e::text FROM events e WHERE e.request = r.id AND e.revision = r.revision \
             ORDER BY e.number) AS events FROM requests r WHERE r.id = $1",
        )
        .bind(id.to_bytes().to_vec())
        .fetch_one(reading)
        .await?;
        Ok(Self {
            id: row.try_get("id")?,
            digest: row.try_get("digest")?,
            request: row.try_get("request")?,
            requesters: row.try_get("requesters")?,
            copies: row.try_get("copies")?,
            events: row.try_get("events")?,
        })
    }
}
