//! What takes long before the one commit that claims and starts: a store's answer, a directory's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use approvals_core::directory::{Resolved, Whom};
use approvals_core::memory::InMemoryDirectory;
use approvals_core::{
    ChannelId, ChannelIdentity, Directory, DirectoryError, GroupId, Kind, Members, Membership,
    PersonId, Phase, PrincipalId, RequestId, RequestStore, async_trait,
};

use crate::support::*;

/// A directory that takes its time once a request is approved: when it is asked about voters
/// together with their groups, for a claim.
#[derive(Debug)]
struct Slow {
    people: Arc<InMemoryDirectory>,
    seconds: AtomicU64,
}

#[async_trait]
impl Directory for Slow {
    async fn person(&self, of: &ChannelIdentity) -> Result<Option<PersonId>, DirectoryError> {
        Directory::person(self.people.as_ref(), of).await
    }
    async fn exists(&self, person: &PersonId) -> Result<bool, DirectoryError> {
        self.people.exists(person).await
    }
    async fn membership(&self, p: &PersonId, g: &GroupId) -> Result<Membership, DirectoryError> {
        self.people.membership(p, g).await
    }
    async fn members(&self, group: &GroupId) -> Result<Members, DirectoryError> {
        self.people.members(group).await
    }
    async fn owners(&self, of: &PrincipalId) -> Result<BTreeSet<PersonId>, DirectoryError> {
        self.people.owners(of).await
    }
    async fn identities(
        &self,
        person: &PersonId,
        channel: &ChannelId,
    ) -> Result<Vec<ChannelIdentity>, DirectoryError> {
        self.people.identities(person, channel).await
    }
    async fn resolve(&self, whom: &Whom<'_>) -> Result<Resolved, DirectoryError> {
        let takes = self.seconds.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(takes)).await;
        self.people.resolve(whom).await
    }
}

/// A world whose directory is slow from now on as `slow` says, and with a sink that is required or
/// not.
async fn slow_world(required: bool) -> (World, Arc<Slow>) {
    let people = people();
    let slow = Arc::new(Slow {
        people: Arc::clone(&people),
        seconds: AtomicU64::new(0),
    });
    let world = world_over(people, slow.clone(), a_senior(), |gate, sink| {
        if required {
            gate.required_audit_sink("memory", sink)
        } else {
            gate.audit_sink("memory", sink)
        }
    })
    .await;
    (world, slow)
}

