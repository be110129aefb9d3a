//! Rules about what several gates on one store share out: copies that are due, and duties.

use std::time::Duration;

use approvals_core::review::Choice;
use approvals_core::store::{Delivery, DeliveryState, Duty, Retry};
use approvals_core::{ChannelId, OwnerId, Receipt, RequestId, SinkId};

use super::steps::{World, channel};
use crate::report::{Found, Judgment, Rule, ensure, rules};
use crate::sample::{LEASE, intended};

pub(super) const RULES: &[Rule<World>] = rules![World:
    "what is to be tried again is kept, with how often it was tried" => kept,
    "copies that are due are listed by channel, the most overdue first" => copies,
    "an intent that nobody acts on is due a while after it was made" => intents,
    "a vote changes nothing about which copies are due" => votes,
];

pub(super) const DUTIES: &[Rule<World>] = rules![World:
    "a duty is one gate's until its time has passed" => duties,
    "a duty that is given up is free, and only its owner gives it up" => given_up,
    "of many gates that want a duty at once one has it" => crowd,
    "a seal is replaced only by whoever knows the one that stands" => seals,
    "of many who replace a seal at once one does" => sealing_crowd,
];

async fn copies_due(world: &World, of: &str) -> Result<Vec<RequestId>, Found> {
    Ok(world.store.copies_due(&channel(of), 10).await?)
}

fn failed(of: ChannelId, retry: Option<Retry>) -> Delivery {
    Delivery {
        channel: of,
        state: DeliveryState::Failed {
            why: "rate limited".to_owned(),
            retry,
        },
        ..intended()
    }
}

async fn kept(world: World) -> Judgment {
    let opening = world.sample()?.opening();
    let id = opening.asked.id;
    world.store.open(opening, vec![intended()]).await?;
    let retry = Retry {
        attempts: 7,
        at: world.now()?.plus(Duration::from_secs(90)),
    };
    for state in [
        DeliveryState::Failed {
            why: "rate limited".to_owned(),
            retry: Some(retry),
        },
        DeliveryState::Outdated {
            receipt: Receipt::handle("1700000.42"),
            why: "rate limited".to_owned(),
            retry,
        },
    ] {
        let noted = Delivery {
            state,
            ..intended()
        };
        world.store.note_delivery(id, noted.clone()).await?;
        let found = world.store.deliveries(id).await?;
        ensure!(found.to_vec() == [noted], "then they are {found:?}");
    }
    Ok(())
}

async fn copies(world: World) -> Judgment {
    let at = |after: u64| -> Result<Option<Retry>, Found> {
        Ok(Some(Retry {
            attempts: 1,
            at: world.now()?.plus(Duration::from_secs(after)),
        }))
    };
    let (later, sooner) = (at(20)?, at(10)?);
    let mut ids = Vec::new();
    for (table, retry) in [("first", later), ("second", sooner), ("third", None)] {
        let opening = world.sample()?.table(table).opening();
        let id = opening.asked.id;
        let intent = |of: &str| Delivery {
            channel: channel(of),
            ..intended()
        };
        let intents = vec![intent("chat"), intent("other")];
        world.store.open(opening, intents).await?;
        let noted = failed(channel("chat"), retry);
        world.store.note_delivery(id, noted).await?;
        let shown = Delivery {
            state: DeliveryState::Delivered(Receipt::none()),
            ..intent("other")
        };
        world.store.note_delivery(id, shown).await?;
        ids.push(id);
    }
    let [first, second, _] = ids.as_slice() else {
        return Err(Found("three requests were made".to_owned()));
    };
    let none = copies_due(&world, "chat").await?;
    ensure!(none.is_empty(), "before their time: {none:?}");
    world.clock.advance(Duration::from_secs(10));
    let due = copies_due(&world, "chat").await?;
    ensure!(due == [*second], "at the time of the second: {due:?}");
    world.clock.advance(Duration::from_secs(3600));
    let due = copies_due(&world, "chat").await?;
    let mut sorted = due.clone();
    sorted.sort_unstable();
    ensure!(sorted == [*first, *second], "an hour later: {due:?}");
    let one = world.store.copies_due(&channel("chat"), 1).await?;
    ensure!(one.len() == 1, "one of two: {one:?}");
    let others = copies_due(&world, "other").await?;
    ensure!(others.is_empty(), "on the other channel: {others:?}");
    let shown = Delivery {
        state: DeliveryState::Delivered(Receipt::none()),
        ..failed(channel("chat"), None)
    };
    world.store.note_delivery(*second, shown).await?;
    let due = copies_due(&world, "chat").await?;
    ensure!(due == [*first], "after the second was shown: {due:?}");
    Ok(())
}

