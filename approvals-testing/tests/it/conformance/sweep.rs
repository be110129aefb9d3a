//! Every operation of a cycle fails once, in every way, at every place.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::{Answer, MemoryStore};
use approvals_core::review::Phase;
use approvals_core::{Kind, Policy, RequestStore, Requirement, Rules, Timestamp, What};
use approvals_testing::faults::{Fault, Hinting, Method};
use approvals_testing::sample::{REVIEWERS, Sample};
use approvals_testing::sweep::{
    FAULTS, FEEDINGS, Feeding, HINTINGS, World, requirement, sweep as over,
};

async fn fed(policy: impl Policy + 'static, feeding: Feeding) -> World {
    World::over(Arc::new(MemoryStore::on_tokio_time()), policy, feeding).await
}

async fn new(requirement: Requirement) -> World {
    fed(requirement, Feeding::Required).await
}

/// A world whose policy allows everything.
async fn allowing() -> World {
    let rules = Rules::new().allow("sample.export", "allowed").unwrap();
    fed(rules, Feeding::Required).await
}

fn sample() -> Sample {
    Sample::at(Timestamp::from_millis(1))
}

/// Those that take no time.
const AT_ONCE: [Fault; 3] = [Fault::Before, Fault::LostAnswer, Fault::Twice];

/// Every fault, with a sink that is required and with one that is not.
fn faults() -> impl Iterator<Item = (Fault, Feeding)> {
    let with = |fault| FEEDINGS.map(|feeding| (fault, feeding));
    FAULTS.into_iter().flat_map(with)
}

/// Two of the reviewers must agree.
fn two() -> Requirement {
    Requirement::some_of(2, REVIEWERS)
        .and_then(|two| two.deadline(Duration::from_secs(30)))
        .and_then(|two| two.execute_within(Duration::from_secs(20)))
        .unwrap()
}