async fn with_a_slow_directory(takes: u64, required: bool) {
    let (world, slow) = slow_world(required).await;
    let (task, request) = world.ask(keyed("step-1", 1)).await;
    request.approve_as("alice").await.unwrap();
    slow.seconds.store(takes, Ordering::SeqCst);
    let ran = task.await.unwrap();
    let phase = world.phase(request.id()).await;
    let trail = names(&world.trail(request.id()).await);
    assert!(ran.is_ok(), "{ran:?}, {phase:?}, {trail:?}");
    assert_eq!(world.bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_takes_half_a_lease_loses_no_approval_in_two_commits() {
    with_a_slow_directory(16, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_takes_half_a_lease_loses_no_approval_in_one_commit() {
    with_a_slow_directory(16, false).await;
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_takes_a_lease_leaves_nothing_in_doubt_that_was_never_run() {
    let (world, slow) = slow_world(false).await;
    let (task, request) = world.ask(keyed("step-1", 1)).await;
    request.approve_as("alice").await.unwrap();
    slow.seconds.store(31, Ordering::SeqCst);
    let ran = task.await.unwrap();
    tokio::time::sleep(seconds(5)).await;
    let phase = world.phase(request.id()).await;
    let trail = names(&world.trail(request.id()).await);
    assert!(
        world.bodies() == 1 || phase == Phase::Approved,
        "{ran:?}, {phase:?}, {trail:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn arguments_that_change_while_the_claim_is_judged_do_not_run_in_two_commits() {
    changed_seen(true).await;
}

#[tokio::test(start_paused = true)]
async fn arguments_that_change_while_the_claim_is_judged_do_not_run_in_one_commit() {
    changed_seen(false).await;
}

#[approvals_core::requires_approval(policy = "p", action = "it.observed")]
async fn observed(rows: &AtomicU64) -> Result<u64, approvals_core::ApprovalError> {
    Ok(rows.load(Ordering::SeqCst))
}

async fn changed_seen(required: bool) {
    let (world, slow) = slow_world(required).await;
    let rows = AtomicU64::new(10);
    let vote = async {
        let request = world.approver.next().await;
        request.approve_as("alice").await.unwrap();
        // From here on the claim is judged: 5 s, more than an eighth of a lease.
        slow.seconds.store(5, Ordering::SeqCst);
        tokio::time::sleep(seconds(7)).await;
        rows.store(999_999, Ordering::SeqCst);
    };
    let (ran, ()) = tokio::join!(world.run(observed(&rows)), vote);
    match ran {
        Ok(saw) => assert_eq!(saw, 10, "people approved 10 rows"),
        Err(error) => assert_eq!(error.kind(), Kind::Changed, "{error}"),
    }
}

/// A request that alice approved, which nobody waits for and the gate's worker is done with.
async fn approved_before(world: &World) -> RequestId {
    let asked = world.gate.ask(by_hand(1)).await.unwrap().unwrap();
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    tokio::time::sleep(seconds(5)).await;
    asked
}

/// The answer to a read says what time it was when it was sent, not when it arrived.
async fn started_from_a_late_answer(required: bool) {
    let (world, _) = slow_world(required).await;
    let asked = approved_before(&world).await;
    // The first read compares the calls, the second one is what is judged.
    world.store.answer_late(Phase::Approved, 1, seconds(31));
    let started = match world.gate.resume(asked, by_hand(1)).await {
        Ok(admitted) => admitted.start(&by_hand(1)).await,
        Err(error) => Err(error),
    };
    let Ok(permit) = started else {
        assert_eq!(world.phase(asked).await, Phase::Approved);
        return;
    };
    let record = world.record(asked).await;
    let now = world.store.now().await.unwrap();
    assert!(
        record.due_at().is_some_and(|until| until > now),
        "{record:?}"
    );
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(world.phase(asked).await, Phase::Executing);
    permit.finish(true).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_never_starts_under_a_lease_that_has_run_out_in_two_commits() {
    started_from_a_late_answer(true).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_never_starts_under_a_lease_that_has_run_out_in_one_commit() {
    started_from_a_late_answer(false).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_committed_a_lease_late_loses_no_approval() {
    for required in [true, false] {
        let (world, _) = slow_world(required).await;
        let (task, request) = world.ask(keyed("step-1", 1)).await;
        world.store.before(Phase::Executing, async {
            tokio::time::sleep(seconds(31)).await;
        });
        request.approve_as("alice").await.unwrap();
        let ran = task.await.unwrap();
        let phase = world.phase(request.id()).await;
        let trail = names(&world.trail(request.id()).await);
        assert!(
            ran.is_ok() || phase == Phase::Approved,
            "required: {required}: {ran:?}, {phase:?}, {trail:?}"
        );
    }
}

/// The request is approved again by then, and nothing of it has run.
#[tokio::test(start_paused = true)]
async fn a_start_that_others_held_up_for_half_a_lease_leaves_the_request_approved() {
    let (world, _) = slow_world(false).await;
    let sink = Arc::new(approvals_core::memory::InMemoryAuditSink::new());
    let others = approvals_core::Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", a_senior())
        .approver("test", world.approver.connect())
        .required_audit_sink("other", sink)
        .build()
        .await
        .unwrap();
    let call = || by_hand_keyed(1, "step-1");
    let vote = async {
        let request = world.approver.next().await;
        request.approve_as("alice").await.unwrap();
        request.id()
    };
    let (ours, id) = tokio::join!(world.gate.authorize(call()), vote);
    world.store.before(Phase::Executing, async move {
        tokio::time::sleep(seconds(16)).await;
        drop(others.authorize(call()).await.unwrap());
        others.flush().await;
    });
    let error = ours.unwrap().start(&call()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert_eq!(world.phase(id).await, Phase::Approved);
}

/// Told to come back, for something that is over.
#[tokio::test(start_paused = true)]
async fn who_does_not_wait_is_not_told_pending_about_what_is_over() {
    let (world, _) = slow_world(false).await;
    let asked = world.gate.ask(by_hand(1)).await.unwrap().unwrap();
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    let one = world.gate.resume(asked, by_hand(1)).await.unwrap();
    let other = world.gate.resume(asked, by_hand(1)).await.unwrap();
    let permit = one.start(&by_hand(1)).await.unwrap();
    // The other finds it executing, and hears of that when it has finished.
    world.store.answer_late(Phase::Executing, 0, seconds(2));
    let start = by_hand(1);
    let finish = async {
        tokio::time::sleep(seconds(1)).await;
        permit.finish(true).await;
    };
    let (told, ()) = tokio::join!(other.start(&start), finish);
    let error = told.unwrap_err();
    assert_eq!(error.kind(), Kind::AlreadyFinished, "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_approved_call_does_not_start_in_one_commit_while_an_equal_one_is_in_doubt() {
    let (world, _) = slow_world(false).await;
    let votes = async {
        for _ in 0..2 {
            let request = world.approver.next().await;
            request.approve_as("alice").await.unwrap();
        }
    };
    let (first, second, ()) = tokio::join!(
        world.gate.authorize(by_hand(1)),
        world.gate.authorize(by_hand(1)),
        votes
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    drop(first.start(&by_hand(1)).await.unwrap());
    world.gate.flush().await;
    let error = second.start(&by_hand(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InDoubt, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_use_does_not_start_in_one_commit_when_its_grant_was_revoked() {
    let world = world_in_one_commit(a_senior().reuse(3, seconds(600)).unwrap()).await;
    let vote = async {
        let request = world.approver.next().await;
        request.approve_as("alice").await.unwrap();
        request.id()
    };
    let (first, grantor) = tokio::join!(world.gate.authorize(by_hand(1)), vote);
    let permit = first.unwrap().start(&by_hand(1)).await.unwrap();
    permit.finish(true).await;
    let used = world.gate.authorize(by_hand(1)).await.unwrap();
    let operator = person("grace");
    let revoked = world.gate.revoke(grantor, &operator, "no more");
    revoked.await.unwrap();
    let error = used.start(&by_hand(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Revoked, "{error}");
}

/// Somebody else's gate has a required sink: it claims, and gives the claim back.
#[tokio::test(start_paused = true)]
async fn whoever_loses_to_a_claim_that_is_given_back_leaves_the_request_approved() {
    let (world, _) = slow_world(false).await;
    let sink = Arc::new(approvals_core::memory::InMemoryAuditSink::new());
    let others = approvals_core::Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", a_senior())
        .approver("test", world.approver.connect())
        .required_audit_sink("other", sink)
        .build()
        .await
        .unwrap();
    let vote = async {
        let request = world.approver.next().await;
        request.approve_as("alice").await.unwrap();
        request.id()
    };
    let call = || by_hand_keyed(1, "step-1");
    let (ours, id) = tokio::join!(world.gate.authorize(call()), vote);
    let theirs = others.authorize(call()).await.unwrap();
    assert_eq!(world.phase(id).await, Phase::Claimed);
    let again = call();
    let mut start = std::pin::pin!(ours.unwrap().start(&again));
    let waits = tokio::time::timeout(seconds(1), start.as_mut()).await;
    assert!(
        waits.is_err(),
        "it waits while somebody else is at it: {waits:?}"
    );
    drop(theirs);
    let told = tokio::time::timeout(seconds(60), start).await.unwrap();
    assert_eq!(told.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(world.phase(id).await, Phase::Approved);
}

#[tokio::test(start_paused = true)]
async fn whoever_lost_the_one_commit_hears_of_a_permit_that_was_dropped() {
    let (world, _) = slow_world(false).await;
    let call = || by_hand_keyed(1, "step-1");
    let vote = async {
        let request = world.approver.next().await;
        request.approve_as("alice").await.unwrap();
    };
    let (first, second, ()) = tokio::join!(
        world.gate.authorize(call()),
        world.gate.authorize(call()),
        vote
    );
    let permit = first.unwrap().start(&call()).await.unwrap();
    let again = call();
    let mut start = std::pin::pin!(second.unwrap().start(&again));
    let waits = tokio::time::timeout(seconds(100), start.as_mut()).await;
    assert!(waits.is_err(), "{waits:?}");
    drop(permit);
    let told = tokio::time::timeout(seconds(60), start).await.unwrap();
    assert_eq!(told.unwrap_err().kind(), Kind::InDoubt);
}
