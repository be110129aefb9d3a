//! Eight processes want six different things of one request, at the same moment: each of them all
//! six.

mod judge;
pub(crate) mod racer;
mod report;
mod told;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use approvals_core::{
    Approver, ApproverError, CastVote, ChannelDesk, ChannelId, Choice, Coverage, Desk, Gate,
    Notice, Presentation, Receipt, RequestId, RequestStore, SinkId, Timestamp, VoteError,
    async_trait,
};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use report::Report;

use crate::files::{Directory, lines};
use crate::harness::new_directory;
use crate::place::{Ground, NotStarted};
use crate::roles::Role;
use crate::setting::{CHANNEL, directory, gate};
use crate::trail::Trail;
use crate::{Backend, Failure, Random};
use told::{Told, Want};

/// How many processes race.
pub(crate) const RACERS: usize = 8;
/// How many races are under way at once: most of their time is spent waiting for a deadline.
const AT_ONCE: usize = 3;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long the store may take: whoever gets no answer is not told who won, and 48 on a busy machine
/// wait for each other.
const ANSWERS: Duration = Duration::from_secs(20);
/// How long claims hold: longer than a busy machine takes to start anything.
const LEASE: Duration = Duration::from_secs(30);
/// What hurries is decided and run within a second.
const SOON: Duration = Duration::from_secs(1);

/// How long after the others begin the deadline comes at most, in milliseconds: it falls among them
/// whether a machine does all of it in a few milliseconds or in many.
const AMONG: [u64; 4] = [5, 20, 80, 320];
/// In so many races each of the six things has to have won, or they prove little.
const MANY: u64 = 200;

/// Races to be run.
#[derive(Debug, Clone)]
pub struct Races {
    /// What is started in roles: this crate's program.
    pub program: PathBuf,
    /// Which store.
    pub backend: Backend,
    /// How many requests.
    pub races: u64,
    /// Who wants what of which.
    pub seed: u64,
}

/// One race, as it was run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) request: RequestId,
    /// Whether it was approved beforehand.
    pub(crate) approved: bool,
    /// What everybody was told.
    pub(crate) told: Vec<(Want, Told)>,
}

/// Runs the races, and says what was found.
///
/// # Errors
/// [`NotStarted`] when the harness itself could not go on.
pub async fn run(races: &Races) -> Result<Report, NotStarted> {
    let files = new_directory()?;
    let ground = Ground::new(races.backend, &files.0)?;
    let store = ground.place.open(ANSWERS).await?;
    let sink = SinkId::new("observer").map_err(Failure::from)?;
    store.register_sink(&sink).await.map_err(Failure::from)?;
    let track = Arc::new(Track::open(races, &ground, &files, Arc::clone(&store)).await?);
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    let mut ran = Vec::new();
    for number in 0..races.races {
        let permit = Arc::clone(&room).acquire_owned().await;
        let track = Arc::clone(&track);
        let random = Random::of(races.seed, &format!("race-{number}"));
        running.spawn(async move {
            let ran = track.race(number, random).await;
            drop(permit);
            ran
        });
        while let Some(ended) = running.try_join_next() {
            ran.push(ended.map_err(Failure::from)??);
        }
    }
    while let Some(ended) = running.join_next().await {
        ran.push(ended.map_err(Failure::from)??);
    }
    let mut report = Report::new(races);
    let mut trail = Trail::default();
    loop {
        let events = store.events(&sink, 500).await.map_err(Failure::from)?;
        let Some(last) = events.last() else { break };
        for event in &events {
            trail.read(event, &mut report.violations);
        }
        let read = store.acknowledge(&sink, last.number).await;
        read.map_err(Failure::from)?;
    }
    let effects = lines(&files.effects()).map_err(Failure::from)?;
    trail.judge_effects(&effects, &mut report.violations);
    for ran in &ran {
        judge::judge(ran, &trail, &effects, &mut report);
    }
    report.judge_itself();
    std::fs::remove_dir_all(&files.0).map_err(Failure::from)?;
    Ok(report)
}

/// Where races are run.
struct Track {
    gate: Gate,
    desk: ChannelDesk,
    asked: Asked,
    racers: Vec<Racer>,
}

/// Who waits to see which request a call has made.
type Asked = Arc<std::sync::Mutex<HashMap<String, oneshot::Sender<Notice>>>>;

impl Track {
    async fn open(
        races: &Races,
        ground: &Ground,
        files: &Directory,
        store: Arc<dyn RequestStore>,
    ) -> Result<Self, Failure> {
        let asked = Asked::default();
        let channel = Arc::new(Announces(Arc::clone(&asked)));
        let gate = gate(Arc::clone(&store), LEASE, move |_| channel).await?;
        let desk = Desk::new(store, directory()?).channel(ChannelId::new(CHANNEL)?);
        let mut racers = Vec::new();
        for racer in 0..RACERS {
            let role = Role {
                sink: false,
                role: "racer",
                name: racer.to_string(),
                place: ground.place.clone(),
                files: files.clone(),
                seed: races.seed,
                point: None,
                flaw: None,
            };
            racers.push(Racer::start(&races.program, &role).await?);
        }
        Ok(Self {
            gate,
            desk,
            asked,
            racers,
        })
    }

