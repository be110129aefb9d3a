use approvals_core::{ApprovalError, requires_approval};

struct Pool;

#[requires_approval(policy = "prod-db", display(pool))]
async fn export(pool: &Pool) -> Result<(), ApprovalError> {
    let _ = pool;
    Ok(())
}

fn main() {}