async fn intents(world: World) -> Judgment {
    let opening = world.sample()?.opening();
    let id = opening.asked.id;
    let here = intended().channel;
    world.store.open(opening, vec![intended()]).await?;
    let due = world.store.copies_due(&here, 10).await?;
    ensure!(due.is_empty(), "at once: {due:?}");
    world.clock.advance(Duration::from_secs(60));
    let due = world.store.copies_due(&here, 10).await?;
    ensure!(due == [id], "a minute later: {due:?}");
    Ok(())
}

async fn votes(world: World) -> Judgment {
    let opening = world.sample()?.opening();
    let id = opening.asked.id;
    let here = intended().channel;
    world.store.open(opening, vec![intended()]).await?;
    world.vote(id, "alice", Choice::Approve).await?;
    world.clock.advance(Duration::from_secs(60));
    let due = world.store.copies_due(&here, 10).await?;
    ensure!(due == [id], "it is still to be settled: {due:?}");
    Ok(())
}

async fn duties(world: World) -> Judgment {
    let (one, other) = (OwnerId::new(), OwnerId::new());
    let duty = Duty::Deadlines;
    let lease = |owner, lease| world.store.lease(&duty, owner, lease);
    ensure!(lease(one, LEASE).await?, "what is free cannot be had");
    ensure!(!lease(other, LEASE).await?, "a second gate has it as well");
    let chat = Duty::Channel(channel("chat"));
    let sink = Duty::Sink(SinkId::new("chat")?);
    for another in [&chat, &sink] {
        let free = world.store.lease(another, other, LEASE).await?;
        ensure!(free, "{another} is not free");
    }
    world.clock.advance(LEASE / 2);
    ensure!(lease(one, LEASE).await?, "it cannot be renewed");
    world.clock.advance(LEASE / 2);
    ensure!(!lease(other, LEASE).await?, "renewing does not prolong it");
    world.clock.advance(LEASE / 2);
    ensure!(lease(other, LEASE).await?, "it is not free after its time");
    ensure!(!lease(one, LEASE).await?, "whoever lost it still has it");
    Ok(())
}

async fn given_up(world: World) -> Judgment {
    let (one, other) = (OwnerId::new(), OwnerId::new());
    let duty = Duty::Deadlines;
    let lease = |owner, lease| world.store.lease(&duty, owner, lease);
    ensure!(lease(one, LEASE).await?, "what is free cannot be had");
    let zero = Duration::ZERO;
    ensure!(!lease(other, zero).await?, "a lease of zero is one");
    ensure!(!lease(other, LEASE).await?, "somebody else gave it up");
    ensure!(!lease(one, zero).await?, "what is given up is still had");
    ensure!(lease(other, LEASE).await?, "what was given up is not free");
    Ok(())
}

async fn crowd(world: World) -> Judgment {
    let has = world
        .crowd(|world, _| async move {
            let duty = Duty::Deadlines;
            Ok(world.store.lease(&duty, OwnerId::new(), LEASE).await?)
        })
        .await?;
    let has = has.into_iter().filter(|has| *has).count();
    ensure!(has == 1, "{has} gates have it");
    Ok(())
}

async fn seals(world: World) -> Judgment {
    let (log, other) = (SinkId::new("log")?, SinkId::new("other")?);
    let store = &world.store;
    ensure!(store.seal(&log).await?.is_none(), "there is one at first");
    let longest = "x".repeat(256);
    for (expected, seal, done, stands) in [
        (Some("0"), "1", false, None),
        (None, "1 'quoted' \\ é", true, Some("1 'quoted' \\ é")),
        (None, "2", false, Some("1 'quoted' \\ é")),
        (Some("2"), "3", false, Some("1 'quoted' \\ é")),
        (Some("1 'quoted' \\ é"), &longest, true, Some(&longest)),
        (Some(&longest), "", true, Some("")),
        (Some(""), "4", true, Some("4")),
    ] {
        let swapped = store.swap_seal(&log, expected, seal).await?;
        let found = store.seal(&log).await?;
        ensure!(
            swapped == done && found.as_deref() == stands,
            "{expected:?} was replaced by {seal:?}: {swapped}, and it is {found:?}"
        );
    }
    ensure!(store.seal(&other).await?.is_none(), "another sink has it");
    Ok(())
}

async fn sealing_crowd(world: World) -> Judgment {
    let log = SinkId::new("log")?;
    for expected in [None, Some("first")] {
        let told = world
            .crowd({
                let log = log.clone();
                move |world, n| {
                    let log = log.clone();
                    async move {
                        let seal = format!("{n}");
                        Ok(world.store.swap_seal(&log, expected, &seal).await?)
                    }
                }
            })
            .await?;
        let done = told.iter().filter(|done| **done).count();
        ensure!(done == 1, "{done} have replaced {expected:?}");
        let stands = world.store.seal(&log).await?;
        world
            .store
            .swap_seal(&log, stands.as_deref(), "first")
            .await?;
    }
    Ok(())
}
