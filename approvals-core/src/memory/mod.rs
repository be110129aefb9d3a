//! Everything in memory: for test suites, for a process that may forget, and as the reference for
//! other implementations.

mod alike;
mod approver;
mod directory;
mod index;
mod outbox;
mod sink;
mod store;

pub use approver::{Answer, InMemoryApprover, PendingRequest};
pub use directory::InMemoryDirectory;
pub use sink::InMemoryAuditSink;
pub use store::MemoryStore;
