//! How PostgreSQL carries out what is asked often: by an index, however many requests there are. The
//! plans stand in `plans.txt`, of the version of PostgreSQL that it names.

use approvals_core::store::Filter;
use approvals_core::{Phase, RequestId};
use approvals_testing::postgres::{PrivateServer, StartError};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};

use crate::{PostgresStore, archive, copies, duties, open, read, swap, trail};

/// The plans as they are checked in.
const PLANS: &str = include_str!("plans.txt");

/// Enough that looking at all of them is not the cheapest way. Of the gates that requests wait for
/// one is gone, for which the last few wait.
const MANY: &str = "
INSERT INTO requests (id, schema, revision, phase, record, action, digest, bucket, asked_at, due_at,
    awaited_by, decides, denied_at, denied_here_at, proposed_to, review_owed, changed_at)
SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 1, 1,
    CASE WHEN n % 50 = 0 THEN 'denied' WHEN n % 50 = 1 THEN 'succeeded' ELSE 'pending' END,
    repeat('x', 500), 'action.' || n % 101,
    sha256(('digest' || n / 4)::bytea), sha256(('bucket' || n % 1000)::bytea), n,
    CASE WHEN n % 50 > 1 THEN n END,
    CASE WHEN n % 50 > 1 THEN sha256(('gate' || CASE WHEN n > 19990 THEN 9 ELSE n % 5 END)::bytea) END,
    n % 50 = 0, CASE WHEN n % 50 = 0 THEN n END, CASE WHEN n % 50 = 0 THEN n END,
    CASE WHEN n % 50 = 0 THEN sha256(('chain' || n % 100)::bytea) END, n % 5000 = 0, n
FROM generate_series(1, 20000) AS n;
INSERT INTO requesters (principal, request)
SELECT 'person:p' || n % 100, decode(lpad(to_hex(n), 32, '0'), 'hex') FROM generate_series(1, 20000) AS n;
INSERT INTO heartbeats (owner, until)
SELECT sha256(('gate' || n)::bytea), 1000000 FROM generate_series(0, 4) AS n;
INSERT INTO archived (id, record)
SELECT decode(lpad(to_hex(n + 1000000), 32, '0'), 'hex'), repeat('x', 500)
FROM generate_series(1, 20000) AS n;
INSERT INTO keys (key, request)
SELECT sha256(('key' || n)::bytea), decode(lpad(to_hex(n), 32, '0'), 'hex')
FROM generate_series(1, 20000) AS n;
INSERT INTO events (number, id, at, revision, what)
SELECT n, decode(lpad(to_hex(n), 32, '0'), 'hex'), n, 1, repeat('x', 500)
FROM generate_series(1, 20000) AS n;
INSERT INTO sinks (sink, acknowledged) VALUES ('observer', 19000);
INSERT INTO deliveries (request, channel, body, due, due_kept)
SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 'channel' || n % 3, repeat('x', 100),
    CASE WHEN n % 50 > 1 THEN n END, 1
FROM generate_series(1, 20000) AS n;
INSERT INTO duties (duty, owner, until)
SELECT 'channel/' || n, sha256(('gate' || n % 5)::bytea), n FROM generate_series(1, 1000) AS n;
ANALYZE;
";

/// A database with many requests; the server lives as long as it.
async fn many() -> Option<(PgConnection, Option<PrivateServer>)> {
    let (url, server) = match std::env::var("APPROVALS_POSTGRES_URL") {
        Ok(url) => (url, None),
        Err(_) => match PrivateServer::start() {
            Ok(server) => (server.url("postgres"), Some(server)),
            Err(StartError::NotInstalled)
                if std::env::var_os("APPROVALS_POSTGRES_REQUIRED").is_none() =>
            {
                use std::io::Write;
                let why = "SKIPPED: query plans, since `initdb` and `postgres` are not installed";
                let _ = writeln!(std::io::stderr(), "{why}");
                return None;
            }
            Err(error) => panic!("{error:?}"),
        },
    };
    let schema = format!("plans_{}", std::process::id());
    let store = PostgresStore::builder(&url).schema(&schema);
    drop(store.connect().await.unwrap());
    let options: PgConnectOptions = url.parse().unwrap();
    let options = options.options([("search_path", schema)]);
    let mut connection = options.connect().await.unwrap();
    connection.execute(sqlx::raw_sql(MANY)).await.unwrap();
    Some((connection, server))
}

/// The plan of a statement that is made once for each connection, as it is explained with these
/// options.
async fn plan(
    connection: &mut PgConnection,
    (statement, types, values): (&str, &str, &str),
    options: &str,
) -> String {
    let prepare = format!(
        "SET plan_cache_mode = force_generic_plan; DEALLOCATE ALL; \
         PREPARE asked ({types}) AS {statement}"
    );
    let explain = format!("EXPLAIN ({options}) EXECUTE asked ({values})");
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(prepare)))
        .await
        .unwrap();
    let rows = connection
        .fetch_all(sqlx::raw_sql(AssertSqlSafe(explain)))
        .await
        .unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    lines.join("\n")
}

/// How many rows any step of a plan looked at.
fn most_rows(plan: &str) -> u64 {
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    };
    let after = |word: &str| {
        plan.match_indices(word)
            .map(|(place, _)| number(&plan[place + word.len()..]))
            .max()
            .unwrap_or(0)
    };
    after("rows=").max(after("Rows Removed by Filter: "))
}

