//! Rules about what is listed.

use std::time::Duration;

use approvals_core::review::{Choice, Command, Limits, Phase};
use approvals_core::store::Filter;
use approvals_core::{People, RequestId, Requirement};

use super::steps::World;
use crate::report::{Found, Judgment, Rule, ensure, rules};
use crate::sample::{REVIEWERS, ballot, known, person};

pub(super) const RULES: &[Rule<World>] = rules![World:
    "a list has what its filter wants, by id" => list,
    "a list of what owes a review has it from the broken glass until the review" => review_owed,
    "a list that is read in pages misses nothing and repeats nothing" => pages,
    "a filtered list that is read in pages has what the whole one has" => filtered_pages,
];

async fn list(world: World) -> Judgment {
    let pending = world.ask(&world.sample()?).await?.id();
    let denied = world.ask(&world.sample()?.table("salaries")).await?.id();
    world.vote(denied, "alice", Choice::Deny).await?;
    let ids = async |filter: Filter| -> Result<Vec<RequestId>, Found> {
        let found = world.store.list(&filter, None, 10).await?;
        Ok(found.iter().map(|record| record.id()).collect())
    };
    let mut all = vec![pending, denied];
    all.sort_unstable();
    let filter = Filter::default();
    ensure!(
        ids(filter.clone()).await? == all,
        "without a filter not all are listed"
    );
    let changed = Filter {
        changed: true,
        ..filter.clone()
    };
    ensure!(
        ids(changed.clone()).await? == [denied],
        "by whether anything has become of it"
    );
    let phases = |phases: &[Phase]| Filter {
        phases: phases.to_vec(),
        ..filter.clone()
    };
    let pending_and_changed = Filter {
        phases: vec![Phase::Pending],
        ..changed
    };
    ensure!(
        ids(pending_and_changed).await?.is_empty(),
        "by a phase and whether anything has become of it"
    );
    ensure!(
        ids(phases(&[Phase::Denied])).await? == [denied],
        "by one phase"
    );
    let both = phases(&[Phase::Denied, Phase::Pending]);
    ensure!(ids(both).await? == all, "by two phases");
    ensure!(
        ids(phases(&[Phase::InDoubt])).await?.is_empty(),
        "by a phase of none"
    );
    let action = |name: &str| -> Result<Filter, Found> {
        Ok(Filter {
            action: Some(name.parse()?),
            ..filter.clone()
        })
    };
    ensure!(ids(action("sample.export")?).await? == all, "by the action");
    ensure!(
        ids(action("sample.drop")?).await?.is_empty(),
        "by another action"
    );
    for (requester, wanted) in [
        ("person:bob", all.clone()),
        ("agent:exporter", all.clone()),
        ("person:alice", Vec::new()),
    ] {
        let by_requester = Filter {
            requester: Some(requester.parse()?),
            ..filter.clone()
        };
        let found = ids(by_requester).await?;
        ensure!(found == wanted, "by the requester {requester}: {found:?}");
    }
    let limited = world.store.list(&filter, None, 1).await?;
    ensure!(limited.len() == 1, "a limit of 1 lists {}", limited.len());
    Ok(())
}

async fn pages(world: World) -> Judgment {
    let mut wanted = Vec::new();
    for n in 0..7 {
        world.clock.advance(Duration::from_millis(1));
        wanted.push(
            world
                .ask(&world.sample()?.table(&n.to_string()))
                .await?
                .id(),
        );
    }
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = world.store.list(&Filter::default(), after, 2).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id());
        found.extend(page.iter().map(|record| record.id()));
        // What changes or is made meanwhile does not disturb the rest.
        if found.len() == 4 {
            let first = found.first().copied().unwrap_or_else(|| last.id());
            world.vote(first, "alice", Choice::Deny).await?;
            world.clock.advance(Duration::from_millis(1));
            wanted.push(world.ask(&world.sample()?.table("new")).await?.id());
        }
        ensure!(found.len() <= 20, "the list does not end: {found:?}");
    }
    ensure!(
        found == wanted,
        "the pages have {found:?} and not {wanted:?}"
    );
    Ok(())
}

/// Denials do not stand in the way.
const PATIENT: Limits = Limits {
    pending: 100,
    asks_per_hour: 100,
    denials: 100,
    pause: Duration::from_secs(1),
    denial_stands_for: Duration::from_secs(1),
};

/// Alice breaks the glass of a new request. Returns its id.
async fn broken(world: &World, table: &str) -> Result<RequestId, Found> {
    let glass = known(known(Requirement::one_of("others")).break_glass(REVIEWERS));
    let sample = world.sample()?.table(table).requirement(glass);
    let sample = sample.limits(PATIENT);
    let record = world.ask(&sample).await?;
    let mut alone = ballot(&record.asked, record.revision, "alice", Choice::BreakGlass);
    alone.comment = Some("it is down".into());
    let vote = Command::Vote(Box::new(alone));
    let record = world.carry(record.id(), &vote).await?;
    ensure!(
        record.review_owed.is_some(),
        "a broken glass owes a review: {record:?}"
    );
    Ok(record.id())
}

