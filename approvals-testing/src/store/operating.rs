//! Rules about deliveries, what is due, freeze and hints.

use std::time::Duration;

use approvals_core::review::{Choice, Command};
use approvals_core::store::{Delivery, DeliveryState};
use approvals_core::{OwnerId, Receipt, RequestId, What};

use super::steps::{World, channel};
use super::swapping::freeze;
use crate::report::{Found, Judgment, Rule, ensure, rules};
use crate::sample::{LEASE, Sample, intended, reusable, withdraw};

pub(super) const RULES: &[Rule<World>] = rules![World:
    "what is not there is read as not there" => nothing_there,
    "a delivery is noted in place of what was noted for its channel" => deliveries,
    "what is due is listed, the most overdue first, and the next time is told" => due,
    "requests are abandoned when the gate that waits for them is silent, and no others" => abandoned,
    "pending requests of a digest are found, and no others" => pending_with,
    "freeze is told wherever it is asked for, and is in the trail" => frozen,
    "a change completes every watch that began before it" => hints,
    "a taken use completes the watch of its grantor" => grantor_hints,
];

async fn nothing_there(world: World) -> Judgment {
    let id = RequestId::new(world.now()?);
    ensure!(
        world.store.read(id).await?.is_none(),
        "an unknown request is read"
    );
    ensure!(
        world.store.deliveries(id).await?.is_empty(),
        "an unknown request has deliveries"
    );
    ensure!(
        world.store.freeze().await?.is_none(),
        "a new store is frozen"
    );
    let due = world.store.due(10).await?;
    ensure!(
        due.requests.is_empty() && due.abandoned.is_empty() && due.next.is_none(),
        "in a new store something is due: {due:?}"
    );
    Ok(())
}

async fn deliveries(world: World) -> Judgment {
    let sample = world.sample()?;
    let opening = sample.opening();
    let id = opening.asked.id;
    let other = Delivery {
        channel: channel("other"),
        ..intended()
    };
    world
        .store
        .open(opening, vec![intended(), other.clone()])
        .await?;
    for state in [
        DeliveryState::Failed {
            why: "closed".to_owned(),
            retry: None,
        },
        DeliveryState::Delivered(Receipt::handle("1700000.42")),
        DeliveryState::Delivered(Receipt::none()),
    ] {
        let noted = Delivery {
            state,
            revision: 2,
            ..intended()
        };
        world.store.note_delivery(id, noted.clone()).await?;
        let mut found = world.store.deliveries(id).await?.to_vec();
        found.sort_by(|a, b| a.channel.as_str().cmp(b.channel.as_str()));
        ensure!(
            found == [other.clone(), noted.clone()],
            "then they are {found:?}"
        );
        let seen = world.store.read_with_deliveries(id).await?;
        let mut beside = seen.map(|seen| seen.deliveries.to_vec());
        if let Some(beside) = &mut beside {
            beside.sort_by(|a, b| a.channel.as_str().cmp(b.channel.as_str()));
        }
        ensure!(
            beside == Some(vec![other.clone(), noted]),
            "read with their record they are {beside:?}"
        );
    }
    Ok(())
}

async fn due(world: World) -> Judgment {
    let hour = Duration::from_secs(3600);
    let first = world.ask(&world.sample()?).await?;
    world.clock.advance(Duration::from_secs(60));
    let second = world.ask(&world.sample()?.table("salaries")).await?;
    let at = first.due_at();
    ensure!(at.is_some(), "a pending request has a deadline");
    let due = world.store.due(10).await?;
    ensure!(due.requests.is_empty(), "before anything is due: {due:?}");
    ensure!(due.next == at, "next is {:?} and not {at:?}", due.next);

    world.clock.advance(hour - Duration::from_secs(60));
    let due = world.store.due(10).await?;
    ensure!(
        due.requests == [first.id()],
        "at the first deadline: {due:?}"
    );
    world.clock.advance(Duration::from_secs(60));
    let due = world.store.due(10).await?;
    ensure!(
        due.requests == [first.id(), second.id()],
        "at the second deadline: {due:?}"
    );
    let due = world.store.due(1).await?;
    ensure!(due.requests == [first.id()], "one of two: {due:?}");

    world.carry(first.id(), &Command::Due).await?;
    let due = world.store.due(10).await?;
    ensure!(
        due.requests == [second.id()],
        "after the first has expired: {due:?}"
    );
    world.carry(second.id(), &Command::Due).await?;
    let due = world.store.due(10).await?;
    ensure!(
        due.requests.is_empty() && due.next.is_none(),
        "after all have expired: {due:?}"
    );

    let third = world.ask(&world.sample()?.table("orders")).await?.id();
    world.vote(third, "alice", Choice::Approve).await?;
    let running = world.run(third).await?;
    let due = world.store.due(10).await?;
    ensure!(
        due.next == running.due_at(),
        "a lease is next, but: {due:?}"
    );
    world.clock.advance(LEASE);
    let due = world.store.due(10).await?;
    ensure!(due.requests == [third], "when the lease is over: {due:?}");
    Ok(())
}

