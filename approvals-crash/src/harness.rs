//! The schedule: whom to kill when, and what is looked at afterwards.

mod observer;
mod report;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::time::sleep;

pub use crate::place::NotStarted;
pub use report::Report;

use crate::child::Process;
use crate::files::Directory;
use crate::flaw::Flaw;
use crate::place::Ground;
use crate::point::Point;
use crate::roles::Role;
use crate::{Backend, Failure, Random};
use observer::Observer;

/// How long after the last kill at most the next one comes.
const PAUSE: Duration = Duration::from_millis(160);
/// The same while agents have a required sink. Who feeds it holds that duty for a lease after it was
/// killed, and nothing runs meanwhile.
const PAUSE_WITH_SINK: Duration = Duration::from_millis(1_200);
/// After so many kills everything is left alone until it has settled, and agents get a required sink
/// or lose it.
const ROUND: u64 = 50;
/// How long a process that was started may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run.
#[derive(Debug, Clone)]
pub struct Run {
    /// What is started in roles: this crate's program.
    pub program: PathBuf,
    /// Which store.
    pub backend: Backend,
    /// How many processes are killed.
    pub kills: u64,
    /// What the schedule is made of.
    pub seed: u64,
    /// Something wrong on purpose.
    pub flaw: Option<Flaw>,
    /// How long an abandoned execution may take to be in doubt.
    pub settles_within: Duration,
    /// Is told after every round how far it has come.
    pub progress: Option<fn(&Report)>,
}

/// Kills by the schedule, and says what was found. Ends at the first round that found something.
///
/// # Errors
/// [`NotStarted`] when the harness itself could not go on.
pub async fn run(run: &Run) -> Result<Report, NotStarted> {
    let directory = new_directory()?;
    let ground = Ground::new(run.backend, &directory.0)?;
    let mut battle = Battle::begin(run, ground, &directory).await?;
    let fought = battle.fight().await;
    let mut report = battle.report;
    fought?;
    report.directory = Some(directory.0.clone());
    if report.violations.is_empty() {
        // What was found stays for whoever looks.
        std::fs::remove_dir_all(&directory.0).map_err(Failure::from)?;
        report.directory = None;
    }
    Ok(report)
}

/// A directory that nobody else has.
pub(crate) fn new_directory() -> Result<Directory, Failure> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("approvals-crash-{}-{count}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&path)?;
    Ok(Directory(path))
}

struct Battle<'a> {
    run: &'a Run,
    random: Random,
    /// Whether agents that are started have the required sink.
    sink: bool,
    ground: Ground,
    processes: Vec<Process>,
    observer: Observer,
    report: Report,
}

impl<'a> Battle<'a> {
    async fn begin(run: &'a Run, ground: Ground, files: &Directory) -> Result<Self, Failure> {
        let observer = Observer::new(&ground.place, files.clone(), run.flaw).await?;
        let mut battle = Self {
            run,
            random: Random::new(run.seed),
            sink: run.flaw == Some(Flaw::LosesEvents),
            ground,
            processes: Vec::new(),
            observer,
            report: Report::new(run),
        };
        let roles = [
            ("agent", "one"),
            ("agent", "two"),
            ("reviewer", "people"),
            ("operator", "drills"),
        ];
        for (role, name) in roles {
            let role = Role {
                sink: false,
                role,
                name: name.to_owned(),
                place: battle.ground.place.clone(),
                files: files.clone(),
                seed: run.seed,
                point: None,
                flaw: flaw_of(run.flaw, role),
            };
            let process = Process::start(&run.program, role)?;
            battle.processes.push(process);
        }
        Ok(battle)
    }

    async fn fight(&mut self) -> Result<(), Failure> {
        let mut round = 0;
        while self.report.kills() < self.run.kills {
            let pause = if self.sink { PAUSE_WITH_SINK } else { PAUSE };
            sleep(self.random.within(pause)).await;
            self.bury().await?;
            self.strike().await?;
            self.look().await?;
            if self.report.kills() / ROUND > round {
                round = self.report.kills() / ROUND;
                self.settle().await?;
                self.sink = !self.sink;
                self.observer.count(&mut self.report)?;
                if let Some(tell) = self.run.progress {
                    tell(&self.report);
                }
            }
            if !self.report.violations.is_empty() {
                break;
            }
        }
        if self.report.violations.is_empty() {
            self.settle().await?;
        }
        // What is left is left by processes that are gone.
        for process in &mut self.processes {
            process.kill()?;
        }
        self.processes.clear();
        if self.report.violations.is_empty() {
            self.observer
                .end(self.run.settles_within, &mut self.report)
                .await?;
        }
        self.observer.count(&mut self.report)?;
        Ok(())
    }

