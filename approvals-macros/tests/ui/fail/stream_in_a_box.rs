use std::pin::Pin;

use approvals_core::requires_approval;

trait Stream {
    type Item;
}

fn rows(_: String) -> Pin<Box<dyn Stream<Item = u8> + Send>> {
    loop {}
}

#[requires_approval(policy = "prod-db")]
fn export(database: String) -> Pin<Box<dyn Stream<Item = u8> + Send>> {
    rows(database)
}

fn main() {}
