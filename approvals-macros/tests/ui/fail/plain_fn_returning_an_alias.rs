use std::pin::Pin;

use approvals_core::{ApprovalError, requires_approval};

type Exported = Pin<Box<dyn Future<Output = Result<(), ApprovalError>>>>;

#[requires_approval(policy = "prod-db")]
fn export(database: String) -> Exported {
    Box::pin(async move { Ok(()) })
}

fn main() {}
