//! An operator: takes back, revokes, freezes and reviews afterwards as the seed says, and notes what
//! was acknowledged.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::review::Record;
use approvals_core::store::Filter;
use approvals_core::{ApprovalError, Gate, PersonId, Phase, RequestId};
use tokio::time::sleep;

use crate::files::Lines;
use crate::point::Points;
use crate::roles::{Role, ready};
use crate::setting::{Inbox, LEASE, OPERATOR, gate};
use crate::{Failure, Random};

/// How often it looks around.
const LOOK: Duration = Duration::from_millis(20);
/// How many of a hundred requests that are pending are taken back.
const WITHDRAWS: u64 = 4;
/// How many of a hundred that are approved are revoked.
const REVOKES: u64 = 25;
/// How many of a hundred looks begin with a freeze.
const FREEZES: u64 = 3;
/// How long a freeze lasts at most.
const FREEZE: Duration = Duration::from_millis(80);

struct Operator {
    gate: Gate,
    who: PersonId,
    operations: Lines,
    points: Arc<Points>,
    seed: u64,
}

pub(crate) async fn run(role: Role) -> Result<(), Failure> {
    let (store, points) = role.store().await?;
    let gate = loop {
        match gate(Arc::clone(&store), LEASE, |_| Arc::new(Inbox)).await {
            Ok(gate) => break gate,
            // The server may be down.
            Err(_) => sleep(LOOK).await,
        }
    };
    let operator = Operator {
        gate,
        who: PersonId::new(OPERATOR)?,
        operations: Lines::open(&role.files.operations())?,
        points,
        seed: role.seed,
    };
    // The one before may have been killed before it lifted its freeze.
    operator.thaw().await;
    ready();
    let mut random = Random::of(role.seed, &std::process::id().to_string());
    loop {
        if random.in_hundred(FREEZES)
            && operator.gate.freeze(&operator.who, "a drill").await.is_ok()
        {
            operator.note("freeze", None).await?;
            sleep(random.within(FREEZE)).await;
            operator.thaw().await;
        }
        operator.look_around().await?;
        sleep(LOOK).await;
    }
}

impl Operator {
    /// Until it is done: nothing runs before.
    async fn thaw(&self) {
        while self
            .gate
            .thaw(&self.who, "the drill is over")
            .await
            .is_err()
        {
            sleep(LOOK).await;
        }
    }

    async fn look_around(&self) -> Result<(), Failure> {
        for record in self.listed(&[Phase::Pending], false).await {
            if self.wants("withdraw", &record, WITHDRAWS) {
                let done = self.gate.withdraw(record.id()).await;
                self.told("withdraw", record.id(), done).await?;
            }
        }
        for record in self.listed(&[Phase::Approved, Phase::Claimed], false).await {
            if self.wants("revoke", &record, REVOKES) {
                let done = self.gate.revoke(record.id(), &self.who, "a drill").await;
                self.told("revoke", record.id(), done).await?;
            }
        }
        for record in self.listed(&[], true).await {
            let id = record.id();
            let done = self.gate.review_afterwards(id, &self.who, "it was right");
            self.told("review", id, done.await).await?;
        }
        Ok(())
    }

    /// None while the store does not answer.
    async fn listed(&self, phases: &[Phase], review_owed: bool) -> Vec<Arc<Record>> {
        let filter = Filter {
            phases: phases.to_vec(),
            review_owed,
            ..Filter::default()
        };
        let listed = self.gate.requests(&filter, None, 64).await;
        listed.unwrap_or_default()
    }

    /// The same however often it looks.
    fn wants(&self, what: &str, record: &Record, of_hundred: u64) -> bool {
        Random::of(self.seed, &format!("{} {what}", record.id())).in_hundred(of_hundred)
    }

    /// What is refused came too late, or may have been done.
    async fn told(
        &self,
        what: &str,
        request: RequestId,
        done: Result<Arc<Record>, ApprovalError>,
    ) -> Result<(), Failure> {
        match done {
            Ok(_) => self.note(what, Some(request)).await,
            Err(_) => Ok(()),
        }
    }

    async fn note(&self, what: &str, request: Option<RequestId>) -> Result<(), Failure> {
        let request = request.map_or("-".to_owned(), |request| request.to_string());
        let line = format!("{what} {request}");
        let note = async { self.operations.append(&line) };
        Ok(self.points.pass("operation", note).await?)
    }
}
