//! Events as rows for a spreadsheet, which runs what looks like a formula.

use std::borrow::Cow;

use approvals_core::text::{Lines, escape};

use super::account::{Account, Actor};
use crate::log::hex;

/// The names of the columns. Columns are only ever added at the end.
const COLUMNS: [&str; 25] = [
    "time",
    "log",
    "index",
    "number",
    "id",
    "request",
    "event",
    "outcome",
    "who",
    "identity",
    "groups",
    "choice",
    "comment",
    "message",
    "action",
    "resource",
    "environment",
    "risk",
    "requester",
    "policy",
    "policy_version",
    "rules",
    "digest",
    "shown",
    "leaf_sha256",
];

/// The first line.
pub(super) fn header() -> String {
    COLUMNS.join(",")
}

/// One event, on one line.
pub(super) fn row(account: &Account<'_>, origin: &str) -> String {
    let recorded = account.recorded;
    let call = &account.call;
    let requester = call.requester.map(ToString::to_string);
    let who = match account.actor {
        Actor::Requester => call
            .requester
            .map(|requester| requester.actor().to_string()),
        Actor::Person(person) => Some(format!("person:{}", person.as_str())),
        Actor::Stranger | Actor::Gate => None,
    };
    let groups = account.groups.map(|groups| {
        let names: Vec<_> = groups.iter().map(|group| group.as_str()).collect();
        names.join(" ")
    });
    let rules = call.reasons.map(|reasons| {
        let ids: Vec<_> = reasons.iter().map(|rule| rule.id.as_str()).collect();
        ids.join(" ")
    });
    let cells: [Option<Cow<'_, str>>; COLUMNS.len()] = [
        Some(recorded.at.to_string().into()),
        Some(origin.into()),
        Some(recorded.index.to_string().into()),
        Some(recorded.number.to_string().into()),
        Some(recorded.id.to_string().into()),
        recorded.request.map(|request| request.to_string().into()),
        Some(account.event.clone()),
        Some(account.outcome.as_str().into()),
        who.map(Cow::from),
        account.identity.map(|identity| identity.to_string().into()),
        groups.map(Cow::from),
        account.choice.map(Cow::from),
        account.comment.map(Cow::from),
        Some(account.message.as_str().into()),
        call.action.clone(),
        call.resource.clone(),
        call.environment.clone(),
        call.risk.map(|risk| risk.as_str().into()),
        requester.map(Cow::from),
        call.policy.clone(),
        call.policy_version.map(Cow::from),
        rules.map(Cow::from),
        call.digest.map(|digest| digest.to_string().into()),
        call.shown.map(|shown| shown.to_string().into()),
        Some(hex(recorded.leaf.as_bytes()).into()),
    ];
    let cells: Vec<_> = cells
        .iter()
        .map(|text| cell(text.as_deref().unwrap_or_default()))
        .collect();
    cells.join(",")
}

/// A cell that is text whatever program opens it. Controls, line ends among them, are shown
/// escaped, so that a row is a line; what would begin a formula begins with an apostrophe instead.
fn cell(text: &str) -> String {
    let plain = escape(text, Lines::Escape);
    let begins = plain.trim_start().chars().next();
    // Full-width forms too: some programs take them for the others. The apostrophe, so that what
    // was put before the text can be told from what was there.
    let formula = begins.is_some_and(|first| {
        matches!(
            first,
            '=' | '+' | '-' | '@' | '|' | '%' | '\'' | '＝' | '＋' | '－' | '＠' | '｜'
        )
    });
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", plain.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_begins_a_formula_ends_its_row_or_hides_a_character() {
        for (text, written) in [
            ("plain", "\"plain\""),
            ("", "\"\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("  =cmd|' /C calc'!A0", "\"'  =cmd|' /C calc'!A0\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("＝1", "\"'＝1\""),
            ("'quoted", "\"''quoted\""),
            ("\t=1", "\"\\u{9}=1\""),
            ("a\r\n=1", "\"a\\u{d}\\u{a}=1\""),
            ("x,y", "\"x,y\""),
        ] {
            assert_eq!(cell(text), written, "{text:?}");
        }
    }
}
