//! Trails of many different requests, with what a reader of them should find out.

use std::sync::Arc;

use approvals_core::call::Declaration;
use approvals_core::review::{Asked, Vote};
use approvals_core::{
    Call, ChannelId, ChannelIdentity, Choice, Event, Groups, Kind, OwnerId, Reasons, RequestId,
    Requester, Risk, Timestamp, What,
};
use approvals_testing::sample::{Sample, person};

use crate::support::event;

/// What one call was, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Story {
    pub(crate) entry: u64,
    pub(crate) request: Option<RequestId>,
    pub(crate) action: &'static str,
    pub(crate) agent: &'static str,
    pub(crate) principal: &'static str,
    pub(crate) resource: String,
    pub(crate) version: Option<&'static str>,
    pub(crate) reviewer: Option<&'static str>,
    pub(crate) at: Timestamp,
    pub(crate) standing: &'static str,
    pub(crate) took: Option<u64>,
    pub(crate) self_approval: bool,
    pub(crate) glass_broken: bool,
    pub(crate) steps: Vec<u64>,
}

const ACTIONS: [&str; 3] = ["db.export", "db.drop", "iam.grant_role"];
const AGENTS: [&str; 3] = ["exporter", "cleaner", "granter"];
const PRINCIPALS: [&str; 2] = ["person:bob", "person:dana"];
const REVIEWERS: [&str; 3] = ["alice", "carol", "eve"];
const VERSIONS: [&str; 2] = ["2026-09", "2026-10"];

/// Numbers that look random and are the same each time.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn of<T: Copy>(&mut self, some: &[T]) -> T {
        #[expect(clippy::cast_possible_truncation, reason = "a few")]
        let at = self.below(some.len() as u64) as usize;
        some[at]
    }
}

struct Trail {
    events: Vec<Event>,
    at: u64,
}

impl Trail {
    fn push(&mut self, request: Option<RequestId>, what: What) -> u64 {
        let number = self.events.len() as u64 + 1;
        let at = Timestamp::from_millis(self.at);
        self.events.push(event(number, at, request, 1, what));
        number - 1
    }
}

/// So many calls, some of which people decided. Their events do not overlap.
pub(crate) fn stories(calls: u64, seed: u64) -> (Vec<Event>, Vec<Story>) {
    let mut dice = Dice::new(seed);
    let mut trail = Trail {
        events: Vec::new(),
        at: 1_700_000_000_000,
    };
    let stories = (0..calls).map(|_| story(&mut trail, &mut dice));
    let stories = stories.collect();
    (trail.events, stories)
}

