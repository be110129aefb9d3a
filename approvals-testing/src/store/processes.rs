//! Rules about two stores on the same data, as two processes have them.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::review::{Choice, Limits, Phase};
use approvals_core::store::{Delivery, DeliveryState, Duty, Opened, RequestStore, Retry, Swapped};
use approvals_core::{OwnerId, Receipt, RequestId};

use super::steps::{CROWD, World};
use crate::ManualClock;
use crate::report::{Found, Judgment, Rule, ensure, rules};
use crate::sample::{LEASE, Sample, intended, vote};

pub(super) const RULES: &[Rule<Processes>] = rules![Processes:
    "what one process wrote another reads, and goes on with" => read,
    "of two processes that change a record at once one does" => swaps,
    "openings under one key by two processes make one request" => keyed,
    "a decision in one process wakes whoever waits in another" => woken,
    "of two processes one has a duty, and the other takes it over when its time has passed" => taken_over,
    "a process that renews a duty in time keeps it, however long another waits for it" => renewed,
    "a duty that one process gives up is free for the other" => given_up,
    "of two processes that want a duty at once one has it" => contended,
    "a copy that one process could not post is due in the other until either has shown it" => copies,
];

/// How often two contend.
const ROUNDS: usize = 20;
/// How long a hint from another process may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Two stores on the same data and one clock.
#[derive(Debug, Clone)]
pub(crate) struct Processes {
    pub(super) one: World,
    pub(super) other: World,
}

impl Processes {
    pub(super) fn new(stores: [Arc<dyn RequestStore>; 2], clock: &Arc<ManualClock>) -> Self {
        let [one, other] = stores.map(|store| World {
            store,
            clock: Arc::clone(clock),
        });
        Self { one, other }
    }

    /// Alternately the one and the other.
    fn of(&self, n: usize) -> World {
        if n.is_multiple_of(2) {
            self.one.clone()
        } else {
            self.other.clone()
        }
    }

    fn sample(&self, n: usize) -> Result<Sample, Found> {
        let limits = Limits {
            pending: 10_000,
            asks_per_hour: 10_000,
            denials: 10_000,
            ..Limits::default()
        };
        Ok(self.one.sample()?.table(&n.to_string()).limits(limits))
    }
}

async fn read(processes: Processes) -> Judgment {
    let Processes { one, other } = processes;
    let sink = one.sink("observer").await?;
    let asked = one.ask(&one.sample()?.key("step-1")).await?;
    let read = other.record(asked.id()).await?;
    ensure!(read == asked, "{read:?} is read where {asked:?} was made");
    let found = other.open(&one.sample()?.key("step-1")).await?;
    ensure!(
        matches!(&found, Opened::Found(record) if *record == asked),
        "under its key there is {found:?}"
    );
    other.vote(asked.id(), "alice", Choice::Approve).await?;
    let phase = one.record(asked.id()).await?.state.phase();
    ensure!(phase == Phase::Approved, "it was approved and is {phase:?}");
    let events = one.events(&sink).await?;
    let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
    ensure!(numbers == [1, 2, 3], "the events have {numbers:?}");
    Ok(())
}

async fn swaps(processes: Processes) -> Judgment {
    for n in 0..ROUNDS {
        let record = processes.one.ask(&processes.sample(n)?).await?;
        let id = record.id();
        let yes = vote(&record, "alice", Choice::Approve);
        let no = vote(&record, "carol", Choice::Deny);
        let yes = processes.one.swap(id, &yes).await?;
        let no = processes.other.swap(id, &no).await?;
        let [one, other] = [(&processes.one, yes), (&processes.other, no)].map(|(world, swap)| {
            let store = Arc::clone(&world.store);
            tokio::spawn(async move { store.compare_and_swap(swap).await })
        });
        let both = (one.await??, other.await??);
        let stands = processes.one.record(id).await?.state.phase();
        let wanted = match both {
            (Swapped::Done { .. }, Swapped::Conflict) => Phase::Approved,
            (Swapped::Conflict, Swapped::Done { .. }) => Phase::Denied,
            both => return Err(Found(format!("one of them should be done: {both:?}"))),
        };
        ensure!(
            stands == wanted,
            "{wanted:?} was told, and it is {stands:?}"
        );
    }
    Ok(())
}

async fn keyed(processes: Processes) -> Judgment {
    for n in 0..ROUNDS {
        let sample = processes.sample(n)?.key(&format!("step-{n}"));
        let tasks: Vec<_> = (0..CROWD)
            .map(|task| {
                let (world, opening) = (processes.of(task), sample.opening());
                tokio::spawn(async move { world.store.open(opening, vec![intended()]).await })
            })
            .collect();
        let mut asked = 0;
        for task in tasks {
            match task.await?? {
                Opened::Asked { .. } => asked += 1,
                Opened::Found(_) => {}
                other => return Err(Found(format!("it should be found, but: {other:?}"))),
            }
        }
        ensure!(asked == 1, "people are asked {asked} times");
    }
    Ok(())
}

