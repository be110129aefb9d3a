use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", redact(token), sensitive(token, database))]
async fn export(database: &str, token: &str) -> Result<(), ApprovalError> {
    let _ = (database, token);
    Ok(())
}

fn main() {}
