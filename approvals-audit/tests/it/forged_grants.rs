//! Grants that cannot have been given or used, though every hash and signature is good.

use std::sync::Arc;
use std::time::Duration;

use approvals_audit::AuditLog;
use approvals_core::memory::{InMemoryApprover, InMemoryDirectory, MemoryStore};
use approvals_core::{Choice, Gate, RequestId, Requirement, Timestamp, What};
use approvals_testing::sample::{REVIEWERS, Sample, person};
use serde_json::json;

use crate::forging::*;
use crate::support::*;

const WITHIN: u64 = 600;

fn one_of() -> Requirement {
    Requirement::one_of(REVIEWERS).unwrap()
}

fn of(requirement: Requirement) -> Sample {
    Sample::at(Timestamp::from_millis(BEGAN)).requirement(requirement)
}

/// Three uses within ten minutes.
fn reusable() -> Sample {
    of(one_of().reuse(3, Duration::from_secs(WITHIN)).unwrap())
}

/// A yes that covers two more.
fn granted() -> (Forgery, RequestId) {
    let mut forgery = Forgery::new();
    let id = forgery.approves(&reusable()).id;
    (forgery, id)
}

fn runs(forgery: &mut Forgery, id: RequestId) {
    forgery.all(id, [claimed(1), started(1), finished(1)]);
}

fn close() -> [What; 2] {
    [
        What::Revoked {
            by: person("olga"),
            reason: "no".into(),
        },
        What::GrantClosed {
            why: "a use ended in doubt".into(),
        },
    ]
}

/// As a gate writes it: the use, the request that is born approved, and its approval.
#[tokio::test]
async fn what_a_gate_writes_of_grants_is_not_found_to_be_wrong() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let log = AuditLog::at(place.path(), key.clone()).open().await;
    let people = InMemoryDirectory::new();
    people.person("alice", [REVIEWERS]).unwrap();
    people.person("bob", ["owners"]).unwrap();
    let approver = InMemoryApprover::new();
    let reuse = one_of().reuse(3, Duration::from_secs(WITHIN)).unwrap();
    let gate = Gate::builder(Arc::new(MemoryStore::new()), Arc::new(people))
        .policy("sample", reuse)
        .approver("test", approver.connect())
        .required_audit_sink("log", Arc::new(log.unwrap()));
    let gate = gate.build().await.unwrap();
    let call = Sample::at(Timestamp::from_millis(1)).call();
    for first in [true, false, false] {
        let run = async {
            let admitted = gate.authorize(call.clone()).await.unwrap();
            admitted.start(&call).await.unwrap().finish(true).await;
        };
        let yes = async {
            if first {
                approver.next().await.approve_as("alice").await.unwrap();
            }
        };
        tokio::join!(run, yes);
    }
    gate.flush().await;
    let report =
        approvals_audit::Verifier::new(place.path(), [approvals_audit::Signer::key(&*key).clone()]);
    let whole = report.run().unwrap();
    assert_eq!((whole.entries, whole.open_requests), (6 + 2 * 6, 0));
    assert_eq!(report.following(5).run().unwrap(), whole);
}

#[test]
fn grants_that_are_used_as_they_were_given_are_not_found_to_be_wrong() {
    let (mut forgery, grantor) = granted();
    let second = forgery.uses(grantor, 1, &reusable());
    runs(&mut forgery, grantor);
    runs(&mut forgery, second);
    // Also when the request that it came from is over.
    let third = forgery.uses(grantor, 0, &reusable());
    runs(&mut forgery, third);
    forgery.all(grantor, close());
    let report = forgery.judged().unwrap();
    assert_eq!(report.open_requests, 0);
    assert_eq!(forgery.judged_following(5).unwrap(), report);
    // A trail that begins after any of this is followed from there.
    for first in 1..forgery.entries.len() {
        forgery.judged_from(first).unwrap();
    }
}

#[test]
fn a_request_that_is_born_approved_under_nobodys_grant_is_found() {
    let nobody = RequestId::new(Timestamp::from_millis(BEGAN));
    let mut forgery = Forgery::new();
    let asked = reusable().opening().asked;
    let id = asked.id;
    forgery.then(
        id,
        What::RequestedUnderGrant {
            asked,
            granted_by: nobody,
        },
    );
    forgery.is_wrong("no use of that grant was taken");
    let mut forgery = Forgery::new();
    let (by, uses_left) = (id, 1);
    forgery.then(nobody, What::GrantUsed { by, uses_left });
    forgery.is_wrong("a grant that is not open");
}

#[test]
fn a_grant_of_a_request_that_was_not_approved_is_found() {
    let mut forgery = Forgery::new();
    let grantor = forgery.asks(&reusable()).id;
    forgery.then(grantor, voted("alice", Choice::Approve));
    let by = RequestId::new(Timestamp::from_millis(BEGAN));
    forgery.then(grantor, What::GrantUsed { by, uses_left: 1 });
    forgery.is_wrong("a grant that is not open");
}

