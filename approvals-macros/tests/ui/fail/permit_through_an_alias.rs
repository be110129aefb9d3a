use std::pin::Pin;

use approvals_core::{ApprovalError, requires_approval};

type Exported = Pin<Box<dyn Future<Output = Result<(), ApprovalError>>>>;

#[requires_approval(policy = "prod-db", permit, output = Result<(), ApprovalError>)]
fn export(database: String) -> Exported {
    Box::pin(async { Ok(()) })
}

fn main() {}
