use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", key = database.into_boxed_str())]
async fn export(database: String) -> Result<(), ApprovalError> {
    drop(database);
    Ok(())
}

fn main() {}
