//! Rules about the store's clock.

use std::time::Duration;

use approvals_core::{ClockError, OwnerId, StoreError};

use super::steps::World;
use crate::report::{Judgment, Rule, ensure, rules};
use crate::sample::{intended, withdraw};

pub(super) const RULES: &[Rule<World>] = rules![World:
    "the store's time is that of its clock, wherever it is told" => one_clock,
    "the store's time never decreases" => never_back,
    "a clock that fails is an error of the clock, and nothing is done" => fails,
];

async fn one_clock(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    for _ in 0..3 {
        world.clock.advance(Duration::from_millis(1_234));
        let now = world.now()?;
        let told = world.store.now().await?;
        ensure!(told == now, "it tells {told} where its clock says {now}");
    }
    let id = world.ask(&world.sample()?).await?.id();
    let now = world.now()?;
    let snapshot = world.store.read(id).await?;
    let read = snapshot.map(|snapshot| snapshot.now);
    ensure!(
        read == Some(now),
        "a snapshot is of {read:?} and not of {now}"
    );
    let at = world.events(&sink).await?.first().map(|event| event.at);
    ensure!(at == Some(now), "an event is of {at:?} and not of {now}");
    Ok(())
}

async fn never_back(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let id = world.ask(&world.sample()?).await?.id();
    let before = world.store.now().await?;
    world.clock.jump_back(Duration::from_secs(3600));
    // A store may refuse, too.
    if let Ok(now) = world.store.now().await {
        ensure!(now >= before, "its time went from {before} to {now}");
    }
    if let Ok(Some(snapshot)) = world.store.read(id).await {
        let now = snapshot.now;
        ensure!(
            now >= before,
            "a snapshot's time went from {before} to {now}"
        );
    }
    let event = approvals_core::NewEvent::new(approvals_core::What::Expired);
    if world.store.append(vec![event]).await.is_ok() {
        let events = world.events(&sink).await?;
        let ordered = events.is_sorted_by_key(|event| event.at);
        ensure!(ordered, "an event is older than the one before it");
    }
    Ok(())
}

async fn fails(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let record = world.ask(&world.sample()?).await?;
    let id = record.id();
    let swap = world.swap(id, &withdraw()).await?;
    let opening = world.sample()?.table("salaries").opening();
    let opened = opening.asked.id;
    let events = world.events(&sink).await?;
    let broken = ClockError::Unreadable("it is broken".to_owned());
    world.clock.fail(Some(broken));
    let store = &world.store;
    for (method, error) in [
        ("now", store.now().await.err()),
        ("open", store.open(opening, vec![intended()]).await.err()),
        ("read", store.read(id).await.err()),
        ("compare_and_swap", store.compare_and_swap(swap).await.err()),
        ("due", store.due(10).await.err()),
        (
            "heartbeat",
            store
                .heartbeat(OwnerId::new(), Duration::from_secs(9))
                .await
                .err(),
        ),
    ] {
        ensure!(
            matches!(error, Some(StoreError::Clock(_))),
            "`{method}` says {error:?}"
        );
    }
    world.clock.fail(None);
    ensure!(
        *world.record(id).await? == *record,
        "the record changed all the same"
    );
    ensure!(
        store.read(opened).await?.is_none(),
        "a request was made all the same"
    );
    ensure!(
        world.events(&sink).await? == events,
        "events were stored all the same"
    );
    Ok(())
}
