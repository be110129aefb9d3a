use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", timeout = "5m")]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = database;
    Ok(())
}

fn main() {}
