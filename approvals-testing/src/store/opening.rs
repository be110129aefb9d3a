//! Rules about opening requests.

use std::collections::BTreeMap;
use std::time::Duration;

use approvals_core::review::{Choice, Command, Limits, Phase, Refusal};
use approvals_core::store::{Filter, Opened};
use approvals_core::{Presentation, What};
use std::sync::Arc;

use super::steps::{CROWD, World};
use crate::report::{Found, Judgment, Rule, ensure, rules};
use crate::sample::{ballot, intended, person, reusable, withdraw};

pub(super) const RULES: &[Rule<World>] = rules![World:
    "an opening stores its record, its deliveries and its event in one commit" => asks,
    "a key finds its request, whatever became of it, and refuses another call" => keys,
    "concurrent openings under one key make one request" => keyed_crowd,
    "an id is used once" => ids,
    "a denial of the same digest stands, and then people are asked again" => denial_stands,
    "a call in doubt is refused, or asked with a warning when it is idempotent" => in_doubt,
    "no more requests are pending than the limit, however many are opened at once" => pending_limit,
    "the limits on asks within the hour and after denials hold" => limits,
    "an opening that is refused stores nothing" => refused_stores_nothing,
    "a grant covers its uses, one after the other, and no more" => grant,
    "concurrent openings take no more uses than a grant has" => grant_crowd,
    "a grant that is revoked, over or of another requirement covers nothing" => closed_grant,
    "whoever proposed the values cannot vote on them" => proposers,
];

async fn asks(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let opening = world.sample()?.opening();
    let id = opening.asked.id;
    let opened = world.store.open(opening.clone(), vec![intended()]).await?;
    let Opened::Asked { record, last_event } = opened else {
        return Err(Found(format!("people should be asked, but: {opened:?}")));
    };
    ensure!(
        record.asked == opening.asked,
        "other things are asked: {record:?}"
    );
    ensure!(
        record.revision == 1,
        "its first revision is {}",
        record.revision
    );
    ensure!(
        *world.record(id).await? == *record,
        "another record is read"
    );
    let deliveries = world.store.deliveries(id).await?;
    ensure!(
        *deliveries == [intended()],
        "its deliveries are {deliveries:?}"
    );
    let events = world.events(&sink).await?;
    let [event] = events.as_slice() else {
        return Err(Found(format!("its events are {events:?}")));
    };
    ensure!(
        event.number == last_event && event.request == Some(id) && event.revision == 1,
        "its event is {event:?}, and {last_event} was told"
    );
    ensure!(
        matches!(&event.what, What::Requested { .. }),
        "its event is {event:?}"
    );
    Ok(())
}

async fn keys(world: World) -> Judgment {
    let keyed = world.sample()?.key("step-1");
    let id = world.ask(&keyed).await?.id();
    let found = world.open(&keyed).await?;
    ensure!(
        matches!(&found, Opened::Found(record) if record.id() == id),
        "the same call under the same key: {found:?}"
    );
    let other = world.open(&keyed.clone().table("salaries")).await?;
    ensure!(
        matches!(&other, Opened::Refused(Refusal::KeyOfAnotherCall(_))),
        "another call under the same key: {other:?}"
    );
    world.vote(id, "alice", Choice::Deny).await?;
    let found = world.open(&keyed).await?;
    ensure!(
        matches!(&found, Opened::Found(r) if r.state.phase() == Phase::Denied),
        "the key of a denied request: {found:?}"
    );
    let other_key = world.sample()?.table("salaries").key("step-2");
    world.ask(&other_key).await?;
    Ok(())
}

async fn keyed_crowd(world: World) -> Judgment {
    let opened = world
        .crowd(|world, _| async move { world.open(&world.sample()?.key("step-1")).await })
        .await?;
    let mut ids = Vec::new();
    let mut asked = 0;
    for one in opened {
        match one {
            Opened::Asked { record, .. } => {
                asked += 1;
                ids.push(record.id());
            }
            Opened::Found(record) => ids.push(record.id()),
            other => return Err(Found(format!("one of them: {other:?}"))),
        }
    }
    ids.sort_unstable();
    ids.dedup();
    ensure!(
        asked == 1 && ids.len() == 1,
        "{asked} asked, {} requests",
        ids.len()
    );
    Ok(())
}