    async fn race(&self, number: u64, mut random: Random) -> Result<Ran, Failure> {
        let (hurries, beforehand) = (random.in_hundred(60), random.in_hundred(40));
        let hurry = u8::from(hurries);
        let notice = self.ask(number, hurry).await?;
        let request = notice.asked().id;
        let approved = match beforehand {
            true => self.approve(&notice).await?,
            false => None,
        };
        let since = approved.unwrap_or(notice.asked().asked_at);
        // So that the deadline falls among the others, or as soon as everybody has heard of it.
        let at = if hurries {
            let among = random.one_of(&AMONG).copied().unwrap_or_default();
            let deadline = since.plus(SOON).as_millis();
            deadline.saturating_sub(random.below(among))
        } else {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            u64::try_from(now.as_millis())? + 20 + random.below(30)
        };
        let mut told = Vec::new();
        for (racer, want) in everything(&self.racers, &mut random) {
            let order = format!("{number} {request} {want} {hurry} {at}");
            told.push((want, racer.order((number, want), &order)?));
        }
        let mut heard = Vec::new();
        for (want, told) in told {
            heard.push((want, timeout(PATIENCE, told).await??));
        }
        Ok(Ran {
            request,
            approved: approved.is_some(),
            told: heard,
        })
    }

    /// Has people asked, and leaves: the key names the request.
    async fn ask(&self, number: u64, hurry: u8) -> Result<Notice, Failure> {
        let (tell, told) = oneshot::channel();
        let name = format!("race-{number}");
        lock(&self.asked).insert(name, tell);
        let call = racer::call(number, hurry)?;
        let gate = self.gate.clone();
        let asking = tokio::spawn(async move { gate.authorize(call).await.map(drop) });
        let notice = timeout(PATIENCE, told).await??;
        asking.abort();
        // Only when it is gone is nobody here who would claim.
        let _ = asking.await;
        Ok(notice)
    }

    /// When it was approved; `None` when its time was over before, on a machine that is busy.
    async fn approve(&self, notice: &Notice) -> Result<Option<Timestamp>, Failure> {
        let asked = notice.asked();
        let cast = CastVote {
            request: asked.id,
            tenant: String::new(),
            user: "bob".to_owned(),
            choice: Choice::Approve,
            comment: None,
            proposal: None,
            digest: asked.digest,
            shown: asked.shown,
            revision: notice.revision(),
        };
        match self.desk.vote(cast).await {
            Ok(record) => Ok(Some(record.changed_at)),
            Err(VoteError::Settled(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// What the eight want: each of them all six things, in any order.
fn everything<'a>(racers: &'a [Racer], random: &mut Random) -> Vec<(&'a Racer, Want)> {
    let of = |racer| Want::ALL.map(|want| (racer, want));
    let mut wants: Vec<_> = racers.iter().flat_map(of).collect();
    let mut shuffled = Vec::new();
    while !wants.is_empty() {
        let count = u64::try_from(wants.len()).unwrap_or(0);
        shuffled.push(wants.swap_remove(usize::try_from(random.below(count)).unwrap_or(0)));
    }
    shuffled
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// A channel that tells whoever waits for it which request a call has made.
#[derive(Debug)]
struct Announces(Asked);

#[async_trait]
impl Approver for Announces {
    fn coverage(&self, _: &Presentation<'_>) -> Coverage {
        Coverage::Whole
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        let race = notice.asked().call.argument("race");
        let race = race.and_then(|race| race.as_str()).unwrap_or_default();
        if let Some(tell) = lock(&self.0).remove(&race) {
            // Whoever asked may have given up.
            let _ = tell.send(notice.clone());
        }
        Ok(Receipt::none())
    }

    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        Ok(())
    }
}

/// A process that races. Ended when this is dropped.
struct Racer {
    child: Child,
    input: std::sync::Mutex<ChildStdin>,
    waiting: Waiting,
}

/// Who waits for an answer: of which race, about what.
type Waiting = Arc<std::sync::Mutex<HashMap<(u64, Want), oneshot::Sender<Told>>>>;

impl Racer {
    async fn start(program: &std::path::Path, role: &Role) -> Result<Self, Failure> {
        let mut child = Command::new(program)
            .args(role.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("a process has no input")?;
        let output = child.stdout.take().ok_or("a process has no output")?;
        let waiting = Waiting::default();
        let racer = Self {
            child,
            input: std::sync::Mutex::new(input),
            waiting: Arc::clone(&waiting),
        };
        let (begun, mut begins) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line == "ready" {
                    // Whoever started it may have given up.
                    let _ = begun.send(());
                } else if let Some((to, told)) = answer(&line)
                    && let Some(tell) = lock(&waiting).remove(&to)
                {
                    let _ = tell.send(told);
                }
            }
            // Nobody is told anything any more.
            lock(&waiting).clear();
        });
        timeout(PATIENCE, begins.recv())
            .await?
            .ok_or("a racer does not begin")?;
        Ok(racer)
    }

    fn order(&self, what: (u64, Want), order: &str) -> Result<oneshot::Receiver<Told>, Failure> {
        let (tell, told) = oneshot::channel();
        lock(&self.waiting).insert(what, tell);
        lock(&self.input).write_all(format!("{order}\n").as_bytes())?;
        Ok(told)
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a racer says: `number want told`.
fn answer(line: &str) -> Option<((u64, Want), Told)> {
    let (number, rest) = line.split_once(' ')?;
    let (want, told) = rest.split_once(' ')?;
    Some((
        (number.parse().ok()?, want.parse().ok()?),
        told.parse().ok()?,
    ))
}
