use approvals_core::requires_approval;

trait Stream {
    type Item;
}

struct Rows;

impl Stream for Rows {
    type Item = u8;
}

fn rows(_: String) -> Rows {
    Rows
}

#[requires_approval(policy = "prod-db")]
fn export(database: String) -> impl Stream<Item = u8> {
    rows(database)
}

fn main() {}
