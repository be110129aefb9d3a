use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", requester = approvals_core::Requester::person(token).unwrap(), sensitive(token))]
async fn export(database: &str, token: &str) -> Result<(), ApprovalError> {
    let _ = (database, token);
    Ok(())
}

fn main() {}
