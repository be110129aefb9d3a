use approvals_core::requires_approval;

struct ExportError;

#[requires_approval(policy = "prod-db")]
async fn export(database: &str) -> Result<(), ExportError> {
    let _ = database;
    Ok(())
}

fn main() {}
