//! Trails that must not be are recognised.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::review::{Asked, Vote};
use approvals_core::{
    Call, ChannelId, ChannelIdentity, Choice, Event, EventId, Groups, OwnerId, PersonId, RequestId,
    Requirement, Timestamp, What,
};
use approvals_testing::sample::{self, REVIEWERS, Sample};

use super::{Broken, Trail};

/// A trail of one request, written event by event.
struct Story {
    asked: Arc<Asked>,
    trail: Trail,
    found: Vec<super::Violation>,
    number: u64,
    at: Timestamp,
}

impl Story {
    fn asked() -> Self {
        Self::of(Sample::at(Timestamp::from_millis(1_000)).opening().asked)
    }

    /// What one yes covers three of.
    fn with_grant() -> Self {
        let hour = Duration::from_secs(3_600);
        let one = Requirement::one_of(REVIEWERS).unwrap();
        let sample = Sample::at(Timestamp::from_millis(1_000));
        let sample = sample.requirement(one.reuse(3, hour).unwrap());
        Self::of(sample.opening().asked)
    }

    /// A call whose argument says how many people have to agree.
    fn of_people(people: u8) -> Self {
        let mut asked = Asked::clone(&Self::asked().asked);
        let declaration = Arc::clone(asked.call.declaration());
        let call = Call::of(declaration, sample::requester());
        asked.call = Arc::new(call.argument("people", &people).build().unwrap());
        Self::of(Arc::new(asked))
    }

    /// Another request, which the grant of this one covers or not.
    fn covers(&mut self, used: bool) -> RequestId {
        let mut asked = Asked::clone(&self.asked);
        asked.id = RequestId::new(Timestamp::from_millis(2_000));
        let id = asked.id;
        if used {
            self.then(What::GrantUsed {
                by: id,
                uses_left: 0,
            });
        }
        let granted_by = self.asked.id;
        let own = std::mem::replace(&mut self.asked, Arc::new(asked));
        let asked = Arc::clone(&self.asked);
        self.then(What::RequestedUnderGrant { asked, granted_by })
            .then(What::Approved);
        self.asked = own;
        id
    }

    /// What comes next is about this request.
    fn about(&mut self, id: RequestId) -> &mut Self {
        let mut asked = Asked::clone(&self.asked);
        asked.id = id;
        self.asked = Arc::new(asked);
        self
    }

    fn of(asked: Arc<Asked>) -> Self {
        let mut story = Self {
            asked: Arc::clone(&asked),
            trail: Trail::default(),
            found: Vec::new(),
            number: 0,
            at: Timestamp::from_millis(1_000),
        };
        story.then(What::Requested { asked });
        story
    }

    fn then(&mut self, what: What) -> &mut Self {
        self.number += 1;
        let event = Event {
            number: self.number,
            id: EventId::new(),
            at: self.at,
            request: Some(self.asked.id),
            revision: self.number,
            what,
        };
        self.trail.read(&event, &mut self.found);
        self
    }

    fn voted(&mut self, who: &str, choice: Choice) -> &mut Self {
        let vote = Vote {
            person: PersonId::new(who).unwrap(),
            identity: ChannelIdentity::new(ChannelId::new("inbox").unwrap(), "", who),
            groups: Groups::new(),
            choice,
            comment: None,
            at: Timestamp::from_millis(1_000),
            revision: self.number + 1,
            seats: Vec::new(),
        };
        let (shown, seen_revision) = (self.asked.shown, 1);
        self.then(What::Voted {
            vote: Arc::new(vote),
            shown,
            seen_revision,
        })
    }

    fn started(&mut self, fence: u64) -> &mut Self {
        let owner = OwnerId::new();
        self.then(What::Claimed {
            fence,
            owner,
            struck: 0,
            policy_version: None,
        })
        .then(What::Started { fence, owner })
    }

    fn found(&self) -> Vec<Broken> {
        self.found
            .iter()
            .map(|violation| violation.broken)
            .collect()
    }

    fn line(&self, fence: u64) -> String {
        format!(" {} {fence}", self.asked.id)
    }
}

