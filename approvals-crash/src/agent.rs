//! An agent: makes keyed calls one after the other, and after a restart makes them again.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use approvals_core::{
    ApprovalError, Approver, ApproverError, Coverage, Kind, Notice, Permit, Presentation, Receipt,
    async_trait, requires_approval,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::files::{self, Lines};
use crate::flaw::Flaw;
use crate::point::Points;
use crate::roles::{Role, ready};
use crate::setting::{Inbox, LEASE, effect, gate_with};
use crate::sink::{Licences, has_claim};
use crate::{Failure, Random};

/// How many calls an agent makes at a time.
const AT_A_TIME: usize = 6;
/// How many finished calls it makes once more after a restart.
const AGAIN: u64 = 3;
/// How long a body takes at most before its effect, and after it.
const BODY: Duration = Duration::from_millis(25);
/// How long it waits before it asks again whether something can be reached.
const RETRY: Duration = Duration::from_millis(5);

/// Where bodies write.
#[derive(Debug)]
struct Effects {
    file: Lines,
    points: Arc<Points>,
    seed: u64,
    /// Where the required sink has claims and where runs go that it had none for, with such a sink.
    licences: Option<(PathBuf, Lines)>,
}

impl Effects {
    /// Takes a while, as bodies do, so that some are killed before and some after their effect.
    async fn write(&self, call: &str, permit: &Permit) -> Result<(), Failure> {
        let line = effect(call, permit).ok_or("a permit of a request has no fence")?;
        if let Some((licences, unlicensed)) = &self.licences
            && let (Some(request), Some(fence)) = (permit.request_id(), permit.fence())
            && !has_claim(licences, request, fence)?
        {
            unlicensed.append(&line)?;
        }
        let mut random = Random::of(self.seed, call);
        tokio::time::sleep(random.within(BODY)).await;
        let write = async { self.file.append(&line) };
        self.points.pass("effect", write).await?;
        tokio::time::sleep(random.within(BODY)).await;
        Ok(())
    }
}

/// What is guarded: a line in a file that all agents share.
#[requires_approval(
    policy = "crash",
    action = "crash.append",
    resource = "calls/{call}",
    key = key_of(call),
    skip(effects),
    permit
)]
async fn append(call: &str, people: u8, effects: &Effects) -> Result<(), Failure> {
    let _ = people;
    effects.write(call, permit).await
}

/// [`Flaw::ForgetsKeys`]: whether keys end with the process.
static FORGETS: AtomicBool = AtomicBool::new(false);

/// The same after every restart, and in every agent.
fn key_of(call: &str) -> String {
    if FORGETS.load(Ordering::Relaxed) {
        return format!("{call}-{}", std::process::id());
    }
    call.to_owned()
}

pub(crate) async fn run(role: Role) -> Result<(), Failure> {
    let (store, points) = role.store().await?;
    let gate = loop {
        let file = Lines::open(&role.files.effects())?;
        let loses = role.flaw == Some(Flaw::LosesEvents);
        let licences = || Licences::open(&role.files.licences(), loses).map(Arc::new);
        let sink = role.sink.then(licences).transpose()?;
        let store = Arc::clone(&store);
        let built = match role.flaw {
            Some(Flaw::RunsUnclaimed) => {
                gate_with(store, LEASE, |_| Arc::new(Hasty(file)), sink).await
            }
            Some(_) | None => gate_with(store, LEASE, |_| Arc::new(Inbox), sink).await,
        };
        match built {
            Ok(gate) => break gate,
            // The server may be down. The harness notices when an agent never begins.
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    };
    gate.install()?;
    let effects = Arc::new(Effects {
        file: Lines::open(&role.files.effects())?,
        points,
        seed: role.seed,
        licences: match role.sink {
            true => Some((
                role.files.licences(),
                Lines::open(&role.files.unlicensed())?,
            )),
            false => None,
        },
    });
    FORGETS.store(role.flaw == Some(Flaw::ForgetsKeys), Ordering::Relaxed);
    let path = role.files.answers(&role.name);
    let answered: HashSet<u64> = files::lines(&path)?
        .iter()
        .filter_map(|line| line.split(' ').next()?.strip_prefix("call-")?.parse().ok())
        .collect();
    let answers = Arc::new(Lines::open(&path)?);
    let done = (0..).find(|call| !answered.contains(call)).unwrap_or(0);
    let room = Arc::new(Semaphore::new(AT_A_TIME));
    let mut calls = JoinSet::new();
    ready();
    for call in done.saturating_sub(AGAIN).. {
        if call >= done && answered.contains(&call) {
            continue;
        }
        let permit = Arc::clone(&room).acquire_owned().await?;
        let name = format!("call-{call}");
        let people = if Random::of(role.seed, &name).in_hundred(50) {
            1
        } else {
            2
        };
        let (effects, answers) = (Arc::clone(&effects), Arc::clone(&answers));
        calls.spawn(async move {
            let answer = until_answered(&name, people, &effects).await;
            answers.append(&format!("{name} {answer}"))?;
            drop(permit);
            Ok::<(), Failure>(())
        });
        while let Some(ended) = calls.try_join_next() {
            ended??;
        }
    }
    Ok(())
}

/// Makes a call, and makes it again while something cannot be reached: the key names it.
async fn until_answered(call: &str, people: u8, effects: &Effects) -> String {
    loop {
        let error = match append(call, people, effects).await {
            Ok(()) => return "ran -".to_owned(),
            Err(error) => error,
        };
        let Some(refused) = error.downcast_ref::<ApprovalError>() else {
            return format!("failed {error}");
        };
        if refused.kind() == Kind::Unavailable {
            tokio::time::sleep(RETRY).await;
            continue;
        }
        let request = refused.request_id();
        let request = request.map_or("-".to_owned(), |request| request.to_string());
        let kind = match refused.finished_before() {
            Some(true) => "succeeded",
            Some(false) => "failed",
            None => refused.kind().as_str(),
        };
        return format!("{kind} {request} {refused}").replace('\n', " ");
    }
}

/// [`Flaw::RunsUnclaimed`]: leaves the effect when people are asked.
#[derive(Debug)]
struct Hasty(Lines);

#[async_trait]
impl Approver for Hasty {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        let asked = notice.asked();
        let call = asked.call.argument("call").and_then(|call| call.as_str());
        let line = format!("{} {} 1", call.unwrap_or_default(), asked.id);
        let written = self.0.append(&line);
        written.map_err(|error| ApproverError::new(error.to_string()))?;
        Ok(Receipt::none())
    }

    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        Ok(())
    }
}