async fn ids(world: World) -> Judgment {
    let opening = world.sample()?.opening();
    let id = opening.asked.id;
    world.store.open(opening.clone(), vec![intended()]).await?;
    let before = world.vote(id, "alice", Choice::Approve).await?;
    let again = world.store.open(opening, vec![intended()]).await;
    ensure!(again.is_err(), "the same id a second time: {again:?}");
    ensure!(
        *world.record(id).await? == *before,
        "the first one was replaced"
    );
    Ok(())
}

async fn denial_stands(world: World) -> Judgment {
    let sample = world.sample()?;
    let id = world.ask(&sample).await?.id();
    world.vote(id, "alice", Choice::Deny).await?;
    let again = world.open(&sample).await?;
    ensure!(
        matches!(&again, Opened::Refused(Refusal::DenialStands(r)) if r.id() == id),
        "right after a denial: {again:?}"
    );
    world.ask(&sample.clone().table("salaries")).await?;
    world.clock.advance(Limits::default().denial_stands_for);
    world.ask(&world.sample()?).await?;
    Ok(())
}

async fn in_doubt(world: World) -> Judgment {
    let sample = world.sample()?;
    let id = world.ask(&sample).await?.id();
    world.lose(id).await?;
    let again = world.open(&sample).await?;
    ensure!(
        matches!(&again, Opened::Refused(Refusal::InDoubt(r)) if r.id() == id),
        "a call in doubt: {again:?}"
    );
    let idempotent = sample.table("salaries").idempotent();
    let id = world.ask(&idempotent).await?.id();
    world.lose(id).await?;
    let asked = world.ask(&idempotent).await?;
    let warned = asked.asked.may_have_run;
    ensure!(
        warned == Some(id),
        "reviewers of an idempotent call in doubt are warned of {warned:?}"
    );
    let shown = Presentation::of(&asked.asked).hash();
    ensure!(
        asked.asked.shown == shown,
        "`shown` is not the hash of what reviewers see now"
    );
    ensure!(
        *world.record(asked.id()).await? == *asked,
        "another record is read"
    );
    Ok(())
}

async fn pending_limit(world: World) -> Judgment {
    let limits = Limits {
        pending: 3,
        ..Limits::default()
    };
    let opened = world
        .crowd(move |world, n| async move {
            let sample = world.sample()?.table(&n.to_string()).limits(limits);
            world.open(&sample).await
        })
        .await?;
    let asked = opened.iter().filter(|o| matches!(o, Opened::Asked { .. }));
    let refused = opened
        .iter()
        .filter(|o| matches!(o, Opened::Refused(Refusal::TooManyPending(_))));
    let (asked, refused) = (asked.count(), refused.count());
    ensure!(
        asked == 3 && refused == CROWD - 3,
        "with a limit of 3, {asked} were asked and {refused} refused"
    );
    let pending = world.store.list(&Filter::default(), None, 100).await?;
    let first = pending.first().map(|record| record.id());
    let first = first.ok_or_else(|| Found("nothing is listed".to_owned()))?;
    world.carry(first, &withdraw()).await?;
    world
        .ask(&world.sample()?.table("next").limits(limits))
        .await?;
    Ok(())
}

async fn limits(world: World) -> Judgment {
    let limits = Limits {
        asks_per_hour: 2,
        ..Limits::default()
    };
    for table in ["one", "two"] {
        world
            .ask(&world.sample()?.table(table).limits(limits))
            .await?;
    }
    let third = world
        .open(&world.sample()?.table("three").limits(limits))
        .await?;
    ensure!(
        matches!(third, Opened::Refused(Refusal::TooManyAsks(2))),
        "a third ask within the hour: {third:?}"
    );
    world.clock.advance(Duration::from_secs(3600));
    world
        .ask(&world.sample()?.table("three").limits(limits))
        .await?;

    let limits = Limits {
        denials: 2,
        ..Limits::default()
    };
    for table in ["four", "five"] {
        let sample = world.sample()?.table(table).limits(limits);
        let id = world.ask(&sample).await?.id();
        world.vote(id, "alice", Choice::Deny).await?;
    }
    let paused = world
        .open(&world.sample()?.table("six").limits(limits))
        .await?;
    ensure!(
        matches!(paused, Opened::Refused(Refusal::Paused { denials: 2, .. })),
        "after two denials: {paused:?}"
    );
    world.clock.advance(limits.pause);
    world
        .ask(&world.sample()?.table("six").limits(limits))
        .await?;
    Ok(())
}

