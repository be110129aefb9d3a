//! What the macro's expansion calls. Not for use by hand: no promise is made about it.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pub use inventory;

pub use crate::call::Risk;
pub use crate::registry::{GuardedAction, Registered};

use crate::call::{CallBuilder, Capturing};
use crate::error::{ApprovalError, Kind};
use crate::gate::{Admitted as Started, Asker, AtOnce, Comparison, Decided, Gate, Step};
use crate::gate::{current_gate, current_requester, no_gate};
use crate::permit::Permit;
use crate::policy::Verdict;
use crate::principal::Requester;

/// A value that a reviewer can be shown.
#[diagnostic::on_unimplemented(
    message = "argument of type `{Self}` cannot be shown to a reviewer",
    label = "is not `serde::Serialize`",
    note = "derive `serde::Serialize` for it, or name the argument in `skip(..)`, `redact(..)`, `debug(..)` or `display(..)`"
)]
pub trait Shown: serde::Serialize {}
// The message about the argument is the useful one, also where only a part of it cannot be shown.
#[diagnostic::do_not_recommend]
impl<T: serde::Serialize + ?Sized> Shown for T {}

/// A value that a reviewer can be shown by its `Debug` text.
#[diagnostic::on_unimplemented(
    message = "argument of type `{Self}` has no `Debug` text to show to a reviewer",
    label = "is not `std::fmt::Debug`",
    note = "derive `Debug` for it, or name the argument in `skip(..)` or `redact(..)` instead of `debug(..)`"
)]
pub trait ShownInDebug: Debug {}
#[diagnostic::do_not_recommend]
impl<T: Debug + ?Sized> ShownInDebug for T {}

/// A value that a reviewer can be shown as it is displayed.
#[diagnostic::on_unimplemented(
    message = "argument of type `{Self}` has no `Display` text to show to a reviewer",
    label = "is not `std::fmt::Display`",
    note = "implement `Display` for it, or name the argument in `debug(..)` instead of `display(..)`"
)]
pub trait ShownDisplayed: Display {}
#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> ShownDisplayed for T {}

/// A value that stands in a text about the call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a text about the call",
    label = "is not `std::fmt::Display`",
    note = "write a format string over the arguments, such as `\"db/{{database}}\"`, or an expression that can be displayed, such as `rows.len()`"
)]
pub trait Text: Display {}
#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> Text for T {}

/// Says that a value of the attribute was recorded. Only a capture makes one, so that no macro in
/// an expression can leave early and have the value missing from the call.
pub struct Recorded(());

/// What a guarded function returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry an approval refusal",
    label = "a guarded function must be able to say that it did not run",
    note = "return a `Result<T, E>`, with `E` being what `on_refusal` returns"
)]
pub trait Outcome {
    /// Its error.
    type Failure;
    /// Whether the body succeeded.
    fn succeeded(&self) -> bool;
    /// The outcome of a call that did not run.
    fn refused_with(failure: Self::Failure) -> Self;
}

impl<T, E> Outcome for Result<T, E> {
    type Failure = E;
    fn succeeded(&self) -> bool {
        self.is_ok()
    }
    fn refused_with(failure: E) -> Self {
        Err(failure)
    }
}

/// The gate that `gate = …` names.
#[must_use]
pub fn gate(gate: &Gate) -> Gate {
    gate.clone()
}

/// The requester that `requester = …` names.
#[must_use]
pub fn requester(requester: &Requester) -> Requester {
    requester.clone()
}

/// A call on its way to the gate.
pub struct Attempt(State);

enum State {
    Refused(ApprovalError),
    /// Policy decided by the action's name alone.
    Decided {
        gate: Gate,
        requester: Requester,
        declared: &'static GuardedAction,
        verdict: Verdict,
    },
    Captures {
        gate: Gate,
        requester: Requester,
        declared: &'static GuardedAction,
    },
}

impl Attempt {
    /// Finds gate and requester, and lets policy decide by the action's name.
    #[must_use]
    pub fn begin(
        declared: &'static GuardedAction,
        gate: Option<Gate>,
        requester: Option<Requester>,
    ) -> Self {
        Self(begin(declared, gate, requester).unwrap_or_else(State::Refused))
    }

    /// Whether the arguments are needed.
    #[must_use]
    pub const fn wants_arguments(&self) -> bool {
        matches!(self.0, State::Captures { .. })
    }

