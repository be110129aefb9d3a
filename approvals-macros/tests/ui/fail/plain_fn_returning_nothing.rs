use approvals_core::requires_approval;

#[requires_approval(policy = "prod-db")]
fn export(database: &str) {}

fn main() {}
