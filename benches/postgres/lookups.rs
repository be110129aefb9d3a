//! Pages of the list and due scans, as more and more requests are pending.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use approvals_benches::Failure;
use approvals_benches::effort::Effort;
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::Table;
use approvals_core::store::{Filter, Opened};
use approvals_core::{Phase, RequestStore};
use approvals_postgres::PostgresStore;
use approvals_testing::sample::Sample;
use sqlx::{AssertSqlSafe, Executor, Row};
use tokio::runtime::Runtime;

use crate::{beside, store};

/// How much a scan asks for at once: as much as a gate asks for.
const SCANNED: usize = 256;

/// How many are overdue, however many are pending.
const OVERDUE: usize = 300;

/// Stores as many pending requests as wanted: copies of one, for which no gate waits.
async fn filled(url: &str, schema: &str, wanted: usize) -> Result<Arc<PostgresStore>, Failure> {
    let store = store(url, schema).await?;
    let sample = Sample::at(store.now().await?);
    let opened = store.open(sample.opening(), Vec::new()).await?;
    let Opened::Asked { .. } = opened else {
        return Err(format!("people should be asked: {opened:?}").into());
    };
    let mut connection = beside(url, schema).await?;
    let row = sqlx::query(
        "SELECT string_agg(quote_ident(attname), ', ') AS columns FROM pg_attribute \
         WHERE attrelid = 'requests'::regclass AND attnum > 0 AND NOT attisdropped \
         AND attname NOT IN ('id', 'due_at', 'digest', 'bucket')",
    )
    .fetch_one(&mut connection)
    .await?;
    let columns: String = row.try_get("columns")?;
    let copies = format!(
        "INSERT INTO requests (id, due_at, digest, bucket, {columns}) \
         SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), \
         CASE WHEN n <= {OVERDUE} THEN r.asked_at - n ELSE r.due_at + n END, \
         sha256(n::text::bytea), sha256((n % 1000)::text::bytea), {columns} \
         FROM (SELECT * FROM requests LIMIT 1) r, generate_series(1, {wanted}) AS n; \
         VACUUM ANALYZE requests"
    );
    for statement in copies.split("; ") {
        let statement = AssertSqlSafe(statement.to_owned());
        connection.execute(sqlx::raw_sql(statement)).await?;
    }
    finds_as_much(&store).await?;
    Ok(store)
}

/// Scans that find different things could not be compared.
async fn finds_as_much(store: &PostgresStore) -> Result<(), Failure> {
    let (some, all) = (store.due(SCANNED).await?, store.due(2 * OVERDUE).await?);
    let found = (some.requests.len(), all.requests.len(), all.abandoned.len());
    if found != (SCANNED, OVERDUE, 0) {
        return Err(format!("a due scan finds {found:?}").into());
    }
    Ok(())
}

pub(crate) fn lookups(runtime: &Runtime, url: &str, effort: Effort) -> Result<(), Failure> {
    let (few, many) = match effort {
        Effort::Full => (10_000, 1_000_000),
        Effort::Quick => (10_000, 100_000),
        Effort::Smoke => (500, 1_000),
    };
    let rounds = effort.rounds(1_001);
    let small = runtime.block_on(filled(url, "few", few))?;
    let large = runtime.block_on(filled(url, "many", many))?;
    let pending = Filter {
        phases: vec![Phase::Pending],
        ..Filter::default()
    };
    let page = |store: &PostgresStore| {
        let start = Instant::now();
        let page = runtime.block_on(store.list(&pending, None, 50))?;
        black_box(page);
        Ok(start.elapsed())
    };
    let due = |store: &PostgresStore| {
        let start = Instant::now();
        black_box(runtime.block_on(store.due(SCANNED))?);
        Ok(start.elapsed())
    };
    let samples = interleave(
        rounds,
        vec![
            Contestant::new(format!("a page of 50 among {few}"), 1, |_| page(&small)),
            Contestant::new(format!("a page of 50 among {many}"), 1, |_| page(&large)),
        ],
    )?;
    println!("### A page of the list\n\n{}", Table::of_medians(&samples));
    let scan = |of: usize| format!("{SCANNED} of {OVERDUE} that are due, among {of}");
    let samples = interleave(
        rounds,
        vec![
            Contestant::new(scan(few), 1, |_| due(&small)),
            Contestant::new(scan(many), 1, |_| due(&large)),
        ],
    )?;
    println!("### A due scan\n\n{}", Table::of_medians(&samples));
    Ok(())
}
