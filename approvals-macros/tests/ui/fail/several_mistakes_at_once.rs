use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(polcy = "prod-db", risk = hihg, skip(datbase), resource = "{tabel}", version = 2.0)]
async fn export(database: &str) -> Result<(), ApprovalError> {
    let _ = database;
    Ok(())
}

fn main() {}
