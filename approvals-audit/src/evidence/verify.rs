//! Verifying a bundle with nothing but its directory and the key.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use approvals_core::Timestamp;

use super::contents::{Contents, Included, entry_file, proof_file};
use super::manifest::{Listed, Manifest, VERSION};
use super::output::Output;
use super::{Bundle, BundleError, Evidence, Framework};
use crate::checkpoint::Checkpoint;
use crate::log::Directory;
use crate::note::VerifierKey;
use crate::proof::EntryProof;
use crate::reading::{Contexts, Raw, Recorded, SignedLog};
use crate::tree::{Hash, verify_inclusion};

/// Verifies a bundle: that the checkpoint is signed by one of these keys, that the log has every one
/// of its events, and that every file, the report among them, is what these events make it.
///
/// That no event was left out shows only against the log: [`compare`].
///
/// # Errors
/// [`BundleError`], of the first thing that is wrong.
pub fn verify(directory: impl AsRef<Path>, keys: &[VerifierKey]) -> Result<Bundle, BundleError> {
    let opened = Opened::of(directory.as_ref(), keys)?;
    let Opened {
        root,
        manifest,
        evidence,
        note,
        checkpoint,
        key,
    } = &opened;
    let included = manifest
        .events
        .iter()
        .map(|listed| included(root, listed, note, checkpoint))
        .collect::<Result<Vec<_>, _>>()?;
    judge(evidence, &included)?;
    let mut contents = Contents::new(evidence, checkpoint, note, key, Output::compare(root));
    for one in &included {
        contents.add(one)?;
    }
    contents.finish()
}

/// Makes the bundle again from the log, as the log was under the bundle's checkpoint, and compares:
/// it has every event of the period that the control takes, and no other.
///
/// # Errors
/// [`BundleError`], of the first file that is not the same.
pub fn compare(
    directory: impl AsRef<Path>,
    log: impl AsRef<Path>,
    keys: &[VerifierKey],
) -> Result<Bundle, BundleError> {
    let opened = Opened::of(directory.as_ref(), keys)?;
    let log = SignedLog::as_of(log, &opened.note, keys)?;
    let output = Output::compare(&opened.root);
    opened.evidence.put(&log, &opened.key, output)
}

/// A bundle's directory, as far as it says what it is of.
struct Opened {
    root: std::path::PathBuf,
    manifest: Manifest,
    evidence: Evidence,
    note: String,
    checkpoint: Checkpoint,
    key: String,
}

impl Opened {
    fn of(root: &Path, keys: &[VerifierKey]) -> Result<Self, BundleError> {
        let wrong = |why: &str| BundleError::Manifest(why.to_owned());
        let text = read(root, "manifest.json")?;
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
        if manifest.version != VERSION {
            return Err(wrong("it is of another version"));
        }
        let framework = Framework::parse(&manifest.framework);
        let framework = framework.ok_or_else(|| wrong("its framework is unknown"))?;
        let (from, until) = (
            Timestamp::from_millis(manifest.from),
            Timestamp::from_millis(manifest.until),
        );
        let mut evidence = Evidence::of(framework, &manifest.control, from, until)?;
        for (version, file) in &manifest.policies {
            if let Some(file) = file {
                // Only a file of the bundle: its name is made of its hash again.
                let is_hash = |name: &str| name.bytes().all(|b| b.is_ascii_hexdigit());
                let name = file
                    .strip_prefix("policies/")
                    .and_then(|f| f.strip_suffix(".txt"));
                if !name.is_some_and(is_hash) {
                    return Err(wrong("a policy's file is none"));
                }
                evidence = evidence.policy_text(version, &read(root, file)?);
            }
        }
        let note = read(root, "checkpoint")?;
        Ok(Self {
            checkpoint: Checkpoint::verified(note.as_bytes(), keys)?,
            key: read(root, "key")?,
            root: root.to_owned(),
            manifest,
            evidence,
            note,
        })
    }
}

fn read(root: &Path, name: &str) -> Result<String, BundleError> {
    let path = root.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(BundleError::Missing(name.to_owned()))
        }
        Err(error) => Err(BundleError::disk(&path)(error)),
    }
}

/// An event that the log has.
fn included(
    root: &Path,
    listed: &Listed,
    note: &str,
    checkpoint: &Checkpoint,
) -> Result<Included, BundleError> {
    let index = listed.index;
    let entry = read(root, &entry_file(index))?;
    let wrong = |error| BundleError::Proof { index, error };
    let proof = EntryProof::parse(&read(root, &proof_file(index))?).map_err(wrong)?;
    // The signatures of this checkpoint were verified: once is enough.
    if proof.index != index || proof.checkpoint != note {
        return Err(BundleError::Differs(proof_file(index)));
    }
    let leaf = Hash::of_leaf(entry.as_bytes());
    verify_inclusion(leaf, index, checkpoint.size, &proof.hashes, checkpoint.root)
        .map_err(|error| wrong(error.into()))?;
    let raw = Raw {
        index,
        leaf,
        bytes: entry.as_bytes(),
    };
    Ok(Included {
        recorded: Recorded::read(&Directory::at(root), &raw)?,
        proof,
        context: listed.context,
    })
}

/// Whether every event is one that was asked for, or tells what was asked.
fn judge(evidence: &Evidence, included: &[Included]) -> Result<(), BundleError> {
    let events = included.iter().filter(|one| !one.context);
    let requests: BTreeSet<_> = events.filter_map(|one| one.recorded.request).collect();
    let mut before = None;
    for one in included {
        let index = one.recorded.index;
        let asked = Contexts::asked(&one.recorded.told).map(|asked| asked.id);
        let belongs = if one.context {
            !evidence.takes(&one.recorded) && asked.is_some_and(|id| requests.contains(&id))
        } else {
            evidence.takes(&one.recorded)
        };
        if !belongs || before.is_some_and(|before| before >= index) {
            return Err(BundleError::NotAsked(index));
        }
        before = Some(index);
    }
    Ok(())
}