#[test]
fn a_request_that_is_approved_claimed_started_and_finished_breaks_nothing() {
    let mut story = Story::asked();
    story.voted("alice", Choice::Approve).then(What::Approved);
    story.started(1).then(What::Finished {
        fence: 1,
        succeeded: true,
        summary: None,
    });
    let line = story.line(1);
    story.trail.judge_effects(&[line], &mut story.found);
    let decision = format!("{} alice approve 2", story.asked.id);
    story.trail.judge_decisions(&[decision], &mut story.found);
    assert_eq!(story.found(), []);
}

#[test]
fn a_number_that_is_missing_is_a_gap() {
    let mut story = Story::asked();
    story.number += 1;
    story.voted("alice", Choice::Approve);
    assert_eq!(story.found(), [Broken::Gap]);
}

#[test]
fn another_event_under_a_number_that_was_given_is_recognised() {
    let mut story = Story::asked();
    story.voted("alice", Choice::Approve);
    story.number -= 1;
    story.voted("alice", Choice::Approve);
    assert_eq!(story.found(), [Broken::Gap]);
}

#[test]
fn a_start_that_nobody_agreed_to_is_recognised() {
    let mut story = Story::asked();
    story.then(What::Approved).started(1);
    let twice = [Broken::StartedWithoutYes, Broken::StartedWithoutYes];
    assert_eq!(story.found(), twice);
}

#[test]
fn a_start_after_a_no_is_recognised() {
    let mut story = Story::asked();
    story.voted("alice", Choice::Approve);
    story.voted("bob", Choice::Deny).then(What::Approved);
    assert_eq!(story.found(), [Broken::StartedWithoutYes]);
}

#[test]
fn a_start_that_was_never_claimed_is_recognised() {
    let mut story = Story::asked();
    story.voted("alice", Choice::Approve).then(What::Approved);
    let owner = OwnerId::new();
    story.then(What::Started { fence: 1, owner });
    assert!(story.found().contains(&Broken::Order));
}

#[test]
fn a_second_start_is_recognised() {
    let mut story = Story::asked();
    story.voted("alice", Choice::Approve).then(What::Approved);
    story.started(1).then(What::LeaseLost { fence: 1 });
    story.started(2);
    assert!(story.found().contains(&Broken::RanTwice));
}

#[test]
fn an_effect_without_a_start_under_another_fence_or_a_second_time_is_recognised() {
    let mut story = Story::asked();
    story.voted("alice", Choice::Approve).then(What::Approved);
    let early = story.line(1);
    story.trail.judge_effects(&[early], &mut story.found);
    assert_eq!(story.found(), [Broken::EffectWithoutStart]);
    story.started(1);
    let other = story.line(2);
    story.trail.judge_effects(&[other], &mut story.found);
    assert!(story.found().contains(&Broken::RanTwice));
    assert!(story.found().contains(&Broken::EffectWithoutStart));
}

#[test]
fn an_acknowledged_vote_that_the_trail_does_not_have_is_lost() {
    let mut story = Story::asked();
    story.voted("alice", Choice::Approve);
    let id = story.asked.id;
    for other in ["bob approve 2", "alice deny 2", "alice approve 3"] {
        let line = format!("{id} {other}");
        story.trail.judge_decisions(&[line], &mut story.found);
    }
    assert_eq!(story.found(), [Broken::LostDecision; 3]);
}

#[test]
fn an_answer_that_did_not_happen_is_wrong() {
    let mut story = Story::asked();
    story.voted("alice", Choice::Deny).then(What::Denied {
        by: PersonId::new("alice").unwrap(),
        comment: None,
        proposal: None,
    });
    let id = story.asked.id;
    let answers = [
        format!("call-1 denied {id}"),
        format!("call-1 succeeded {id}"),
        format!("call-1 withdrawn {id}"),
        "call-1 ran -".to_owned(),
        format!("call-1 invalid {id}"),
    ];
    story.trail.judge_answers(&answers, &mut story.found);
    assert_eq!(story.found(), [Broken::WrongAnswer; 4]);
}

fn frozen() -> What {
    What::Frozen {
        by: PersonId::new("olga").unwrap(),
        reason: "a drill".into(),
    }
}

fn thawed() -> What {
    What::Thawed {
        by: PersonId::new("olga").unwrap(),
        reason: "it is over".into(),
    }
}

