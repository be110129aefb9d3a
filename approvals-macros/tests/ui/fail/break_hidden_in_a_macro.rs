use approvals_core::{ApprovalError, requires_approval};

macro_rules! leave {
    () => {
        break
    };
}

#[requires_approval(policy = "prod-db", resource = leave!())]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = database;
    Ok(())
}

fn main() {}
