use approvals_core::{ApprovalError, requires_approval};

macro_rules! look_up {
    () => {
        std::future::ready("db").await
    };
}

#[requires_approval(policy = "prod-db", resource = look_up!())]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = database;
    Ok(())
}

fn main() {}
