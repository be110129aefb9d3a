//! Conformance suites, fault injection and a test clock for the traits of `approvals-core`.
//!
//! Whoever implements a [`RequestStore`](approvals_core::RequestStore), an
//! [`Approver`](approvals_core::Approver), an [`AuditSink`](approvals_core::AuditSink) or a
//! [`Directory`](approvals_core::Directory) runs the suite of that trait from one test. Every rule
//! is judged on its own, and the failure names the rules that are broken:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use std::sync::Arc;
//! use approvals_core::{RequestStore, memory::MemoryStore};
//!
//! approvals_testing::store::conformance(|clock| async move {
//!     Arc::new(MemoryStore::with_clock(clock)) as Arc<dyn RequestStore>
//! })
//! .await
//! .assert_kept();
//! # }
//! ```
//!
//! [`faults`] wraps any implementation and makes it fail, lose answers, answer late or do things
//! twice by a script; [`sweep`](mod@sweep) does so at every place of a gate's life over any store.
//! [`wrapping`] is for stores that do one thing otherwise than another store; [`ManualClock`] is a
//! clock that a test sets. [`postgres::PrivateServer`] is a PostgreSQL server of a test's own, which
//! can be crashed, and [`SmallDisk`] a disk that it can fill, with
//! calls that are made meanwhile by [`FullDisk`].

pub mod approver;
pub mod audit_sink;
mod clock;
pub mod directory;
pub mod faults;
#[cfg(unix)]
mod full_disk;
pub mod mutation;
#[cfg(unix)]
pub mod postgres;
mod report;
pub mod sample;
pub mod showing;
#[cfg(unix)]
mod small_disk;
pub mod store;
pub mod sweep;
pub mod wrapping;

pub use clock::ManualClock;
#[cfg(unix)]
pub use full_disk::FullDisk;
pub use report::{Broken, Report};
#[cfg(unix)]
pub use small_disk::SmallDisk;
