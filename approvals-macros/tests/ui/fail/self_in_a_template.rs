use approvals_core::{ApprovalError, requires_approval};

struct Account {
    name: String,
}

impl Account {
    #[requires_approval(policy = "prod-db", resource = "{self}")]
    async fn close(&self) -> Result<(), ApprovalError> {
        Ok(())
    }
}

fn main() {}
