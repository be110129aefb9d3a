//! A call that is made again finds what became of it, whoever made it the first time.

use std::sync::Arc;

use approvals_core::memory::{InMemoryApprover, MemoryStore};
use approvals_core::{
    ApprovalError, Call, Gate, Kind, Phase, Reasons, RequestId, Requester, Verdict, detached,
    policy,
};

use super::support::{beside, restarted};
use crate::support::*;

/// Asks under a key and ends.
async fn asked_and_ended(world: World) -> (World, approvals_core::memory::PendingRequest) {
    let (task, request) = world.ask(keyed("step", 1)).await;
    task.abort();
    let _ = task.await;
    (restarted(world, a_senior()).await, request)
}

#[tokio::test(start_paused = true)]
async fn a_restarted_agent_waits_with_its_pending_request() {
    let (world, request) = asked_and_ended(world(a_senior()).await).await;
    assert_eq!(world.phase(request.id()).await, Phase::Pending);
    let again = tokio::spawn(world.run(keyed("step", 1)));
    tokio::time::sleep(seconds(5)).await;
    request.approve_as("alice").await.unwrap();
    assert_eq!(again.await.unwrap().unwrap(), 1);
    assert_eq!(world.approver.asked().len(), 0, "people see it already");
}

#[tokio::test(start_paused = true)]
async fn a_restarted_agent_runs_what_was_approved_while_it_was_gone() {
    let (world, request) = asked_and_ended(world(a_senior()).await).await;
    request.approve_as("alice").await.unwrap();
    world.run(keyed("step", 1)).await.unwrap();
    assert_eq!(world.phase(request.id()).await, Phase::Succeeded);
    let error = refusal(world.run(keyed("step", 1)).await);
    assert_eq!(error.kind(), Kind::AlreadyFinished);
    assert_eq!(world.bodies(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_agent_is_told_what_was_denied_while_it_was_gone() {
    let (world, request) = asked_and_ended(world(a_senior()).await).await;
    request.deny_as("alice", "not today").await.unwrap();
    let error = refusal(world.run(keyed("step", 1)).await);
    assert_eq!(
        (error.kind(), error.comment()),
        (Kind::Denied, Some("not today"))
    );
    assert_eq!(world.bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_agent_is_told_that_what_it_was_running_is_in_doubt() {
    let world = world(a_senior()).await;
    let task = tokio::spawn(world.run_to(Body::NeverEnds, keyed("step", 1)));
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(world.phase(request.id()).await, Phase::Executing);
    task.abort();
    let _ = task.await;
    let world = restarted(world, a_senior()).await;
    assert!(refusal(world.run(keyed("step", 1)).await).is_in_doubt());
    assert_eq!(world.bodies(), 1);
}

/// Nothing of the first process goes on: its whole runtime is gone in the middle of the wait.
#[test]
fn a_process_that_is_killed_while_it_waits_is_followed_by_one_that_finds_its_request() {
    fn process() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    }
    async fn gate(store: &Arc<MemoryStore>, approver: &InMemoryApprover) -> Gate {
        let gate = Gate::builder(store.clone(), people())
            .policy("p", a_senior())
            .approver("test", approver.connect());
        gate.build().await.unwrap()
    }
    let store = Arc::new(MemoryStore::new());
    let first = process();
    let request = first.block_on(async {
        let approver = InMemoryApprover::new();
        let gate = gate(&store, &approver).await;
        tokio::spawn(async move { gate.authorize(by_hand_keyed(1, "run-1")).await });
        approver.next().await
    });
    first.shutdown_background();
    process().block_on(async {
        let gate = gate(&store, &InMemoryApprover::new()).await;
        let waiting = gate.waiting(&agent(), None, 10).await.unwrap();
        assert_eq!(ids(&waiting), [request.id()]);
        request.approve_as("alice").await.unwrap();
        let call = by_hand_keyed(1, "run-1");
        let admitted = gate.authorize(call.clone()).await.unwrap();
        admitted.start(&call).await.unwrap().finish(true).await;
        assert_eq!(
            gate.request(request.id()).await.unwrap().state.phase(),
            Phase::Succeeded
        );
    });
}

fn ids(records: &[Arc<approvals_core::Record>]) -> Vec<RequestId> {
    records.iter().map(|record| record.id()).collect()
}

async fn ask(world: &World, call: Call) -> RequestId {
    world.gate.ask(call).await.unwrap().unwrap()
}

async fn resume(world: &World, id: RequestId, call: Call) -> Result<(), ApprovalError> {
    let admitted = world.gate.resume(id, call.clone()).await?;
    admitted.start(&call).await?.finish(true).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_without_waiting_is_run_by_its_id_in_another_process() {
    let world = world(a_senior()).await;
    let id = ask(&world, by_hand(1)).await;
    let request = world.approver.next().await;
    let world = restarted(world, a_senior()).await;
    // Longer than anything that would take it for abandoned.
    tokio::time::sleep(seconds(120)).await;
    let early = resume(&world, id, by_hand(1)).await.unwrap_err();
    assert!(early.is_pending(), "{early}");
    assert_eq!(early.request_id(), Some(id));
    request.approve_as("alice").await.unwrap();
    resume(&world, id, by_hand(1)).await.unwrap();
    assert_eq!(world.phase(id).await, Phase::Succeeded);
    let twice = resume(&world, id, by_hand(1)).await.unwrap_err();
    assert_eq!(twice.kind(), Kind::AlreadyFinished);
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_without_waiting_is_found_by_its_key_as_well() {
    let world = world(a_senior()).await;
    let id = ask(&world, by_hand_keyed(1, "run-1")).await;
    assert_eq!(ask(&world, by_hand_keyed(1, "run-1")).await, id);
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    let call = by_hand_keyed(1, "run-1");
    let admitted = world.gate.authorize(call.clone()).await.unwrap();
    let permit = admitted.start(&call).await.unwrap();
    assert_eq!(permit.request_id(), Some(id));
    permit.finish(true).await;
    assert_eq!(world.approver.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_call_does_not_take_an_approval_up_and_learns_nothing() {
    let world = world(a_senior()).await;
    let id = ask(&world, by_hand(1)).await;
    for phase in [Phase::Pending, Phase::Approved] {
        assert_eq!(world.phase(id).await, phase);
        let other = resume(&world, id, by_hand(2)).await.unwrap_err();
        assert_eq!(other.kind(), Kind::Changed);
        if phase == Phase::Pending {
            let request = world.approver.next().await;
            request.approve_as("alice").await.unwrap();
        }
    }
    let admitted = world.gate.resume(id, by_hand(1)).await.unwrap();
    let changed = admitted.start(&by_hand(2)).await.unwrap_err();
    assert_eq!(changed.kind(), Kind::Changed);
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_told_to_whoever_comes_back_for_the_answer() {
    let world = world(a_senior()).await;
    let id = ask(&world, by_hand(1)).await;
    let request = world.approver.next().await;
    request.deny_as("alice", "no").await.unwrap();
    let error = resume(&world, id, by_hand(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.comment()), (Kind::Denied, Some("no")));
    assert_eq!(error.action_name().map(|a| a.as_str()), Some("it.manual"));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_its_own_call_waits_for_is_nobody_elses_to_take_up() {
    let world = world(a_senior()).await;
    let gate = world.gate.clone();
    let task = tokio::spawn(async move { gate.authorize(by_hand(1)).await.map(drop) });
    let request = world.approver.next().await;
    let error = resume(&world, request.id(), by_hand(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("`Gate::ask`"), "{error}");
    let waiting = world.gate.waiting(&agent(), None, 10).await.unwrap();
    assert_eq!(ids(&waiting), []);
    request.approve_as("alice").await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_two_processes_that_come_back_for_one_answer_one_runs_it() {
    let one = world(a_senior()).await;
    let other = beside(&one, a_senior()).await;
    let id = ask(&one, by_hand(1)).await;
    one.approver.next().await.approve_as("alice").await.unwrap();
    let admitted = one.gate.resume(id, by_hand(1)).await.unwrap();
    let late = other.gate.resume(id, by_hand(1)).await.unwrap_err();
    assert!(late.is_pending(), "{late}");
    assert!(late.to_string().contains("somebody else is at it"));
    let permit = admitted.start(&by_hand(1)).await.unwrap();
    permit.finish(true).await;
    let over = other.gate.resume(id, by_hand(1)).await.unwrap_err();
    assert_eq!(over.kind(), Kind::AlreadyFinished);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_up_while_frozen() {
    let world = world(a_senior()).await;
    let id = ask(&world, by_hand(1)).await;
    let request = world.approver.next().await;
    request.approve_as("alice").await.unwrap();
    let operator = person("root");
    world.gate.freeze(&operator, "incident").await.unwrap();
    let error = resume(&world, id, by_hand(1)).await.unwrap_err();
    assert!(error.is_frozen(), "{error}");
    world.gate.thaw(&operator, "over").await.unwrap();
    resume(&world, id, by_hand(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_about_what_policy_decides_by_itself() {
    let allows = world(policy::from_fn(|_, _| {
        Verdict::Allow(Reasons::rule("small", "small exports run").unwrap())
    }))
    .await;
    assert_eq!(allows.gate.ask(by_hand(1)).await.unwrap(), None);
    let denies = world(policy::from_fn(|_, _| {
        Verdict::Deny(Reasons::rule("never", "never on a Friday").unwrap())
    }))
    .await;
    let error = denies.gate.ask(by_hand(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::DeniedByPolicy);
}

#[tokio::test(start_paused = true)]
async fn a_requesters_waiting_requests_are_listed_in_pages_and_nobody_elses() {
    let world = world(a_senior()).await;
    let mut wanted = Vec::new();
    for n in 0..7 {
        wanted.push(ask(&world, by_hand(n)).await);
    }
    let stranger = Requester::agent("exporter")
        .unwrap()
        .acting_for("person:frank")
        .unwrap();
    let task = tokio::spawn(world.run_as(stranger.clone(), Body::Succeeds, keyed("theirs", 1)));
    let mut requests = Vec::new();
    for _ in 0..8 {
        requests.push(world.approver.next().await);
    }
    requests[0].approve_as("alice").await.unwrap();
    let mut pages = vec![world.gate.waiting(&agent(), None, 3).await.unwrap()];
    // What a page ended with stays a cursor when it is over.
    requests[2].deny_as("alice", "no").await.unwrap();
    while let Some(last) = pages.last().unwrap().last() {
        let cursor = Some(last.id());
        pages.push(world.gate.waiting(&agent(), cursor, 3).await.unwrap());
    }
    assert_eq!(ids(&pages.concat()), wanted);
    wanted.remove(2);
    let all = world.gate.waiting(&agent(), None, 100).await.unwrap();
    assert_eq!(ids(&all), wanted);
    assert_eq!(
        world
            .gate
            .waiting(&stranger, None, 100)
            .await
            .unwrap()
            .len(),
        1
    );
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_guarded_call_that_does_not_wait_runs_when_it_is_made_again_after_the_yes() {
    let world = world(a_senior()).await;
    let error = refusal(world.run(detached(keyed("step", 1))).await);
    assert!(error.is_pending(), "{error}");
    let request = world.approver.next().await;
    assert_eq!(error.request_id(), Some(request.id()));
    let world = restarted(world, a_senior()).await;
    assert!(refusal(world.run(detached(keyed("step", 1))).await).is_pending());
    request.approve_as("alice").await.unwrap();
    assert_eq!(world.bodies(), 0, "nothing runs by itself");
    world.run(detached(keyed("step", 1))).await.unwrap();
    assert_eq!(world.bodies(), 1);
    let error = refusal(world.run(detached(keyed("step", 1))).await);
    assert_eq!(error.kind(), Kind::AlreadyFinished);
}

#[tokio::test(start_paused = true)]
async fn a_guarded_call_without_a_key_is_refused_where_it_would_not_wait() {
    let world = world(a_senior()).await;
    let error = refusal(world.run(detached(export("orders", 1))).await);
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("`key = …`"), "{error}");
    assert_eq!(world.approver.asked().len(), 0);
}
