use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", skip(token), sensitive(token))]
async fn export(database: &str, token: &str) -> Result<(), ApprovalError> {
    let _ = (database, token);
    Ok(())
}

fn main() {}
