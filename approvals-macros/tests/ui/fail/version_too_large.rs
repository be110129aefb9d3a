use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", version = 4294967296)]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = database;
    Ok(())
}

fn main() {}
