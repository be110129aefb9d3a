//! Rules about what finished long ago. A store may keep any of it longer.

use std::time::Duration;

use approvals_core::review::{Choice, Command, Phase};
use approvals_core::store::{Filter, Opened};
use approvals_core::{RequestId, Requirement};

use super::steps::World;
use crate::report::{Found, Judgment, Rule, ensure, rules};
use crate::sample::{REVIEWERS, known, withdraw};

pub(super) const RULES: &[Rule<World>] = rules![World:
    "of what is archived the keys still tell how it ended, and the trail has all of it" => archived,
    "what is pending, in doubt, owed or granted is never archived" => kept,
    "nothing is archived before its time" => early,
];

const DAY: Duration = Duration::from_secs(24 * 3600);

fn reusable() -> Requirement {
    known(known(Requirement::one_of(REVIEWERS)).reuse(3, DAY * 7))
}

async fn listed(world: &World) -> Result<Vec<RequestId>, Found> {
    let all = world.store.list(&Filter::default(), None, 100).await?;
    Ok(all.iter().map(|record| record.id()).collect())
}

async fn archived(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let sample = world.sample()?;
    let keyed = world.ask(&sample.clone().key("step-1")).await?;
    let other = world.ask(&sample.clone().table("orders")).await?;
    let pending = world.ask(&sample.clone().table("people")).await?;
    for id in [keyed.id(), other.id()] {
        world.carry(id, &withdraw()).await?;
    }
    let trail = world.events(&sink).await?;
    world.clock.advance(DAY * 400);
    let count = world.store.archive(DAY * 30).await?;
    let left = listed(&world).await?;
    ensure!(left.contains(&pending.id()), "what is pending is gone");
    let gone = 3_u64.saturating_sub(u64::try_from(left.len()).unwrap_or(3));
    ensure!(count == gone, "{count} are said to be archived, {gone} are");
    let more = world.store.archive(DAY * 30).await?;
    ensure!(more == 0, "asked again, it archives {more} more");
    let known = world.store.read(other.id()).await?;
    ensure!(
        known.is_some() == left.contains(&other.id()),
        "without a key it is listed or gone: {known:?}"
    );
    let rest = world.record(keyed.id()).await?;
    ensure!(
        rest.state.phase() == Phase::Withdrawn && rest.asked.digest == keyed.asked.digest,
        "of what was withdrawn is left: {rest:?}"
    );
    let later = world.sample()?;
    let again = world.open(&later.clone().key("step-1")).await?;
    ensure!(
        matches!(&again, Opened::Found(found) if found.id() == keyed.id()),
        "under its key is {again:?}"
    );
    let another = later.table("salaries").key("step-1");
    let refused = world.open(&another).await?;
    ensure!(
        matches!(refused, Opened::Refused(_)),
        "another call under its key is {refused:?}"
    );
    let told = world.events(&sink).await?;
    ensure!(told == trail, "the sink is offered {told:?}");
    Ok(())
}

async fn kept(world: World) -> Judgment {
    let sample = world.sample()?;
    let granted = sample.clone().requirement(reusable());
    let grantor = world.ask(&granted).await?.id();
    world.vote(grantor, "alice", Choice::Approve).await?;
    let fence = world.run(grantor).await?.fence;
    let finish = Command::Finish {
        fence,
        succeeded: true,
        summary: None,
    };
    world.carry(grantor, &finish).await?;
    let lost = world.ask(&sample.clone().table("orders")).await?.id();
    world.lose(lost).await?;
    let pending = world.ask(&sample.table("people")).await?.id();
    world.clock.advance(DAY * 3);
    world.store.archive(Duration::ZERO).await?;
    let left = listed(&world).await?;
    for (id, what) in [
        (grantor, "with an open grant"),
        (lost, "in doubt"),
        (pending, "pending"),
    ] {
        ensure!(left.contains(&id), "what is {what} is gone");
    }
    let again = world.sample()?.requirement(reusable());
    let opened = world.open(&again).await?;
    ensure!(
        matches!(opened, Opened::Granted { .. }),
        "the grant covers nothing more: {opened:?}"
    );
    Ok(())
}

async fn early(world: World) -> Judgment {
    let id = world.ask(&world.sample()?).await?.id();
    world.carry(id, &withdraw()).await?;
    world.clock.advance(DAY * 2);
    let count = world.store.archive(DAY * 3).await?;
    ensure!(count == 0, "{count} are archived");
    ensure!(listed(&world).await? == [id], "it is not listed");
    Ok(())
}
