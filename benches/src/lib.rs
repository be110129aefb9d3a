//! Measuring helpers shared by the benches, and the floors the gate is judged by.
//!
//! A floor is the least work that any gate giving the same guarantee must do. What is
//! measured and its floor take turns within one run, so that a machine that slows down
//! slows both, and what is reported is their ratio.
//!
//! Every bench prints a markdown table. Run without `--bench` (as `cargo test --all-targets`
//! does), each makes only a few rounds, which shows that it works and measures nothing.

pub mod arguments;
pub mod bare;
pub mod effort;
pub mod files;
pub mod floor;
pub mod gate;
pub mod machine;
pub mod memory;
pub mod parking;
pub mod returning;
pub mod sampling;
pub mod stages;
pub mod table;
pub mod trail;

/// Why a bench stopped.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
