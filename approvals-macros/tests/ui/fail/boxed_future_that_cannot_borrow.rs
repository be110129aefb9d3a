use std::pin::Pin;

use approvals_core::{ApprovalError, requires_approval};

struct Account {
    name: String,
}

impl Account {
    #[requires_approval(policy = "prod-db", skip(self))]
    fn call(&mut self) -> Pin<Box<dyn Future<Output = Result<(), ApprovalError>> + Send>> {
        Box::pin(async { Ok(()) })
    }
}

fn main() {}
