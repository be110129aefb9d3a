//! Trails that cannot have happened, though every hash and signature is good: one for each rule of
//! the verifier, each found at its own event.

use approvals_core::{Choice, RequestId, Timestamp, What};
use approvals_testing::sample::{Sample, person};
use serde_json::json;

use crate::forging::*;

fn sample() -> Sample {
    Sample::at(Timestamp::from_millis(BEGAN))
}

/// A request that was asked.
fn pending() -> (Forgery, RequestId) {
    let mut forgery = Forgery::new();
    let id = forgery.asks(&sample()).id;
    (forgery, id)
}

fn approved() -> (Forgery, RequestId) {
    let mut forgery = Forgery::new();
    let id = forgery.approves(&sample()).id;
    (forgery, id)
}

fn executing() -> (Forgery, RequestId) {
    let (mut forgery, id) = approved();
    forgery.all(id, [claimed(1), started(1)]);
    (forgery, id)
}

#[track_caller]
fn wrong((mut forgery, id): (Forgery, RequestId), what: What, why: &str) {
    forgery.then(id, what);
    forgery.is_wrong(why);
}

fn in_doubt() -> What {
    What::InDoubt {
        why: "silence".into(),
    }
}

fn resolved() -> What {
    What::Resolved {
        by: person("olga"),
        reason: "it ran".into(),
        succeeded: true,
    }
}

fn revoked() -> What {
    What::Revoked {
        by: person("olga"),
        reason: "no".into(),
    }
}

fn denied() -> What {
    What::Denied {
        by: person("alice"),
        comment: None,
        proposal: None,
    }
}

fn glass_broken() -> What {
    What::GlassBroken {
        by: person("alice"),
    }
}

#[test]
fn what_happens_in_a_life_is_not_found_to_be_wrong() {
    let (track, stage) = (0, 1);
    let (mut forgery, id) = pending();
    forgery.all(
        id,
        [
            voted("alice", Choice::Approve),
            voted("alice", Choice::Withdrawn),
            What::StageOpened { track, stage },
            What::Widened { track, stage },
            What::Reminded { track, stage },
            voted("carol", Choice::BreakGlass),
            glass_broken(),
            What::Approved,
            claimed(1),
            What::LeaseLost { fence: 1 },
            claimed(2),
            What::ClaimReleased { fence: 2 },
            claimed(3),
            started(3),
            in_doubt(),
            resolved(),
            What::FinishedLate {
                fence: 3,
                succeeded: true,
            },
        ],
    );
    assert_eq!(forgery.judged().unwrap().open_requests, 0);
    assert_eq!(forgery.judged_following(1), forgery.judged());
}

#[test]
fn an_event_of_a_request_that_was_never_asked_is_found() {
    let nobody = RequestId::new(Timestamp::from_millis(BEGAN));
    for what in [
        voted("alice", Choice::Approve),
        What::Approved,
        claimed(1),
        started(1),
    ] {
        wrong((Forgery::new(), nobody), what, "never asked");
    }
}

#[test]
fn an_event_of_a_request_that_is_over_is_found() {
    let (mut forgery, id) = executing();
    forgery.then(id, finished(1));
    for what in [finished(1), started(1), claimed(2), What::Approved] {
        wrong((forgery.clone(), id), what, "or is over");
    }
}

#[test]
fn a_request_that_is_asked_twice_is_found() {
    let (mut forgery, _) = pending();
    let again = forgery.entries[0].clone();
    forgery.entries.push(again);
    forgery.entries[1]["number"] = json!(2);
    forgery.is_wrong("asked before");
}

#[test]
fn a_vote_after_the_decision_is_found() {
    wrong(
        approved(),
        voted("carol", Choice::Approve),
        "a vote was counted after the decision",
    );
}

#[test]
fn an_approval_without_a_yes_is_found() {
    wrong(pending(), What::Approved, "nobody had said yes");
}

#[test]
fn an_approval_by_a_yes_that_was_taken_back_is_found() {
    for yes in [Choice::Approve, Choice::Confirm, Choice::BreakGlass] {
        let (mut forgery, id) = pending();
        forgery.all(id, [voted("alice", yes), voted("alice", Choice::Withdrawn)]);
        wrong((forgery.clone(), id), What::Approved, "took it back");
        // Another one's stands.
        forgery.all(id, [voted("carol", Choice::Approve), What::Approved]);
        forgery.judged().unwrap();
    }
}