fn revoked() -> What {
    What::Revoked {
        by: PersonId::new("olga").unwrap(),
        reason: "a drill".into(),
    }
}

#[test]
fn what_starts_while_everything_is_frozen_is_recognised() {
    let mut story = Story::asked();
    story.voted("alice", Choice::Approve).then(What::Approved);
    story.then(frozen()).then(thawed()).started(1);
    assert_eq!(story.found(), []);
    let mut story = Story::asked();
    story.voted("alice", Choice::Approve).then(What::Approved);
    story.then(frozen()).started(1);
    assert_eq!(story.found(), [Broken::RanFrozen; 2]);
}

#[test]
fn what_is_agreed_to_after_its_time_or_over_before_it_is_recognised() {
    for (after, what, found) in [
        (999, What::Approved, None),
        (1_000, What::Approved, Some(Broken::Late)),
        (999, What::Expired, Some(Broken::Late)),
        (1_000, What::Expired, None),
    ] {
        let mut story = Story::of_people(3);
        story.voted("alice", Choice::Approve);
        story.at = Timestamp::from_millis(1_000 + after);
        story.then(what);
        assert_eq!(story.found(), found.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_start_after_the_approval_was_taken_back_is_recognised() {
    let mut story = Story::asked();
    story.voted("alice", Choice::Approve).then(What::Approved);
    story.then(revoked()).started(1);
    assert!(story.found().contains(&Broken::Order));
}

#[test]
fn a_yes_covers_three_of_the_same_and_no_fourth() {
    let mut story = Story::with_grant();
    story.voted("alice", Choice::Approve).then(What::Approved);
    story.covers(true);
    let third = story.covers(true);
    let grantor = story.asked.id;
    story.about(third).started(1).about(grantor);
    assert_eq!(story.found(), []);
    story.covers(true);
    assert_eq!(story.found(), [Broken::BeyondGrant]);
}

#[test]
fn a_yes_that_was_not_taken_for_it_or_taken_back_covers_nothing() {
    let mut story = Story::with_grant();
    story.voted("alice", Choice::Approve).then(What::Approved);
    story.covers(false);
    assert_eq!(story.found(), [Broken::BeyondGrant]);
    let mut story = Story::with_grant();
    story.voted("alice", Choice::Approve).then(What::Approved);
    let covered = story.covers(true);
    story.then(revoked()).about(covered).started(1);
    assert_eq!(story.found(), [Broken::BeyondGrant]);
}

#[test]
fn a_start_while_an_equal_call_is_in_doubt_is_recognised() {
    let mut story = Story::with_grant();
    story.voted("alice", Choice::Approve).then(What::Approved);
    let (covered, grantor) = (story.covers(true), story.asked.id);
    let why = "its lease ran out";
    story.about(covered).started(1);
    story.then(What::InDoubt { why: why.into() });
    story.about(grantor).started(1);
    assert_eq!(story.found(), [Broken::RanInDoubt]);
}

#[test]
fn glass_that_is_broken_by_whoever_may_is_a_yes_and_is_reviewed_by_somebody_else() {
    let broken = |who: &str, reviewer: &str| {
        let mut story = Story::of_people(5);
        let by = PersonId::new(who).unwrap();
        story.voted(who, Choice::BreakGlass);
        story.then(What::GlassBroken { by }).then(What::Approved);
        story.started(1).then(What::ReviewedAfterwards {
            by: PersonId::new(reviewer).unwrap(),
            comment: "it was right".into(),
        });
        story.found()
    };
    assert_eq!(broken("gina", "olga"), []);
    assert_eq!(broken("gina", "gina"), [Broken::Order]);
    assert!(broken("alice", "olga").contains(&Broken::StartedWithoutYes));
}

#[test]
fn an_operators_word_that_was_acknowledged_and_is_not_in_the_trail_is_lost() {
    let mut story = Story::asked();
    story.voted("alice", Choice::Approve).then(What::Approved);
    story.then(revoked());
    let id = story.asked.id;
    for line in ["revoke", "withdraw", "review", "freeze"] {
        let line = format!("{line} {id}");
        story.trail.judge_operations(&[line], &mut story.found);
    }
    assert_eq!(story.found(), [Broken::LostDecision; 3]);
}
