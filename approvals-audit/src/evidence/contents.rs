//! The files of a bundle, made from its events.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use approvals_core::RequestId;
use sha2::{Digest as _, Sha256};

use super::manifest::{Listed, Manifest, VERSION};
use super::output::Output;
use super::report::Report;
use super::{Bundle, BundleError, Evidence};
use crate::checkpoint::Checkpoint;
use crate::export::account::Account;
use crate::log::hex;
use crate::proof::EntryProof;
use crate::reading::{Context, Contexts, Recorded};

/// An event of a bundle.
#[derive(Debug)]
pub(super) struct Included {
    pub(super) recorded: Recorded,
    pub(super) proof: EntryProof,
    /// It is none that was asked for, and tells what a request asked.
    pub(super) context: bool,
}

/// A bundle in the making.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    evidence: &'a Evidence,
    checkpoint: &'a Checkpoint,
    output: Output,
    keys: &'a str,
    note: &'a str,
    listed: Vec<Listed>,
    /// What the requests of the bundle asked.
    asked: HashMap<RequestId, Arc<Context>>,
    policies: BTreeMap<String, Option<String>>,
    report: Report,
    bundle: Bundle,
}

/// Where an event and its proof lie.
pub(super) fn entry_file(index: u64) -> String {
    format!("events/{index:020}.json")
}

pub(super) fn proof_file(index: u64) -> String {
    format!("events/{index:020}.tlog-proof")
}

impl<'a> Contents<'a> {
    pub(super) fn new(
        evidence: &'a Evidence,
        checkpoint: &'a Checkpoint,
        note: &'a str,
        keys: &'a str,
        output: Output,
    ) -> Self {
        Self {
            evidence,
            checkpoint,
            output,
            keys,
            note,
            listed: Vec::new(),
            asked: HashMap::new(),
            policies: BTreeMap::new(),
            report: Report::default(),
            bundle: Bundle {
                checkpoint: checkpoint.clone(),
                events: 0,
                context: 0,
            },
        }
    }

    /// Adds an event. Events come in the order of their places.
    pub(super) fn add(&mut self, included: &Included) -> Result<(), BundleError> {
        let Included {
            recorded,
            proof,
            context,
        } = included;
        let index = recorded.index;
        self.output
            .put(&entry_file(index), recorded.entry.as_bytes())?;
        self.output
            .put(&proof_file(index), proof.to_string().as_bytes())?;
        if let Some(beside) = &recorded.beside {
            let name = hex(&Sha256::digest(beside));
            self.output
                .put(&format!("payload/{name}"), beside.as_bytes())?;
        }
        if let Some(asked) = Contexts::asked(&recorded.told) {
            let context = Arc::new(Context::of(asked, index));
            self.asked.insert(asked.id, context);
        }
        let asked = recorded
            .request
            .and_then(|request| self.asked.get(&request));
        let Some(account) = Account::of(recorded, asked) else {
            return Ok(());
        };
        if let Some(version) = account.call.policy_version
            && !self.policies.contains_key(version)
        {
            let text = self.evidence.policies.get(version);
            let file = text.map(|text| format!("policies/{}.txt", hex(&Sha256::digest(text))));
            if let (Some(text), Some(file)) = (text, &file) {
                self.output.put(file, text.as_bytes())?;
            }
            self.policies.insert(version.to_owned(), file);
        }
        self.listed.push(Listed {
            index,
            id: recorded.id.to_string(),
            event: account.event.clone().into_owned(),
            at: recorded.at.to_string(),
            context: *context,
        });
        if *context {
            self.bundle.context += 1;
        } else {
            self.bundle.events += 1;
        }
        self.report.add(&account, *context);
        Ok(())
    }

    /// Puts what is made of all events.
    pub(super) fn finish(mut self) -> Result<Bundle, BundleError> {
        self.output.put("checkpoint", self.note.as_bytes())?;
        self.output.put("key", self.keys.as_bytes())?;
        let report = self
            .report
            .page(self.evidence, self.checkpoint, self.keys, &self.policies);
        self.output.put("report.html", report.as_bytes())?;
        self.output.put("README.txt", readme().as_bytes())?;
        let Evidence {
            framework,
            control,
            from,
            until,
            ..
        } = self.evidence;
        let manifest = Manifest {
            version: VERSION,
            log: self.checkpoint.origin.clone(),
            size: self.checkpoint.size,
            root: self.checkpoint.root.to_string(),
            framework: framework.as_str().to_owned(),
            control: control.id.to_owned(),
            from: from.as_millis(),
            until: until.as_millis(),
            events: self.listed,
            policies: self.policies,
            files: self.output.hashes().clone(),
        };
        let text = serde_json::to_string_pretty(&manifest);
        let text = text.map_err(|error| BundleError::Manifest(error.to_string()))?;
        self.output
            .put("manifest.json", format!("{text}\n").as_bytes())?;
        self.output.finish()?;
        Ok(self.bundle)
    }
}

/// The command that verifies a bundle.
pub(super) const COMMAND: &str = "approvals-evidence verify DIRECTORY KEY";

fn readme() -> String {
    format!(
        "Evidence out of a tamper-evident log of approvals.

report.html     for people; it says what all of this is
manifest.json   for programs: what was asked for, and every file with its hash
events/         each event as the log has it, and beside it a proof that the log has it
                (c2sp.org/tlog-proof@v1: other tools read it too)
payload/        events that are too long for an entry, by their SHA-256
policies/       the texts of policies, as far as they were given, by their SHA-256
checkpoint      what is signed: the log's name, its size and the root over all entries
key             the public keys that signed it

To verify all of it:

    {COMMAND}

DIRECTORY is this one. Take the KEY from where you know it to be the log's own: the one in this
directory was put there by whoever made it.
"
    )
}
