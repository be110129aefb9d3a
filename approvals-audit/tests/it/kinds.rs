//! An event of every kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use approvals_core::call::Declaration;
use approvals_core::review::Vote;
use approvals_core::{
    Call, ChannelId, ChannelIdentity, Choice, Event, Groups, Kind, OwnerId, Presentation, Reasons,
    RequestId, Requester, Risk, Timestamp, What,
};
use approvals_testing::sample::{Sample, person};

use crate::every::{KINDS, place};
use crate::support::event;

pub(crate) const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) fn identity(user: &str) -> ChannelIdentity {
    ChannelIdentity::new(ChannelId::new("slack").unwrap(), "T1", user)
}

pub(crate) fn requester() -> Requester {
    Requester::agent("exporter")
        .unwrap()
        .acting_for("person:bob")
        .unwrap()
        .model("example-model", "4")
        .run("run-42")
        .session("session-7")
        .trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
}

fn call(action: &str, resource: &str, justification: &str) -> Call {
    let declaration = Arc::new(Declaration {
        action: action.parse().unwrap(),
        policy: "prod-db".parse().unwrap(),
        signature: "async fn export(table: &str)".into(),
        version: 1,
        risk: Risk::High,
        idempotent: false,
        origin: "reports::export (src/reports.rs:12)".into(),
    });
    Call::of(declaration, requester())
        .argument("table", "customers")
        .resource(resource)
        .environment("production")
        .justification(justification)
        .build()
        .unwrap()
}

/// A trail that asks twice, and then has every other kind of event about the first request.
pub(crate) fn every_kind() -> Vec<Event> {
    let call = Arc::new(call(
        "db.export",
        "db/customers",
        "=HYPERLINK(\"http://x\")",
    ));
    let asking = |id: RequestId| {
        let mut asked = (*Sample::at(AT).opening().asked).clone();
        asked.id = id;
        asked.digest = call.digest();
        asked.call = Arc::clone(&call);
        asked.risk = Risk::High;
        asked.policy_version = Some("2026-10".into());
        asked.reasons = Reasons::rule("exports-need-a-senior", "exports are reviewed").unwrap();
        asked.shown = Presentation::of(&asked).hash();
        Arc::new(asked)
    };
    let (first, second) = (RequestId::new(AT), RequestId::new(AT));
    let (asked, under_grant) = (asking(first), asking(second));
    let (fence, owner) = (1, OwnerId::from_bytes([7; 16]));
    let voted = |choice, comment: Option<&str>| What::Voted {
        vote: Arc::new(Vote {
            person: person("alice"),
            identity: identity("U1"),
            groups: Groups::from([approvals_core::GroupId::new("reviewers").unwrap()]),
            choice,
            comment: comment.map(Into::into),
            at: AT,
            revision: 2,
            seats: Vec::new(),
        }),
        shown: asked.shown,
        seen_revision: 1,
    };
    let refused = |kind, why: &str| What::Refused {
        policy_version: None,
        action: "db.drop".parse().unwrap(),
        requester: Some(requester()),
        call: Some(Arc::clone(&call)),
        kind,
        why: why.into(),
        reasons: Reasons::rule("no-drops", "nobody drops tables").unwrap(),
    };
    let vote_refused = |known: bool, own_request| What::VoteRefused {
        person: known.then(|| person("bob")),
        identity: identity("U2"),
        choice: Choice::Approve,
        why: "one's own request".into(),
        own_request,
    };
    let (track, stage) = (0, 1);
    let about = |what| (Some(first), what);
    let all = vec![
        (
            None,
            What::Allowed {
                policy_version: Some("2026-10".into()),
                action: "db.read".parse().unwrap(),
                requester: requester(),
                call: None,
                reasons: Reasons::rule("reads-are-free", "reads do no harm").unwrap(),
            },
        ),
        (
            None,
            refused(Kind::DeniedByPolicy, "no drops in production"),
        ),
        (
            None,
            What::Refused {
                policy_version: None,
                action: "db.drop".parse().unwrap(),
                requester: None,
                call: None,
                kind: Kind::Unavailable,
                why: "=cmd|' /C calc'!A0\r\nsecond line".into(),
                reasons: Reasons::default(),
            },
        ),
        about(What::Requested {
            asked: Arc::clone(&asked),
        }),
        (
            Some(second),
            What::RequestedUnderGrant {
                asked: under_grant,
                granted_by: first,
            },
        ),
        about(What::GrantUsed {
            by: second,
            uses_left: 2,
        }),
        about(voted(Choice::Approve, Some("looks \"right\", <b>go</b>"))),
        about(voted(Choice::Withdrawn, None)),
        about(voted(Choice::Confirm, None)),
        about(voted(Choice::Deny, Some("@mallory"))),
        about(voted(Choice::BreakGlass, Some("the house is on fire"))),
        about(vote_refused(true, true)),
        about(vote_refused(false, false)),
        about(What::StageOpened { track, stage }),
        about(What::Widened { track, stage }),
        about(What::Reminded { track, stage }),
        about(What::Approved),
        about(What::GlassBroken {
            by: person("alice"),
        }),
        about(What::ReviewedAfterwards {
            by: person("carol"),
            comment: "it was on fire indeed".into(),
        }),
        about(What::Denied {
            by: person("alice"),
            comment: Some("fewer rows".into()),
            proposal: Some(Arc::new(BTreeMap::from([
                ("rows".to_owned(), serde_json::json!(u64::MAX)),
                ("least".to_owned(), serde_json::json!(i64::MIN)),
            ]))),
        }),
        about(What::DeniedWith { of: second }),
        about(What::Withdrawn {
            why: "the call was dropped".into(),
        }),
        about(What::Expired),
        about(What::Lapsed),
        about(What::Revoked {
            by: person("olga"),
            reason: "wrong table".into(),
        }),
        about(What::Claimed {
            policy_version: None,
            fence,
            owner,
            struck: 0,
        }),
        about(What::ClaimReleased { fence }),
        about(What::LeaseLost { fence }),
        about(What::Started { fence, owner }),
        about(What::Finished {
            fence,
            succeeded: true,
            summary: Some("42 rows".into()),
        }),
        about(What::Finished {
            fence,
            succeeded: false,
            summary: None,
        }),
        about(What::FinishedLate {
            fence,
            succeeded: true,
        }),
        about(What::InDoubt {
            why: "the lease was lost".into(),
        }),
        about(What::Resolved {
            by: person("olga"),
            reason: "it had run".into(),
            succeeded: true,
        }),
        about(What::GrantClosed {
            why: "it was revoked".into(),
        }),
        (
            None,
            What::Frozen {
                by: person("olga"),
                reason: "an incident".into(),
            },
        ),
        (
            None,
            What::Thawed {
                by: person("olga"),
                reason: "it is over".into(),
            },
        ),
    ];
    let mut seen = [false; KINDS];
    for (_, what) in &all {
        seen[place(what)] = true;
    }
    assert_eq!(seen, [true; KINDS], "every kind of event is here");
    (1..)
        .zip(all)
        .map(|(number, (request, what))| event(number, AT, request, number, what))
        .collect()
}
