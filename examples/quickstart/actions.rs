//! What the agent can do. Each body runs only when policy or people say so.

use std::fs::File;
use std::io::Write;

use approvals_core::requires_approval;

use super::Error;
use super::database::{Database, Table};

#[requires_approval(
    policy = "company-data",
    action = "db.read",
    resource = "db/{table}",
    skip(database)
)]
pub(crate) async fn count(database: &Database, table: Table) -> Result<i64, Error> {
    database.count(table).await
}

#[requires_approval(
    policy = "company-data",
    action = "db.export",
    risk = high,
    resource = "db/{table}",
    summary = "Copy every row of {table} to the file {file}",
    justification = why,
    skip(database)
)]
pub(crate) async fn export(
    database: &Database,
    table: Table,
    file: &str,
    why: &str,
) -> Result<usize, Error> {
    let rows = database.rows(table).await?;
    let mut out = File::create_new(database.directory().join(file))?;
    writeln!(out, "{}", table.columns())?;
    for row in &rows {
        let fields: Vec<_> = row.iter().map(|field| quoted(field)).collect();
        writeln!(out, "{}", fields.join(","))?;
    }
    out.sync_all()?;
    Ok(rows.len())
}

#[requires_approval(
    policy = "company-data",
    action = "iam.grant_role",
    risk = critical,
    resource = "role/{role}",
    summary = "Make {member} a {role}",
    justification = why,
    skip(database)
)]
pub(crate) async fn grant_role(
    database: &Database,
    member: &str,
    role: &str,
    why: &str,
) -> Result<(), Error> {
    database.grant(member, role).await
}

#[requires_approval(
    policy = "company-data",
    action = "db.drop_table",
    risk = critical,
    resource = "db/{table}",
    skip(database)
)]
pub(crate) async fn drop_table(database: &Database, table: Table) -> Result<(), Error> {
    database.drop_table(table).await
}

/// A field of a CSV file, as RFC 4180 has it.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
