//! Suites can fail: implementations with one flaw each break the rule that forbids it.

mod channels;
mod others;
mod stores;

use approvals_testing::Report;

/// The flaw is found, by the rule that forbids it.
fn assert_breaks(report: &Report, flaw: &dyn std::fmt::Debug, rule: &str) {
    assert!(report.judged().contains(&rule), "there is no rule `{rule}`");
    assert!(
        report.breaks(rule),
        "{flaw:?} does not break `{rule}`: {report}"
    );
}
