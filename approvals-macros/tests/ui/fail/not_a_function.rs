use approvals_core::requires_approval;

#[requires_approval(policy = "prod-db")]
struct Export {
    database: String,
}

fn main() {}
