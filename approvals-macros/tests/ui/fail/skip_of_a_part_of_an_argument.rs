use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", skip(secret))]
async fn export((database, secret): (String, String)) -> Result<(), ApprovalError> {
    let _ = database;
    let _ = secret;
    Ok(())
}

fn main() {}
