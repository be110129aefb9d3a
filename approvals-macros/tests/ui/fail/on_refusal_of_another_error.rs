use approvals_core::{ApprovalError, requires_approval};

struct ExportError;

fn refused(error: ApprovalError) -> String {
    error.to_string()
}

#[requires_approval(policy = "prod-db", on_refusal = refused)]
async fn export(database: &str) -> Result<(), ExportError> {
    let _ = database;
    Ok(())
}

fn main() {}
