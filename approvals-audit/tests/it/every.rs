//! An event of every kind: with everything that it can have, and with nothing that it need not have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::call::Declaration;
use approvals_core::policy::FiredRule;
use approvals_core::review::{Asked, Seat, Vote};
use approvals_core::{
    Audience, Call, ChannelId, ChannelIdentity, Choice, Digest, Event, GroupId, Groups, Kind,
    NonEmpty, OwnerId, People, Presentation, Quorum, Reasons, RedactionKey, RequestId, Requester,
    Requirement, Risk, Stage, Timestamp, What,
};
use approvals_testing::sample::person;

use crate::support::event;

const NOW: Timestamp = Timestamp::from_millis(1_795_257_600_000);

fn requester(full: bool) -> Requester {
    let agent = Requester::agent("exporter").unwrap();
    if !full {
        return agent;
    }
    agent
        .acting_for("person:bob")
        .unwrap()
        .model("a-model", "7")
        .run("run-1")
        .session("session-1")
        .trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
}

/// A call whose arguments are bound in every way.
fn call(full: bool) -> Call {
    let declaration = Arc::new(Declaration {
        action: "db.export".parse().unwrap(),
        policy: "prod-db".parse().unwrap(),
        signature: "async fn export(table: &str)".into(),
        version: 1,
        risk: Risk::High,
        idempotent: false,
        origin: "reports::export (src/reports.rs:12)".into(),
    });
    let call = Call::of(declaration, requester(full));
    if !full {
        return call.build().unwrap();
    }
    let key = RedactionKey::new("2026-05", vec![7; 32]).unwrap();
    let call = call
        .redaction_key(Arc::new(key))
        .argument("table", "customers")
        .argument("rows", &u64::MAX)
        .redacted("token", "hunter2")
        .resource("db/customers")
        .environment("production")
        .label("region", "eu")
        .justification("the quarterly report needs it")
        .summary("exports customers")
        .key("run-1/step-2");
    let stored = serde_json::to_value(call.build().unwrap().into_masked()).unwrap();
    // What only the macro captures.
    let mut stored = stored;
    let slots = stored["arguments"]["slots"].as_array().unwrap().clone();
    stored["fields"] = serde_json::json!({
        "text": "\"x\"\"y\"",
        "slots": [
            {"name": "account", "bound": "debug", "end": 3},
            {"name": "shard", "bound": "display", "end": 6},
            {"name": "pool", "bound": "skipped", "end": 6},
        ],
    });
    assert_eq!(slots.len(), 3);
    stored["masked"] = serde_json::json!(["`query`: GitHub token"]);
    stored["sensitive"] = serde_json::json!(["region"]);
    serde_json::from_value(stored).unwrap()
}

fn tracks(full: bool) -> NonEmpty<Arc<Requirement>> {
    let plain = Requirement::one_of("dbas").unwrap();
    if !full {
        return NonEmpty::of(Arc::new(plain));
    }
    let first = Stage::of(Quorum::of(2, ["dbas", "person:carol"]).unwrap());
    let first = first
        .and(Quorum::of(1, ["owners"]).unwrap())
        .decide_within(Duration::from_secs(60))
        .unwrap()
        .escalate_to(Audience::of(["managers"]).unwrap());
    let rich = Requirement::review(first)
        .then(Stage::of(Quorum::of(1, ["security"]).unwrap()))
        .unwrap()
        .execute_within(Duration::from_secs(60))
        .unwrap()
        .comment_on_approve()
        .comment_on_deny()
        .break_glass("on-call")
        .unwrap()
        .reuse(3, Duration::from_secs(600))
        .unwrap()
        .remind_after(Duration::from_secs(5))
        .unwrap()
        .remind_every(Duration::from_secs(5))
        .unwrap()
        .at_least(Risk::Critical)
        .named("exports", "exports are reviewed")
        .unwrap();
    let confirm = Requirement::confirm(Duration::from_secs(60)).unwrap();
    NonEmpty::of(Arc::new(plain))
        .and(Arc::new(rich))
        .and(Arc::new(confirm))
}

fn reasons(full: bool) -> Reasons {
    let rule = FiredRule {
        id: "exports".parse().unwrap(),
        why: "exports are reviewed".into(),
    };
    Reasons::all(full.then_some(rule))
}

fn asked(full: bool) -> Arc<Asked> {
    let call = Arc::new(call(full));
    let mut asked = Asked {
        id: RequestId::new(NOW),
        digest: call.digest(),
        shown: call.digest(),
        root: call.requester().root().clone(),
        call,
        tracks: tracks(full),
        reasons: reasons(full),
        policy_version: full.then(|| "sha256:41d2".into()),
        risk: Risk::High,
        principals: if full {
            People::from([person("bob")])
        } else {
            People::new()
        },
        asked_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(3600)),
        may_have_run: full.then(|| RequestId::new(NOW)),
    };
    asked.shown = Presentation::of(&asked).hash();
    Arc::new(asked)
}

fn identity() -> ChannelIdentity {
    ChannelIdentity::new(ChannelId::new("slack").unwrap(), "T024BE7LD", "U0123")
}

fn vote(full: bool, choice: Choice) -> What {
    let vote = Vote {
        person: person("alice"),
        identity: identity(),
        groups: if full {
            Groups::from([GroupId::new("dbas").unwrap()])
        } else {
            Groups::new()
        },
        choice,
        comment: full.then(|| "fine".into()),
        at: NOW,
        revision: 2,
        seats: full
            .then_some(Seat { track: 0, stage: 0 })
            .into_iter()
            .collect(),
    };
    What::Voted {
        vote: Arc::new(vote),
        shown: Digest::from_bytes([7; 32]),
        seen_revision: 1,
    }
}