#[test]
fn a_grant_of_a_yes_without_reuse_is_found() {
    let mut forgery = Forgery::new();
    let grantor = forgery.approves(&of(one_of())).id;
    let by = RequestId::new(Timestamp::from_millis(BEGAN));
    forgery.then(grantor, What::GrantUsed { by, uses_left: 1 });
    forgery.is_wrong("a grant that is not open");
}

#[test]
fn a_grant_of_a_broken_glass_or_of_a_call_with_a_skipped_argument_is_found() {
    let by = RequestId::new(Timestamp::from_millis(BEGAN));
    let mut forgery = Forgery::new();
    let grantor = forgery.asks(&reusable()).id;
    let alice = person("alice");
    forgery.all(
        grantor,
        [
            voted("alice", Choice::BreakGlass),
            What::GlassBroken { by: alice },
            What::Approved,
            What::GrantUsed { by, uses_left: 1 },
        ],
    );
    forgery.is_wrong("a grant that is not open");
    let (mut forgery, grantor) = granted();
    forgery.entries[0]["asked"]["call"]["arguments"]["slots"][0]["bound"] = json!("skipped");
    forgery.then(grantor, What::GrantUsed { by, uses_left: 1 });
    forgery.is_wrong("a grant that is not open");
}

#[test]
fn a_request_for_which_no_use_was_taken_is_found() {
    let (mut forgery, grantor) = granted();
    let asked = reusable().opening().asked;
    let (id, granted_by) = (asked.id, grantor);
    forgery.then(id, What::RequestedUnderGrant { asked, granted_by });
    forgery.is_wrong("no use of that grant was taken");
}

#[test]
fn a_use_that_was_taken_of_another_grant_is_found() {
    let (mut forgery, first) = granted();
    let second = forgery.approves(&reusable()).id;
    let asked = reusable().opening().asked;
    let by = asked.id;
    forgery.then(first, What::GrantUsed { by, uses_left: 1 });
    let granted_by = second;
    forgery.then(by, What::RequestedUnderGrant { asked, granted_by });
    forgery.is_wrong("no use of that grant was taken");
}

#[test]
fn two_uses_for_one_request_are_found() {
    let (mut forgery, grantor) = granted();
    let by = forgery.uses(grantor, 1, &reusable());
    forgery.then(grantor, What::GrantUsed { by, uses_left: 0 });
    forgery.is_wrong("two uses were taken for one request");
}

#[test]
fn more_uses_than_were_granted_are_found() {
    let by = || RequestId::new(Timestamp::from_millis(BEGAN));
    for uses_left in [0, 2, 3, u32::MAX] {
        let (mut forgery, grantor) = granted();
        forgery.then(
            grantor,
            What::GrantUsed {
                by: by(),
                uses_left,
            },
        );
        forgery.is_wrong("that the grant did not have");
    }
    for uses_left in [0, 1, u32::MAX] {
        let (mut forgery, grantor) = granted();
        forgery.uses(grantor, 1, &reusable());
        forgery.uses(grantor, 0, &reusable());
        forgery.then(
            grantor,
            What::GrantUsed {
                by: by(),
                uses_left,
            },
        );
        forgery.is_wrong("that the grant did not have");
    }
}

#[test]
fn a_use_after_the_grants_time_is_found() {
    // The yes is the third event, two seconds after the first.
    for (waited, in_time) in [(WITHIN - 2, true), (WITHIN - 1, false)] {
        let (mut forgery, grantor) = granted();
        forgery.wait(waited);
        let by = RequestId::new(Timestamp::from_millis(BEGAN));
        forgery.then(grantor, What::GrantUsed { by, uses_left: 1 });
        if in_time {
            forgery.judged().unwrap();
        } else {
            let finding = forgery.judged().unwrap_err();
            assert!(finding.why.contains("past its time"), "{finding}");
        }
    }
}

#[test]
fn a_use_after_the_grant_was_closed_is_found() {
    let by = RequestId::new(Timestamp::from_millis(BEGAN));
    for what in close() {
        let (mut forgery, grantor) = granted();
        forgery.all(grantor, [what, What::GrantUsed { by, uses_left: 1 }]);
        forgery.is_wrong("a grant that is not open");
    }
    let (mut forgery, grantor) = granted();
    let why = "silence".into();
    forgery.all(grantor, [claimed(1), started(1), What::InDoubt { why }]);
    forgery.then(grantor, What::GrantUsed { by, uses_left: 1 });
    forgery.is_wrong("a grant that is not open");
}

#[test]
fn a_run_under_a_grant_that_was_closed_or_past_its_time_is_found() {
    for before in [vec![], vec![claimed(1)]] {
        let next = || {
            if before.is_empty() {
                claimed(1)
            } else {
                started(1)
            }
        };
        for what in close() {
            let (mut forgery, grantor) = granted();
            let id = forgery.uses(grantor, 1, &reusable());
            forgery.all(id, before.clone());
            forgery.then(grantor, what);
            forgery.then(id, next());
            forgery.is_wrong("closed, or past its time");
        }
        let (mut forgery, grantor) = granted();
        let id = forgery.uses(grantor, 1, &reusable());
        forgery.all(id, before.clone());
        forgery.wait(WITHIN);
        forgery.then(id, next());
        forgery.is_wrong("closed, or past its time");
    }
}

