//! Invariants 3 and 4: what was shown is what runs, and nothing is hidden.

use std::sync::atomic::{AtomicU64, Ordering};

use approvals_core::memory::InMemoryApprover;
use approvals_core::review::Refused;
use approvals_core::{
    CastVote, ChannelDesk, ChannelId, Choice, Desk, Digest, Kind, Record, RequestId, Requirement,
    VoteError,
};

use crate::support::*;

fn desk(world: &World) -> ChannelDesk {
    Desk::new(world.store.clone(), world.directory.clone()).channel(ChannelId::new("test").unwrap())
}

fn a_yes(request: &approvals_core::memory::PendingRequest) -> CastVote {
    CastVote {
        request: request.id(),
        tenant: String::new(),
        user: "alice".to_owned(),
        choice: Choice::Approve,
        comment: None,
        proposal: None,
        digest: request.asked().digest,
        shown: request.asked().shown,
        revision: 1,
    }
}

#[tokio::test(start_paused = true)]
async fn a_vote_for_another_digest_is_refused() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let vote = CastVote {
        digest: Digest::from_bytes([7; 32]),
        ..a_yes(&request)
    };
    let refused = desk(&world).vote(vote).await;
    assert!(
        matches!(refused, Err(VoteError::Refused(Refused::OtherDigest))),
        "{refused:?}"
    );
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_vote_on_another_presentation_is_refused() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let vote = CastVote {
        shown: request.asked().digest,
        ..a_yes(&request)
    };
    let refused = desk(&world).vote(vote).await;
    assert!(
        matches!(refused, Err(VoteError::Refused(Refused::OtherPresentation))),
        "{refused:?}"
    );
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_vote_on_a_revision_that_does_not_exist_yet_is_refused() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    for revision in [0, 2, u64::MAX] {
        let refused = desk(&world)
            .vote(CastVote {
                revision,
                ..a_yes(&request)
            })
            .await;
        assert!(matches!(
            refused,
            Err(VoteError::Refused(Refused::StaleRevision { .. }))
        ));
    }
    assert_eq!(world.bodies(), 0);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_vote_that_the_request_itself_speaks_against_is_not_handed_in_and_any_other_is_judged() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let before = names(&world.trail(request.id()).await);
    let objection = |record: &Record| Some(record.revision);
    let held = desk(&world).vote_unless(a_yes(&request), objection).await;
    assert_eq!(held.unwrap_err(), 1);
    assert!(world.record(request.id()).await.votes.is_empty());
    assert_eq!(names(&world.trail(request.id()).await), before);
    let unknown = CastVote {
        request: RequestId::from_bytes([7; 16]),
        ..a_yes(&request)
    };
    let unknown = desk(&world).vote_unless(unknown, objection).await.unwrap();
    assert!(matches!(unknown, Err(VoteError::UnknownRequest(_))));
    let nothing = |_: &Record| None::<u64>;
    let stale = CastVote {
        revision: 2,
        ..a_yes(&request)
    };
    let stale = desk(&world).vote_unless(stale, nothing).await.unwrap();
    let stale = not_counted(stale);
    assert!(matches!(stale, Refused::StaleRevision { .. }), "{stale}");
    let counted = desk(&world).vote_unless(a_yes(&request), nothing).await;
    assert_eq!(counted.unwrap().unwrap().votes.len(), 1);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_vote_from_a_channel_that_was_not_given_the_request_is_refused() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("orders", 1)).await;
    let desk = Desk::new(world.store.clone(), world.directory.clone());
    let elsewhere = desk.channel(ChannelId::new("elsewhere").unwrap());
    let refused = elsewhere.vote(a_yes(&request)).await;
    assert!(
        matches!(refused, Err(VoteError::NotPresentedHere { .. })),
        "{refused:?}"
    );
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn what_policy_allowed_starts_nothing_else() {
    let rules = approvals_core::Rules::new().allow("it.manual", "manual");
    let world = world(rules.unwrap()).await;
    let admitted = world.gate.authorize(by_hand(1)).await.unwrap();
    let error = admitted.start(&by_hand(2)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Changed);
    let admitted = world.gate.authorize(by_hand(1)).await.unwrap();
    let permit = admitted.start(&by_hand(1)).await.unwrap();
    assert_eq!(permit.request_id(), None);
    world.gate.flush().await;
    let told = world.sink.events().into_iter().map(|event| event.what);
    let told = names(&told.collect::<Vec<_>>());
    assert_eq!(told, ["allowed", "refused", "allowed"]);
}

