//! The channel: takes requests from the gate and has the thread ask.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::{
    Approver, ApproverError, ChannelDesk, Coverage, Notice, Presentation, Receipt,
};
use async_trait::async_trait;
use tokio::runtime::Handle;

use crate::console::Console;
use crate::prompting::{self, Job, Shared};
use crate::render;
use crate::tty::Tty;

/// How long a channel that is dropped waits for its prompt to give the terminal back.
const CLOSING: Duration = Duration::from_millis(500);

/// Settings of a terminal channel: who answers, and where.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use approvals_core::memory::{InMemoryDirectory, MemoryStore};
/// use approvals_core::{Gate, Requirement};
/// use approvals_terminal::Terminal;
///
/// let directory = Arc::new(InMemoryDirectory::new());
/// directory.person("alice", ["senior-engineers"])?;
/// let gate = Gate::builder(Arc::new(MemoryStore::new()), directory)
///     .policy("prod-db", Requirement::one_of("senior-engineers")?)
///     .approver("terminal", Terminal::answering_as("alice").connect())
///     .build()
///     .await?;
/// # let _ = gate;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a channel exists once it is connected"]
pub struct Terminal {
    identities: Vec<Arc<str>>,
    console: Arc<dyn Console>,
}

impl Terminal {
    /// A channel on the process's own terminal whose answers are this user's. The directory says
    /// which person that is; nothing at the keyboard proves it, so configure whoever sits there.
    pub fn answering_as(user: &str) -> Self {
        Self {
            identities: vec![user.into()],
            console: Arc::new(Tty),
        }
    }

    /// Asks also as this user, after the former ones, saying each time that it is a demonstration:
    /// one human at one keyboard then plays several people.
    pub fn demonstrating_with(mut self, user: &str) -> Self {
        self.identities.push(user.into());
        self
    }

    /// Asks on another console than the process's own terminal.
    pub fn on(mut self, console: Arc<dyn Console>) -> Self {
        self.console = console;
        self
    }

    /// For [`GateBuilder::approver`](approvals_core::GateBuilder::approver): makes the channel.
    pub fn connect(self) -> impl FnOnce(ChannelDesk) -> Arc<TerminalApprover> {
        move |desk| Arc::new(TerminalApprover::new(self, desk))
    }
}

/// Asks at a terminal, one request at a time. Made by [`Terminal::connect`].
///
/// Its prompts run on a thread of their own and never on the runtime's: a runtime that shuts down
/// waits for its blocking threads, and a person may take hours. When the channel is dropped, an
/// open prompt is taken back, so that the terminal is left as it was found.
#[derive(Debug)]
pub struct TerminalApprover {
    shared: Arc<Shared>,
    thread: Mutex<Thread>,
}

#[derive(Debug)]
struct Thread {
    /// Missing when the thread could not be started.
    jobs: Option<Sender<Job>>,
    /// Disconnected when the thread has ended.
    ended: mpsc::Receiver<()>,
}

impl TerminalApprover {
    fn new(terminal: Terminal, desk: ChannelDesk) -> Self {
        let shared = Arc::new(Shared::new(terminal.console, desk, terminal.identities));
        let (jobs, jobs_in) = mpsc::channel();
        let (running, ended) = mpsc::channel();
        let theirs = Arc::clone(&shared);
        let started = std::thread::Builder::new()
            .name("approvals-terminal".to_owned())
            .spawn(move || {
                prompting::run(&theirs, &jobs_in);
                drop(running);
            });
        if let Err(error) = &started {
            tracing::error!(%error, "the thread that asks at the terminal could not be started");
        }
        Self {
            shared,
            thread: Mutex::new(Thread {
                jobs: started.is_ok().then_some(jobs),
                ended,
            }),
        }
    }

    fn hand(&self, job: impl FnOnce(Handle) -> Job) -> Result<(), ApproverError> {
        let failed = |why: &str| Err(ApproverError::for_good(why));
        let Ok(runtime) = Handle::try_current() else {
            return failed("the terminal channel needs a tokio runtime");
        };
        let thread = self.thread.lock().unwrap_or_else(|e| e.into_inner());
        match &thread.jobs {
            Some(jobs) if jobs.send(job(runtime)).is_ok() => Ok(()),
            Some(_) | None => failed("the thread that asks at the terminal is gone"),
        }
    }
}

#[async_trait]
impl Approver for TerminalApprover {
    fn coverage(&self, presentation: &Presentation<'_>) -> Coverage {
        render::coverage(presentation)
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        if self.shared.identities.iter().any(|user| user.is_empty()) {
            let why = "the terminal channel has an empty identity to answer as: name the user";
            return Err(ApproverError::for_good(why));
        }
        self.shared
            .console
            .ready()
            .map_err(ApproverError::for_good)?;
        self.hand(|runtime| Job::Ask(notice.clone(), runtime))?;
        Ok(Receipt::none())
    }

    async fn update(&self, notice: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        if notice.state().phase() != approvals_core::Phase::Pending {
            self.shared.recall(notice.asked().id);
        }
        self.hand(|runtime| Job::Tell(notice.clone(), runtime))
    }

    fn is_local(&self) -> bool {
        true
    }
}

impl Drop for TerminalApprover {
    fn drop(&mut self) {
        self.shared.close();
        let thread = self.thread.get_mut().unwrap_or_else(|e| e.into_inner());
        thread.jobs = None;
        if thread.ended.recv_timeout(CLOSING) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("a prompt did not give the terminal back in time");
        }
    }
}
