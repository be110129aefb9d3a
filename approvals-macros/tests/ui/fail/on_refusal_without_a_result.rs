use approvals_core::{ApprovalError, requires_approval};

fn refused(_: ApprovalError) -> bool {
    false
}

#[requires_approval(policy = "prod-db", on_refusal = refused)]
async fn export(database: &str) -> bool {
    true
}

fn main() {}
