//! Rules about replacing records.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::audit::NewEvent;
use approvals_core::review::{Choice, Command, Phase, SCHEMA};
use approvals_core::store::{Freeze, Swap, Swapped};
use approvals_core::{OwnerId, StoreError, What};

use super::steps::World;
use crate::report::{Found, Judgment, Rule, ensure, rules};
use crate::sample::{claim, claim_and_start, person, withdraw};

pub(super) const RULES: &[Rule<World>] = rules![World:
    "a swap replaces the expected revision, with its events, and what it wrote is read" => swaps,
    "a swap of another revision is a conflict and does nothing" => conflicts,
    "exactly one of concurrent swaps of one revision wins" => one_winner,
    "a swap from its `not_after` on is too late and does nothing" => not_after,
    "a swap that must be unfrozen is refused while frozen, and others are not" => unfrozen,
    "a swap that must stand is refused while an equal call is in doubt, and others are not" => stands,
    "a record of a newer schema is not replaced" => newer_schema,
    "a swap of a request that does not exist is refused" => unknown,
    "a record with any text in it is read as it was written" => any_text,
];

async fn swaps(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let id = world.ask(&world.sample()?).await?.id();
    for step in 0..4 {
        let swap = match step {
            0 => {
                let record = world.record(id).await?;
                let yes =
                    crate::sample::ballot(&record.asked, record.revision, "alice", Choice::Approve);
                world.swap(id, &Command::Vote(Box::new(yes))).await?
            }
            1 => world.swap(id, &claim(OwnerId::new())).await?,
            2 => world.swap(id, &Command::Release { fence: 1 }).await?,
            _ => world.swap(id, &claim(OwnerId::new())).await?,
        };
        let Swap { record, events, .. } = swap.clone();
        let swapped = world.store.compare_and_swap(swap).await?;
        let Swapped::Done {
            record: stored,
            last_event,
        } = swapped
        else {
            return Err(Found(format!(
                "a swap of the revision that stands: {swapped:?}"
            )));
        };
        ensure!(stored == record, "another record was stored: {stored:?}");
        ensure!(world.record(id).await? == record, "another record is read");
        let trail = world.events(&sink).await?;
        let tail: Vec<_> = trail.iter().rev().take(events.len()).rev().collect();
        let as_new = |event: &approvals_core::Event| NewEvent {
            id: event.id,
            about: event.request.map(|request| (request, event.revision)),
            what: event.what.clone(),
        };
        let found: Vec<NewEvent> = tail.iter().map(|event| as_new(event)).collect();
        ensure!(
            found == events,
            "its events are {found:?} and not {events:?}"
        );
        let last = trail.last().map(|event| event.number);
        ensure!(
            last == Some(last_event),
            "{last_event} was told and {last:?} is the last event"
        );
    }
    Ok(())
}

async fn nothing_done(world: &World, swap: Swap, wanted: fn(&Swapped) -> bool) -> Judgment {
    let id = swap.record.id();
    let sink = world.sink("observer").await?;
    let (before, events) = (world.record(id).await?, world.events(&sink).await?);
    let swapped = world.store.compare_and_swap(swap).await?;
    ensure!(wanted(&swapped), "it was {swapped:?}");
    ensure!(*world.record(id).await? == *before, "the record changed");
    ensure!(world.events(&sink).await? == events, "events were stored");
    Ok(())
}

async fn conflicts(world: World) -> Judgment {
    let id = world.ask(&world.sample()?).await?.id();
    let stale = world.swap(id, &withdraw()).await?;
    world.vote(id, "alice", Choice::Approve).await?;
    nothing_done(&world, stale.clone(), |s| matches!(s, Swapped::Conflict)).await?;
    let ahead = Swap {
        expected: 99,
        ..stale
    };
    nothing_done(&world, ahead, |s| matches!(s, Swapped::Conflict)).await
}

async fn one_winner(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let id = world.ask(&world.sample()?).await?.id();
    for _ in 0..10 {
        let record = world.record(id).await?;
        let swapped = world
            .crowd(move |world, n| {
                let mut next = approvals_core::review::Record::clone(&record);
                next.revision += 1;
                async move {
                    let why = format!("contender {n}").into();
                    let event = NewEvent::about(id, next.revision, What::Withdrawn { why });
                    let swap = Swap {
                        expected: next.revision - 1,
                        record: next.into(),
                        events: vec![event],
                        not_after: None,
                        unfrozen: false,
                        stands: false,
                    };
                    Ok(world.store.compare_and_swap(swap).await?)
                }
            })
            .await?;
        let won = swapped.iter().filter(|s| matches!(s, Swapped::Done { .. }));
        let won = won.count();
        ensure!(won == 1, "{won} swaps of one revision won");
    }
    let events = world.events(&sink).await?.len();
    ensure!(events == 11, "11 changes left {events} events");
    Ok(())
}

async fn not_after(world: World) -> Judgment {
    let id = world.ask(&world.sample()?).await?.id();
    let second = Duration::from_secs(1);
    let deadline = world.now()?.plus(second);
    let swap = Swap {
        not_after: Some(deadline),
        ..world.swap(id, &withdraw()).await?
    };
    world.clock.set(deadline);
    nothing_done(&world, swap.clone(), |s| matches!(s, Swapped::TooLate)).await?;
    world.clock.advance(second);
    nothing_done(&world, swap.clone(), |s| matches!(s, Swapped::TooLate)).await?;
    let swap = Swap {
        not_after: Some(world.now()?.plus(Duration::from_millis(1))),
        ..swap
    };
    let swapped = world.store.compare_and_swap(swap).await?;
    ensure!(
        matches!(swapped, Swapped::Done { .. }),
        "a moment before it is too late: {swapped:?}"
    );
    Ok(())
}

