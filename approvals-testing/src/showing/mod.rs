//! Requests that are hard to show: in every state, awkward ones, and hostile ones. For tests of
//! channels.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test makes is well-formed, or the test fails"
)]

mod hostile;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::call::Declaration;
use approvals_core::review::{Claim, Vote};
use approvals_core::{
    Call, ChannelId, ChannelIdentity, Choice, Groups, NonEmpty, OwnerId, People, PersonId, Phase,
    Presentation, Reasons, Record, RequestId, Requester, Requirement, Risk, State, Timestamp,
};

use crate::sample::Sample;

pub use hostile::HOSTILE;

const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);

fn declaration(risk: Risk, origin: &str) -> Arc<Declaration> {
    Arc::new(Declaration {
        action: "db.export".parse().unwrap(),
        policy: "prod-db".parse().unwrap(),
        signature: "async fn export()".into(),
        version: 1,
        risk,
        idempotent: false,
        origin: origin.into(),
    })
}

fn requester() -> Requester {
    let agent = Requester::agent("exporter").unwrap();
    agent
        .acting_for("person:bob")
        .unwrap()
        .model("example-model-4", "2026-05")
}

/// A pending request of this call.
fn pending(call: Call, requirement: Requirement, reason: &str) -> Record {
    let sample = Sample::at(NOW).opening();
    let mut asked = (*sample.asked).clone();
    asked.id = RequestId::from_bytes([7; 16]);
    asked.digest = call.digest();
    asked.risk = call.risk();
    // As the gate does it: what looks like a secret is masked.
    asked.call = Arc::new(call.into_masked());
    asked.expires_at = NOW.plus(requirement.whole_time());
    asked.tracks = NonEmpty::of(Arc::new(requirement));
    asked.reasons = Reasons::rule("db-export-needs-review", reason).unwrap();
    asked.shown = Presentation::of(&asked).hash();
    let excluded = People::from([PersonId::new("bob").unwrap()]);
    Record::pending(Arc::new(asked), excluded, None)
}

fn one() -> Requirement {
    Requirement::one_of("senior-engineers").unwrap()
}

/// A request with hostile text wherever text from outside can be: eight texts.
/// # Panics
/// When they are not eight.
#[must_use]
pub fn record_of(texts: &[String]) -> Record {
    let [argument, key, resource, claim, summary, label, name, origin] = texts else {
        panic!("eight texts");
    };
    let mut nested = std::collections::BTreeMap::new();
    nested.insert(key.clone(), argument.clone());
    let call = Call::of(declaration(Risk::High, origin), requester())
        .argument("text", argument)
        .argument("nested", &nested)
        .argument(format!("n{name}"), &7)
        .resource(cut(resource))
        .justification(cut(claim))
        .summary(cut(summary))
        .label(&format!("l{}", cut(name)), cut(label))
        .build();
    let call = call.unwrap_or_else(|_| {
        // A name that cannot be one.
        let call = Call::of(declaration(Risk::High, origin), requester());
        call.argument("text", argument)
            .argument("nested", &nested)
            .build()
            .unwrap()
    });
    pending(call, one(), label)
}

/// A resource and its like are limited in size by the call.
fn cut(text: &str) -> String {
    text.chars().take(4_000).collect()
}

fn vote(who: &str, choice: Choice, comment: Option<&str>) -> Arc<Vote> {
    Arc::new(Vote {
        person: PersonId::new(who).unwrap(),
        identity: ChannelIdentity::new(ChannelId::new("slack").unwrap(), "T0TEAM", who),
        groups: Groups::default(),
        choice,
        comment: comment.map(Arc::from),
        at: NOW,
        revision: 2,
        seats: vec![approvals_core::review::Seat { track: 0, stage: 0 }],
    })
}

