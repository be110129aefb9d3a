use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db")]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = permit;
    Ok(())
}

fn main() {}
