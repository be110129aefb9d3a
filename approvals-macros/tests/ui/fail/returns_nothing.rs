use approvals_core::requires_approval;

#[requires_approval(policy = "prod-db")]
async fn export(database: &str) {}

fn main() {}