async fn refused_stores_nothing(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let sample = world.sample()?;
    let id = world.ask(&sample).await?.id();
    world.vote(id, "alice", Choice::Deny).await?;
    let events = world.events(&sink).await?;
    let refused = sample.opening();
    let refused_id = refused.asked.id;
    world.store.open(refused, vec![intended()]).await?;
    ensure!(
        world.store.read(refused_id).await?.is_none(),
        "a refused opening has a record"
    );
    ensure!(
        world.store.deliveries(refused_id).await?.is_empty(),
        "a refused opening has deliveries"
    );
    ensure!(
        world.events(&sink).await? == events,
        "a refused opening left events"
    );
    Ok(())
}

async fn grant(world: World) -> Judgment {
    let sink = world.sink("observer").await?;
    let sample = world.sample()?.requirement(reusable(3));
    let grantor = world.ask(&sample).await?.id();
    let approved = world.vote(grantor, "alice", Choice::Approve).await?;
    for left in [1, 0] {
        let opened = world.open(&sample).await?;
        let Opened::Granted { record, last_event } = opened else {
            return Err(Found(format!("with a use left: {opened:?}")));
        };
        ensure!(
            record.state.phase() == Phase::Approved && record.granted_by == Some(grantor),
            "a granted request is {record:?}"
        );
        ensure!(
            record.votes == approved.votes,
            "the votes did not come along"
        );
        ensure!(
            *world.record(record.id()).await? == *record,
            "another record is read"
        );
        let poorer = world.record(grantor).await?;
        let uses = poorer.grant.map(|grant| grant.uses_left);
        ensure!(uses == Some(left), "{uses:?} uses are left and not {left}");
        let events = world.events(&sink).await?;
        let last = events.last().map(|event| event.number);
        ensure!(
            last == Some(last_event),
            "{last_event} was told and {last:?} is the last event"
        );
        let used = |what: &What| matches!(what, What::GrantUsed { by, .. } if *by == record.id());
        ensure!(
            events.iter().any(|e| used(&e.what)),
            "the use of the grant is not in the trail"
        );
    }
    world.ask(&sample).await?;
    Ok(())
}

async fn grant_crowd(world: World) -> Judgment {
    let sample = world.sample()?.requirement(reusable(4));
    let grantor = world.ask(&sample).await?.id();
    world.vote(grantor, "alice", Choice::Approve).await?;
    let opened = world
        .crowd(
            |world, _| async move { world.open(&world.sample()?.requirement(reusable(4))).await },
        )
        .await?;
    let granted = opened
        .iter()
        .filter(|o| matches!(o, Opened::Granted { .. }));
    let granted = granted.count();
    ensure!(granted == 3, "{granted} uses were taken where 3 were left");
    Ok(())
}

async fn closed_grant(world: World) -> Judgment {
    let sample = world.sample()?.requirement(reusable(5));
    let grantor = world.ask(&sample).await?.id();
    world.vote(grantor, "alice", Choice::Approve).await?;
    world.ask(&sample.clone().requirement(reusable(6))).await?;
    let revoke = Command::Revoke {
        by: person("dave"),
        reason: "no longer".into(),
    };
    world.carry(grantor, &revoke).await?;
    world.ask(&sample).await?;

    let sample = sample.table("salaries");
    let grantor = world.ask(&sample).await?.id();
    world.vote(grantor, "alice", Choice::Approve).await?;
    world.clock.advance(Duration::from_secs(3600));
    world
        .ask(&world.sample()?.table("salaries").requirement(reusable(5)))
        .await?;
    Ok(())
}

async fn proposers(world: World) -> Judgment {
    let id = world.ask(&world.sample()?).await?.id();
    let record = world.record(id).await?;
    let mut denial = ballot(&record.asked, record.revision, "alice", Choice::Deny);
    denial.proposal = Some(Arc::new(BTreeMap::from([(
        "table".to_owned(),
        "orders".into(),
    )])));
    world.carry(id, &Command::Vote(Box::new(denial))).await?;
    let proposed = world.ask(&world.sample()?.table("orders")).await?;
    ensure!(
        proposed.excluded.contains(&person("alice")),
        "whoever proposed the value may vote on it"
    );
    let other = world.ask(&world.sample()?.table("salaries")).await?;
    ensure!(
        !other.excluded.contains(&person("alice")),
        "a proposal excludes its author from other values too"
    );
    Ok(())
}