#[test]
fn what_is_already_running_when_its_grant_is_closed_may_finish() {
    let (mut forgery, grantor) = granted();
    let id = forgery.uses(grantor, 1, &reusable());
    forgery.all(id, [claimed(1), started(1)]);
    forgery.all(grantor, close());
    forgery.then(id, finished(1));
    forgery.judged().unwrap();
}

/// Asks for what `change` makes of a call under a grant.
#[track_caller]
fn asks_for_something_else(change: impl FnOnce(&mut serde_json::Value)) {
    let (mut forgery, grantor) = granted();
    let asked = reusable().opening().asked;
    let (by, granted_by) = (asked.id, grantor);
    forgery.then(grantor, What::GrantUsed { by, uses_left: 1 });
    forgery.then(by, What::RequestedUnderGrant { asked, granted_by });
    forgery.judged().unwrap();
    change(forgery.entries.last_mut().unwrap());
    forgery.is_wrong("something else than what was granted");
}

#[test]
fn a_call_that_is_not_the_one_that_was_granted_is_found() {
    let other = reusable().table("another").call().digest();
    asks_for_something_else(|entry| entry["asked"]["digest"] = json!(other));
    // Where the digest is committed to, by what else the entries hold.
    let committed = |entry: &mut serde_json::Value| {
        entry["committed"] = json!({ "/asked/digest": "a commitment" });
        entry["asked"]["digest"] = json!(other);
    };
    for (place, value) in [
        ("/asked/call/declaration/action", json!("sample.drop")),
        ("/asked/call/declaration/policy", json!("another")),
        ("/asked/call/requester/actor", json!("agent:another")),
        ("/asked/call/requester/acting_for", json!(["person:dana"])),
        ("/asked/tracks/0/comment_on_approve", json!(true)),
    ] {
        asks_for_something_else(|entry| {
            committed(entry);
            *entry.pointer_mut(place).unwrap() = value;
        });
    }
    asks_for_something_else(|entry| {
        committed(entry);
        entry["asked"]["call"]["environment"] = json!("production");
    });
}

#[test]
fn a_request_under_a_grant_runs_after_its_own_approval_alone() {
    let (mut forgery, grantor) = granted();
    let asked = reusable().opening().asked;
    let (by, granted_by) = (asked.id, grantor);
    forgery.then(grantor, What::GrantUsed { by, uses_left: 1 });
    forgery.then(by, What::RequestedUnderGrant { asked, granted_by });
    forgery.then(by, claimed(1));
    forgery.is_wrong("was not approved then");
}

#[test]
fn a_use_or_a_request_that_does_not_say_of_which_grant_is_found() {
    let (mut forgery, grantor) = granted();
    let by = RequestId::new(Timestamp::from_millis(BEGAN));
    forgery.then(grantor, What::GrantUsed { by, uses_left: 1 });
    for member in ["by", "uses_left"] {
        let mut forgery = forgery.clone();
        let last = forgery.entries.last_mut().unwrap();
        last.as_object_mut().unwrap().remove(member).unwrap();
        forgery.is_wrong("does not say for whom");
    }
    let asked = reusable().opening().asked;
    let granted_by = grantor;
    let mut forgery = granted().0;
    forgery.then(asked.id, What::RequestedUnderGrant { asked, granted_by });
    let last = forgery.entries.last_mut().unwrap();
    last.as_object_mut().unwrap().remove("granted_by").unwrap();
    forgery.is_wrong("does not say which grant");
}

/// An entry that is too long tells less: what it does not tell is taken as told, and no more.
#[test]
fn what_entries_do_not_tell_because_they_are_too_long_is_not_found_to_be_wrong() {
    let abridged = |entry: &mut serde_json::Value, members: &[&str]| {
        let entry = entry.as_object_mut().unwrap();
        members
            .iter()
            .for_each(|member| drop(entry.remove(*member)));
        let payload = json!({ "sha256": "0".repeat(64), "bytes": 70_000 });
        entry.insert("payload".to_owned(), payload);
    };
    let (mut forgery, grantor) = granted();
    abridged(&mut forgery.entries[0], &["asked"]);
    let by = forgery.uses(grantor, 1, &reusable());
    abridged(&mut forgery.entries[4], &["asked", "granted_by"]);
    runs(&mut forgery, by);
    forgery.judged().unwrap();
    assert_eq!(forgery.judged_following(5), forgery.judged());
    // The use is always told.
    let mut without = granted().0;
    let asked = reusable().opening().asked;
    let granted_by = grantor;
    without.then(asked.id, What::RequestedUnderGrant { asked, granted_by });
    abridged(&mut without.entries[3], &["asked", "granted_by"]);
    without.is_wrong("no use of that grant was taken");
    // And uses are counted from the first that is.
    forgery.then(
        grantor,
        What::GrantUsed {
            by: grantor,
            uses_left: 1,
        },
    );
    forgery.is_wrong("that the grant did not have");
}
