//! Rules about the trail's outbox and the cursors of its sinks.

use approvals_core::audit::NewEvent;
use approvals_core::review::Choice;
use approvals_core::{Event, SinkId, What};

use super::steps::{CROWD, World};
use super::swapping::freeze;
use crate::report::{Judgment, Rule, ensure, rules};

pub(super) const RULES: &[Rule<World>] = rules![World:
    "events are numbered 1, 2, 3, … whatever stored them" => dense,
    "concurrent appends leave no gap and number no event twice" => dense_in_a_crowd,
    "an append returns its last event's number, and stores nothing when it is empty" => appends,
    "a sink is offered its events in order until it acknowledges them" => offers,
    "no event is dropped before every registered sink has acknowledged it" => keeps,
    "a sink that comes later starts at the oldest event that is still there" => latecomers,
    "registering a sink again does not move its cursor" => registered_twice,
    "a cursor never moves back" => never_back,
    "acknowledging ahead of the store is refused and moves nothing" => ahead,
    "a sink that is not registered is offered nothing and cannot acknowledge" => unregistered,
];

fn event(why: &str) -> NewEvent {
    NewEvent::new(What::Withdrawn { why: why.into() })
}

fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.number).collect()
}

async fn dense(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let id = world.ask(&world.sample()?).await?.id();
    world.store.append(vec![event("one"), event("two")]).await?;
    world.vote(id, "alice", Choice::Approve).await?;
    freeze(&world, true).await?;
    freeze(&world, false).await?;
    let found = numbers(&world.events(&sink).await?);
    // Requested, two appended, voted, approved, frozen, thawed.
    ensure!(
        found == [1, 2, 3, 4, 5, 6, 7],
        "they are numbered {found:?}"
    );
    Ok(())
}

async fn dense_in_a_crowd(world: World) -> Judgment {
    const EACH: usize = 5;
    let sink = world.sink("observer").await?;
    let told = world
        .crowd(|world, n| async move {
            let mut told = Vec::new();
            for m in 0..EACH {
                let last = world.store.append(vec![event(&format!("{n}/{m}"))]).await?;
                told.push(last);
            }
            Ok(told)
        })
        .await?;
    let found = numbers(&world.events(&sink).await?);
    let last = u64::try_from(CROWD * EACH)?;
    let wanted: Vec<u64> = (1..=last).collect();
    ensure!(found == wanted, "they are numbered {found:?}");
    let mut told: Vec<u64> = told.into_iter().flatten().collect();
    told.sort_unstable();
    ensure!(told == wanted, "the numbers that were told are {told:?}");
    Ok(())
}

async fn appends(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let new = vec![event("one"), event("two")];
    let last = world.store.append(new.clone()).await?;
    ensure!(last == 2, "the second event has the number {last}");
    let same = world.store.append(Vec::new()).await?;
    ensure!(
        same == 2,
        "after nothing was appended the last number is {same}"
    );
    let found = world.events(&sink).await?;
    let as_new: Vec<NewEvent> = found
        .iter()
        .map(|event| NewEvent {
            id: event.id,
            about: event.request.map(|id| (id, event.revision)),
            what: event.what.clone(),
        })
        .collect();
    ensure!(as_new == new, "the events are {found:?}");
    let at = world.now()?;
    ensure!(
        found.iter().all(|event| event.at == at),
        "they are not of the store's time"
    );
    Ok(())
}

async fn offers(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let new = (0..5).map(|n| event(&n.to_string())).collect();
    world.store.append(new).await?;
    for _ in 0..2 {
        let found = numbers(&world.store.events(&sink, 2).await?);
        ensure!(
            found == [1, 2],
            "before an acknowledgement it is offered {found:?}"
        );
    }
    world.store.acknowledge(&sink, 2).await?;
    let found = numbers(&world.store.events(&sink, 2).await?);
    ensure!(found == [3, 4], "after 2 it is offered {found:?}");
    world.store.acknowledge(&sink, 3).await?;
    let found = numbers(&world.events(&sink).await?);
    ensure!(found == [4, 5], "after 3 it is offered {found:?}");
    world.store.acknowledge(&sink, 5).await?;
    let found = numbers(&world.events(&sink).await?);
    ensure!(found.is_empty(), "after all it is offered {found:?}");
    world.store.append(vec![event("next")]).await?;
    let found = numbers(&world.events(&sink).await?);
    ensure!(found == [6], "of the next event it is offered {found:?}");
    Ok(())
}