async fn abandoned(world: World) -> Judgment {
    let (owner, other) = (OwnerId::new(), OwnerId::new());
    world.store.heartbeat(owner, LEASE).await?;
    world.store.heartbeat(other, LEASE * 4).await?;
    let waits = |table: &str, owner| -> Result<Sample, Found> {
        Ok(world.sample()?.table(table).waiter(owner))
    };
    let lost = world.ask(&waits("one", owner)?).await?.id();
    world.ask(&waits("two", other)?).await?;
    world
        .ask(&world.sample()?.table("three").key("step-1"))
        .await?;
    let decided = world.ask(&waits("four", owner)?).await?.id();
    world.vote(decided, "alice", Choice::Approve).await?;
    let due = world.store.due(10).await?;
    ensure!(
        due.abandoned.is_empty(),
        "while the gates are alive: {due:?}"
    );

    world.clock.advance(LEASE - Duration::from_secs(1));
    world.store.heartbeat(owner, LEASE).await?;
    world.clock.advance(LEASE - Duration::from_secs(1));
    let due = world.store.due(10).await?;
    ensure!(
        due.abandoned.is_empty(),
        "while a gate says that it is alive: {due:?}"
    );
    world.clock.advance(Duration::from_secs(1));
    for _ in 0..2 {
        let due = world.store.due(10).await?;
        ensure!(due.abandoned == [lost], "when a gate is silent: {due:?}");
    }
    world.carry(lost, &withdraw()).await?;
    let due = world.store.due(10).await?;
    ensure!(due.abandoned.is_empty(), "when it was withdrawn: {due:?}");

    // A gate that was forgotten and asks before it says that it is alive again, and then dies.
    let again = world.ask(&waits("five", owner)?).await?.id();
    let due = world.store.due(10).await?;
    ensure!(
        due.abandoned == [again],
        "of a gate that nothing is known of: {due:?}"
    );
    world.store.heartbeat(owner, LEASE).await?;
    let due = world.store.due(10).await?;
    ensure!(due.abandoned.is_empty(), "when it is alive again: {due:?}");
    Ok(())
}

async fn pending_with(world: World) -> Judgment {
    let first = world.ask(&world.sample()?).await?;
    let second = world.ask(&world.sample()?).await?;
    let other = world.ask(&world.sample()?.table("salaries")).await?;
    let digest = first.asked.digest;
    let mut found = world.store.pending_with(digest).await?;
    found.sort_unstable();
    let mut wanted = vec![first.id(), second.id()];
    wanted.sort_unstable();
    ensure!(found == wanted, "two are pending, but: {found:?}");
    world.carry(first.id(), &withdraw()).await?;
    let found = world.store.pending_with(digest).await?;
    ensure!(found == [second.id()], "one is pending, but: {found:?}");
    let found = world.store.pending_with(other.asked.digest).await?;
    ensure!(
        found == [other.id()],
        "one of another digest is pending, but: {found:?}"
    );
    Ok(())
}

async fn frozen(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let id = world.ask(&world.sample()?).await?.id();
    let told = async || -> Result<(bool, bool), Found> {
        let snapshot = world.store.read(id).await?;
        Ok((
            world.store.freeze().await?.is_some(),
            snapshot.is_some_and(|snapshot| snapshot.frozen),
        ))
    };
    ensure!(
        told().await? == (false, false),
        "it is frozen before anybody froze it"
    );
    freeze(&world, true).await?;
    ensure!(told().await? == (true, true), "it is not frozen everywhere");
    let by = world
        .store
        .freeze()
        .await?
        .map(|freeze| freeze.by.to_string());
    ensure!(by.as_deref() == Some("dave"), "it was frozen by {by:?}");
    freeze(&world, false).await?;
    ensure!(
        told().await? == (false, false),
        "it is not thawed everywhere"
    );
    let events = world.events(&sink).await?;
    let froze = events.iter().any(|e| matches!(e.what, What::Frozen { .. }));
    let thawed = events.iter().any(|e| matches!(e.what, What::Thawed { .. }));
    ensure!(froze && thawed, "the trail does not say so: {events:?}");
    Ok(())
}

async fn hints(world: World) -> Judgment {
    let id = world.ask(&world.sample()?).await?.id();
    let other = world.ask(&world.sample()?.table("salaries")).await?.id();
    let mut watch = world.store.hints().watch(id);
    let mut second = world.store.hints().watch(id);
    let mut elsewhere = world.store.hints().watch(other);
    // One waits before the change and one only looks afterwards.
    let waiting = tokio::spawn(async move { watch.changed().await });
    tokio::task::yield_now().await;
    world.vote(id, "alice", Choice::Approve).await?;
    let patience = Duration::from_secs(10);
    let woken = tokio::time::timeout(patience, waiting).await;
    ensure!(woken.is_ok(), "whoever waited was not woken");
    let woken = tokio::time::timeout(patience, second.changed()).await;
    ensure!(woken.is_ok(), "a change before the first look was lost");
    let woken = tokio::time::timeout(Duration::from_millis(50), elsewhere.changed()).await;
    ensure!(
        woken.is_err(),
        "the change of one request is a change of another"
    );
    Ok(())
}

async fn grantor_hints(world: World) -> Judgment {
    let sample = world.sample()?.requirement(reusable(2));
    let grantor = world.ask(&sample).await?.id();
    world.vote(grantor, "alice", Choice::Approve).await?;
    let mut watch = world.store.hints().watch(grantor);
    world.open(&sample).await?;
    let woken = tokio::time::timeout(Duration::from_secs(10), watch.changed()).await;
    ensure!(woken.is_ok(), "the grantor changed without a hint");
    Ok(())
}