    /// An empty capture.
    #[must_use]
    pub fn capture(&self) -> Capture {
        let builder = match &self.0 {
            State::Captures {
                gate,
                requester,
                declared,
            }
            | State::Decided {
                gate,
                requester,
                declared,
                ..
            } => gate.start_capture(declared, requester),
            State::Refused(_) => None,
        };
        Capture(builder.map_or(Captured::Nothing, Captured::Call))
    }

    /// Decides about the call.
    pub fn authorize(self, capture: Option<Capture>) -> Authorizing {
        let (progress, declared) = match self.0 {
            State::Refused(error) => (Progress::Done(Err(error)), None),
            State::Decided {
                gate,
                requester,
                declared,
                verdict,
            } => match gate.decide_now(declared, requester, verdict) {
                Decided::Now(started) => (Progress::Done(Ok(started)), None),
                Decided::Later(later) => {
                    let slow = Box::pin(async move { gate.decide(later).await });
                    (Progress::Waits(slow), None)
                }
            },
            State::Captures {
                gate,
                requester,
                declared,
            } => captured(gate, requester, declared, capture),
        };
        Authorizing { progress, declared }
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, ApprovalError>> + Send>>;

/// A call that is being decided about.
///
/// What has to be waited for is boxed: a caller's future is small, and `Send` whatever the gate
/// borrows inside. What was needed to ask is gone before the wait for people begins.
#[must_use = "a call is decided about when it is awaited"]
pub struct Authorizing {
    progress: Progress,
    /// Whose action errors of the slow ways name.
    declared: Option<&'static GuardedAction>,
}

enum Progress {
    Done(Result<Started, ApprovalError>),
    Asks(BoxFuture<Step>),
    Waits(BoxFuture<Started>),
    Told,
}

impl Future for Authorizing {
    type Output = Result<Admitted, ApprovalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let started = match &mut self.progress {
                Progress::Done(_) => match std::mem::replace(&mut self.progress, Progress::Told) {
                    Progress::Done(done) => done,
                    Progress::Asks(_) | Progress::Waits(_) | Progress::Told => Err(told()),
                },
                Progress::Asks(asks) => match ready!(asks.as_mut().poll(context)) {
                    Ok(Step::Admitted(started)) => Ok(started),
                    Err(error) => Err(of_action(error, self.declared)),
                    Ok(Step::Asked(ticket)) => {
                        self.progress = Progress::Waits(Box::pin(ticket.when_agreed()));
                        continue;
                    }
                },
                Progress::Waits(waits) => {
                    let waited = ready!(waits.as_mut().poll(context));
                    waited.map_err(|error| of_action(error, self.declared))
                }
                Progress::Told => Err(told()),
            };
            self.progress = Progress::Told;
            return Poll::Ready(started.map(|admitted| Admitted(Stage::Ready(admitted))));
        }
    }
}

/// A future that is polled after it was ready: nothing runs.
fn told() -> ApprovalError {
    ApprovalError::new(Kind::Unavailable, "what became of it was told already")
}

/// Names the action, where it is declared well.
fn of_action(error: ApprovalError, declared: Option<&'static GuardedAction>) -> ApprovalError {
    match declared.map(GuardedAction::declaration) {
        Some(Ok(declaration)) => error.action(&declaration.action),
        Some(Err(_)) | None => error,
    }
}

fn captured(
    gate: Gate,
    requester: Requester,
    declared: &'static GuardedAction,
    capture: Option<Capture>,
) -> (Progress, Option<&'static GuardedAction>) {
    let Some(Capture(Captured::Call(builder))) = capture else {
        return (Progress::Done(Err(no_gate())), None);
    };
    let progress = match gate.finish_capture(builder) {
        Ok(call) => match gate.decide_at_once(call) {
            AtOnce::Admitted(started) => Progress::Done(Ok(started)),
            AtOnce::Later(call, Some(Verdict::Review(tracks, reasons))) => Progress::Asks(
                Box::pin(gate.ask_people(call, tracks, reasons, Asker::Stays, None)),
            ),
            AtOnce::Later(call, verdict) => {
                Progress::Asks(Box::pin(
                    async move { gate.decide_or_ask(call, verdict).await },
                ))
            }
        },
        Err(error) => Progress::Waits(Box::pin(async move {
            Err(gate.refuse_capture(declared, requester, error).await)
        })),
    };
    (progress, Some(declared))
}

