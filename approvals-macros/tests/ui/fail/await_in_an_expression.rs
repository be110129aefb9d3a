use approvals_core::{ApprovalError, requires_approval};

async fn name() -> String {
    String::new()
}

#[requires_approval(policy = "prod-db", resource = name().await)]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = database;
    Ok(())
}

fn main() {}