fn story(trail: &mut Trail, dice: &mut Dice) -> Story {
    trail.at += dice.below(600_000);
    let at = Timestamp::from_millis(trail.at);
    let mut story = Story {
        entry: trail.events.len() as u64,
        request: None,
        action: dice.of(&ACTIONS),
        agent: dice.of(&AGENTS),
        principal: dice.of(&PRINCIPALS),
        resource: format!("db/\"table\" {}", dice.below(7)),
        version: None,
        reviewer: None,
        at,
        standing: "",
        took: None,
        self_approval: false,
        glass_broken: false,
        steps: Vec::new(),
    };
    let call = Arc::new(call(&story));
    let requester = call.requester().clone();
    match dice.below(8) {
        0 | 1 => {
            story.standing = "allowed";
            let reasons = Reasons::rule("reads-are-free", "reads do no harm").unwrap();
            trail.push(
                None,
                What::Allowed {
                    policy_version: None,
                    action: story.action.parse().unwrap(),
                    requester,
                    call: Some(call),
                    reasons,
                },
            );
            return story;
        }
        2 => {
            story.standing = "refused";
            trail.push(
                None,
                What::Refused {
                    policy_version: None,
                    action: story.action.parse().unwrap(),
                    requester: Some(requester),
                    call: Some(call),
                    kind: Kind::DeniedByPolicy,
                    why: "it did not run: policy denies it: no (some-words) (no-drops).".into(),
                    reasons: Reasons::rule("no-drops", "no (some-words)").unwrap(),
                },
            );
            return story;
        }
        _ => {}
    }
    let version = dice.of(&VERSIONS);
    let asked = asked(call, at, version);
    let request = asked.id;
    (story.request, story.version) = (Some(request), Some(version));
    let mut steps = vec![trail.push(
        Some(request),
        What::Requested {
            asked: asked.clone(),
        },
    )];
    let mut then = |trail: &mut Trail, what| steps.push(trail.push(Some(request), what));
    if dice.below(5) == 0 {
        story.self_approval = true;
        then(
            trail,
            What::VoteRefused {
                person: Some(person("bob")),
                identity: identity("bob"),
                choice: Choice::Approve,
                why: "one's own request".into(),
                own_request: true,
            },
        );
    }
    let wait = dice.below(3_600_000);
    trail.at += wait;
    let reviewer = dice.of(&REVIEWERS);
    let voted = |choice| What::Voted {
        vote: Arc::new(vote(reviewer, choice, at)),
        shown: asked.shown,
        seen_revision: 1,
    };
    let (fence, owner) = (1, OwnerId::from_bytes([7; 16]));
    story.standing = match dice.below(6) {
        0 => "pending",
        1 => {
            story.took = Some(wait);
            then(trail, What::Expired);
            "expired"
        }
        2 => {
            (story.reviewer, story.took) = (Some(reviewer), Some(wait));
            then(trail, voted(Choice::Deny));
            let by = person(reviewer);
            then(
                trail,
                What::Denied {
                    by,
                    comment: None,
                    proposal: None,
                },
            );
            "denied"
        }
        choice => {
            (story.reviewer, story.took) = (Some(reviewer), Some(wait));
            story.glass_broken = choice == 3;
            if story.glass_broken {
                then(trail, voted(Choice::BreakGlass));
                then(
                    trail,
                    What::GlassBroken {
                        by: person(reviewer),
                    },
                );
            } else {
                then(trail, voted(Choice::Approve));
            }
            then(trail, What::Approved);
            then(
                trail,
                What::Claimed {
                    policy_version: None,
                    fence,
                    owner,
                    struck: 0,
                },
            );
            then(trail, What::Started { fence, owner });
            let succeeded = choice != 4;
            then(
                trail,
                What::Finished {
                    fence,
                    succeeded,
                    summary: None,
                },
            );
            if succeeded { "succeeded" } else { "failed" }
        }
    };
    story.steps = steps;
    story
}

fn call(story: &Story) -> Call {
    let declaration = Arc::new(Declaration {
        action: story.action.parse().unwrap(),
        policy: "prod-db".parse().unwrap(),
        signature: "async fn act()".into(),
        version: 1,
        risk: Risk::High,
        idempotent: false,
        origin: "acting::act (src/acting.rs:1)".into(),
    });
    let requester = Requester::agent(story.agent).unwrap();
    let requester = requester.acting_for(story.principal).unwrap();
    let call = Call::of(declaration, requester).resource(&story.resource);
    call.environment("production").build().unwrap()
}

fn asked(call: Arc<Call>, at: Timestamp, version: &str) -> Arc<Asked> {
    let mut asked = (*Sample::at(at).opening().asked).clone();
    asked.digest = call.digest();
    asked.call = call;
    asked.risk = Risk::High;
    asked.policy_version = Some(version.into());
    asked.reasons = Reasons::rule(&format!("rule-of-{version}"), "it is so").unwrap();
    Arc::new(asked)
}

fn identity(user: &str) -> ChannelIdentity {
    ChannelIdentity::new(ChannelId::new("chat").unwrap(), "", user)
}

fn vote(reviewer: &str, choice: Choice, at: Timestamp) -> Vote {
    Vote {
        person: person(reviewer),
        identity: identity(reviewer),
        groups: Groups::new(),
        choice,
        comment: None,
        at,
        revision: 2,
        seats: Vec::new(),
    }
}