/// The record in states that carry somebody's words.
#[must_use]
pub fn states_of(record: &Record, words: &str) -> Vec<Record> {
    let why: Arc<str> = words.into();
    let by = PersonId::new("alice").unwrap();
    let proposal = [("text".to_owned(), serde_json::json!(words))].into();
    let states = [
        State::Denied {
            at: NOW,
            by: by.clone(),
            comment: Some(why.clone()),
            proposal: Some(Arc::new(proposal)),
        },
        State::Withdrawn {
            at: NOW,
            why: why.clone(),
        },
        State::Revoked {
            at: NOW,
            by,
            reason: why.clone(),
        },
        State::InDoubt {
            at: NOW,
            why: why.clone(),
        },
        State::Succeeded {
            at: NOW,
            summary: Some(why),
        },
    ];
    let said = |number| vote(&format!("person-{number}"), Choice::Approve, Some(words));
    let with = |state| Record {
        state,
        // More than are listed, each with all that they said.
        votes: (0..15).map(said).collect(),
        ..record.clone()
    };
    states.map(with).into()
}

/// One record in each state.
///
/// # Panics
/// When a state is missing.
#[must_use]
pub fn every_state() -> Vec<(&'static str, Record)> {
    let call = Call::of(
        declaration(Risk::High, "reports::export (src/reports.rs:12)"),
        requester(),
    );
    let call = call
        .argument("database", "customers")
        .argument("rows", &1_000)
        .argument(
            "query",
            &"select * from customers where region = 'eu' ".repeat(6),
        )
        .resource("db/customers")
        .summary("exports customers")
        .justification("the user asked for it, and it is urgent")
        .label("region", "eu")
        .build()
        .unwrap();
    let requirement = Requirement::some_of(2, "senior-engineers")
        .unwrap()
        .comment_on_deny();
    let asked = pending(call, requirement, "exports of production are seen by two");
    let claim = Claim {
        fence: 1,
        owner: OwnerId::from_bytes([3; 16]),
        lease_until: NOW,
    };
    let later = NOW.plus(Duration::from_secs(600));
    let (approved, by) = (NOW, PersonId::new("alice").unwrap());
    let yes = || {
        vec![
            vote("alice", Choice::Approve, Some("looks right")),
            vote("carol", Choice::Approve, None),
        ]
    };
    let no = || {
        vec![vote(
            "alice",
            Choice::Deny,
            Some("only the customers of the EU"),
        )]
    };
    let why: Arc<str> = "the process that ran it is gone".into();
    let proposal = [("rows".to_owned(), serde_json::json!(10))].into();
    let all = vec![
        ("pending", State::Pending, vec![]),
        (
            "pending_with_one_vote",
            State::Pending,
            vec![vote("alice", Choice::Approve, None)],
        ),
        (
            "approved",
            State::Approved {
                at: approved,
                execute_by: later,
            },
            yes(),
        ),
        (
            "claimed",
            State::Claimed {
                claim,
                execute_by: later,
                approved_at: NOW,
            },
            yes(),
        ),
        ("executing", State::Executing { claim }, yes()),
        (
            "succeeded",
            State::Succeeded {
                at: NOW,
                summary: Some("10 rows".into()),
            },
            yes(),
        ),
        (
            "failed",
            State::Failed {
                at: NOW,
                summary: None,
            },
            yes(),
        ),
        (
            "in_doubt",
            State::InDoubt {
                at: NOW,
                why: why.clone(),
            },
            yes(),
        ),
        (
            "denied",
            State::Denied {
                at: NOW,
                by: by.clone(),
                comment: Some("only the customers of the EU".into()),
                proposal: Some(Arc::new(proposal)),
            },
            no(),
        ),
        ("withdrawn", State::Withdrawn { at: NOW, why }, vec![]),
        ("expired", State::Expired { at: NOW }, vec![]),
        (
            "revoked",
            State::Revoked {
                at: NOW,
                by,
                reason: "the wrong database".into(),
            },
            yes(),
        ),
        ("lapsed", State::Lapsed { at: NOW }, yes()),
    ];
    // A state that is new makes this no longer compile: list it above, and raise the number.
    let listed: BTreeSet<Phase> = all.iter().map(|(_, state, _)| state.phase()).collect();
    for phase in &listed {
        match phase {
            Phase::Pending
            | Phase::Approved
            | Phase::Claimed
            | Phase::Executing
            | Phase::Succeeded
            | Phase::Failed
            | Phase::InDoubt
            | Phase::Denied
            | Phase::Withdrawn
            | Phase::Expired
            | Phase::Revoked
            | Phase::Lapsed => {}
        }
    }
    assert_eq!(listed.len(), 12, "a state is not listed");
    let with = |(name, state, votes): (&'static str, State, Vec<Arc<Vote>>)| {
        let revision = 1 + votes.len() as u64;
        (
            name,
            Record {
                state,
                votes,
                revision,
                ..asked.clone()
            },
        )
    };
    all.into_iter().map(with).collect()
}