/// Runs one world for each place of a fault, until the fault has no place any more: then nothing
/// failed. Returns how many there were.
async fn sweep<F: Future<Output = World>>(cycle: impl Fn(u64) -> F) -> u64 {
    for nth in 1..2_000 {
        let world = cycle(nth).await;
        let struck = world.script.struck();
        println!("{nth}: {:?}, ran {}", struck.first(), world.runs());
        world.settle().await;
        world.assert_sound().await;
        if struck.is_empty() {
            return nth - 1;
        }
    }
    panic!("the sweep does not end");
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_once_nothing_runs_without_a_yes_or_twice() {
    for (fault, feeding) in faults() {
        let places = sweep(|nth| async move {
            let world = fed(requirement(), feeding).await;
            world.script([Answer::approve("alice")]);
            world.script.on_any(nth, fault);
            let ran = world.attempt(&sample()).await.is_ok();
            assert_eq!(world.runs(), usize::from(ran));
            world.gate.flush().await;
            world
        })
        .await;
        println!("{fault:?}, {feeding:?}: {places} places");
        assert!(places > 30);
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_once_a_repeat_under_the_same_key_runs_at_most_once_in_all() {
    for (fault, feeding) in faults() {
        let places = sweep(|nth| async move {
            let world = fed(requirement(), feeding).await;
            world.script((0..9).map(|_| Answer::approve("alice")));
            world.script.on_any(nth, fault);
            let keyed = sample().key("step-1");
            for _ in 0..3 {
                if world.attempt(&keyed).await.is_ok() {
                    assert_eq!(world.runs(), 1);
                }
            }
            // A repeat finds out what became of the call; nobody is kept waiting for nothing.
            world.script.heal();
            let last = world.attempt(&keyed).await.unwrap_err();
            assert!(world.runs() <= 1);
            let is_over = matches!(
                last.kind(),
                Kind::AlreadyFinished | Kind::InDoubt | Kind::Withdrawn
            );
            // Or nobody could be asked, which ended the request.
            let unseen = last.to_string().contains("its request is over");
            assert!(is_over || unseen, "{:?}: {last}", world.script.struck());
            world.gate.flush().await;
            world
        })
        .await;
        assert!(places > 30);
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_once_a_denied_call_never_runs() {
    for (fault, feeding) in faults() {
        let places = sweep(|nth| async move {
            let world = fed(requirement(), feeding).await;
            world.script([Answer::deny("alice", "no")]);
            world.script.on_any(nth, fault);
            world.attempt(&sample()).await.unwrap_err();
            world.gate.flush().await;
            assert_eq!(world.runs(), 0);
            world
        })
        .await;
        assert!(places > 20);
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_once_two_people_are_two_people() {
    for (fault, feeding) in faults() {
        let places = sweep(|nth| async move {
            let world = fed(two(), feeding).await;
            world.script.on_any(nth, fault);
            let sample = sample();
            let people = async {
                let request = world.approver.next().await;
                // One of them clicks until it is taken, the other one only once.
                for _ in 0..3 {
                    let _ = request.approve_as("alice").await;
                }
                assert_eq!(world.runs(), 0, "one person was enough");
                let _ = request.approve_as("carol").await;
            };
            let ran = tokio::select! {
                (ran, ()) = async { tokio::join!(world.attempt(&sample), people) } => ran.is_ok(),
                () = tokio::time::sleep(Duration::from_secs(120)) => false,
            };
            assert_eq!(world.runs(), usize::from(ran));
            world.gate.flush().await;
            world
        })
        .await;
        assert!(places > 40);
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_once_a_grant_covers_no_more_than_its_uses() {
    let reusable = || {
        requirement()
            .reuse(2, Duration::from_secs(60))
            .expect("two uses")
    };
    for (fault, feeding) in faults().filter(|(fault, _)| AT_ONCE.contains(fault)) {
        let places = sweep(|nth| async move {
            let world = fed(reusable(), feeding).await;
            world.script([Answer::approve("alice")]);
            world.script.on_any(nth, fault);
            for _ in 0..3 {
                let _ = world.attempt(&sample()).await;
            }
            assert!(world.runs() <= 2, "{} runs", world.runs());
            world.gate.flush().await;
            world
        })
        .await;
        assert!(places > 50);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_from_any_place_on_runs_nothing_without_a_yes_or_twice() {
    for (fault, feeding) in faults().filter(|(fault, _)| AT_ONCE.contains(fault)) {
        let places = sweep(|nth| async move {
            let world = fed(requirement(), feeding).await;
            world.script((0..9).map(|_| Answer::approve("alice")));
            world.script.outage_from(nth, fault);
            let keyed = sample().key("step-1");
            let _ = world.attempt(&keyed).await;
            world.script.heal();
            for _ in 0..3 {
                let _ = world.attempt(&keyed).await;
            }
            assert!(world.runs() <= 1);
            world.gate.flush().await;
            world
        })
        .await;
        assert!(places > 20);
    }
}

#[tokio::test(start_paused = true)]
async fn any_two_faults_run_nothing_without_a_yes_or_twice() {
    pairs(17).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "takes minutes: every pair, not one in seventeen"]
async fn every_two_faults_run_nothing_without_a_yes_or_twice() {
    pairs(1).await;
}

async fn pairs(stride: u64) {
    let mut tried = 0;
    for (first, second) in [
        (Fault::Before, Fault::Before),
        (Fault::LostAnswer, Fault::LostAnswer),
        (Fault::Before, Fault::LostAnswer),
        (Fault::LostAnswer, Fault::Before),
        (Fault::Twice, Fault::LostAnswer),
        (Fault::Twice, Fault::Twice),
    ] {
        let places = (1..45).flat_map(|one| (one + 1..60).map(move |other| (one, other)));
        for (one, other) in places.filter(|(one, other)| (one + 3 * other) % stride == 0) {
            // Half of the pairs with either.
            let feeding = FEEDINGS[usize::from(tried % 2 == 0)];
            let world = fed(requirement(), feeding).await;
            world.script((0..9).map(|_| Answer::approve("alice")));
            world.script.on_any(one, first);
            world.script.on_any(other, second);
            let keyed = sample().key("step-1");
            for _ in 0..2 {
                let _ = world.attempt(&keyed).await;
            }
            assert!(world.runs() <= 1);
            world.gate.flush().await;
            world.settle().await;
            world.assert_sound().await;
            tried += 1;
        }
    }
    println!("{tried} pairs");
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_is_lost_is_in_doubt_and_never_run() {
    let world = new(requirement()).await;
    world.script([Answer::approve("alice")]);
    // Vote, claim, start.
    world
        .script
        .on(Method::CompareAndSwap, 3, Fault::LostAnswer);
    let keyed = sample().key("step-1");
    let error = world.attempt(&keyed).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    let error = world.attempt(&keyed).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InDoubt);
    // Without a key it is a call of its own, and refused for its digest.
    let error = world.attempt(&sample()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InDoubt);
    world.settle().await;
    world.assert_sound().await;
    assert_eq!(world.runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_vote_whose_answer_is_lost_is_not_recorded_as_refused() {
    let world = new(requirement()).await;
    world.script([Answer::approve("alice")]);
    world
        .script
        .on(Method::CompareAndSwap, 1, Fault::LostAnswer);
    world.attempt(&sample()).await.unwrap();
    let trail = world.trail().await;
    let voted = trail.iter().any(|e| matches!(e.what, What::Voted { .. }));
    let refused = trail
        .iter()
        .any(|e| matches!(e.what, What::VoteRefused { .. }));
    assert!(
        voted && !refused,
        "the trail says that a counted vote was refused"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_could_not_be_withdrawn_is_withdrawn_when_the_store_answers_again() {
    let world = new(requirement()).await;
    let sample = sample();
    let cancelled = async {
        let request = world.approver.next().await;
        world.script.outage_from(1, Fault::Before);
        request.id()
    };
    let id = tokio::select! {
        _ = world.attempt(&sample) => panic!("nobody has answered"),
        id = cancelled => id,
    };
    world.gate.flush().await;
    world.script.heal();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.phase(id).await, Phase::Withdrawn);
}

#[tokio::test(start_paused = true)]
async fn a_request_of_a_sink_that_failed_is_withdrawn_also_when_the_store_fails_with_it() {
    let world = new(requirement()).await;
    world.script.on(Method::Record, 1, Fault::Before);
    world.script.on(Method::CompareAndSwap, 1, Fault::Before);
    let keyed = sample().key("step-1");
    world.attempt(&keyed).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let left = world.gate.requests(&Default::default(), None, 9).await;
    let phases: Vec<_> = left.unwrap().iter().map(|r| r.state.phase()).collect();
    assert_eq!(phases, [Phase::Withdrawn]);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_asks_people_when_the_first_attempt_died_before_it_did() {
    let world = new(requirement()).await;
    world.script([Answer::approve("alice")]);
    world.script.on(Method::Open, 1, Fault::LostAnswer);
    let keyed = sample().key("step-1");
    world.attempt(&keyed).await.unwrap_err();
    world.attempt(&keyed).await.unwrap();
    assert_eq!(world.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_a_call_that_people_see_already_does_not_ask_them_again() {
    let world = new(requirement()).await;
    let keyed = sample().key("step-1");
    let people = async {
        let request = world.approver.next().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        request.approve_as("alice").await.unwrap();
    };
    let (one, other, ()) = tokio::join!(world.attempt(&keyed), world.attempt(&keyed), people);
    assert_eq!(world.approver.asked().len(), 1);
    assert_eq!(world.runs(), 1);
    assert!(one.is_ok() != other.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_yes_that_another_process_took_is_found_without_a_hint() {
    let world = new(requirement()).await;
    world.script.hints(Hinting::Dropped);
    let people = async {
        let request = world.approver.next().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        request.approve_as("alice").await.unwrap();
    };
    let sample = sample();
    let (ran, ()) = tokio::join!(world.attempt(&sample), people);
    ran.unwrap();
}

/// A yes and a no, of two calls that wait at once, are found whatever becomes of the hints.
#[tokio::test(start_paused = true)]
async fn hints_that_are_lost_doubled_late_or_swapped_keep_nobody_waiting_and_start_nothing_twice() {
    let kinds = HINTINGS.iter().flat_map(|h| FEEDINGS.map(|f| (*h, f)));
    for (hinting, feeding) in kinds {
        let world = fed(requirement(), feeding).await;
        world.script.hints(hinting);
        let (yes, no) = (sample().table("yes"), sample().table("no"));
        let people = async {
            let (one, other) = (world.approver.next().await, world.approver.next().await);
            tokio::time::sleep(Duration::from_secs(1)).await;
            one.approve_as("alice").await.unwrap();
            other.deny_as("alice", "no").await.unwrap();
        };
        let began = tokio::time::Instant::now();
        let (ran, refused, ()) = tokio::join!(world.attempt(&yes), world.attempt(&no), people);
        ran.unwrap();
        assert_eq!(refused.unwrap_err().kind(), Kind::Denied, "{hinting:?}");
        // A waiter looks by itself every eight seconds.
        assert!(began.elapsed() < Duration::from_secs(15), "{hinting:?}");
        assert_eq!(world.runs(), 1, "{hinting:?}");
        world.settle().await;
        world.assert_sound().await;
    }
}

/// Hints are lost, and something else fails with them.
#[tokio::test(start_paused = true)]
async fn whatever_fails_once_while_hints_go_astray_nothing_runs_without_a_yes_or_twice() {
    for hinting in HINTINGS {
        for (fault, feeding) in faults().filter(|(fault, _)| AT_ONCE.contains(fault)) {
            for nth in (1..60).step_by(5) {
                let world = fed(requirement(), feeding).await;
                world.script((0..9).map(|_| Answer::approve("alice")));
                world.script.hints(hinting);
                world.script.on_any(nth, fault);
                let keyed = sample().key("step-1");
                for _ in 0..2 {
                    let _ = world.attempt(&keyed).await;
                }
                assert!(world.runs() <= 1, "{hinting:?} {fault:?} {nth}");
                world.settle().await;
                world.assert_sound().await;
            }
        }
    }
}

/// The suite itself, as a store that has threads of its own is put through it.
#[tokio::test(start_paused = true)]
async fn the_in_memory_store_is_swept_as_any_other_is() {
    let worlds = over(&FAULTS, 7, |clock| async move {
        Arc::new(MemoryStore::with_clock(clock)) as Arc<dyn RequestStore>
    });
    let worlds = worlds.await;
    println!("{worlds} stores");
    assert!(worlds > 60, "{worlds} stores");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_however_often_something_else_is_due() {
    let world = new(requirement()).await;
    world.script([Answer::approve("alice")]);
    let busy = async {
        for n in 0..100 {
            let other = sample().key(&format!("busy-{n}")).table(&n.to_string());
            let asks = world.gate.authorize(other.call());
            // It detaches from its request, which then expires: something is due all the time.
            let _ = tokio::time::timeout(Duration::from_millis(300), asks).await;
        }
    };
    let admitted = world.gate.authorize(sample().call()).await.unwrap();
    let permit = admitted.start(&sample().call()).await.unwrap();
    let request = permit.request_id().unwrap();
    busy.await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.phase(request).await, Phase::Executing);
    permit.finish(true).await;
    assert_eq!(world.phase(request).await, Phase::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_once_no_allowed_call_is_missing_from_the_sink_or_there_twice() {
    for fault in FAULTS {
        let places = sweep(|nth| async move {
            let world = allowing().await;
            world.script.on_any(nth, fault);
            let mut allowed = 0;
            for _ in 0..5 {
                allowed += usize::from(world.gate.authorize(sample().call()).await.is_ok());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            world.gate.flush().await;
            world.settle_with_allowed(allowed).await;
            world
        })
        .await;
        assert!(places > 10);
    }
}
