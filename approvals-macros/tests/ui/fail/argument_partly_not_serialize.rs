use approvals_core::{ApprovalError, requires_approval};

struct Order;

#[requires_approval(policy = "prod-db")]
async fn export(orders: Vec<Order>) -> Result<(), ApprovalError> {
    let _ = orders;
    Ok(())
}

fn main() {}
