//! Requirements and limits that would ask nobody, or for ever.

use std::time::Duration;

use approvals_core::{Audience, Limits, NonEmpty, Quorum, Requirement, RequirementError, Stage};

use super::message;

const NOBODY: [&str; 0] = [];

#[test]
fn a_quorum_of_zero_is_refused_wherever_it_is_written() {
    let whole = "a quorum of 0 would agree without anybody: ask for at least 1";
    assert_eq!(message(Quorum::of(0, ["seniors"])), whole);
    assert_eq!(message(Requirement::some_of(0, "seniors")), whole);
}

#[test]
fn an_empty_reviewer_set_is_refused_in_code_and_when_it_is_read() {
    let whole = "the audience is empty: name at least one group or person";
    assert_eq!(message(Audience::of(NOBODY)), whole);
    assert_eq!(message(Quorum::of(1, NOBODY)), whole);
    assert_eq!(message(serde_json::from_str::<Audience>("[]")), whole);
    assert_eq!(
        message(serde_json::from_str::<NonEmpty<u8>>("[]")),
        "the list is empty: name at least one"
    );
    assert_eq!(
        message(Audience::of([""])),
        "the group id is empty: give it a name such as `senior-engineers`"
    );
    assert_eq!(
        message(Audience::of(["person:"])),
        "the person id is empty: give it a name such as `alice`"
    );
}

#[test]
fn an_absurd_duration_names_its_field_and_the_range() {
    let stage = || Stage::of(Quorum::of(1, ["seniors"]).unwrap());
    let requirement = || Requirement::one_of("seniors").unwrap();
    let month = Duration::from_secs(30 * 24 * 3600);
    assert_eq!(
        message(stage().decide_within(Duration::ZERO)),
        "decide_within is 0ns: use between 1 second and 30 days"
    );
    assert_eq!(
        message(stage().decide_within(Duration::from_millis(999))),
        "decide_within is 999ms: use between 1 second and 30 days"
    );
    assert_eq!(
        message(requirement().deadline(month + Duration::from_secs(1))),
        "deadline is 2592001s: use between 1 second and 30 days"
    );
    assert_eq!(
        message(requirement().execute_within(Duration::MAX)),
        "execute_within is 18446744073709551615.999999999s: use between 1 second and 30 days"
    );
    assert_eq!(
        message(Requirement::confirm(Duration::ZERO)),
        "decide_within is 0ns: use between 1 second and 30 days"
    );
    assert_eq!(
        message(requirement().reuse(2, Duration::ZERO)),
        "the time of a reuse is 0ns: use between 1 second and 30 days"
    );
    assert!(requirement().deadline(month).is_ok());
}

#[test]
fn a_reuse_of_one_and_a_confirmation_with_stages_say_what_to_write_instead() {
    let requirement = Requirement::one_of("seniors").unwrap();
    assert_eq!(
        message(requirement.reuse(1, Duration::from_secs(60))),
        "a reuse of fewer than 2 uses is none: leave it out, or ask for 2 or more"
    );
    let confirm = Requirement::confirm(Duration::from_secs(60)).unwrap();
    assert_eq!(
        message(confirm.then(Stage::of(Quorum::of(1, ["seniors"]).unwrap()))),
        "a `confirm` requirement has no stages: make the review a requirement of its own"
    );
    let stage = || Stage::of(Quorum::of(1, ["seniors"]).unwrap());
    let mut many = Requirement::review(stage());
    for _ in 0..15 {
        many = many.then(stage()).unwrap();
    }
    assert_eq!(
        message(many.then(stage())),
        "17 stages or quorums are more than the 16 that are allowed"
    );
}

#[test]
fn a_limit_of_zero_names_the_limit() {
    let zero = |limits: Limits| message(limits.checked());
    let defaults = Limits::default();
    assert_eq!(
        zero(Limits {
            pending: 0,
            ..defaults
        }),
        "the limit `pending` is 0, and every request would be refused: use at least 1"
    );
    assert_eq!(
        zero(Limits {
            asks_per_hour: 0,
            ..defaults
        }),
        "the limit `asks_per_hour` is 0, and every request would be refused: use at least 1"
    );
    assert_eq!(
        zero(Limits {
            denials: 0,
            ..defaults
        }),
        "the limit `denials` is 0, and every request would be refused: use at least 1"
    );
    assert_eq!(
        zero(Limits {
            pause: Duration::ZERO,
            ..defaults
        }),
        "pause is 0ns: use between 1 second and 30 days"
    );
    assert_eq!(
        zero(Limits {
            denial_stands_for: Duration::MAX,
            ..defaults
        }),
        "denial_stands_for is 18446744073709551615.999999999s: use between 1 second and 30 days"
    );
    assert_eq!(
        Limits {
            pending: 0,
            ..defaults
        }
        .checked()
        .unwrap_err(),
        RequirementError::ZeroLimit { what: "pending" }
    );
}
