use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(action = "db.export")]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = database;
    Ok(())
}

fn main() {}
