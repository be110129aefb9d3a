use approvals_core::{ApprovalError, requires_approval};

const POLICY: &str = "prod-db";

#[requires_approval(policy = POLICY)]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = database;
    Ok(())
}

fn main() {}
