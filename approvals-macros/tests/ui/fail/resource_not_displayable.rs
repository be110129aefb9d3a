use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", resource = rows)]
async fn export(rows: Vec<u64>) -> Result<(), ApprovalError> {
    let _ = rows;
    Ok(())
}

fn main() {}
