//! Rules about what a store that archives keeps, and what is left of the rest.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::review::{Choice, Command, Phase};
use approvals_core::store::{Filter, Opened, StoreError};
use approvals_core::{RequestId, Requirement};

use super::steps::World;
use crate::report::{Found, Judgment, Rule, ensure, rules};
use crate::sample::{REVIEWERS, intended, withdraw};

pub(super) const RULES: &[Rule<Archive>] = rules![Archive:
    "what finished so long ago is archived, and nothing else" => long_ago,
    "nothing is archived within a day" => a_day,
    "what is archived without a key is gone" => unkeyed,
    "a key tells how its archived request ended, and refuses another call" => keyed,
    "a grant is archived when it is over, and no sooner" => grants,
    "a denial is kept while it closes a grant" => closing,
    "what is in doubt is never archived" => in_doubt,
    "no sink misses an event of what is archived" => trail,
];

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How many went, when they have.
pub(super) type Archived = Pin<Box<dyn Future<Output = Result<u64, StoreError>> + Send>>;

/// Archives what finished so long ago.
type Archives = Arc<dyn Fn(Duration) -> Archived + Send + Sync>;

/// A new store that archives, and its clock.
#[derive(Clone)]
pub(crate) struct Archive {
    pub(super) world: World,
    pub(super) archives: Archives,
}

impl Archive {
    /// How many are archived.
    async fn of(&self, finished_for: Duration) -> Result<u64, Found> {
        Ok((self.archives)(finished_for).await?)
    }

    async fn listed(&self) -> Result<Vec<RequestId>, Found> {
        let all = self.world.store.list(&Filter::default(), None, 100).await?;
        Ok(all.iter().map(|record| record.id()).collect())
    }

    /// Asked and withdrawn.
    async fn finished(&self, table: &str, key: Option<&str>) -> Result<RequestId, Found> {
        let sample = self.world.sample()?.table(table);
        let sample = match key {
            Some(key) => sample.key(key),
            None => sample,
        };
        let id = self.world.ask(&sample).await?.id();
        self.world.carry(id, &withdraw()).await?;
        Ok(id)
    }

    /// Asks for a yes that covers further runs, and gets it.
    async fn granted(&self, days: u32) -> Result<RequestId, Found> {
        let sample = self.world.sample()?.requirement(reusable(days)?);
        let id = self.world.ask(&sample).await?.id();
        self.world.vote(id, "alice", Choice::Approve).await?;
        // Nobody runs it in time: it has finished, and its grant is open.
        self.world.clock.advance(HOUR);
        let record = self.world.carry(id, &Command::Due).await?;
        let phase = record.state.phase();
        ensure!(phase == Phase::Lapsed, "it is {phase:?}");
        Ok(id)
    }
}

fn reusable(days: u32) -> Result<Requirement, Found> {
    Ok(Requirement::one_of(REVIEWERS)?.reuse(3, DAY * days)?)
}

async fn long_ago(store: Archive) -> Judgment {
    let old = store.finished("old", None).await?;
    store.world.clock.advance(DAY);
    let new = store.finished("new", None).await?;
    let pending = store.world.ask(&store.world.sample()?).await?.id();
    store.world.clock.advance(DAY * 2);
    let archived = store.of(DAY * 3 + HOUR).await?;
    ensure!(archived == 0, "{archived} are archived too early");
    let archived = store.of(DAY * 3).await?;
    ensure!(archived == 1, "{archived} are archived where one is to be");
    let listed = store.listed().await?;
    ensure!(
        !listed.contains(&old) && listed == [new, pending],
        "then there are {listed:?}"
    );
    let archived = store.of(DAY * 3).await?;
    ensure!(archived == 0, "{archived} are archived again");
    Ok(())
}

async fn a_day(store: Archive) -> Judgment {
    store.finished("new", None).await?;
    store.world.clock.advance(DAY - Duration::from_millis(1));
    let archived = store.of(Duration::ZERO).await?;
    ensure!(archived == 0, "{archived} are archived within a day");
    store.world.clock.advance(Duration::from_millis(1));
    let archived = store.of(Duration::ZERO).await?;
    ensure!(archived == 1, "{archived} are archived after a day");
    Ok(())
}