    /// Kills one of them, or all at once. The server seldom: it takes everybody else with it.
    async fn strike(&mut self) -> Result<(), Failure> {
        match self.random.below(100) {
            0..8 => self.strike_server().await?,
            8..36 => self.strike_process(0).await?,
            36..64 => self.strike_process(1).await?,
            64..78 => self.strike_process(2).await?,
            78..88 => self.strike_process(3).await?,
            _ => {
                for index in 0..self.processes.len() {
                    self.strike_process(index).await?;
                }
            }
        }
        Ok(())
    }

    async fn strike_server(&mut self) -> Result<(), Failure> {
        if let Some(server) = &self.ground.server {
            server.crash()?;
            sleep(self.random.within(Duration::from_millis(50))).await;
            server.restart()?;
            self.report.servers += 1;
        }
        Ok(())
    }

    async fn strike_process(&mut self, index: usize) -> Result<(), Failure> {
        // One in ten dies while it starts.
        if !self.random.in_hundred(10) {
            self.until_ready(index).await?;
        }
        let Some(process) = self.processes.get_mut(index) else {
            return Ok(());
        };
        if process.role.point.is_some() && self.random.in_hundred(70) {
            // Its own point comes first, if it comes soon.
            let soon = Instant::now() + Duration::from_millis(400);
            while Instant::now() < soon && !process.has_ended()? {
                sleep(Duration::from_millis(2)).await;
            }
        }
        let at_point = process.has_ended()?;
        process.kill()?;
        self.buried(index, at_point)
    }

    /// Starts whoever ended at its point meanwhile.
    async fn bury(&mut self) -> Result<(), Failure> {
        for index in 0..self.processes.len() {
            let ended = match self.processes.get_mut(index) {
                Some(process) => process.has_ended()?,
                None => false,
            };
            if ended {
                self.look().await?;
                self.buried(index, true)?;
            }
        }
        Ok(())
    }

    /// Counts a death, and starts the process again: half of them with a point at which they end.
    fn buried(&mut self, index: usize, at_point: bool) -> Result<(), Failure> {
        let Some(process) = self.processes.get_mut(index) else {
            return Ok(());
        };
        let mut role = process.role.clone();
        role.sink = self.sink && role.role == "agent";
        let armed = self.random.in_hundred(50);
        role.point = match role.role {
            "agent" if armed => Point::of_agent(&mut self.random),
            "reviewer" if armed => Point::of_reviewer(&mut self.random),
            "operator" if armed => Point::of_operator(&mut self.random),
            _ => None,
        };
        self.report.died(role.role, at_point);
        *process = Process::start(&self.run.program, role)?;
        Ok(())
    }

    async fn until_ready(&mut self, index: usize) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Some(process) = self.processes.get_mut(index) else {
                return Ok(());
            };
            if process.is_ready() || process.has_ended()? {
                return Ok(());
            }
            if Instant::now() > deadline {
                let Role { role, name, .. } = &process.role;
                return Err(format!("the {role} {name} does not begin").into());
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Compares the trail and the files.
    async fn look(&mut self) -> Result<(), Failure> {
        self.observer.look(&mut self.report).await
    }

    /// Starts a process again without a point.
    fn disarm(&mut self, index: usize) -> Result<(), Failure> {
        let Some(process) = self.processes.get_mut(index) else {
            return Ok(());
        };
        if process.role.point.is_none() {
            return Ok(());
        }
        let at_point = process.has_ended()?;
        process.kill()?;
        let mut role = process.role.clone();
        role.point = None;
        self.report.died(role.role, at_point);
        *process = Process::start(&self.run.program, role)?;
        Ok(())
    }

    /// Leaves everything alone until whatever was started has ended.
    async fn settle(&mut self) -> Result<(), Failure> {
        for index in 0..self.processes.len() {
            // Points would go on killing.
            self.disarm(index)?;
        }
        for index in 0..self.processes.len() {
            self.until_ready(index).await?;
        }
        self.observer
            .settle(self.run.settles_within, &mut self.report)
            .await
    }
}

/// Who has the flaw.
fn flaw_of(flaw: Option<Flaw>, role: &str) -> Option<Flaw> {
    flaw.filter(|flaw| match flaw {
        Flaw::RunsUnclaimed
        | Flaw::ForgetsKeys
        | Flaw::LosesStarts
        | Flaw::LosesEvents
        | Flaw::IgnoresFreeze => role == "agent",
        Flaw::LosesVotes => role == "reviewer",
        Flaw::NeverDue => true,
    })
}
