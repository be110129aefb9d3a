//! A yes in one process to the body in another, over PostgreSQL.
//!
//! Starts a server of its own, with the settings that PostgreSQL comes with, and two processes:
//! one that asks, and one that waits for a bare `NOTIFY`. Moments are those of the machine's clock,
//! which its processes share.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use approvals_benches::arguments::Arguments;
use approvals_benches::bare::Bare;
use approvals_benches::effort::Effort;
use approvals_benches::gate::{Bench, ask};
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::Table;
use approvals_benches::{Failure, machine};
use approvals_core::spawn;
use approvals_postgres::PostgresStore;
use approvals_testing::postgres::{PrivateServer, StartError};
use sqlx::postgres::PgListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

fn main() -> Result<(), Failure> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    // What is dropped here ends its connections in the background.
    let _entered = runtime.enter();
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1..) {
        Some([role, url]) if role == "asks" => runtime.block_on(asks(url)),
        Some([role, url]) if role == "listens" => runtime.block_on(listens(url)),
        _ => measure(&runtime),
    }
}

fn measure(runtime: &Runtime) -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    let server = match PrivateServer::start() {
        Ok(server) => server,
        Err(StartError::NotInstalled) => {
            println!("## PostgreSQL\n\nNot measured: it is not installed here.");
            return Ok(());
        }
        Err(StartError::Failed(error)) => return Err(error.into()),
    };
    let url = server.url("postgres");
    println!(
        "## PostgreSQL, between processes\n\n{}\n",
        machine::describe()
    );
    let mut asking = Process::start("asks", &url)?;
    let mut listening = Process::start("listens", &url)?;
    let voting = runtime.block_on(async { Bench::over(store(&url).await?, 1).await })?;
    let mut bare = runtime.block_on(Bare::new(&url))?;
    runtime.block_on(bare.commit("INSERT INTO bare VALUES ($1, $2)", 1))?;
    let samples = interleave(
        effort.rounds(1_001),
        vec![
            Contestant::new("floor: bare commit, NOTIFY, wake", 1, |_| {
                listening.say("listen")?;
                let start = moment()?;
                runtime.block_on(bare.commit(
                    "UPDATE bare SET record = $2 WHERE id = $1 RETURNING pg_notify('bare', '1')",
                    2,
                ))?;
                listening.since(start)
            }),
            Contestant::new("yes in one, body in the other", 1, |_| {
                asking.say("ask")?;
                let request = asking.hear()?.parse()?;
                let record = runtime.block_on(voting.reviewer.look(request))?;
                let start = moment()?;
                runtime.block_on(voting.reviewer.agree(&record))?;
                asking.since(start)
            }),
        ],
    )?;
    println!(
        "### A yes in one process to the body in another\n\n{}",
        Table::of_latencies(&samples)
    );
    Ok(())
}

async fn store(url: &str) -> Result<Arc<PostgresStore>, Failure> {
    let store = PostgresStore::builder(url).schema("across").connect();
    Ok(Arc::new(store.await?))
}

/// The machine's clock.
fn moment() -> Result<Duration, Failure> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

/// Another process, which does as it is told a line at a time. Ends with this value.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(role: &str, url: &str) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([role, url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("a process has no input")?;
        let output = child.stdout.take().ok_or("a process has no output")?;
        let mut process = Self {
            child,
            input,
            output: BufReader::new(output),
        };
        match process.hear()?.as_str() {
            "ready" => Ok(process),
            other => Err(format!("a process says `{other}`").into()),
        }
    }

    fn say(&mut self, line: &str) -> Result<(), Failure> {
        Ok(writeln!(self.input, "{line}")?)
    }

    fn hear(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// How long after a moment it did what it says.
    fn since(&mut self, start: Duration) -> Result<Duration, Failure> {
        let nanoseconds = self.hear()?.parse()?;
        let then = Duration::from_nanos(nanoseconds);
        Ok(then.checked_sub(start).ok_or("the clock was set back")?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines that a process is told.
fn told() -> UnboundedReceiver<String> {
    let (sender, lines) = unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn tell(what: impl std::fmt::Display) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{what}")?;
    Ok(output.flush()?)
}

/// Asks for a call each time that it is told to, and says which request it is, and when its body ran.
async fn asks(url: &str) -> Result<(), Failure> {
    let mut bench = Bench::over(store(url).await?, 1).await?;
    let arguments = Arc::new(Arguments::everyday());
    let mut lines = told();
    tell("ready")?;
    while lines.recv().await.is_some() {
        let arguments = Arc::clone(&arguments);
        let call = bench
            .scope(async {
                let call = spawn(async move { ask(&arguments, moment).await });
                (call,)
            })
            .await;
        let notice = bench.notices.recv().await.ok_or("nobody was asked")?;
        bench.gate.flush().await;
        tell(notice.asked().id)?;
        tell(call.0.await???.as_nanos())?;
    }
    Ok(())
}

/// Waits for a bare notification each time that it is told to, and says when it came.
async fn listens(url: &str) -> Result<(), Failure> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen("bare").await?;
    let mut lines = told();
    tell("ready")?;
    while lines.recv().await.is_some() {
        listener.recv().await?;
        tell(moment()?.as_nanos())?;
    }
    Ok(())
}