fn begin(
    declared: &'static GuardedAction,
    gate: Option<Gate>,
    requester: Option<Requester>,
) -> Result<State, ApprovalError> {
    let declaration = declared.declaration().map_err(ApprovalError::invalid)?;
    let of_action = |error: ApprovalError| error.action(&declaration.action);
    let gate = gate
        .or_else(current_gate)
        .ok_or_else(|| of_action(no_gate()))?;
    let Some(requester) = requester
        .or_else(current_requester)
        .or_else(|| gate.only_requester())
    else {
        return Err(of_action(ApprovalError::new(
            Kind::Invalid,
            "nobody is named as its requester: name one with `requester = …` or `Requester::scope`; a task started with `tokio::spawn` loses it, one started with `approvals_core::spawn` keeps it",
        )));
    };
    let named = gate
        .policy_named(declared.policy_name())
        .map_err(of_action)?;
    let verdict = gate
        .by_action(named, &declaration.action)
        .map_err(of_action)?;
    Ok(match verdict {
        Some(verdict @ (Verdict::Allow(_) | Verdict::Deny(_))) => State::Decided {
            gate,
            requester,
            declared,
            verdict,
        },
        Some(Verdict::Review(..)) | None => State::Captures {
            gate,
            requester,
            declared,
        },
    })
}

/// A call that may run, once its arguments are found unchanged.
pub struct Admitted(Stage);

enum Stage {
    Ready(Started),
    /// It was started, which took a while.
    Begun(Box<(Permit, Comparison)>),
}

/// What comes of a start.
pub enum Began {
    /// The body runs now.
    Runs(Permit),
    /// Its arguments may have changed while the start was stored: they are compared once more, and
    /// nothing is waited for after that.
    Again(Admitted),
}

impl Admitted {
    /// Whether the arguments are to be captured again.
    #[must_use]
    pub fn wants_arguments(&self) -> bool {
        self.comparison().is_some()
    }

    fn comparison(&self) -> Option<&Comparison> {
        match &self.0 {
            Stage::Ready(admitted) => admitted.comparison(),
            Stage::Begun(begun) => Some(&begun.1),
        }
    }

    /// An empty capture.
    #[must_use]
    pub fn capture(&self) -> Capture {
        let arguments = self.comparison().map(Comparison::capture);
        Capture(arguments.map_or(Captured::Nothing, Captured::Arguments))
    }

    /// Starts the execution.
    pub fn start(self, capture: Option<Capture>) -> Starting {
        let unchanged = match (self.comparison(), capture) {
            (Some(comparison), Some(Capture(Captured::Arguments(arguments)))) => {
                let again = arguments.finish().map_err(ApprovalError::invalid);
                again.map(|again| comparison.is_with(&again))
            }
            (Some(_) | None, _) => Ok(false),
        };
        match self.0 {
            Stage::Ready(admitted) => match (admitted.start_now(), unchanged) {
                (Ok(permit), _) => Starting::done(Ok(permit)),
                (Err(_), Err(error)) => Starting::done(Err(error)),
                (Err(admitted), Ok(unchanged)) => Starting {
                    comparison: admitted.comparison().cloned(),
                    ..Starting::slow(admitted.start_with(unchanged))
                },
            },
            Stage::Begun(begun) => match unchanged {
                Ok(true) => Starting::done(Ok(begun.0)),
                // What cannot be captured any more is not what it was.
                Ok(false) | Err(_) => {
                    Starting::slow(async move { Err(begun.0.changed().await.unwrap_or_else(told)) })
                }
            },
        }
    }
}

/// An execution that is being started.
#[must_use = "a call starts when it is awaited"]
pub struct Starting {
    done: Option<Result<Permit, ApprovalError>>,
    slow: Option<BoxFuture<Permit>>,
    /// What is compared once more, if the start takes a while.
    comparison: Option<Comparison>,
    waited: bool,
}

impl Starting {
    const fn done(done: Result<Permit, ApprovalError>) -> Self {
        Self {
            done: Some(done),
            slow: None,
            comparison: None,
            waited: false,
        }
    }

    fn slow(start: impl Future<Output = Result<Permit, ApprovalError>> + Send + 'static) -> Self {
        Self {
            done: None,
            slow: Some(Box::pin(start)),
            comparison: None,
            waited: false,
        }
    }
}

