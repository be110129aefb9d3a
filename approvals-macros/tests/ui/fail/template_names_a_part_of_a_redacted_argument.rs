use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", redact(arg0), resource = "db/{secret}")]
async fn export((database, secret): (String, String)) -> Result<(), ApprovalError> {
    let _ = database;
    let _ = secret;
    Ok(())
}

fn main() {}
