//! Requests in PostgreSQL: a whole cycle, what a page and a due scan cost among a million pending
//! requests, and callers that come back after a restart.
//!
//! Starts a server of its own, with the settings that PostgreSQL comes with: every commit is
//! flushed.

mod cycle;
mod lookups;
mod returning;
mod rows;

use std::sync::Arc;

use approvals_benches::effort::Effort;
use approvals_benches::{Failure, machine};
use approvals_postgres::PostgresStore;
use approvals_testing::postgres::{PrivateServer, StartError};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::runtime::Builder;

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let server = match PrivateServer::start() {
        Ok(server) => server,
        Err(StartError::NotInstalled) => {
            println!("## PostgreSQL\n\nNot measured: it is not installed here.");
            return Ok(());
        }
        Err(StartError::Failed(error)) => return Err(error.into()),
    };
    let url = server.url("postgres");
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    // What is dropped here ends its connections in the background.
    let _entered = runtime.enter();
    // `-- cycles`, `-- lookups`, `-- returning`: only that part.
    let parts = ["cycles", "lookups", "returning"];
    let named = |part: &str| std::env::args().any(|argument| argument == part);
    let all = !parts.into_iter().any(named);
    println!("## PostgreSQL\n\n{}\n", machine::describe());
    if all || named("cycles") {
        cycle::cycle(&runtime, &url, effort.rounds(101))?;
    }
    if all || named("lookups") {
        lookups::lookups(&runtime, &url, effort)?;
    }
    if all || named("returning") {
        println!("{}", returning::returning(&runtime, &url, effort)?);
    }
    Ok(())
}

async fn store(url: &str, schema: &str) -> Result<Arc<PostgresStore>, Failure> {
    let store = PostgresStore::builder(url).schema(schema).connect();
    Ok(Arc::new(store.await?))
}

/// A connection of its own to the tables of a store.
async fn beside(url: &str, schema: &str) -> Result<PgConnection, Failure> {
    let options: PgConnectOptions = url.parse()?;
    Ok(options.options([("search_path", schema)]).connect().await?)
}
