use approvals_core::requires_approval;

#[requires_approval(policy = "prod-db")]
async fn export(database: &str) -> impl std::fmt::Display {
    1
}

fn main() {}
