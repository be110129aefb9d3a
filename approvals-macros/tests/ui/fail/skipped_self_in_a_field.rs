use approvals_core::{ApprovalError, requires_approval};

struct Account {
    name: String,
}

impl Account {
    #[requires_approval(policy = "prod-db", skip(self), fields(account = self.name))]
    async fn close(&self) -> Result<(), ApprovalError> {
        Ok(())
    }
}

fn main() {}
