//! A racer: does what it is told at the moment it is told, and says what it was answered.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use approvals_core::audit::NewEvent;
use approvals_core::review::{Command, Refused, apply};
use approvals_core::store::{Swap, Swapped};
use approvals_core::{
    ApprovalError, Call, CastVote, ChannelDesk, ChannelId, Choice, Desk, Gate, PersonId, Phase,
    RequestId, RequestStore, VoteError,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::sleep;

use super::told::{Told, Want};
use crate::files::Lines;
use crate::roles::{Role, ready};
use crate::setting::{CHANNEL, Inbox, directory, effect, gate, race, requester};
use crate::{Failure, Random};

/// How long anybody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long whoever waits for a deadline lets pass before it looks again.
const LOOKS_AGAIN: Duration = Duration::from_millis(10);

struct Racer {
    store: Arc<dyn RequestStore>,
    gate: Gate,
    desk: ChannelDesk,
    effects: Lines,
}

/// One order: `number request want hurry millis`.
struct Order {
    number: u64,
    request: RequestId,
    want: Want,
    hurry: u8,
    /// When, in milliseconds since 1970.
    at: u64,
}

impl Order {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        Some(Self {
            number: words.next()?.parse().ok()?,
            request: words.next()?.parse().ok()?,
            want: words.next()?.parse().ok()?,
            hurry: words.next()?.parse().ok()?,
            at: words.next()?.parse().ok()?,
        })
    }
}

pub(crate) async fn run(role: Role) -> Result<(), Failure> {
    let store = role.place.open(super::ANSWERS).await?;
    let racer = Arc::new(Racer {
        gate: gate(Arc::clone(&store), super::LEASE, |_| Arc::new(Inbox)).await?,
        desk: Desk::new(Arc::clone(&store), directory()?).channel(ChannelId::new(CHANNEL)?),
        effects: Lines::open(&role.files.effects())?,
        store,
    });
    ready();
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = orders.next_line().await? {
        let order = Order::read(&line).ok_or_else(|| format!("`{line}` is no order"))?;
        let racer = Arc::clone(&racer);
        let seed = role.seed;
        tokio::spawn(async move {
            let mut random = Random::of(seed, &line);
            wait_until(order.at, random.within(order.want.handicap())).await;
            let told = tokio::time::timeout(PATIENCE, racer.carry_out(&order)).await;
            let told = match told {
                Ok(Ok(told)) => told,
                Ok(Err(error)) => Told::Odd(error.to_string()),
                Err(_) => Told::Odd("nothing in a minute".to_owned()),
            };
            println!("{} {} {told}", order.number, order.want);
        });
    }
    Ok(())
}

/// Everybody at the same moment, but for less than `late`.
async fn wait_until(at: u64, late: Duration) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    sleep((Duration::from_millis(at) + late).saturating_sub(now)).await;
}

/// The call that a race is about.
pub(super) fn call(number: u64, hurry: u8) -> Result<Call, Failure> {
    Ok(Call::of(race()?, requester()?)
        .argument("race", &format!("race-{number}"))
        .argument("hurry", &hurry)
        .resource(format_args!("races/{number}"))
        .key(format_args!("race-{number}"))
        .build()?)
}

impl Racer {
    async fn carry_out(&self, order: &Order) -> Result<Told, Failure> {
        match order.want {
            Want::Approve => self.vote(order.request, "alice", Choice::Approve).await,
            Want::Deny => self.vote(order.request, "bob", Choice::Deny).await,
            Want::Withdraw => {
                let withdrawn = self.gate.withdraw(order.request).await;
                Ok(match withdrawn {
                    Ok(record) => Told::Won(record.state.phase()),
                    Err(error) => refused(&error),
                })
            }
            Want::Revoke => {
                let operator = PersonId::new("olga")?;
                let revoked = self.gate.revoke(order.request, &operator, "raced").await;
                Ok(match revoked {
                    Ok(record) => Told::Won(record.state.phase()),
                    Err(error) => refused(&error),
                })
            }
            Want::TimeOut => self.time_out(order.request).await,
            Want::Claim => self.claim(order).await,
        }
    }

    async fn vote(&self, request: RequestId, who: &str, choice: Choice) -> Result<Told, Failure> {
        let record = self.desk.look(request).await?;
        let cast = CastVote {
            request,
            tenant: String::new(),
            user: who.to_owned(),
            choice,
            comment: None,
            proposal: None,
            digest: record.asked.digest,
            shown: record.asked.shown,
            revision: record.revision,
        };
        Ok(match self.desk.vote(cast).await {
            Ok(record) => Told::Won(record.state.phase()),
            Err(VoteError::Settled(record)) => Told::of_record(&record),
            Err(error) => Told::Odd(error.to_string()),
        })
    }

    /// Lets what is due take effect, as every gate does; asks until something has.
    async fn time_out(&self, request: RequestId) -> Result<Told, Failure> {
        loop {
            let snapshot = self.store.read(request).await?.ok_or("it is lost")?;
            let phase = snapshot.record.state.phase();
            if phase.is_final() || phase == Phase::InDoubt {
                return Ok(Told::of_record(&snapshot.record));
            }
            let transition = match apply(&snapshot.record, &Command::Due, snapshot.now) {
                Ok(transition) => transition,
                Err(Refused::NothingDue) => {
                    sleep(LOOKS_AGAIN).await;
                    continue;
                }
                Err(refused) => return Ok(Told::Odd(refused.to_string())),
            };
            let revision = transition.record.revision;
            let events = transition.events.into_iter();
            let swap = Swap {
                expected: snapshot.record.revision,
                record: Arc::new(transition.record),
                events: events
                    .map(|what| NewEvent::about(request, revision, what))
                    .collect(),
                not_after: None,
                unfrozen: false,
                stands: false,
            };
            if let Swapped::Done { record, .. } = self.store.compare_and_swap(swap).await?
                && record.state.phase().is_final()
            {
                return Ok(Told::Won(record.state.phase()));
            }
        }
    }

    /// Makes the call, with the key that names it: waits until it may run, and runs.
    async fn claim(&self, order: &Order) -> Result<Told, Failure> {
        let call = call(order.number, order.hurry)?;
        let admitted = match self.gate.authorize(call.clone()).await {
            Ok(admitted) => admitted,
            Err(error) => return Ok(refused(&error)),
        };
        let permit = match admitted.start(&call).await {
            Ok(permit) => permit,
            Err(error) => return Ok(refused(&error)),
        };
        let line = effect(&format!("race-{}", order.number), &permit);
        self.effects.append(&line.ok_or("a permit has no fence")?)?;
        permit.finish(true).await;
        Ok(Told::Won(Phase::Executing))
    }
}

/// What an error says about who won.
fn refused(error: &ApprovalError) -> Told {
    Told::of_error(error)
}