fn owed() -> Filter {
    Filter {
        review_owed: true,
        ..Filter::default()
    }
}

async fn ids(
    world: &World,
    filter: &Filter,
    after: Option<RequestId>,
    limit: usize,
) -> Result<Vec<RequestId>, Found> {
    let page = world.store.list(filter, after, limit).await?;
    Ok(page.iter().map(|record| record.id()).collect())
}

async fn review_owed(world: World) -> Judgment {
    world.ask(&world.sample()?).await?;
    let listed = ids(&world, &owed(), None, 10).await?;
    ensure!(
        listed.is_empty(),
        "before a glass was broken it has {listed:?}"
    );
    let first = broken(&world, "one").await?;
    world.clock.advance(Duration::from_millis(1));
    let second = broken(&world, "two").await?;
    let listed = ids(&world, &owed(), None, 10).await?;
    ensure!(listed == [first, second], "of two it has {listed:?}");

    // It is owed however the request goes on.
    let fence = world.run(first).await?.fence;
    let finish = Command::Finish {
        fence,
        succeeded: true,
        summary: None,
    };
    world.carry(first, &finish).await?;
    let listed = ids(&world, &owed(), None, 10).await?;
    ensure!(
        listed == [first, second],
        "when one has finished it has {listed:?}"
    );
    for (phase, wanted) in [
        (Phase::Succeeded, vec![first]),
        (Phase::Approved, vec![second]),
        (Phase::Pending, Vec::new()),
    ] {
        let filter = Filter {
            phases: vec![phase],
            ..owed()
        };
        let listed = ids(&world, &filter, None, 10).await?;
        ensure!(listed == wanted, "of those {phase} it has {listed:?}");
    }
    let review = Command::ReviewAfterwards {
        by: person("carol"),
        excluded: People::from([person("bob")]),
        comment: "it had to be".into(),
    };
    world.carry(first, &review).await?;
    let listed = ids(&world, &owed(), None, 10).await?;
    ensure!(listed == [second], "after the review it has {listed:?}");
    Ok(())
}

/// Requests that are told apart by everything that a filter asks for; every other one is denied,
/// and every third owes a review.
async fn mixed(world: &World) -> Result<(), Found> {
    for n in 0..12 {
        world.clock.advance(Duration::from_millis(1));
        if n % 3 == 0 {
            broken(world, &n.to_string()).await?;
            continue;
        }
        let sample = world.sample()?.table(&n.to_string()).limits(PATIENT);
        let id = world.ask(&sample).await?.id();
        if n % 2 == 0 {
            world.vote(id, "alice", Choice::Deny).await?;
        }
    }
    Ok(())
}

async fn filtered_pages(world: World) -> Judgment {
    mixed(&world).await?;
    let phases = |phases: &[Phase]| Filter {
        phases: phases.to_vec(),
        ..Filter::default()
    };
    let filters = [
        (12, Filter::default()),
        (4, phases(&[Phase::Pending])),
        (4, phases(&[Phase::Denied])),
        (8, phases(&[Phase::Denied, Phase::Pending])),
        (8, phases(&[Phase::Pending, Phase::Approved])),
        (
            12,
            phases(&[Phase::Denied, Phase::Approved, Phase::Pending]),
        ),
        (4, owed()),
        (
            8,
            Filter {
                changed: true,
                ..Filter::default()
            },
        ),
        (
            12,
            Filter {
                action: Some("sample.export".parse()?),
                ..Filter::default()
            },
        ),
        (
            4,
            Filter {
                requester: Some("person:bob".parse()?),
                ..phases(&[Phase::Denied])
            },
        ),
        (
            4,
            Filter {
                action: Some("sample.export".parse()?),
                requester: Some("agent:exporter".parse()?),
                ..owed()
            },
        ),
    ];
    for (count, filter) in &filters {
        let whole = ids(&world, filter, None, 100).await?;
        ensure!(
            whole.len() == *count && whole.is_sorted(),
            "{filter:?} has {whole:?} and not {count}"
        );
        for limit in [1, 3, *count] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = ids(&world, filter, after, limit).await?;
                ensure!(
                    page.len() <= limit,
                    "a page of {limit} of {filter:?} has {page:?}"
                );
                let Some(last) = page.last() else { break };
                after = Some(*last);
                found.extend(page);
                ensure!(found.len() <= 100, "{filter:?} does not end");
            }
            ensure!(
                found == whole,
                "in pages of {limit} {filter:?} has {found:?} and not {whole:?}"
            );
        }
    }
    // A cursor stays one when its request is no longer wanted.
    let pending = phases(&[Phase::Pending]);
    let whole = ids(&world, &pending, None, 100).await?;
    let (Some(first), Some(rest)) = (whole.first(), whole.get(1..)) else {
        return Err(Found("nothing is pending".to_owned()));
    };
    world.vote(*first, "alice", Choice::Deny).await?;
    let page = ids(&world, &pending, Some(*first), 100).await?;
    ensure!(
        page == rest,
        "after one that was denied since there is {page:?} and not {rest:?}"
    );
    Ok(())
}
