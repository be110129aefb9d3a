//! A gate over any store, whose every operation fails once, in every way.
//!
//! A store that keeps the rules of [`conformance`](crate::store::conformance) is judged here by what
//! becomes of a gate over it when a call fails, is late, or is done twice: nothing runs without a
//! recorded yes or twice, nothing is lost on the way to the sink, and everybody is told in the end.
//!
//! It runs under tokio's paused time, so that hours take no time: in a test that is
//! `#[tokio::test(start_paused = true)]`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # tokio::time::pause();
//! use std::sync::Arc;
//! use approvals_core::{RequestStore, memory::MemoryStore};
//! use approvals_testing::{faults::Fault, sweep::sweep};
//!
//! // Every fortieth operation fails.
//! let worlds = sweep(&[Fault::LostAnswer], 40, |clock| async move {
//!     Arc::new(MemoryStore::with_clock(clock)) as Arc<dyn RequestStore>
//! });
//! assert!(worlds.await > 1);
//! # }
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what it finds fails a test by panicking"
)]

mod following;
mod world;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::memory::Answer;
use approvals_core::{Clock, Kind, RequestStore, TokioClock};

pub use world::{Feeding, World, requirement};

use crate::faults::{Fault, Hinting};
use crate::sample::Sample;
use following::Following;

/// Every way in which a call goes wrong.
pub const FAULTS: [Fault; 5] = [
    Fault::Before,
    Fault::LostAnswer,
    Fault::Twice,
    Fault::Late(Duration::from_secs(3)),
    Fault::LateAnswer(Duration::from_secs(3)),
];

/// Every way in which hints do not arrive as they were sent.
pub const HINTINGS: [Hinting; 4] = [
    Hinting::Dropped,
    Hinting::Doubled,
    Hinting::Late(Duration::from_secs(3)),
    Hinting::Swapped,
];

/// Both ways to feed a sink.
pub const FEEDINGS: [Feeding; 2] = [Feeding::Required, Feeding::Behind];

/// Has every `stride`th operation of a gate over a store fail in each of these ways, a new store
/// each time, and then lets hints go astray in every way. `store` makes an empty store whose clock
/// is the one that it is given. Says how many stores there were.
///
/// # Panics
/// At what ought not to have happened, with the fault that brought it about.
pub async fn sweep<F>(faults: &[Fault], stride: usize, store: impl Fn(Arc<dyn Clock>) -> F) -> usize
where
    F: Future<Output = Arc<dyn RequestStore>>,
{
    let mut worlds = 0;
    for feeding in FEEDINGS {
        for fault in faults {
            // Others each time, so that what one passes over is another one's turn.
            let first = 1 + worlds % stride.max(1);
            for nth in (first..).step_by(stride.max(1)) {
                let world = following(feeding, &store).await;
                world.script.on_any(nth as u64, *fault);
                cycle(&world, Answer::approve("alice")).await;
                worlds += 1;
                if world.script.struck().is_empty() {
                    break;
                }
            }
        }
        for hinting in HINTINGS {
            for answer in [Answer::approve("alice"), Answer::deny("alice", "no")] {
                let world = following(feeding, &store).await;
                world.script.hints(hinting);
                cycle(&world, answer).await;
                worlds += 1;
            }
        }
    }
    worlds
}

async fn following<F>(feeding: Feeding, store: impl Fn(Arc<dyn Clock>) -> F) -> World
where
    F: Future<Output = Arc<dyn RequestStore>>,
{
    let store = Following::new(TokioClock::new(), store).await;
    World::over(Arc::new(store), requirement(), feeding).await
}

/// The same call three times under one key, and once more when nothing fails.
async fn cycle(world: &World, answer: Answer) {
    world.script((0..9).map(|_| answer.clone()));
    let now = world.store.now().await.unwrap();
    let keyed = Sample::at(now).key("step-1");
    for _ in 0..3 {
        if world.attempt(&keyed).await.is_ok() {
            assert_eq!(world.runs(), 1, "after {:?}", world.script.struck());
        }
    }
    world.script.heal();
    let told = world.attempt(&keyed).await.unwrap_err();
    // Or nobody could be asked, which ended the request.
    let over = told.to_string().contains("its request is over");
    assert!(
        over || matches!(
            told.kind(),
            Kind::AlreadyFinished | Kind::InDoubt | Kind::Withdrawn | Kind::Denied | Kind::NotAsked
        ),
        "after {:?}: {told}",
        world.script.struck()
    );
    world.settle_early().await;
    world.assert_sound().await;
}
