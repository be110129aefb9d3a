use approvals_core::{ApprovalError, requires_approval};

struct Bank {
    account: String,
}

impl Bank {
    #[requires_approval(policy = "prod-db", fields(account = self.account), sensitive(self))]
    async fn close(&self) -> Result<(), ApprovalError> {
        Ok(())
    }
}

fn main() {}
