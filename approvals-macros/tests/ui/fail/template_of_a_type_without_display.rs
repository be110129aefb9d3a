use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", resource = "db/{database:?}/{rows}")]
async fn export(database: &str, rows: Vec<u64>) -> Result<(), ApprovalError> {
    let _ = database;
    let _ = rows;
    Ok(())
}

fn main() {}
