//! Against a real server: a private one where PostgreSQL is installed, or the one that
//! `APPROVALS_POSTGRES_URL` names. Without either the tests are skipped and say so;
//! `APPROVALS_POSTGRES_REQUIRED=1` makes that a failure.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod at_once;
mod clock;
mod conformance;
mod crash;
mod failures;
mod first_version;
mod full_disk;
mod hints;
mod partition;
mod proxy;
mod settings;
mod shared;
mod support;
mod sweep;
mod tls;
mod trips;
mod versions;