impl Future for Starting {
    type Output = Result<Began, ApprovalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(done) = self.done.take() {
            return Poll::Ready(done.map(Began::Runs));
        }
        let Some(slow) = &mut self.slow else {
            return Poll::Ready(Err(told()));
        };
        let Poll::Ready(done) = slow.as_mut().poll(context) else {
            self.waited = true;
            return Poll::Pending;
        };
        self.slow = None;
        // Where nothing was waited for, nothing but the store ran since they were compared.
        let comparison = self.comparison.take().filter(|_| self.waited);
        Poll::Ready(done.map(|permit| match comparison {
            Some(comparison) => {
                Began::Again(Admitted(Stage::Begun(Box::new((permit, comparison)))))
            }
            None => Began::Runs(permit),
        }))
    }
}

/// Collects a call's arguments. Errors are remembered and told by the gate.
pub struct Capture(Captured);

enum Captured {
    Nothing,
    /// The first time: the whole call.
    Call(CallBuilder),
    /// The second time: what is compared.
    Arguments(Capturing),
}

impl Capture {
    fn arguments(&mut self) -> Option<&mut Capturing> {
        match &mut self.0 {
            Captured::Nothing => None,
            Captured::Call(call) => Some(call.arguments()),
            Captured::Arguments(arguments) => Some(arguments),
        }
    }

    fn with(&mut self, step: impl FnOnce(&mut CallBuilder)) {
        match &mut self.0 {
            Captured::Call(call) => step(call),
            Captured::Nothing | Captured::Arguments(_) => {}
        }
    }

    /// An argument by its value.
    pub fn argument<T: Shown + ?Sized>(&mut self, name: &'static str, value: &T) {
        if let Some(arguments) = self.arguments() {
            arguments.value(name.into(), value);
        }
    }

    /// An argument by its fingerprint.
    pub fn redacted<T: Shown + ?Sized>(&mut self, name: &'static str, value: &T) {
        if let Some(arguments) = self.arguments() {
            arguments.redacted(name.into(), value);
        }
    }

    /// An argument by its `Debug` text.
    pub fn debug<T: ShownInDebug + ?Sized>(&mut self, name: &'static str, value: &T) {
        if let Some(arguments) = self.arguments() {
            arguments.debug(name, value);
        }
    }

    /// An argument by its `Display` text.
    pub fn display<T: ShownDisplayed + ?Sized>(&mut self, name: &'static str, value: &T) {
        if let Some(arguments) = self.arguments() {
            arguments.display(name, value);
        }
    }

    /// An argument that does not change what the call does.
    pub fn skipped(&mut self, name: &'static str) {
        if let Some(arguments) = self.arguments() {
            arguments.skipped(name);
        }
    }

    /// What the audit log may only commit to.
    pub fn sensitive(&mut self, name: &'static str) {
        self.with(|call| call.capture_sensitive(name));
    }

    /// An extra field.
    pub fn field<T: Shown + ?Sized>(&mut self, name: &'static str, value: &T) -> Recorded {
        self.with(|call| call.capture_field(name, value));
        Recorded(())
    }

    /// A label.
    pub fn label<T: Text + ?Sized>(&mut self, name: &'static str, value: &T) -> Recorded {
        self.with(|call| call.capture_label(name, &value));
        Recorded(())
    }

    /// What it is done to.
    pub fn resource<T: Text + ?Sized>(&mut self, value: &T) -> Recorded {
        self.with(|call| call.capture_text("resource", &value));
        Recorded(())
    }

    /// Where it is done.
    pub fn environment<T: Text + ?Sized>(&mut self, value: &T) -> Recorded {
        self.with(|call| call.capture_environment(&value));
        Recorded(())
    }

    /// Why, in the agent's words.
    pub fn justification<T: Text + ?Sized>(&mut self, value: &T) -> Recorded {
        self.with(|call| call.capture_text("justification", &value));
        Recorded(())
    }

    /// What, in one line of the author's.
    pub fn summary<T: Text + ?Sized>(&mut self, value: &T) -> Recorded {
        self.with(|call| call.capture_text("summary", &value));
        Recorded(())
    }

    /// The host's name for the call.
    pub fn key<T: Text + ?Sized>(&mut self, value: &T) -> Recorded {
        self.with(|call| call.capture_key(&value));
        Recorded(())
    }
}

/// Records how the body ended.
pub fn finish(permit: Permit, succeeded: bool) -> Finishing {
    Finishing(permit.request_id().is_some().then(|| {
        let slow: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(permit.finish(succeeded));
        slow
    }))
}

/// An outcome that is being recorded.
#[must_use = "an outcome is recorded when it is awaited"]
pub struct Finishing(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Future for Finishing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(slow) = &mut self.0 {
            ready!(slow.as_mut().poll(context));
            self.0 = None;
        }
        Poll::Ready(())
    }
}