#[test]
fn a_vote_that_is_taken_back_and_did_not_stand_is_found() {
    let back = || voted("alice", Choice::Withdrawn);
    wrong(pending(), back(), "did not stand");
    let (mut forgery, id) = pending();
    forgery.then(id, voted("carol", Choice::Approve));
    wrong((forgery, id), back(), "did not stand");
}

#[test]
fn an_approval_after_a_no_is_found() {
    let (mut forgery, id) = pending();
    forgery.all(
        id,
        [
            voted("carol", Choice::Approve),
            voted("alice", Choice::Deny),
        ],
    );
    wrong((forgery, id), What::Approved, "somebody had said no");
}

#[test]
fn a_second_approval_is_found() {
    wrong(
        approved(),
        What::Approved,
        "approved after another decision",
    );
}

#[test]
fn a_stage_that_asks_after_the_decision_is_found() {
    let (track, stage) = (0, 1);
    for what in [
        What::StageOpened { track, stage },
        What::Widened { track, stage },
        What::Reminded { track, stage },
    ] {
        wrong(approved(), what, "asked after the decision");
    }
}

#[test]
fn a_glass_that_nobody_voted_to_break_is_found() {
    let (mut forgery, id) = pending();
    forgery.then(id, voted("alice", Choice::Approve));
    wrong((forgery, id), glass_broken(), "nobody had voted to");
    wrong(approved(), glass_broken(), "after the decision");
}

#[test]
fn a_denial_without_a_no_is_found() {
    wrong(pending(), denied(), "nobody had said no");
}

#[test]
fn an_end_after_another_decision_is_found() {
    let of = RequestId::new(Timestamp::from_millis(BEGAN));
    let why = "gone".into();
    for what in [
        denied(),
        What::DeniedWith { of },
        What::Withdrawn { why },
        What::Expired,
    ] {
        wrong(approved(), what, "ended after another decision");
    }
}

#[test]
fn a_claim_of_what_was_not_approved_is_found() {
    wrong(pending(), claimed(1), "was not approved then");
    let (mut forgery, id) = approved();
    forgery.then(id, claimed(1));
    wrong((forgery, id), claimed(2), "was not approved then");
}

#[test]
fn a_claim_with_a_fence_that_had_been_used_or_with_none_is_found() {
    let (mut forgery, id) = approved();
    forgery.all(id, [claimed(2), What::ClaimReleased { fence: 2 }]);
    for fence in [0, 1, 2] {
        wrong((forgery.clone(), id), claimed(fence), "had been used");
    }
    forgery.then(id, claimed(3));
    let last = forgery.entries.last_mut().unwrap();
    last.as_object_mut().unwrap().remove("fence").unwrap();
    forgery.is_wrong("without a fence");
}

#[test]
fn a_claim_that_is_given_back_by_nobody_or_another_is_found() {
    let back = |fence| [What::ClaimReleased { fence }, What::LeaseLost { fence }];
    let (mut forgery, id) = approved();
    for what in back(1) {
        wrong((forgery.clone(), id), what, "nobody held");
    }
    forgery.then(id, claimed(1));
    for what in back(2) {
        wrong((forgery.clone(), id), what, "another claim's fence");
    }
}

#[test]
fn what_lapses_after_it_was_started_is_found() {
    wrong(executing(), What::Lapsed, "it lapsed");
    wrong(pending(), What::Lapsed, "it lapsed");
}

#[test]
fn what_is_revoked_before_the_yes_is_found() {
    wrong(pending(), revoked(), "it was revoked");
}

#[test]
fn what_is_started_after_it_was_revoked_is_found() {
    let (mut forgery, id) = approved();
    forgery.all(id, [claimed(1), revoked()]);
    wrong((forgery, id), started(1), "or is over");
}

#[test]
fn a_start_without_a_claim_or_under_another_is_found() {
    wrong(approved(), started(1), "without a claim");
    let (mut forgery, id) = approved();
    forgery.then(id, claimed(2));
    wrong((forgery.clone(), id), started(1), "another claim's fence");
    forgery.all(id, [What::LeaseLost { fence: 2 }, claimed(3)]);
    wrong((forgery, id), started(2), "another claim's fence");
}

#[test]
fn a_second_start_is_found() {
    wrong(executing(), started(1), "without a claim");
}

#[test]
fn an_outcome_without_a_start_or_of_another_claim_is_found() {
    let (mut forgery, id) = approved();
    forgery.then(id, claimed(1));
    wrong((forgery, id), finished(1), "without having been started");
    wrong(executing(), finished(2), "another claim's fence");
}

