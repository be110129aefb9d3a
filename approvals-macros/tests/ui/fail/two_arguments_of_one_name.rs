use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db")]
async fn export((_, _): (u8, u8), arg0: u8) -> Result<(), ApprovalError> {
    let _ = arg0;
    Ok(())
}

fn main() {}
