use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", skip = database)]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = database;
    Ok(())
}

fn main() {}
