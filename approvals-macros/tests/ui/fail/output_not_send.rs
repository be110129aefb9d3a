use approvals_core::requires_approval;

#[requires_approval(policy = "prod-db")]
async fn export(database: String) -> Result<(), Box<dyn std::error::Error>> {
    let _ = database;
    Ok(())
}

fn is_send(_: impl Send) {}

fn check() {
    is_send(export(String::new()));
}

fn main() {}
