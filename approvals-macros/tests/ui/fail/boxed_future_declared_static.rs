use std::pin::Pin;

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db")]
fn export(database: &str) -> Pin<Box<dyn Future<Output = Result<(), ApprovalError>> + Send + 'static>> {
    Box::pin(async { Ok(()) })
}

fn main() {}