async fn unfrozen(world: World) -> Judgment {
    let id = world.ask(&world.sample()?).await?.id();
    let other = world.ask(&world.sample()?.table("salaries")).await?.id();
    freeze(&world, true).await?;
    let swap = Swap {
        unfrozen: true,
        ..world.swap(id, &withdraw()).await?
    };
    nothing_done(&world, swap.clone(), |s| matches!(s, Swapped::Frozen)).await?;
    let approved = world.ask(&world.sample()?.table("orders")).await?.id();
    world.vote(approved, "alice", Choice::Approve).await?;
    for command in [claim(OwnerId::new()), claim_and_start(OwnerId::new())] {
        let runs = Swap {
            unfrozen: true,
            ..world.swap(approved, &command).await?
        };
        nothing_done(&world, runs, |s| matches!(s, Swapped::Frozen)).await?;
    }
    let denied = world.vote(other, "alice", Choice::Deny).await?;
    ensure!(
        denied.state.phase() == Phase::Denied,
        "a denial while frozen: {denied:?}"
    );
    freeze(&world, false).await?;
    let swapped = world.store.compare_and_swap(swap).await?;
    ensure!(
        matches!(swapped, Swapped::Done { .. }),
        "after the thaw: {swapped:?}"
    );
    Ok(())
}

async fn stands(world: World) -> Judgment {
    let lost = world.ask(&world.sample()?).await?.id();
    let equal = world.ask(&world.sample()?).await?.id();
    world.vote(equal, "alice", Choice::Approve).await?;
    world.lose(lost).await?;
    let stands = async |command| {
        Ok::<_, Found>(Swap {
            stands: true,
            ..world.swap(equal, &command).await?
        })
    };
    for command in [claim(OwnerId::new()), claim_and_start(OwnerId::new())] {
        let fallen = |s: &Swapped| matches!(s, Swapped::Fallen(_));
        nothing_done(&world, stands(command).await?, fallen).await?;
    }
    let resolve = Command::Resolve {
        by: person("dave"),
        reason: "it did not run".into(),
        succeeded: false,
    };
    world.carry(lost, &resolve).await?;
    let both = stands(claim_and_start(OwnerId::new())).await?;
    let swapped = world.store.compare_and_swap(both).await?;
    ensure!(
        matches!(&swapped, Swapped::Done { record, .. } if record.state.phase() == Phase::Executing),
        "after a person found out: {swapped:?}"
    );
    Ok(())
}

pub(super) async fn freeze(world: &World, on: bool) -> Result<(), Found> {
    let (by, reason) = (person("dave"), "maintenance".into());
    let freeze = Freeze {
        by: person("dave"),
        reason: "maintenance".into(),
        since: world.now()?,
    };
    let what = if on {
        What::Frozen { by, reason }
    } else {
        What::Thawed { by, reason }
    };
    let event = NewEvent::new(what);
    Ok(world.store.set_freeze(on.then_some(freeze), event).await?)
}

async fn newer_schema(world: World) -> Judgment {
    let id = world.ask(&world.sample()?).await?.id();
    let mut newer = world.swap(id, &withdraw()).await?;
    Arc::make_mut(&mut newer.record).schema = SCHEMA + 1;
    // A store may refuse to write what it does not know in the first place.
    if world.store.compare_and_swap(newer).await.is_err() {
        return Ok(());
    }
    let record = world.record(id).await?;
    let mut next = approvals_core::review::Record::clone(&record);
    next.schema = SCHEMA;
    next.revision += 1;
    let swap = Swap {
        expected: record.revision,
        record: next.into(),
        events: Vec::new(),
        not_after: None,
        unfrozen: false,
        stands: false,
    };
    let swapped = world.store.compare_and_swap(swap).await;
    ensure!(
        matches!(swapped, Err(StoreError::Invalid(_))),
        "it was {swapped:?}"
    );
    ensure!(*world.record(id).await? == *record, "the record changed");
    Ok(())
}

async fn unknown(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let id = world.ask(&world.sample()?).await?.id();
    let mut swap = world.swap(id, &withdraw()).await?;
    let never = world.sample()?.opening().asked;
    Arc::make_mut(&mut swap.record).asked = never;
    let id = swap.record.id();
    let before = world.events(&sink).await?;
    let swapped = world.store.compare_and_swap(swap).await;
    ensure!(swapped.is_err(), "it was {swapped:?}");
    ensure!(
        world.store.read(id).await?.is_none(),
        "the request exists now"
    );
    ensure!(world.events(&sink).await? == before, "events were stored");
    Ok(())
}

async fn any_text(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let long = "long ".repeat(20_000);
    for text in [
        "",
        "'; DROP TABLE requests; --",
        "quote \" backslash \\ tab \t newline \n",
        "nul \u{0} escape \u{1b}[31m",
        "bidi \u{202e}txt.exe\u{202c} zero\u{200b}width \u{feff}",
        "日本語 🦀 e\u{301}",
        "\u{10ffff}",
        &long,
    ] {
        let asked = world.ask(&world.sample()?.table(text)).await?;
        let read = world.record(asked.id()).await?;
        ensure!(
            *read == *asked,
            "{:.40?} is read as {:.200?}",
            text,
            read.asked.call
        );
        let events = world.events(&sink).await?;
        let kept = events.iter().any(
            |event| matches!(&event.what, What::Requested { asked: kept } if *kept == read.asked),
        );
        ensure!(kept, "{text:.40?} is not in the trail as it was asked");
    }
    Ok(())
}