#[test]
fn an_outcome_after_the_doubt_is_found() {
    let (mut forgery, id) = executing();
    forgery.then(id, in_doubt());
    wrong((forgery, id), finished(1), "without having been started");
}

#[test]
fn a_doubt_about_what_was_not_started_is_found() {
    wrong(
        approved(),
        in_doubt(),
        "in doubt without having been started",
    );
}

#[test]
fn a_doubt_that_is_resolved_and_nobody_had_is_found() {
    wrong(executing(), resolved(), "that nobody had");
}

#[test]
fn an_event_or_a_vote_of_a_kind_that_does_not_exist_is_found() {
    let (mut forgery, id) = pending();
    forgery.then(id, What::Approved);
    forgery.entries[1]["what"] = json!("waved_through");
    forgery.is_wrong("does not know");
    let (mut forgery, id) = pending();
    forgery.then(id, voted("alice", Choice::Approve));
    forgery.entries[1]["vote"]["choice"] = json!("nod");
    forgery.is_wrong("does not know");
    forgery.entries[1].as_object_mut().unwrap().remove("vote");
    forgery.is_wrong("does not say what the vote was");
}

#[test]
fn a_request_that_does_not_say_what_was_asked_is_found() {
    let (mut forgery, _) = pending();
    forgery.entries[0].as_object_mut().unwrap().remove("asked");
    forgery.is_wrong("does not say what was asked");
}

#[test]
fn a_trail_that_begins_in_the_midst_of_lives_is_followed_from_there() {
    let (mut forgery, id) = executing();
    forgery.then(id, finished(1));
    for first in 1..forgery.entries.len() {
        forgery.judged_from(first).unwrap();
    }
}

fn frozen() -> What {
    What::Frozen {
        by: person("olga"),
        reason: "an incident".into(),
    }
}

fn thawed() -> What {
    What::Thawed {
        by: person("olga"),
        reason: "it is over".into(),
    }
}

#[test]
fn a_claim_or_a_start_while_everything_is_frozen_is_found() {
    for before in [vec![], vec![claimed(1)]] {
        let next = if before.is_empty() {
            claimed(1)
        } else {
            started(1)
        };
        let (mut forgery, id) = approved();
        forgery.all(id, before);
        forgery.says(None, frozen());
        // The last word counts, however often it was said before.
        forgery.says(None, thawed()).says(None, frozen());
        wrong((forgery.clone(), id), next.clone(), "everything was frozen");
        forgery.says(None, thawed()).then(id, next);
        forgery.judged().unwrap();
    }
}

#[test]
fn what_is_asked_decided_given_back_or_finished_while_everything_is_frozen_is_not_found_to_be_wrong()
 {
    let (mut forgery, running) = executing();
    let claim = forgery.approves(&sample()).id;
    forgery.then(claim, claimed(1));
    forgery.says(None, frozen());
    forgery.approves(&sample());
    forgery.then(running, finished(1));
    forgery.then(claim, What::ClaimReleased { fence: 1 });
    forgery.judged().unwrap();
    assert_eq!(forgery.judged_following(1), forgery.judged());
    // Where the trail begins later nobody knows whether it was frozen before.
    for first in 1..forgery.entries.len() {
        forgery.judged_from(first).unwrap();
    }
}

#[test]
fn a_start_of_what_is_over_is_found_also_where_the_trail_begins_later() {
    let ends: [&[What]; 4] = [
        &[What::Expired],
        &[What::Withdrawn { why: "gone".into() }],
        &[voted("alice", Choice::Deny), denied()],
        &[
            voted("alice", Choice::Approve),
            What::Approved,
            claimed(1),
            revoked(),
        ],
    ];
    for end in ends {
        let mut forgery = Forgery::new();
        let before = forgery.approves(&sample()).id;
        // Asked after the trail begins: so it would be known if it were open.
        let later = Sample::at(forgery.now());
        let id = forgery.asks(&later).id;
        forgery.all(id, end.iter().cloned());
        for what in [claimed(2), started(1), What::Approved] {
            let mut forgery = forgery.clone();
            forgery.then(id, what);
            let finding = forgery.judged_from(1).unwrap_err();
            assert!(finding.why.contains("or is over"), "{finding}");
            assert_eq!(finding.entry, forgery.entries.len() as u64 - 2);
        }
        // Of what was asked before that nobody knows.
        forgery.all(before, [claimed(1), started(1), finished(1), finished(1)]);
        forgery.judged_from(1).unwrap();
    }
}
