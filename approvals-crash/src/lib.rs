//! Kills the processes that work on requests, and checks what is left.
//!
//! The harness starts itself again in several roles: agents that make keyed, guarded calls whose
//! bodies leave a line in a file; a reviewer who votes and notes every vote that was acknowledged;
//! racers who all want something else of the same request. A seeded schedule kills them with
//! `SIGKILL`, at random moments and at named points, and the database server with them. After each
//! kill the trail and the files are compared:
//!
//! - a vote that was acknowledged is in the trail;
//! - a body runs at most once for a request, and under the fence that was started;
//! - no request is started without the yes of as many people as it needs;
//! - every effect has the event that licensed it;
//! - an execution that was abandoned is in doubt once its lease ran out;
//! - the trail has no gap, and every record is where its trail says.
//!
//! ```text
//! cargo run --release -p approvals-crash -- --kills 2000 --backend sqlite
//! cargo run --release -p approvals-crash -- --kills 2000 --backend postgres
//! cargo run --release -p approvals-crash -- --races 1000 --backend postgres
//! ```

mod agent;
mod child;
mod files;
pub mod flaw;
pub mod harness;
mod operator;
mod place;
mod point;
mod points;
pub mod races;
mod random;
mod reviewer;
pub mod roles;
mod setting;
mod sink;
pub mod trail;

pub use place::Backend;
pub use random::Random;

/// What the harness could not do. What it found is in its report.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
