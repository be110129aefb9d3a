use approvals_core::{ApprovalError, Permit, requires_approval};

fn keep(_: Permit) {}

#[requires_approval(policy = "prod-db", permit)]
async fn export(database: &str) -> Result<(), ApprovalError> {
    keep(*permit);
    let _ = database;
    Ok(())
}

fn main() {}
