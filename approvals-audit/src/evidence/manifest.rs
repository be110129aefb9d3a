//! What a bundle is of, for programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of a bundle's form.
pub(super) const VERSION: u32 = 1;

/// What was asked for, and what came of it. No time of making: the same bundle is the same again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) version: u32,
    pub(super) log: String,
    pub(super) size: u64,
    pub(super) root: String,
    pub(super) framework: String,
    pub(super) control: String,
    /// In milliseconds since 1970.
    pub(super) from: u64,
    pub(super) until: u64,
    pub(super) events: Vec<Listed>,
    /// The file of each policy version that an event names; none where its text was not given.
    pub(super) policies: BTreeMap<String, Option<String>>,
    /// The SHA-256 of every other file.
    pub(super) files: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    pub(super) index: u64,
    pub(super) id: String,
    pub(super) event: String,
    pub(super) at: String,
    /// None that the control and the period have: it tells what a request asked.
    pub(super) context: bool,
}
