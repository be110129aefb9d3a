use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", sensitive(token))]
async fn export((database, token): (String, String)) -> Result<(), ApprovalError> {
    let _ = (database, token);
    Ok(())
}

fn main() {}