#[tokio::test]
async fn what_is_asked_often_is_answered_by_an_index() {
    let Some((mut connection, _server)) = many().await else {
        return;
    };
    let id = "decode(lpad(to_hex(9000), 32, '0'), 'hex')";
    let digest = "sha256('digest2000')";
    let after = RequestId::from_bytes(5_000_u128.to_be_bytes());
    let page = |filter: &Filter| read::page_statement(filter, Some(after), 20);
    let of_phases = |phases: &[Phase]| Filter {
        phases: phases.to_vec(),
        ..Filter::default()
    };
    let of_action = Filter {
        action: Some("action.3".parse().unwrap()),
        ..Filter::default()
    };
    let owing = Filter {
        review_owed: true,
        ..Filter::default()
    };
    let of_requester = Filter {
        requester: Some("person:p7".parse().unwrap()),
        ..of_phases(&[Phase::Pending, Phase::Denied])
    };
    let cases = [
        (
            "the due scan",
            read::DUE,
            "bigint, bigint, bigint",
            "50, 0, 20".to_owned(),
            &["requests_due", "requests_awaited"][..],
        ),
        (
            "a page of all",
            &page(&Filter::default()),
            "text",
            "NULL".to_owned(),
            &["requests_pkey"],
        ),
        (
            "a page of two rare phases",
            &page(&of_phases(&[Phase::Denied, Phase::InDoubt])),
            "text",
            "NULL".to_owned(),
            &["requests_by_phase"],
        ),
        (
            "a page of an action",
            &page(&of_action),
            "text",
            "NULL".to_owned(),
            &["requests_by_action"],
        ),
        (
            "a page of those that owe a review",
            &page(&owing),
            "text",
            "NULL".to_owned(),
            &["requests_owing_review"],
        ),
        (
            "a page of a requester",
            &page(&of_requester),
            "text",
            "'person:p7'".to_owned(),
            &["requesters_pkey", "requests_pkey"],
        ),
        (
            "pending requests of a digest",
            read::PENDING_WITH,
            "bytea",
            digest.to_owned(),
            &["requests_pending_equal"],
        ),
        (
            "what is archived next",
            archive::FINISHED,
            "bigint, bigint, bytea, bigint, bigint",
            format!("15000, 5000, {id}, 20000, 20"),
            &["requests_finished"],
        ),
        (
            "requests that are resumed",
            read::READ_WITH_COPIES,
            "bigint, bigint, bytea[]",
            format!("15000, 0, ARRAY[{id}, {id}]"),
            &["requests_pkey", "archived_pkey", "deliveries_pkey"],
        ),
        (
            "calls that come back with their keys",
            open::KNOWN,
            "bigint, bigint, bytea[], bytea[]",
            format!(
                "15000, 0, ARRAY[sha256('key2000'), sha256('key7')], ARRAY[{digest}, {digest}]"
            ),
            &[
                "keys_pkey",
                "requests_pkey",
                "archived_pkey",
                "requests_deciding",
                "deliveries_pkey",
            ],
        ),
        (
            "copies that are due on a channel",
            copies::DUE,
            "bigint, bigint, text, bigint",
            "15000, 0, 'channel1', 20".to_owned(),
            &["deliveries_due"],
        ),
        (
            "a duty that is taken",
            duties::TAKE,
            "bigint, bigint, text, bytea, bigint",
            "50, 0, 'channel/7', sha256('gate9'), 10".to_owned(),
            &["duties_pkey"],
        ),
        (
            "events for a sink",
            trail::OFFER,
            "text, bigint",
            "'observer', 20".to_owned(),
            &["events_pkey"],
        ),
        (
            "what an opening is judged by",
            open::STANDING.sql,
            open::STANDING.types,
            format!(
                "20000, 0, {id}, sha256('key2000'), {digest}, sha256('bucket7'), \
                 sha256('chain50'), 5000, 5000"
            ),
            &[
                "keys_pkey",
                "requests_deciding",
                "requests_denied",
                "requests_pending_in_bucket",
                "requests_asked_in_bucket",
                "requests_denied_in_bucket",
                "requests_proposed",
            ],
        ),
        (
            "what a swap is judged by",
            swap::JUDGED_BY.sql,
            swap::JUDGED_BY.types,
            format!("20000, 0, {id}, true, {digest}, {id}"),
            &["requests_pkey", "requests_deciding"],
        ),
    ];
    let mut plans = format!("PostgreSQL {}\n", version(&mut connection).await);
    for (what, statement, types, values, indices) in cases {
        let asked = (statement, types, values.as_str());
        let planned = plan(&mut connection, asked, "COSTS OFF").await;
        plans.push_str(&format!("\n{what}\n{planned}\n"));
        let counted = "ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF";
        let plan = plan(&mut connection, asked, counted).await;
        for index in indices {
            assert!(plan.contains(index), "{what} does not use {index}:\n{plan}");
        }
        for table in [
            "requests",
            "requesters",
            "events",
            "keys",
            "deliveries",
            "duties",
            "archived",
        ] {
            let scan = format!("Seq Scan on {table}");
            assert!(!plan.contains(&scan), "{what} looks at everything:\n{plan}");
        }
        let rows = most_rows(&plan);
        assert!(rows <= 100, "{what} looks at {rows} rows:\n{plan}");
    }
    // Other versions may plan otherwise, and by the indices that were looked for all the same.
    if PLANS.lines().next() == plans.lines().next() {
        assert_eq!(
            plans, PLANS,
            "the plans changed: look at them, then check them in:\n{plans}"
        );
    }
}

/// The major version of the server.
async fn version(connection: &mut PgConnection) -> String {
    let number = sqlx::raw_sql("SHOW server_version_num");
    let row = connection.fetch_one(number).await.unwrap();
    let number: String = row.get(0);
    number[..number.len() - 4].to_owned()
}