async fn unkeyed(store: Archive) -> Judgment {
    let id = store.finished("orders", None).await?;
    store.world.clock.advance(DAY);
    store.of(DAY).await?;
    let read = store.world.store.read(id).await?;
    ensure!(read.is_none(), "{read:?} is left");
    let copies = store.world.store.deliveries(id).await?;
    ensure!(copies.is_empty(), "its copies are left: {copies:?}");
    let channel = intended().channel;
    let due = store.world.store.copies_due(&channel, 10).await?;
    ensure!(due.is_empty(), "its copies are due: {due:?}");
    Ok(())
}

async fn keyed(store: Archive) -> Judgment {
    let id = store.finished("customers", Some("step-1")).await?;
    let before = store.world.record(id).await?;
    store.world.clock.advance(DAY);
    store.of(DAY).await?;
    let listed = store.listed().await?;
    ensure!(listed.is_empty(), "it is listed: {listed:?}");
    let rest = store.world.record(id).await?;
    ensure!(rest.state == before.state, "it ended as {:?}", rest.state);
    let digest = rest.asked.call.digest();
    ensure!(digest == before.asked.digest, "its digest is another");
    ensure!(
        rest.asked.call.argument("table").is_none(),
        "its arguments are kept"
    );
    let again = store.world.sample()?.key("step-1");
    let found = store.world.open(&again).await?;
    ensure!(
        matches!(&found, Opened::Found(record) if *record == rest),
        "under its key there is {found:?}"
    );
    let other = store.world.open(&again.table("salaries")).await?;
    ensure!(
        matches!(other, Opened::Refused(_)),
        "another call under its key: {other:?}"
    );
    Ok(())
}

async fn grants(store: Archive) -> Judgment {
    let grantor = store.granted(7).await?;
    store.world.clock.advance(DAY * 2);
    let archived = store.of(DAY).await?;
    ensure!(archived == 0, "a grant is archived while it is open");
    let sample = store.world.sample()?.requirement(reusable(7)?);
    let granted = store.world.open(&sample).await?;
    let Opened::Granted { record, .. } = granted else {
        return Err(Found(format!("its use should be taken, but: {granted:?}")));
    };
    store.world.clock.advance(DAY * 6);
    store.of(DAY).await?;
    let listed = store.listed().await?;
    ensure!(listed == [record.id()], "of {grantor} is left {listed:?}");
    Ok(())
}

async fn closing(store: Archive) -> Judgment {
    store.granted(7).await?;
    // Another requirement asks people again, and they say no.
    let sample = store.world.sample()?.requirement(reusable(6)?);
    let denied = store.world.ask(&sample).await?.id();
    store.world.vote(denied, "alice", Choice::Deny).await?;
    store.world.clock.advance(DAY * 2);
    let archived = store.of(DAY).await?;
    ensure!(archived == 0, "it is archived while it closes a grant");
    let sample = store.world.sample()?.requirement(reusable(7)?);
    let asked = store.world.open(&sample).await?;
    ensure!(
        matches!(asked, Opened::Asked { .. }),
        "the grant is open: {asked:?}"
    );
    store.world.clock.advance(DAY * 7);
    let archived = store.of(DAY).await?;
    ensure!(archived == 2, "when it is over {archived} are archived");
    Ok(())
}

async fn in_doubt(store: Archive) -> Judgment {
    let id = store.world.ask(&store.world.sample()?).await?.id();
    store.world.lose(id).await?;
    store.world.clock.advance(DAY * 400);
    let archived = store.of(Duration::ZERO).await?;
    ensure!(archived == 0, "it is archived");
    store.world.record(id).await?;
    Ok(())
}

async fn trail(store: Archive) -> Judgment {
    let sink = store.world.sink("observer").await?;
    store.finished("orders", None).await?;
    let before = store.world.events(&sink).await?;
    store.world.clock.advance(DAY * 30);
    store.of(DAY).await?;
    let after = store.world.events(&sink).await?;
    ensure!(after == before, "of {before:?} it is offered {after:?}");
    Ok(())
}
