use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", permit)]
async fn export(permit: &str) -> Result<(), ApprovalError> {
    let _ = permit;
    Ok(())
}

fn main() {}
