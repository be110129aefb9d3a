use approvals_core::{ApprovalError, requires_approval};

trait Exporter {
    #[requires_approval(policy = "prod-db", skip(self))]
    fn export(&self, database: &str) -> impl Future<Output = Result<(), ApprovalError>>;
}

fn main() {}
