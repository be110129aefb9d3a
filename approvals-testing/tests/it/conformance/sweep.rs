//! Every operation of a cycle fails once, in every way, at every place.

use std::panic::AssertUnwindSafe;
use std::future::Future;
use std::time::Duration;

use approvals_core::memory::Answer;
use approvals_core::{Kind, Timestamp};
use approvals_testing::faults::Fault;
use approvals_testing::sample::Sample;

use super::world::{World, requirement};

const FAULTS: [Fault; 4] = [
    Fault::Before,
    Fault::LostAnswer,
    Fault::Late(Duration::from_secs(3)),
    Fault::LateAnswer(Duration::from_secs(3)),
];

fn sample() -> Sample {
    Sample::at(Timestamp::from_millis(1)).requirement(requirement())
}

#[tokio::test(start_paused = true)]
async fn without_a_fault_the_body_runs_once() {
    let world = World::new(requirement()).await;
    world.script([Answer::approve("alice")]);
    world.attempt(&sample()).await.unwrap();
    let calls = world.script.calls().len();
    println!("{calls} operations: {:?}", world.script.calls());
    world.settle().await;
    world.assert_sound().await;
    assert_eq!(world.runs(), 1);
}

/// Runs one world for each place of the fault, until the fault has no place any more. Returns how
/// many there were.
async fn sweep<F: Future<Output = World>>(fault: Fault, cycle: impl Fn(u64) -> F) -> u64 {
    for nth in 1..2_000 {
        let world = cycle(nth).await;
        let struck = world.script.struck();
        world.settle().await;
        let checked = AssertUnwindSafe(world.assert_sound());
        println!("{fault:?} at {nth}: {struck:?}, ran {} times", world.runs());
        checked.0.await;
        assert!(world.runs() <= 1, "{fault:?} at {nth}: ran twice");
        if struck.is_empty() {
            return nth - 1;
        }
    }
    panic!("the sweep does not end");
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_once_nothing_runs_without_a_yes_or_twice() {
    for fault in FAULTS {
        let places = sweep(fault, |nth| async move {
            let world = World::new(requirement()).await;
            world.script([Answer::approve("alice")]);
            world.script.on_any(nth, fault);
            let ran = world.attempt(&sample()).await.is_ok();
            assert!(!ran || world.runs() == 1);
            world.gate.flush().await;
            world
        })
        .await;
        println!("{fault:?}: {places} places");
        assert!(places > 20);
    }
}
