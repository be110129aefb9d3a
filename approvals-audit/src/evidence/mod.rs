//! Evidence bundles: what the trail shows of one control in one period, in a directory that stands
//! without the log.
//!
//! A bundle has each event as the log has it, a proof that the log has it, the signed checkpoint, the
//! key, the texts of policies as far as they are given, and a report for people. All of it follows
//! from the log and from what was asked for: the same again is the same to the byte, and whoever
//! verifies a bundle makes it again from its events and compares.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let somewhere = tempfile::tempdir()?;
//! # let path = somewhere.path().join("log");
//! # use std::sync::Arc;
//! # use approvals_audit::{AuditLog, Ed25519Signer, Signer};
//! # use approvals_core::Timestamp;
//! # let key = Arc::new(Ed25519Signer::generate("example.com/approvals")?);
//! # let public = key.key().clone();
//! # AuditLog::at(&path, key).open().await?.close().await;
//! # let (from, until) = (Timestamp::from_millis(0), Timestamp::from_millis(1 << 40));
//! use approvals_audit::SignedLog;
//! use approvals_audit::evidence::{Evidence, Framework};
//!
//! let directory = somewhere.path().join("evidence");
//! let log = SignedLog::open(&path, &[public.clone()])?;
//! let evidence = Evidence::of(Framework::Nist80053, "AC-3(2)", from, until)?;
//! evidence.write(&log, &[public.clone()], &directory)?;
//!
//! // Somebody who has the directory, and the key from elsewhere.
//! let bundle = approvals_audit::evidence::verify(&directory, &[public])?;
//! assert_eq!(bundle.events, 0);
//! # Ok(())
//! # }
//! ```

mod contents;
mod controls;
mod error;
mod manifest;
mod output;
mod report;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use approvals_core::Timestamp;

use self::contents::{Contents, Included};
pub use self::controls::{Control, Framework};
pub use self::error::BundleError;
use self::output::Output;
pub use self::verify::{compare, verify};
use crate::checkpoint::Checkpoint;
use crate::note::{Note, VerifierKey};
use crate::reading::{Contexts, SignedLog};

/// How many events a bundle takes.
const MOST: usize = 100_000;

/// What a bundle is asked to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    framework: Framework,
    control: Control,
    from: Timestamp,
    until: Timestamp,
    /// Texts of policies, by their version.
    policies: BTreeMap<String, String>,
}

/// What a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The checkpoint that its proofs lead to.
    pub checkpoint: Checkpoint,
    /// Events of the period that the control takes.
    pub events: u64,
    /// Other events, mostly from before the period, which tell what the requests of these asked.
    pub context: u64,
}

impl Evidence {
    /// For a control: everything from one time until another, which is not in it.
    ///
    /// # Errors
    /// [`BundleError::Control`] when the framework has no such control here.
    pub fn of(
        framework: Framework,
        control: &str,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Self, BundleError> {
        let found = Control::find(framework, control);
        Ok(Self {
            framework,
            control: found.ok_or_else(|| BundleError::Control(control.to_owned()))?,
            from,
            until,
            policies: BTreeMap::new(),
        })
    }

    /// The text of this version of a policy, as it was when it decided. It goes into the bundle when
    /// an event names the version.
    #[must_use]
    pub fn policy_text(mut self, version: &str, text: &str) -> Self {
        self.policies.insert(version.to_owned(), text.to_owned());
        self
    }

    /// Makes the bundle in this directory, which is made or empty. `keys` are the log's.
    ///
    /// # Errors
    /// [`BundleError`]. What was written until then is no bundle.
    pub fn write(
        &self,
        log: &SignedLog,
        keys: &[VerifierKey],
        directory: impl AsRef<Path>,
    ) -> Result<Bundle, BundleError> {
        let note = Note::parse(log.note().as_bytes());
        let signed = note.and_then(|note| {
            let signed = note.verify(keys)?;
            Ok(signed.into_iter().map(|key| format!("{key}\n")).collect())
        });
        let keys: String = signed.map_err(crate::checkpoint::CheckpointError::Note)?;
        self.put(log, &keys, Output::write(directory.as_ref())?)
    }

    /// Puts every file, made from the log.
    fn put(&self, log: &SignedLog, keys: &str, output: Output) -> Result<Bundle, BundleError> {
        let (events, context) = self.places(log)?;
        let all: BTreeSet<u64> = events.union(&context).copied().collect();
        let mut contents = Contents::new(self, log.checkpoint(), log.note(), keys, output);
        for recorded in log.chosen(all) {
            let recorded = recorded?;
            let proof = log.proof(recorded.index)?;
            contents.add(&Included {
                context: !events.contains(&recorded.index),
                recorded,
                proof,
            })?;
        }
        contents.finish()
    }

    /// Whether an entry of this time is one of those that are asked for.
    fn takes(&self, recorded: &crate::reading::Recorded) -> bool {
        recorded.at >= self.from && recorded.at < self.until && self.control.takes(&recorded.told)
    }

    /// The places of the events that are asked for, and of those that tell what their requests asked.
    fn places(&self, log: &SignedLog) -> Result<(BTreeSet<u64>, BTreeSet<u64>), BundleError> {
        let (mut events, mut asked) = (BTreeSet::new(), BTreeSet::new());
        let mut contexts = Contexts::default();
        for recorded in log.entries(log.about(self.from)?) {
            let recorded = recorded?;
            if recorded.at >= self.until {
                break;
            }
            contexts.learn(&recorded);
            if !self.takes(&recorded) {
                continue;
            }
            if events.len() == MOST {
                return Err(BundleError::TooMany(MOST));
            }
            events.insert(recorded.index);
            if let Some(request) = recorded.request
                && let Some(context) = contexts.of(log, request, recorded.index)?
            {
                asked.insert(context.entry);
            }
        }
        let context = asked.difference(&events).copied().collect();
        Ok((events, context))
    }
}
