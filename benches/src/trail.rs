//! A trail as a year of a company leaves it, for benches of the log and its index.

use std::sync::Arc;

use approvals_core::call::Declaration;
use approvals_core::review::{Asked, Vote};
use approvals_core::{
    Call, ChannelId, ChannelIdentity, Choice, Event, EventId, Groups, NonEmpty, OwnerId, People,
    PersonId, Reasons, RequestId, Requester, Requirement, Risk, Timestamp, What,
};

use crate::Failure;

/// When the trail begins.
pub const BEGINS: u64 = 1_700_000_000_000;

/// How many different actions, principals, reviewers and resources there are.
const ACTIONS: u64 = 40;
const PRINCIPALS: u64 = 500;
const REVIEWERS: u64 = 60;
const RESOURCES: u64 = 5_000;

/// Events, one after the other, without an end.
#[derive(Debug)]
pub struct Trail {
    number: u64,
    at: u64,
    dice: u64,
    requirement: Arc<Requirement>,
}

impl Trail {
    /// From its beginning: the same each time, up to the ids.
    pub fn begin() -> Result<Self, Failure> {
        Ok(Self {
            number: 0,
            at: BEGINS,
            dice: 7,
            requirement: Arc::new(Requirement::one_of("reviewers")?),
        })
    }

    /// The time of the last event.
    pub const fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.at)
    }

    /// Some more events, at least so many: whole stories.
    pub fn more(&mut self, least: usize) -> Result<Vec<Event>, Failure> {
        let mut events = Vec::with_capacity(least + 8);
        while events.len() < least {
            self.story(&mut events)?;
        }
        Ok(events)
    }

    const fn below(&mut self, end: u64) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % end
    }

    fn push(&mut self, events: &mut Vec<Event>, request: Option<RequestId>, what: What) {
        self.number += 1;
        events.push(Event {
            number: self.number,
            id: EventId::new(),
            at: self.now(),
            request,
            revision: 1,
            what,
        });
    }

    fn story(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        self.at += self.below(20_000);
        let action = format!("db.action-{}", self.below(ACTIONS));
        let principal = format!("person:user-{}", self.below(PRINCIPALS));
        let resource = format!("db/table-{}", self.below(RESOURCES));
        let requester = Requester::agent("worker")?.acting_for(&principal)?;
        if self.below(3) == 0 {
            let allowed = What::Allowed {
                policy_version: None,
                action: action.parse()?,
                requester,
                call: None,
                reasons: Reasons::rule("reads-are-free", "reads do no harm")?,
            };
            self.push(events, None, allowed);
            return Ok(());
        }
        let asked = self.asked(&action, requester, &resource)?;
        let (request, shown) = (Some(asked.id), asked.shown);
        self.push(events, request, What::Requested { asked });
        self.at += self.below(30_000);
        let fate = self.below(20);
        if fate == 0 {
            self.push(events, request, What::Expired);
            return Ok(());
        }
        let reviewer = PersonId::new(format!("reviewer-{}", self.below(REVIEWERS)))?;
        let denied = fate < 4;
        let vote = Arc::new(Vote {
            identity: ChannelIdentity::new(ChannelId::new("chat")?, "T1", reviewer.as_str()),
            person: reviewer.clone(),
            groups: Groups::new(),
            choice: if denied {
                Choice::Deny
            } else {
                Choice::Approve
            },
            comment: None,
            at: self.now(),
            revision: 2,
            seats: Vec::new(),
        });
        let voted = What::Voted {
            vote,
            shown,
            seen_revision: 1,
        };
        self.push(events, request, voted);
        if denied {
            let denied = What::Denied {
                by: reviewer,
                comment: None,
                proposal: None,
            };
            self.push(events, request, denied);
            return Ok(());
        }
        let (fence, owner) = (1, OwnerId::from_bytes([7; 16]));
        for what in [
            What::Approved,
            What::Claimed {
                policy_version: None,
                fence,
                owner,
                struck: 0,
            },
            What::Started { fence, owner },
            What::Finished {
                fence,
                succeeded: fate != 4,
                summary: None,
            },
        ] {
            self.push(events, request, what);
        }
        Ok(())
    }

    fn asked(
        &self,
        action: &str,
        requester: Requester,
        resource: &str,
    ) -> Result<Arc<Asked>, Failure> {
        let declaration = Arc::new(Declaration {
            action: action.parse()?,
            policy: "company-data".parse()?,
            signature: "async fn act(table: &str, rows: u64)".into(),
            version: 1,
            risk: Risk::Medium,
            idempotent: false,
            origin: "acting::act (src/acting.rs:1)".into(),
        });
        let root = requester.root().clone();
        let call = Call::of(declaration, requester)
            .argument("table", resource)
            .argument("rows", &10_000)
            .resource(resource)
            .environment("production")
            .build()?;
        let digest = call.digest();
        let month = (self.at - BEGINS) / (30 * 86_400_000);
        Ok(Arc::new(Asked {
            id: RequestId::new(self.now()),
            digest,
            shown: digest,
            call: Arc::new(call),
            tracks: NonEmpty::of(Arc::clone(&self.requirement)),
            reasons: Reasons::rule("changes-are-reviewed", "somebody has to agree")?,
            policy_version: Some(format!("month-{month}").into()),
            risk: Risk::Medium,
            root,
            principals: People::new(),
            asked_at: self.now(),
            expires_at: self.now(),
            may_have_run: None,
        }))
    }
}
