//! Against a real server: a private one where PostgreSQL is installed, or the one that
//! `APPROVALS_POSTGRES_URL` names. Without either the tests are skipped and say so;
//! `APPROVALS_POSTGRES_REQUIRED=1` makes that a failure.

mod archive;
mod clock;
mod conformance;
mod crash;
mod partition;
mod proxy;
mod settings;
mod shared;
mod support;
mod versions;