async fn woken(processes: Processes) -> Judgment {
    let Processes { one, other } = processes;
    let asked = one.ask(&one.sample()?).await?;
    let mut watch = other.store.hints().watch(asked.id());
    one.vote(asked.id(), "alice", Choice::Approve).await?;
    let woken = tokio::time::timeout(PATIENCE, watch.changed()).await;
    ensure!(woken.is_ok(), "nobody was woken within {PATIENCE:?}");
    Ok(())
}

async fn lease(world: &World, owner: OwnerId, lease: Duration) -> Result<bool, Found> {
    Ok(world.store.lease(&Duty::Deadlines, owner, lease).await?)
}

async fn taken_over(processes: Processes) -> Judgment {
    let Processes { one, other } = processes;
    let (first, second) = (OwnerId::new(), OwnerId::new());
    ensure!(
        lease(&one, first, LEASE).await?,
        "what is free cannot be had"
    );
    ensure!(!lease(&other, second, LEASE).await?, "both have it");
    let moment = Duration::from_millis(1);
    one.clock.advance(LEASE - moment);
    let early = lease(&other, second, LEASE).await?;
    ensure!(!early, "it is taken before its time has passed");
    one.clock.advance(moment);
    ensure!(
        lease(&other, second, LEASE).await?,
        "it cannot be taken over"
    );
    ensure!(
        !lease(&one, first, LEASE).await?,
        "who lost it still has it"
    );
    Ok(())
}

async fn renewed(processes: Processes) -> Judgment {
    let Processes { one, other } = processes;
    let (first, second) = (OwnerId::new(), OwnerId::new());
    for n in 0..ROUNDS {
        ensure!(lease(&one, first, LEASE).await?, "renewal {n} was refused");
        let taken = lease(&other, second, LEASE).await?;
        ensure!(!taken, "after renewal {n} the other has it");
        one.clock.advance(LEASE / 3 * 2);
        let taken = lease(&other, second, LEASE).await?;
        ensure!(!taken, "before renewal {} the other has it", n + 1);
    }
    Ok(())
}

async fn given_up(processes: Processes) -> Judgment {
    let Processes { one, other } = processes;
    let (first, second) = (OwnerId::new(), OwnerId::new());
    ensure!(
        lease(&one, first, LEASE).await?,
        "what is free cannot be had"
    );
    lease(&other, second, Duration::ZERO).await?;
    ensure!(!lease(&other, second, LEASE).await?, "the other gave it up");
    lease(&one, first, Duration::ZERO).await?;
    ensure!(lease(&other, second, LEASE).await?, "it is not free");
    Ok(())
}

async fn contended(processes: Processes) -> Judgment {
    for n in 0..ROUNDS {
        let tasks: Vec<_> = (0..CROWD)
            .map(|task| {
                let world = processes.of(task);
                tokio::spawn(async move { lease(&world, OwnerId::new(), LEASE).await })
            })
            .collect();
        let mut has = 0;
        for task in tasks {
            has += usize::from(task.await??);
        }
        ensure!(has == 1, "in round {n} {has} have it");
        processes.one.clock.advance(LEASE);
    }
    Ok(())
}

async fn copies(processes: Processes) -> Judgment {
    let Processes { one, other } = processes;
    let asked = one.ask(&one.sample()?).await?;
    let note = async |world: &World, state| -> Judgment {
        let noted = Delivery {
            state,
            ..intended()
        };
        Ok(world.store.note_delivery(asked.id(), noted).await?)
    };
    let due = async |world: &World| -> Result<Vec<RequestId>, Found> {
        Ok(world.store.copies_due(&intended().channel, 10).await?)
    };
    let failed = DeliveryState::Failed {
        why: "rate limited".to_owned(),
        retry: Some(Retry {
            attempts: 1,
            at: one.now()?.plus(Duration::from_secs(5)),
        }),
    };
    note(&one, failed.clone()).await?;
    let early = due(&other).await?;
    ensure!(early.is_empty(), "before its time there are {early:?}");
    one.clock.advance(Duration::from_secs(5));
    for world in [&one, &other] {
        let found = due(world).await?;
        ensure!(found == [asked.id()], "at its time there are {found:?}");
    }
    note(&other, DeliveryState::Delivered(Receipt::none())).await?;
    for world in [&one, &other] {
        let found = due(world).await?;
        ensure!(found.is_empty(), "after it was shown there are {found:?}");
    }
    Ok(())
}
