use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(policy = "prod-db")]
fn export(database: String) -> impl Future {
    async { Ok::<(), ApprovalError>(()) }
}

fn main() {}