#[tokio::test(start_paused = true)]
async fn arguments_that_changed_while_people_were_asked_do_not_run() {
    let world = world(a_senior()).await;
    let rows = AtomicU64::new(10);
    let vote = async {
        let request = world.approver.next().await;
        rows.store(999_999, Ordering::SeqCst);
        request.approve_as("alice").await.unwrap();
        request.id()
    };
    let (ran, id) = tokio::join!(world.run(shared(&rows)), vote);
    let error = refusal(ran);
    assert_eq!(error.kind(), Kind::Changed);
    assert!(
        error
            .to_string()
            .contains("changed while people were asked"),
        "{error}"
    );
    assert_eq!(world.bodies(), 0);
    // The claim is given back, not left as if it ran.
    world.gate.flush().await;
    assert_eq!(world.phase(id).await, approvals_core::Phase::Approved);
}

#[tokio::test(start_paused = true)]
async fn arguments_that_changed_and_changed_back_run_as_approved() {
    let world = world(a_senior()).await;
    let rows = AtomicU64::new(10);
    let vote = async {
        rows.store(11, Ordering::SeqCst);
        let request = world.approver.next().await;
        rows.store(10, Ordering::SeqCst);
        request.approve_as("alice").await.unwrap();
    };
    tokio::join!(world.run(shared(&rows)), vote).0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_shows_only_a_part_takes_a_no_and_no_yes() {
    let (whole, part) = (InMemoryApprover::new(), InMemoryApprover::new());
    part.shows_at_most(10);
    let world = world_with(a_senior(), |gate| {
        gate.approver("whole", whole.connect())
            .approver("part", part.connect())
    })
    .await;
    let (task, _) = world.ask(export("orders", 1)).await;
    let here = part.next().await;
    let refused = here.approve_as("alice").await;
    assert!(
        matches!(refused, Err(VoteError::NotWhole(_))),
        "{refused:?}"
    );
    here.deny_as("alice", "cannot see it").await.unwrap();
    assert_eq!(refusal(task.await.unwrap()).kind(), Kind::Denied);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_no_channel_shows_whole_is_refused_with_the_reason() {
    let world = world(a_senior()).await;
    world.approver.shows_at_most(10);
    let error = refusal(world.run(export("orders", 1)).await);
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(
        error.to_string().contains("it has more than 10 bytes"),
        "{error}"
    );
    assert!(world.approver.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_value_masked_by_a_pattern_is_not_shown_whole() {
    let world = world(a_senior()).await;
    let database = "postgres://app:hunter2secret@db/prod";
    let error = refusal(world.run(export(database, 1)).await);
    assert_eq!(error.kind(), Kind::Invalid);
    let text = error.to_string();
    assert!(text.contains("masked") && text.contains("redact"), "{text}");
    assert!(!text.contains("hunter2secret"), "{text}");
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn invisible_characters_are_shown_escaped_and_claims_apart() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(export("a\u{202e}b\u{200b}\u{1b}[2J", 1)).await;
    let text = request.presentation().to_string();
    assert!(text.contains(r"a\u{202e}b\u{200b}"), "{text}");
    assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{1b}']));
    assert_eq!(request.presentation().hash(), request.asked().shown);
    // Kept, it shows its hash to whoever has nothing but SHA-256.
    let kept = <sha2::Sha256 as sha2::Digest>::digest(request.presentation().hashed());
    assert_eq!(kept.as_slice(), request.asked().shown.as_bytes());
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_skipped_argument_is_named_as_not_bound() {
    let world = world(a_senior()).await;
    let (task, request) = world.ask(pooled("pool-1", 1)).await;
    let text = request.presentation().to_string();
    assert!(text.contains("pool (not shown and not bound)"), "{text}");
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_redacted_value_is_bound_though_nobody_sees_it() {
    let world = world(Requirement::one_of("seniors").unwrap()).await;
    let (first, one) = world.ask(secretive("token-1", 1)).await;
    let (second, two) = world.ask(secretive("token-2", 1)).await;
    assert_ne!(one.asked().digest, two.asked().digest);
    assert!(!one.presentation().to_string().contains("token-1"));
    first.abort();
    second.abort();
}
