use approvals_core::{ApprovalError, requires_approval};

struct Account {
    name: String,
}

impl Account {
    #[requires_approval(policy = "prod-db", key = self.name)]
    async fn close(&self) -> Result<(), ApprovalError> {
        Ok(())
    }
}

fn main() {}
