//! Gates that could not do their work are not built.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{InMemoryApprover, InMemoryAuditSink, InMemoryDirectory, MemoryStore};
use approvals_core::{
    Gate, GateBuilder, Limits, Mentions, Quorum, RedactionKey, Requirement, Rules, Stage,
};
use approvals_testing::wrapping::Wrapping;

use super::durable::OnDisk;
use super::message;

fn directory() -> Arc<InMemoryDirectory> {
    let directory = InMemoryDirectory::new();
    directory.person("alice", ["seniors", "emptied"]).unwrap();
    directory.person("alice", ["seniors"]).unwrap();
    Arc::new(directory)
}

fn empty() -> GateBuilder {
    Gate::builder(Arc::new(MemoryStore::on_tokio_time()), directory())
}

fn review(group: &str) -> Requirement {
    Requirement::one_of(group).unwrap()
}

/// A gate that would be built.
fn sound() -> GateBuilder {
    empty()
        .policy("prod-db", review("seniors"))
        .approver("test", InMemoryApprover::new().connect())
}

async fn said(builder: GateBuilder) -> String {
    message(builder.build().await)
}

#[tokio::test(start_paused = true)]
async fn a_gate_without_policies_or_approvers_says_what_to_add() {
    assert!(sound().build().await.is_ok());
    assert_eq!(
        said(empty().approver("test", InMemoryApprover::new().connect())).await,
        "the gate has no policy: add one with `policy(name, …)`"
    );
    assert_eq!(
        said(empty().policy("prod-db", review("seniors"))).await,
        "the gate has no approver: add a channel with `approver(name, …)`, or nobody can agree"
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_given_twice_is_named() {
    assert_eq!(
        said(sound().policy("prod-db", review("seniors"))).await,
        "two policies are named `prod-db`: rename one, or combine them with `Strictest`"
    );
    assert_eq!(
        said(sound().approver("test", InMemoryApprover::new().connect())).await,
        "two approvers are named `test`: rename one"
    );
    let sink = || Arc::new(InMemoryAuditSink::new());
    let twice = sound()
        .audit_sink("log", sink())
        .required_audit_sink("log", sink());
    assert_eq!(
        said(twice).await,
        "two audit sinks are named `log`: rename one"
    );
}

#[tokio::test(start_paused = true)]
async fn a_malformed_name_is_refused_where_it_is_given() {
    assert_eq!(
        said(sound().policy("prod db", review("seniors"))).await,
        "the policy name \"prod db\" has the character ' ': use ASCII letters, digits and `_-.:/`, such as `prod-db`"
    );
    assert_eq!(
        said(sound().approver("", InMemoryApprover::new().connect())).await,
        "the channel id is empty: give it a name such as `slack`"
    );
    assert_eq!(
        said(sound().audit_sink("my log", Arc::new(InMemoryAuditSink::new()))).await,
        "the sink id \"my log\" has the character ' ': use ASCII letters, digits and `_-./`, such as `merkle-log`"
    );
    assert_eq!(
        said(sound().environments(["production", ""])).await,
        "the environment is empty: give it a name such as `production`"
    );
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_names_a_group_that_does_not_exist_is_refused() {
    let unknown = "the policy `iam` names the group `ghosts`, which does not exist: create it or correct the name";
    let widened = Requirement::review(
        Stage::of(Quorum::of(1, ["seniors"]).unwrap())
            .escalate_to(approvals_core::Audience::of(["ghosts"]).unwrap()),
    );
    let asked_by_closure = approvals_core::policy::from_fn(|_, _| {
        approvals_core::Verdict::Deny(approvals_core::Reasons::rule("no", "no").unwrap())
    })
    .mentioning(Mentions {
        reviewer_groups: [approvals_core::GroupId::new("ghosts").unwrap()].into(),
        requester_groups: [].into(),
    });
    let builders = [
        sound().policy("iam", review("ghosts")),
        sound().policy("iam", widened),
        sound().policy("iam", review("seniors").break_glass("ghosts").unwrap()),
        sound().policy("iam", asked_by_closure),
        sound().policy(
            "iam",
            Rules::new()
                .review("iam.grant", "grants", review("ghosts"))
                .unwrap(),
        ),
        sound().policy("iam", Rules::new().looks_at("ghosts").unwrap()),
    ];
    for builder in builders {
        assert_eq!(said(builder).await, unknown);
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_asks_a_group_that_nobody_is_in_is_refused() {
    assert_eq!(
        said(sound().policy("iam", review("emptied"))).await,
        "the policy `iam` asks the group `emptied`, which nobody is in: add somebody"
    );
}

#[tokio::test(start_paused = true)]
async fn absurd_times_and_limits_of_a_gate_name_their_field() {
    assert_eq!(
        said(sound().lease(Duration::ZERO)).await,
        "lease is 0ns: use between 1 second and 30 days"
    );
    assert_eq!(
        said(sound().freeze_staleness(Duration::from_millis(1))).await,
        "freeze_staleness is 1ms: use between 1 second and 30 days"
    );
    let limits = Limits {
        asks_per_hour: 0,
        ..Limits::default()
    };
    assert_eq!(
        said(sound().limits(limits)).await,
        "the limit `asks_per_hour` is 0, and every request would be refused: use at least 1"
    );
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_the_gate_does_not_declare_is_refused() {
    let whole = "the gate's environment `staging` is not among its `environments`: add it there";
    assert_eq!(said(sound().environment("staging")).await, whole);
    let declared = sound().environments(["production"]).environment("staging");
    assert_eq!(said(declared).await, whole);
}

#[tokio::test(start_paused = true)]
async fn a_durable_store_wants_a_redaction_key_that_outlives_the_process() {
    let on_disk = || {
        Gate::builder(Arc::new(Wrapping(OnDisk::default())), directory())
            .policy("prod-db", review("seniors"))
            .approver("test", InMemoryApprover::new().connect())
    };
    assert_eq!(
        said(on_disk()).await,
        "the store outlives the process, and there is no redaction key: set one with `redaction_key(…)`"
    );
    let key = RedactionKey::new("2026-05", vec![7; 32]).unwrap();
    assert!(on_disk().redaction_key(key).build().await.is_ok());
}

#[test]
fn a_short_redaction_key_and_an_unnamed_one_are_refused() {
    for length in [0, 16, 31] {
        assert_eq!(
            message(RedactionKey::new("2026-05", vec![7; length])),
            format!("the redaction key has {length} bytes: use at least 32 random ones")
        );
    }
    for id in [String::new(), "k".repeat(65)] {
        assert_eq!(
            message(RedactionKey::new(&id, vec![7; 32])),
            "the redaction key's id is empty or longer than 64 bytes: name the key, such as `2026-05`"
        );
    }
}
