//! A tamper-evident audit log for [`approvals-core`](approvals_core), and its verifier.
//!
//! The log is a Merkle tree as RFC 6962 has it, in the files that C2SP's tlog-tiles describes, under
//! a checkpoint that is signed as a note: tools that know nothing of approvals can verify it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let somewhere = tempfile::tempdir()?;
//! # let path = somewhere.path().join("log");
//! use std::sync::Arc;
//! use approvals_audit::{AuditLog, Ed25519Signer, Signer, Verifier};
//! use approvals_core::{AuditSink, Event};
//!
//! let key = Arc::new(Ed25519Signer::generate("example.com/approvals")?);
//! let public = key.key().clone();
//!
//! // Given to a gate: `.required_audit_sink("log", log)`.
//! let log = AuditLog::at(&path, key).open().await?;
//! log.record(&[]).await?;
//! log.close().await;
//!
//! // Anybody who has the directory and the public key.
//! let report = Verifier::new(&path, [public]).run()?;
//! assert_eq!(report.entries, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # The files of a log
//!
//! | name | what it is |
//! |---|---|
//! | `checkpoint` | the published checkpoint, replaced at most 200 ms after entries were acknowledged |
//! | `tile/` | hashes and bundles of entries, as C2SP's tlog-tiles says: all that the published checkpoint needs |
//! | `open/` | entries as they are appended, a file for each bundle of 256 that is not full |
//! | `head` | the last 64 checkpoints that were signed, published or not: pages that each begin with a note, written in a ring |
//! | `lock` | held by its writer |
//! | `shown/`, `payload/`, `value/` | what lies beside the entries, for its owner alone |
//! | `checkpoint.witnessed` | the last checkpoint that witnesses have signed |
//!
//! Serve `checkpoint` and `tile/` to whoever verifies with other tools. A copy to verify or to restore
//! from needs `open/` and `head` too, unless it is made after [`AuditLog::publish`] or
//! [`AuditLog::close`] and before anything more is recorded.

#[cfg(test)]
extern crate self as approvals_audit;
#[cfg(test)]
#[path = "../tests/it/support.rs"]
#[expect(
    dead_code,
    reason = "the tests of the whole crate have it, and need more"
)]
mod support;

mod checkpoint;
mod durable;
#[cfg(feature = "https")]
mod endpoint;
pub mod evidence;
pub mod export;
#[cfg(feature = "index")]
pub mod index;
mod log;
mod note;
mod proof;
mod reading;
mod tile;
mod tree;
mod verify;
mod witness;

pub use self::checkpoint::{Checkpoint, CheckpointError};
pub use self::log::{
    AsOf, AuditLog, AuditLogBuilder, Directory, Disclosure, DisclosureError, LogError, SCHEMA,
};
pub use self::note::{
    Cosigner, Ed25519Signer, KeyError, Note, NoteError, SignError, Signer, SigningKeyError,
    VerifierKey,
};
pub use self::proof::{EntryProof, EntryProofError};
pub use self::reading::{Recorded, SignedLog, Told};
pub use self::tile::{Entries, Tile, WIDTH};
pub use self::tree::{
    Frontier, Hash, Nodes, ProofError, consistency_proof, inclusion_proof, root_of,
    verify_consistency, verify_inclusion,
};
pub use self::verify::{Finding, Report, Verifier, VerifyError};
#[cfg(feature = "https")]
pub use self::witness::HttpsTransport;
pub use self::witness::{
    Answer, CheckpointFile, CheckpointSink, Published, Publisher, Transport, TransportError,
    Witness, WitnessError,
};