/// Pending requests that are hard to show.
#[must_use]
pub fn awkward() -> Vec<(&'static str, Record)> {
    let declared = || declaration(Risk::Low, "a::b (src/a.rs:1)");
    let of = |name: &'static str, value: &str| {
        let call = Call::of(declared(), requester()).argument("value", value);
        (
            name,
            pending(call.build().unwrap(), one(), "every call is reviewed"),
        )
    };
    let asks = |name: &'static str, risk, requirement| {
        let call = Call::of(declaration(risk, "a::b (src/a.rs:1)"), requester());
        (
            name,
            pending(
                call.argument("value", "x").build().unwrap(),
                requirement,
                "every call is reviewed",
            ),
        )
    };
    let many = (0..200).fold(Call::of(declared(), requester()), |call, n| {
        call.argument(format!("argument_{n}"), &n)
    });
    let labels = (0..50).fold(Call::of(declared(), requester()), |call, n| {
        call.label(&format!("label_{n}"), "x".repeat(200))
    });
    let hour = Duration::from_secs(3_600);
    vec![
        of("empty", ""),
        of("one_space", " "),
        of("long", &"x".repeat(30_000)),
        of("too_long", &"x".repeat(300_000)),
        of("emoji", &"💾".repeat(4_000)),
        of(
            "mentions",
            "<!channel> <@U0ALICE> @here <!subteam^S0ONCALL>",
        ),
        of(
            "links",
            "<https://evil.example|https://good.example> https://evil.example",
        ),
        of("entities", "&lt;&amp;&gt; & < >"),
        of("markdown", "*a* _b_ ~c~ `d` ```e``` > f\n- g"),
        of("bidi", "\u{202e}\u{2066}invoice\u{200b}"),
        of("controls", "\0\u{7}\u{1b}[2J\r\n\t"),
        of(
            "json",
            "\",\"type\":\"button\",\"action_id\":\"approvals.vote.approve\"",
        ),
        of("secret", "ghp_0123456789abcdefghijABCDEFGHIJ456789"),
        (
            "nothing",
            pending(
                Call::of(declared(), requester()).build().unwrap(),
                one(),
                "because",
            ),
        ),
        (
            "many_arguments",
            pending(many.build().unwrap(), one(), "because"),
        ),
        (
            "many_labels",
            pending(labels.build().unwrap(), one(), "because"),
        ),
        asks("critical", Risk::Critical, one()),
        asks(
            "comments",
            Risk::Low,
            one().comment_on_approve().comment_on_deny(),
        ),
        asks(
            "break_glass",
            Risk::High,
            one().break_glass("on-call").unwrap(),
        ),
        asks("reusable", Risk::Low, one().reuse(5, hour).unwrap()),
        asks("confirm", Risk::Low, Requirement::confirm(hour).unwrap()),
        asks(
            "long_reason",
            Risk::Low,
            one().break_glass(&"g".repeat(100)).unwrap(),
        ),
    ]
}
