use std::pin::Pin;

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db", output = Result<(), ApprovalError>)]
fn export(database: String) -> Pin<Box<dyn Future<Output = Result<(), ApprovalError>> + Send>> {
    Box::pin(async { Ok(()) })
}

fn main() {}
