//! Rules about what is told of a call before it is opened.

use std::time::Duration;

use approvals_core::review::{Phase, keyed};
use approvals_core::store::{Delivery, DeliveryState, Opened};
use approvals_core::{Receipt, RequestId, SinkId};

use super::steps::World;
use crate::report::{Found, Judgment, Rule, ensure, rules};
use crate::sample::{Sample, intended, withdraw};

pub(super) const RULES: &[Rule<World>] = rules![World:
    "what is known under a key, if anything, is what opening finds, and asking changes nothing" => known,
];

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn known(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let sample = world.sample()?.key("step-1");
    told_as_opened(&world, &sink, &sample).await?;
    let id = world.ask(&sample).await?.id();
    told_as_opened(&world, &sink, &sample).await?;
    let delivered = Delivery {
        state: DeliveryState::Delivered(Receipt::handle("1700000.42")),
        ..intended()
    };
    world.store.note_delivery(id, delivered).await?;
    told_as_opened(&world, &sink, &sample).await?;
    let another = sample.clone().table("salaries");
    told_as_opened(&world, &sink, &another).await?;
    // An equal call that may have run.
    let equal = world.ask(&world.sample()?).await?.id();
    world.lose(equal).await?;
    told_as_opened(&world, &sink, &sample).await?;
    world.carry(id, &withdraw()).await?;
    told_as_opened(&world, &sink, &sample).await?;
    world.clock.advance(DAY * 400);
    world.store.archive(DAY * 30).await?;
    told_as_opened(&world, &sink, &sample).await
}

/// A store may know nothing. What it does know stands in what it tells.
async fn told_as_opened(world: &World, sink: &SinkId, sample: &Sample) -> Judgment {
    let opening = sample.opening();
    let key = opening.key.ok_or_else(|| Found("it has no key".into()))?;
    let trail = world.events(sink).await?;
    let known = world.store.known(key, opening.asked.digest).await?;
    ensure!(
        known.now == world.now()?,
        "the time is said to be {}",
        known.now
    );
    ensure!(
        world.events(sink).await? == trail,
        "asking stands in the trail"
    );
    let Some(told) = keyed(&opening.asked.call, &known.standing, known.now) else {
        ensure!(
            known.deliveries.is_empty(),
            "copies of nothing: {:?}",
            known.deliveries
        );
        return Ok(());
    };
    match (told, world.open(sample).await?) {
        (Ok(told), Opened::Found(found)) => {
            ensure!(*told == *found, "{told:?} is told, and found {found:?}");
            copies(world, told.id(), &known.deliveries).await
        }
        (Err(told), Opened::Refused(refused)) => {
            let (told, refused) = (format!("{told:?}"), format!("{refused:?}"));
            ensure!(told == refused, "{told} is told, and then {refused}");
            Ok(())
        }
        (told, opened) => Err(Found(format!("{told:?} is told, and then {opened:?}"))),
    }
}

/// Of what is archived no copy is left.
async fn copies(world: &World, id: RequestId, told: &[Delivery]) -> Judgment {
    let deliveries = world.store.deliveries(id).await?;
    ensure!(
        *told == *deliveries,
        "copies {told:?} are told of {deliveries:?}"
    );
    let phase = world.record(id).await?.state.phase();
    ensure!(
        phase != Phase::Pending || !told.is_empty(),
        "no copy of what is pending is told"
    );
    Ok(())
}
