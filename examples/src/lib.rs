//! Runnable examples of approvals-core. From the root of the workspace:
//!
//! - `cargo run --example quickstart`: an agent at a SQLite database, asked about at the terminal.
//! - `cargo run --example policy_in_code`: rules, requirements and closures as policies.
//! - `cargo run --example testing_with_in_memory`: how a test suite answers.
//! - `cargo run --example custom_adapters`: each trait, implemented.
//! - `cargo run --example slack`: a request in Slack, or in a stand-in for it on this machine.
//! - `cargo run --example teams`: the same in Teams.
