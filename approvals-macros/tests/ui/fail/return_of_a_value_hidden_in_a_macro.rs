use approvals_core::{ApprovalError, requires_approval};

macro_rules! leave {
    () => {
        return true
    };
}

#[requires_approval(policy = "prod-db", fields(target = leave!()))]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = database;
    Ok(())
}

fn main() {}
