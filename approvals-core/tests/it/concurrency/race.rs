//! Approve, deny, timeout, withdraw and cancel race for ten thousand parked requests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use approvals_core::memory::{Answer, InMemoryApprover, MemoryStore, PendingRequest};
use approvals_core::review::{Asked, Record, State};
use approvals_core::store::{Filter, RequestStore as _};
use approvals_core::{ApprovalError, Choice, Gate, Kind, PersonId, Phase, VoteError};
use tokio::task::{AbortHandle, JoinHandle};

use super::support::{Counts, Time, alive_tasks, call, gate, nth, run, until_none, until_tasks};
use crate::display::hostile::Hostile;

const PARKED: usize = 10_000;
/// How many finished requests the store remembers for late clicks.
const REMEMBERED: usize = 4_096;

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn ten_thousand_raced_requests_each_end_once_on_several_threads() {
    let (time, store) = Time::stepped();
    race(time, store).await;
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_raced_requests_each_end_once_under_paused_time() {
    let (time, store) = Time::paused();
    race(time, store).await;
}

/// What can happen to a request.
#[derive(Debug, Clone, Copy)]
enum Move {
    Vote(&'static str),
    Withdraw,
    Cancel,
}

/// What came of a vote or a withdrawal.
#[derive(Debug)]
enum Said {
    Vote(usize, &'static str, Result<Phase, VoteError>),
    Withdrawn(usize, Result<Phase, ApprovalError>),
}

struct Parked {
    request: PendingRequest,
    caller: Option<JoinHandle<Result<(), ApprovalError>>>,
    abort: AbortHandle,
}

async fn park(
    gate: &Gate,
    approver: &InMemoryApprover,
    wave: usize,
    bodies: &Arc<Vec<AtomicUsize>>,
) -> Vec<Parked> {
    let mut callers: BTreeMap<usize, JoinHandle<_>> = BTreeMap::new();
    for n in 0..PARKED {
        let action = if n % 4 == 0 {
            "load.short"
        } else {
            "load.long"
        };
        let call = call(action, wave * PARKED + n);
        let (gate, bodies) = (gate.clone(), Arc::clone(bodies));
        callers.insert(
            n,
            tokio::spawn(async move { run(gate, call, &bodies[n]).await }),
        );
    }
    let mut parked = Vec::with_capacity(PARKED);
    for _ in 0..PARKED {
        let request = approver.next().await;
        let caller = callers
            .remove(&(nth(&request.asked().call) % PARKED))
            .unwrap();
        let abort = caller.abort_handle();
        parked.push(Parked {
            request,
            caller: Some(caller),
            abort,
        });
    }
    parked
}

/// Every request's moves, all shuffled among each other.
fn moves(parked: &[Parked]) -> Vec<(usize, Move)> {
    let mut all = Vec::new();
    for (index, one) in parked.iter().enumerate() {
        let n = nth(&one.request.asked().call);
        all.push((index, Move::Vote("alice")));
        all.push((index, Move::Vote("carol")));
        if n.is_multiple_of(3) {
            all.push((index, Move::Withdraw));
        }
        if n.is_multiple_of(5) {
            all.push((index, Move::Cancel));
        }
    }
    let mut order = Hostile::new(42);
    for at in (1..all.len()).rev() {
        all.swap(at, order.below(at + 1));
    }
    all
}

fn make(gate: &Gate, one: &Parked, index: usize, which: Move) -> Option<JoinHandle<Said>> {
    match which {
        Move::Cancel => {
            one.abort.abort();
            None
        }
        Move::Withdraw => {
            let (gate, id) = (gate.clone(), one.request.id());
            Some(tokio::spawn(async move {
                let withdrawn = gate.withdraw(id).await;
                Said::Withdrawn(index, withdrawn.map(|record| record.state.phase()))
            }))
        }
        Move::Vote(who) => {
            let request = one.request.clone();
            Some(tokio::spawn(async move {
                // Alice says yes and carol no, as each read it.
                let answer = match who {
                    "alice" => Answer::approve(who),
                    _ => Answer::deny(who, "not this one"),
                };
                let voted = request.answer_as_seen(answer).await;
                Said::Vote(index, who, voted.map(|record| record.state.phase()))
            }))
        }
    }
}

/// Everything that a wave of requests needs.
struct Course {
    time: Time,
    store: Arc<MemoryStore>,
    gate: Gate,
    approver: InMemoryApprover,
    counts: Arc<Counts>,
}

impl Course {
    /// Parks, races and judges ten thousand requests, and leaves what could still hold them.
    async fn wave(&self, number: usize) -> Vec<Weak<Asked>> {
        let bodies: Arc<Vec<_>> = Arc::new((0..PARKED).map(|_| AtomicUsize::new(0)).collect());
        let mut parked = park(&self.gate, &self.approver, number, &bodies).await;
        let moves = moves(&parked);
        let (before, after) = moves.split_at(moves.len() * 3 / 4);
        let start =
            |(index, which): &(usize, Move)| make(&self.gate, &parked[*index], *index, *which);
        let mut racing: Vec<_> = before.iter().filter_map(start).collect();
        // The short ones' deadline passes in the middle of it.
        let time = self.time.clone();
        let tick = tokio::spawn(async move { time.pass(Duration::from_secs(1)).await });
        if matches!(self.time, Time::Paused) {
            // One thread: the tasks so far run now, then time passes, then the others.
            tick.await.unwrap();
            racing.extend(after.iter().filter_map(start));
        } else {
            racing.extend(after.iter().filter_map(start));
            tick.await.unwrap();
        }
        let mut said = Vec::with_capacity(racing.len());
        for one in racing {
            said.push(one.await.unwrap());
        }
        let mut outcomes = Vec::with_capacity(PARKED);
        for one in &mut parked {
            let outcome = one.caller.take().unwrap().await;
            outcomes.push(outcome.map_err(|e| assert!(e.is_cancelled())).ok());
        }
        // What was approved and cancelled runs for nobody: it lapses.
        self.time.pass(Duration::from_secs(601)).await;
        let open = [
            Phase::Pending,
            Phase::Approved,
            Phase::Claimed,
            Phase::Executing,
        ];
        until_none(&self.store, &open).await;
        self.gate.flush().await;
        let tally = self.judge(&parked, &said, &outcomes, &bodies);
        println!("wave {number}: {tally:?}");
        for phase in [
            Phase::Approved,
            Phase::Denied,
            Phase::Withdrawn,
            Phase::Expired,
        ] {
            assert!(tally[&phase] > 0, "nothing was {phase}");
        }
        assert_eq!(self.store.hints().watched(), 0);
        let asked = |one: &Parked| Arc::downgrade(one.request.asked());
        parked.iter().map(asked).collect()
    }

    fn judge(
        &self,
        parked: &[Parked],
        said: &[Said],
        outcomes: &[Option<Result<(), ApprovalError>>],
        bodies: &[AtomicUsize],
    ) -> BTreeMap<Phase, usize> {
        let mut tally = BTreeMap::new();
        let mut decisions = Vec::with_capacity(parked.len());
        for (one, outcome) in parked.iter().zip(outcomes) {
            let count = self.counts.of(one.request.id());
            let [decision] = &*count.decisions else {
                panic!("{} was decided so: {:?}", one.request.id(), count.decisions);
            };
            *tally.entry(*decision).or_default() += 1;
            decisions.push(*decision);
            let ran = bodies[nth(&one.request.asked().call) % PARKED].load(Ordering::SeqCst);
            let ran = u32::try_from(ran).unwrap();
            assert_eq!((count.started, count.finished), (ran, ran));
            let expected = match outcome {
                // Cancelled: it may have been too late to stop it, never too late to start it.
                None => {
                    assert!(ran == 0 || (ran == 1 && *decision == Phase::Approved));
                    continue;
                }
                Some(Ok(())) => Phase::Approved,
                Some(Err(error)) => match error.kind() {
                    Kind::Denied => {
                        assert_eq!(error.denied_by().map(PersonId::as_str), Some("carol"));
                        Phase::Denied
                    }
                    Kind::Withdrawn => Phase::Withdrawn,
                    Kind::TimedOut => Phase::Expired,
                    // Approved in time, and not started before the request's own deadline.
                    Kind::Lapsed => {
                        assert_eq!((*decision, ran), (Phase::Approved, 0));
                        continue;
                    }
                    _ => panic!("{decision} was told as {error}"),
                },
            };
            assert_eq!(*decision, expected);
            assert_eq!(ran, u32::from(expected == Phase::Approved));
        }
        let (mut told, mut named) = (0, 0);
        for said in said {
            let (index, counted, error) = match said {
                Said::Vote(index, "alice", Ok(_)) => (*index, Some(Phase::Approved), None),
                Said::Vote(index, _, Ok(_)) => (*index, Some(Phase::Denied), None),
                Said::Withdrawn(index, Ok(_)) => (*index, Some(Phase::Withdrawn), None),
                Said::Vote(index, _, Err(error)) => (*index, None, Some(error)),
                Said::Withdrawn(index, Err(error)) => {
                    named += u32::from(told_who(error, decisions[*index]));
                    (*index, None, None)
                }
            };
            if let Some(counted) = counted {
                assert_eq!(counted, decisions[index], "what counted is what stands");
            }
            match error {
                Some(VoteError::Settled(record)) => {
                    told += 1;
                    assert_eq!(stood(record.state.phase()), decisions[index]);
                    assert_eq!(who(record), person(decisions[index]));
                }
                // Long finished, and forgotten since.
                None | Some(VoteError::UnknownRequest(_)) => {}
                Some(error) => panic!("{error}"),
            }
        }
        assert!(told > 0, "nobody came second");
        assert!(named > 0, "no withdrawal came after a person's word");
        tally
    }
}

/// Who decides so: Alice says yes and Carol no.
fn person(decision: Phase) -> Option<&'static str> {
    match decision {
        Phase::Approved => Some("alice"),
        Phase::Denied => Some("carol"),
        _ => None,
    }
}

/// Who decided, as whoever came second reads it.
fn who(record: &Record) -> Option<&str> {
    match &record.state {
        State::Denied { by, .. } => Some(by.as_str()),
        _ if stood(record.state.phase()) == Phase::Approved => {
            let mut votes = record.votes.iter();
            let yes = votes.find(|vote| vote.choice == Choice::Approve);
            yes.map(|vote| vote.person.as_str())
        }
        _ => None,
    }
}

/// Whether somebody whose withdrawal came too late was told whose word came first; what they were
/// told is what stands.
fn told_who(error: &ApprovalError, decision: Phase) -> bool {
    let (stands, named) = match error.kind() {
        Kind::Denied => (
            Phase::Denied,
            error.denied_by().is_some_and(|by| by.as_str() == "carol"),
        ),
        Kind::Decided | Kind::Lapsed | Kind::AlreadyFinished => (
            Phase::Approved,
            error.to_string().contains("approved by alice"),
        ),
        Kind::Withdrawn => (Phase::Withdrawn, false),
        Kind::TimedOut => (Phase::Expired, false),
        // Long finished, and forgotten since.
        Kind::Invalid => return false,
        _ => panic!("{decision} was told as {error}"),
    };
    assert_eq!(stands, decision, "{error}");
    let by_a_person = matches!(error.kind(), Kind::Denied | Kind::Decided);
    assert_eq!(named, by_a_person, "{error}");
    named
}

/// The decision behind a phase.
fn stood(phase: Phase) -> Phase {
    match phase {
        Phase::Claimed | Phase::Executing | Phase::Succeeded | Phase::Lapsed => Phase::Approved,
        other => other,
    }
}

async fn race(time: Time, store: Arc<MemoryStore>) {
    let baseline = alive_tasks();
    let counts = Arc::new(Counts::default());
    let approver = InMemoryApprover::forgetful();
    let gate = gate(&store)
        .approver("test", approver.connect())
        .audit_sink("counts", counts.clone())
        .build()
        .await
        .unwrap();
    let course = Course {
        time,
        store,
        gate,
        approver,
        counts,
    };
    let mut held = course.wave(0).await;
    // A denial is remembered for a day; then another wave takes the place of the first.
    course.time.pass(Duration::from_secs(25 * 3600)).await;
    let mut last = course.wave(1).await;
    let alive = held.iter().filter(|asked| asked.strong_count() > 0).count();
    println!("{alive} of the first {} are held", held.len());
    assert!(alive <= REMEMBERED, "{alive} old requests are still held");
    held.append(&mut last);
    let Course {
        store,
        gate,
        approver,
        ..
    } = course;
    drop(gate);
    until_tasks(baseline).await;
    let rows = store
        .list(&Filter::default(), None, usize::MAX)
        .await
        .unwrap()
        .len();
    println!("{rows} rows are left");
    drop((store, approver));
    let alive = held.iter().filter(|asked| asked.strong_count() > 0).count();
    assert_eq!(alive, 0, "something else holds requests");
}
