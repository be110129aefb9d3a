//! An agent: makes keyed calls one after the other, and after a restart makes them again.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use approvals_core::{
    ApprovalError, Approver, ApproverError, Call, Coverage, Gate, Kind, Notice, Permit,
    Presentation, Receipt, async_trait, requires_approval,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::files::{self, Lines};
use crate::flaw::Flaw;
use crate::point::Points;
use crate::roles::{Role, ready};
use crate::setting::{Inbox, LEASE, book, effect, gate_with, kind, requester};
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
/// Of how many calls that follow each other those that are of one book are of the same.
const OF_A_BOOK: u64 = 40;

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

/// The same, of which one yes covers several: what it is about has nothing of the call in it but the
/// key.
async fn append_in_book(
    gate: &Gate,
    name: &str,
    book_name: &str,
    effects: &Effects,
) -> Result<(), Failure> {
    let call = Call::of(book()?, requester()?)
        .argument("book", &book_name)
        .argument("people", &kind::GRANTED)
        .resource(format_args!("books/{book_name}"))
        .key(key_of(name))
        .build()?;
    let admitted = gate.authorize(call.clone()).await?;
    let permit = admitted.start(&call).await?;
    let written = effects.write(name, &permit).await;
    permit.finish(written.is_ok()).await;
    written
}

/// Which kind of call this is: the same after every restart, and in every agent.
fn kind_of(seed: u64, name: &str) -> u8 {
    match Random::of(seed, name).below(100) {
        0..40 => kind::ONE,
        40..72 => kind::TWO,
        72..80 => kind::HURRIED,
        80..92 => kind::GRANTED,
        _ => kind::GLASS,
    }
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
        let (gate, seed) = (gate.clone(), role.seed);
        let (effects, answers) = (Arc::clone(&effects), Arc::clone(&answers));
        calls.spawn(async move {
            let book = format!("book-{}", call / OF_A_BOOK);
            let answer =
                until_answered(&gate, (&name, &book), kind_of(seed, &name), &effects).await;
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

/// Makes a call, and makes it again while something cannot be reached or the gates are frozen: the key
/// names it.
async fn until_answered(
    gate: &Gate,
    (call, book): (&str, &str),
    people: u8,
    effects: &Effects,
) -> String {
    loop {
        let made = match people {
            kind::GRANTED => append_in_book(gate, call, book, effects).await,
            _ => append(call, people, effects).await,
        };
        let error = match made {
            Ok(()) => return "ran -".to_owned(),
            Err(error) => error,
        };
        let Some(refused) = error.downcast_ref::<ApprovalError>() else {
            return format!("failed {error}");
        };
        if matches!(refused.kind(), Kind::Unavailable | Kind::Frozen) {
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
