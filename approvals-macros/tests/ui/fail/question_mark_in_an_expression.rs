use approvals_core::{ApprovalError, requires_approval};

fn name() -> Result<String, ApprovalError> {
    Ok(String::new())
}

#[requires_approval(policy = "prod-db", resource = name()?)]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = database;
    Ok(())
}

fn main() {}
