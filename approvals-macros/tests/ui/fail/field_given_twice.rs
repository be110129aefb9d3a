use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", fields(region = 1, region = 2))]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = database;
    Ok(())
}

fn main() {}
