use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", on_refusal = |error| error)]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = database;
    Ok(())
}

fn main() {}
