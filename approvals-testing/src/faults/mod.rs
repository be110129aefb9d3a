//! Wrappers around any implementation that fail, lose answers, answer late or do things twice, by a
//! script; and whose change hints are lost, doubled, late or out of order.
//!
//! Everything is deterministic: a [`Script`] counts calls and says which of them goes wrong. One
//! script may be shared by several wrappers; it then counts the calls of all of them in order.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use std::sync::Arc;
//! use approvals_core::{RequestStore, memory::MemoryStore};
//! use approvals_testing::faults::{Fault, FaultyStore, Method, Script};
//!
//! let script = Arc::new(Script::new());
//! let store = FaultyStore::new(Arc::new(MemoryStore::new()), Arc::clone(&script));
//! script.on(Method::Now, 2, Fault::Before);
//! assert!(store.now().await.is_ok());
//! assert!(store.now().await.is_err());
//! assert!(store.now().await.is_ok());
//! # }
//! ```

mod approver;
mod directory;
mod script;
mod sink;
mod store;

pub use approver::FaultyApprover;
pub use directory::FaultyDirectory;
pub use script::{Fault, Hinting, Method, Script};
pub use sink::FaultySink;
pub use store::{Faulty, FaultyStore};