async fn keeps(world: World) -> Judgment {
    let (one, other) = (world.sink("one").await?, world.sink("other").await?);
    let new = (0..3).map(|n| event(&n.to_string())).collect();
    world.store.append(new).await?;
    world.store.acknowledge(&one, 3).await?;
    let found = numbers(&world.events(&other).await?);
    ensure!(
        found == [1, 2, 3],
        "the sink that is behind is offered {found:?}"
    );
    world.store.acknowledge(&other, 2).await?;
    world.store.append(vec![event("4")]).await?;
    let found = numbers(&world.events(&other).await?);
    ensure!(
        found == [3, 4],
        "the sink that is behind is offered {found:?}"
    );
    let found = numbers(&world.events(&one).await?);
    ensure!(found == [4], "the sink that is ahead is offered {found:?}");
    Ok(())
}

async fn latecomers(world: World) -> Judgment {
    let first = world.sink("first").await?;
    let new = (0..4).map(|n| event(&n.to_string())).collect();
    world.store.append(new).await?;
    world.store.acknowledge(&first, 2).await?;
    let late = world.sink("late").await?;
    let found = numbers(&world.events(&late).await?);
    // A store may keep more than it must, but not less, and without a gap.
    let dense = found
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a + 1 == *b));
    let there = found.first().is_some_and(|first| *first <= 3) && found.last() == Some(&4);
    ensure!(
        dense && there,
        "with 3 and 4 still there it is offered {found:?}"
    );
    world.store.append(vec![event("5")]).await?;
    world.store.acknowledge(&first, 5).await?;
    let found = numbers(&world.events(&late).await?);
    ensure!(
        found.last() == Some(&5),
        "what came since is not offered: {found:?}"
    );
    Ok(())
}

async fn registered_twice(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    world.store.append(vec![event("1"), event("2")]).await?;
    world.store.acknowledge(&sink, 1).await?;
    world.store.register_sink(&sink).await?;
    let found = numbers(&world.events(&sink).await?);
    ensure!(found == [2], "registered again, it is offered {found:?}");
    Ok(())
}

async fn never_back(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    // Another sink keeps the events there.
    world.sink("slow").await?;
    world
        .store
        .append(vec![event("1"), event("2"), event("3")])
        .await?;
    world.store.acknowledge(&sink, 2).await?;
    // Whether going back is an error or nothing is left to the store.
    let _ = world.store.acknowledge(&sink, 1).await;
    let found = numbers(&world.events(&sink).await?);
    ensure!(found == [3], "after 2 and then 1 it is offered {found:?}");
    Ok(())
}

async fn ahead(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    world.store.append(vec![event("1")]).await?;
    let acknowledged = world.store.acknowledge(&sink, 2).await;
    ensure!(acknowledged.is_err(), "event 2 of 1 can be acknowledged");
    let found = numbers(&world.events(&sink).await?);
    ensure!(found == [1], "it is offered {found:?} then");
    Ok(())
}

async fn unregistered(world: World) -> Judgment {
    let stranger = SinkId::new("stranger")?;
    world.sink("observer").await?;
    world.store.append(vec![event("1")]).await?;
    let offered = world.store.events(&stranger, 10).await;
    ensure!(offered.is_err(), "it is offered {offered:?}");
    let acknowledged = world.store.acknowledge(&stranger, 1).await;
    ensure!(acknowledged.is_err(), "it can acknowledge");
    Ok(())
}
