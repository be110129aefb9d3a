use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db")]
fn export(database: String) -> Box<dyn Future<Output = Result<(), ApprovalError>> + Unpin> {
    Box::new(std::future::ready(Ok(())))
}

fn main() {}