/// One event of each kind.
fn kinds(full: bool) -> Vec<What> {
    let (by, other) = (|| person("carol"), RequestId::new(NOW));
    let (fence, owner) = (1, OwnerId::from_bytes([7; 16]));
    let some = |text: &str| full.then(|| Arc::<str>::from(text));
    let text = |text: &str| Arc::<str>::from(text);
    let proposal = BTreeMap::from([("rows".to_owned(), 10.into())]);
    vec![
        What::Allowed {
            action: "db.read".parse().unwrap(),
            requester: requester(full),
            call: full.then(|| Arc::new(call(full))),
            reasons: reasons(full),
            policy_version: some("sha256:41d2"),
        },
        What::Refused {
            action: "db.export".parse().unwrap(),
            requester: full.then(|| requester(full)),
            call: full.then(|| Arc::new(call(full))),
            kind: Kind::DeniedByPolicy,
            why: text("policy denies it"),
            reasons: if full {
                reasons(full)
            } else {
                Reasons::default()
            },
            policy_version: some("sha256:41d2"),
        },
        What::Requested { asked: asked(full) },
        What::RequestedUnderGrant {
            asked: asked(full),
            granted_by: other,
        },
        What::GrantUsed {
            by: other,
            uses_left: 2,
        },
        vote(full, Choice::Approve),
        What::VoteRefused {
            person: full.then(|| person("mallory")),
            identity: identity(),
            choice: Choice::BreakGlass,
            why: text("they are the requester"),
            own_request: full,
        },
        What::StageOpened { track: 0, stage: 1 },
        What::Widened { track: 0, stage: 1 },
        What::Reminded { track: 0, stage: 1 },
        What::Approved,
        What::GlassBroken { by: by() },
        What::ReviewedAfterwards {
            by: by(),
            comment: text("it was right"),
        },
        What::Denied {
            by: by(),
            comment: some("too many rows"),
            proposal: full.then(|| Arc::new(proposal)),
        },
        What::DeniedWith { of: other },
        What::Withdrawn {
            why: text("the caller went away"),
        },
        What::Expired,
        What::Lapsed,
        What::Revoked {
            by: by(),
            reason: text("wrong table"),
        },
        What::Claimed {
            fence,
            owner,
            struck: 1,
            policy_version: some("sha256:41d2"),
        },
        What::ClaimReleased { fence },
        What::LeaseLost { fence },
        What::Started { fence, owner },
        What::Finished {
            fence,
            succeeded: full,
            summary: some("10 rows"),
        },
        What::FinishedLate {
            fence,
            succeeded: full,
        },
        What::InDoubt {
            why: text("its lease ran out"),
        },
        What::Resolved {
            by: by(),
            reason: text("the file is there"),
            succeeded: full,
        },
        What::GrantClosed {
            why: text("it was revoked"),
        },
        What::Frozen {
            by: by(),
            reason: text("an incident"),
        },
        What::Thawed {
            by: by(),
            reason: text("it is over"),
        },
    ]
}

/// How many kinds there are.
pub(crate) const KINDS: usize = 30;

/// The place of a kind. Whoever adds one is told here, and adds it above.
pub(crate) const fn place(what: &What) -> usize {
    match what {
        What::Allowed { .. } => 0,
        What::Refused { .. } => 1,
        What::Requested { .. } => 2,
        What::RequestedUnderGrant { .. } => 3,
        What::GrantUsed { .. } => 4,
        What::Voted { .. } => 5,
        What::VoteRefused { .. } => 6,
        What::StageOpened { .. } => 7,
        What::Widened { .. } => 8,
        What::Reminded { .. } => 9,
        What::Approved => 10,
        What::GlassBroken { .. } => 11,
        What::ReviewedAfterwards { .. } => 12,
        What::Denied { .. } => 13,
        What::DeniedWith { .. } => 14,
        What::Withdrawn { .. } => 15,
        What::Expired => 16,
        What::Lapsed => 17,
        What::Revoked { .. } => 18,
        What::Claimed { .. } => 19,
        What::ClaimReleased { .. } => 20,
        What::LeaseLost { .. } => 21,
        What::Started { .. } => 22,
        What::Finished { .. } => 23,
        What::FinishedLate { .. } => 24,
        What::InDoubt { .. } => 25,
        What::Resolved { .. } => 26,
        What::GrantClosed { .. } => 27,
        What::Frozen { .. } => 28,
        What::Thawed { .. } => 29,
    }
}

/// Twice every kind, and votes of every choice.
pub(crate) fn every_event() -> Vec<Event> {
    let kinds: Vec<What> = kinds(true).into_iter().chain(kinds(false)).collect();
    for (index, what) in kinds.iter().enumerate() {
        assert_eq!(place(what), index % KINDS);
    }
    let choices = [
        Choice::Approve,
        Choice::Deny,
        Choice::Confirm,
        Choice::BreakGlass,
        Choice::Withdrawn,
    ];
    let all = kinds
        .into_iter()
        .chain(choices.map(|choice| vote(false, choice)));
    let events = (1..).zip(all).map(|(number, what)| {
        let about = match &what {
            What::Requested { asked } | What::RequestedUnderGrant { asked, .. } => Some(asked.id),
            What::Allowed { .. } | What::Refused { .. } => None,
            What::Frozen { .. } | What::Thawed { .. } => None,
            _ => Some(RequestId::new(NOW)),
        };
        event(number, NOW, about, 1, what)
    });
    events.collect()
}
