//! Finding secrets by their shape, to mask values that the author of an action
//! did not redact.
//!
//! This is a net under a tightrope: it knows the formats that issuers made
//! recognisable, and what stands after words such as `password=`. A bare random
//! string is not found. Authors name their secrets with `redact`.
//!
//! The formats are those that the issuers document, as collected by GitHub's
//! secret scanning partner list and by the rule sets of gitleaks and
//! detect-secrets; the table is our own. Every rule wants a literal first, so
//! that clean text is passed over at the speed of one automaton, and no rule
//! reads a stretch of text twice, so that hostile text takes linear time.

mod context;
mod scan;
#[cfg(test)]
mod tests;
mod tokens;

use std::ops::Range;
use std::sync::Arc;

/// A stretch of text that looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Bytes of the text; on character boundaries.
    pub range: Range<usize>,
    /// What it looks like, for people: `GitHub token`.
    pub kind: &'static str,
}

/// Everything in `text` that looks like a secret, in order and without overlaps.
///
/// Text before and after the secret itself (`password=`, the host of a URL) is
/// not part of what is found.
#[must_use]
pub fn find(text: &str) -> Vec<Found> {
    scan::scan(text)
}

/// `text` with every secret replaced by `[masked: KIND]`, and the kinds, each
/// once, in the order of first appearance. `None` if nothing was found.
///
/// ```
/// use approvals_core::secrets::mask;
///
/// let (masked, kinds) = mask("postgres://app:hunter2@db/prod").unwrap();
/// assert_eq!(masked, "postgres://app:[masked: password in a URL]@db/prod");
/// assert_eq!(kinds, ["password in a URL"]);
/// assert_eq!(mask("postgres://db/prod"), None);
/// ```
#[must_use]
pub fn mask(text: &str) -> Option<(String, Vec<&'static str>)> {
    replace(text, find(text))
}

/// A text that a person wrote, as it may be stored: without what looks like a secret.
pub(crate) fn masked(text: &str) -> Arc<str> {
    match mask(text) {
        Some((masked, _)) => masked.into(),
        None => text.into(),
    }
}

/// The same for a value in canonical JSON that has a name, which may announce what it is:
/// `password`.
pub(crate) fn mask_member(name: &str, json: &str) -> Option<(String, Vec<&'static str>)> {
    let mut member = String::with_capacity(name.len() + json.len() + 3);
    crate::canonical::write_str(name, &mut member);
    member.push(':');
    let start = member.len();
    member.push_str(json);
    let of_value = |Found { range, kind }| {
        let range = range.start.checked_sub(start)?..range.end - start;
        Some(Found { range, kind })
    };
    replace(json, find(&member).into_iter().filter_map(of_value))
}

/// Whether a value of this name may be a secret for its name alone.
pub(crate) fn is_announced_by(name: &str) -> bool {
    context::announces(name.as_bytes())
}

fn replace(
    text: &str,
    found: impl IntoIterator<Item = Found>,
) -> Option<(String, Vec<&'static str>)> {
    let mut masked = String::new();
    let mut kinds = Vec::new();
    let mut end = 0;
    for Found { range, kind } in found {
        masked.push_str(text.get(end..range.start).unwrap_or_default());
        masked.push_str("[masked: ");
        masked.push_str(kind);
        masked.push(']');
        end = range.end;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        return None;
    }
    masked.push_str(text.get(end..).unwrap_or_default());
    Some((masked, kinds))
}
