//! Trails that must not be are recognised.

use std::sync::Arc;

use approvals_core::review::{Asked, Vote};
use approvals_core::{
    ChannelId, ChannelIdentity, Choice, Event, EventId, Groups, OwnerId, PersonId, Timestamp, What,
};
use approvals_testing::sample::Sample;

use super::{Broken, Trail};

/// A trail of one request, written event by event.
struct Story {
    asked: Arc<Asked>,
    trail: Trail,
    found: Vec<super::Violation>,
    number: u64,
}

impl Story {
    fn asked() -> Self {
        let asked = Sample::at(Timestamp::from_millis(1_000)).opening().asked;
        let mut story = Self {
            asked: Arc::clone(&asked),
            trail: Trail::default(),
            found: Vec::new(),
            number: 0,
        };
        story.then(What::Requested { asked });
        story
    }

    fn then(&mut self, what: What) -> &mut Self {
        self.number += 1;
        let event = Event {
            number: self.number,
            id: EventId::new(),
            at: Timestamp::from_millis(1_000),
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
