use approvals_core::requires_approval;

#[requires_approval(policy = "prod-db")]
extern "C" fn export(database: u8) -> u8 {
    database
}

fn main() {}
