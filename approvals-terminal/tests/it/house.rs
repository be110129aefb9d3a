//! A console that a test scripts, and a gate around it.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use approvals_core::memory::{InMemoryApprover, InMemoryDirectory, MemoryStore};
use approvals_core::{ApprovalError, Gate, Policy, Requester, Requirement, requires_approval};
use approvals_terminal::{Console, Question, Recall, Reply, Terminal};

/// What a scripted person does at a question.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Type(&'static str),
    /// Types the short code that was shown.
    TypeCode,
    CtrlC,
    EndOfInput,
    /// Types when the test says so.
    TypeLater(&'static str),
    /// Says nothing until the prompt is taken back.
    WaitForRecall,
    Fail,
    Panic,
}

/// Answers from a script, remembers what was shown and asked. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    steps: Mutex<VecDeque<Step>>,
    screen: Mutex<Vec<String>>,
    questions: Mutex<Vec<Question>>,
    not_ready: Mutex<Option<String>>,
    blind: Mutex<bool>,
    later: AtomicBool,
    asked: tokio::sync::Notify,
    showed: tokio::sync::Notify,
}

impl Script {
    pub(crate) fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        let script = Self::default();
        script.0.steps.lock().unwrap().extend(steps);
        script
    }

    pub(crate) fn typing(lines: impl IntoIterator<Item = &'static str>) -> Self {
        Self::of(lines.into_iter().map(Step::Type))
    }

    pub(crate) fn not_ready(self, why: &str) -> Self {
        *self.0.not_ready.lock().unwrap() = Some(why.to_owned());
        self
    }

    /// Nothing can be shown.
    pub(crate) fn blind(self) -> Self {
        *self.0.blind.lock().unwrap() = true;
        self
    }

    /// Everything that was on the screen, questions included.
    pub(crate) fn screen(&self) -> String {
        self.0.screen.lock().unwrap().join("\n")
    }

    pub(crate) fn questions(&self) -> Vec<Question> {
        self.0.questions.lock().unwrap().clone()
    }

    /// Waits until something is asked.
    pub(crate) async fn asked(&self) {
        self.0.asked.notified().await;
    }

    /// Waits until this is on the screen.
    pub(crate) async fn shows(&self, text: &str) {
        while !self.screen().contains(text) {
            self.0.showed.notified().await;
        }
    }

    /// Now is the time for [`Step::TypeLater`].
    pub(crate) fn types_now(&self) {
        self.0.later.store(true, Ordering::SeqCst);
    }

    fn code(&self) -> String {
        let screen = self.screen();
        let line = screen.lines().rev().find(|l| l.starts_with("digest"));
        line.unwrap().split_whitespace().nth(1).unwrap().to_owned()
    }
}

impl Console for Script {
    fn ready(&self) -> Result<(), String> {
        match &*self.0.not_ready.lock().unwrap() {
            None => Ok(()),
            Some(why) => Err(why.clone()),
        }
    }

    fn show(&self, text: &str) -> io::Result<()> {
        if *self.0.blind.lock().unwrap() {
            return Err(io::Error::other("no screen"));
        }
        self.0.screen.lock().unwrap().push(text.to_owned());
        self.0.showed.notify_one();
        Ok(())
    }

    fn ask(&self, question: &Question, recall: &Recall) -> io::Result<Reply> {
        self.0.screen.lock().unwrap().push(question.to_string());
        self.0.questions.lock().unwrap().push(question.clone());
        self.0.asked.notify_one();
        let step = self.0.steps.lock().unwrap().pop_front();
        Ok(match step {
            Some(Step::Type(line)) => Reply::Typed(line.to_owned()),
            Some(Step::TypeCode) => Reply::Typed(self.code()),
            Some(Step::CtrlC) => Reply::Interrupted,
            Some(Step::EndOfInput) | None => Reply::Ended,
            Some(Step::Fail) => return Err(io::Error::other("the line is cut")),
            Some(Step::Panic) => panic!("a console that panics"),
            Some(Step::TypeLater(line)) => {
                while !self.0.later.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                Reply::Typed(line.to_owned())
            }
            Some(Step::WaitForRecall) => {
                while !recall.is_recalled() {
                    std::thread::yield_now();
                }
                Reply::Recalled
            }
        })
    }
}

#[requires_approval(policy = "policy", action = "terminal.touch", risk = high, skip(runs))]
pub(crate) async fn touch(runs: &AtomicU32, value: &str) -> Result<(), ApprovalError> {
    let _ = value;
    runs.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

#[requires_approval(policy = "policy", action = "terminal.drop", risk = critical, skip(runs))]
pub(crate) async fn critical(runs: &AtomicU32) -> Result<(), ApprovalError> {
    runs.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// A gate with the scripted terminal, and with another channel beside it where asked for.
pub(crate) struct House {
    pub(crate) gate: Gate,
    pub(crate) directory: Arc<InMemoryDirectory>,
    pub(crate) elsewhere: InMemoryApprover,
    pub(crate) script: Script,
    pub(crate) runs: AtomicU32,
    requester: Requester,
}

impl House {
    /// alice answers at the terminal, and nobody anywhere else.
    pub(crate) async fn alone(script: Script, policy: impl Policy + 'static) -> Self {
        Self::with(Terminal::answering_as("alice"), script, policy, false).await
    }

    pub(crate) async fn with(
        terminal: Terminal,
        script: Script,
        policy: impl Policy + 'static,
        beside: bool,
    ) -> Self {
        let directory = Arc::new(InMemoryDirectory::new());
        directory.person("alice", ["leads"]).unwrap();
        directory.person("bob", ["leads", "engineers"]).unwrap();
        directory.person("dana", ["leads"]).unwrap();
        let elsewhere = InMemoryApprover::new();
        let terminal = terminal.on(Arc::new(script.clone()));
        let mut gate = Gate::builder(Arc::new(MemoryStore::new()), directory.clone())
            .policy("policy", policy)
            .approver("terminal", terminal.connect());
        if beside {
            gate = gate.approver("elsewhere", elsewhere.connect());
        }
        Self {
            gate: gate.build().await.unwrap(),
            directory,
            elsewhere,
            script,
            runs: AtomicU32::new(0),
            requester: Requester::agent("exporter")
                .unwrap()
                .acting_for("person:dana")
                .unwrap(),
        }
    }

    pub(crate) async fn scope<F: Future>(&self, future: F) -> F::Output {
        self.gate.scope(self.requester.scope(future)).await
    }

    pub(crate) async fn touch(&self) -> Result<(), ApprovalError> {
        self.scope(touch(&self.runs, "a")).await
    }

    pub(crate) async fn critical(&self) -> Result<(), ApprovalError> {
        self.scope(critical(&self.runs)).await
    }

    pub(crate) fn ran(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }
}

pub(crate) fn one_lead() -> Requirement {
    Requirement::one_of("leads").unwrap()
}
