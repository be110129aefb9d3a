//! What goes wrong, and when.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

macro_rules! methods {
    ($($method:ident $name:literal,)+) => {
        /// A method of one of the four traits.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each is the method of the same name")]
        pub enum Method {
            $($method,)+
        }

        impl Method {
            /// As it stands in its trait.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$method => $name,)+
                }
            }
        }
    };
}

methods! {
    // `RequestStore`
    Now "now",
    Open "open",
    Known "known",
    Read "read",
    CompareAndSwap "compare_and_swap",
    Append "append",
    RegisterSink "register_sink",
    Events "events",
    Acknowledge "acknowledge",
    Seal "seal",
    SwapSeal "swap_seal",
    Deliveries "deliveries",
    ReadWithDeliveries "read_with_deliveries",
    NoteDelivery "note_delivery",
    CopiesDue "copies_due",
    Lease "lease",
    Due "due",
    PendingWith "pending_with",
    List "list",
    Freeze "freeze",
    SetFreeze "set_freeze",
    Heartbeat "heartbeat",
    Archive "archive",
    // `Approver`
    Present "present",
    Update "update",
    // `AuditSink`
    Record "record",
    // `Directory`
    Person "person",
    Exists "exists",
    Membership "membership",
    Members "members",
    Owners "owners",
    Identities "identities",
    ByEmail "by_email",
    Email "email",
    LinkByCode "link_by_code",
    SpendCode "spend_code",
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and nothing was done.
    Before,
    /// It is done, and fails: the answer is lost.
    LostAnswer,
    /// It is done so much later.
    Late(Duration),
    /// It is done at once, and answers so much later.
    LateAnswer(Duration),
    /// It is done, its answer is lost, and whoever asked sends it again at once, as clients and
    /// connection pools do: it is done twice, and the second answer is the one that arrives.
    Twice,
}

/// What becomes of a store's change hints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hinting {
    /// Each is passed on.
    #[default]
    Faithful,
    /// None is, as when the change was made by another process.
    Dropped,
    /// Each is passed on twice.
    Doubled,
    /// Each is passed on so much later.
    Late(Duration),
    /// Each two are passed on in the other order; one that stays alone is not.
    Swapped,
}

#[derive(Debug)]
struct Plan {
    /// `None` is any method.
    method: Option<Method>,
    /// The calls from this one to that one, both included.
    from: u64,
    to: u64,
    fault: Fault,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Method>,
    counts: BTreeMap<Method, u64>,
    plans: Vec<Plan>,
    hinting: Hinting,
    struck: Vec<(Method, Fault)>,
}

/// Says which calls go wrong. Calls are counted from when the plan was made.
#[derive(Debug, Default)]
pub struct Script(Mutex<State>);

impl Script {
    /// Nothing goes wrong.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn plan(&self, method: Option<Method>, first: u64, count: u64, fault: Fault) {
        let mut state = self.state();
        let from = state.count(method).saturating_add(first);
        let to = from.saturating_add(count.saturating_sub(1));
        state.plans.push(Plan {
            method,
            from,
            to,
            fault,
        });
    }

    /// The `nth` call of a method from now goes wrong; 1 is the next.
    pub fn on(&self, method: Method, nth: u64, fault: Fault) {
        self.plan(Some(method), nth, 1, fault);
    }

    /// The `nth` call of whatever method from now goes wrong; 1 is the next.
    pub fn on_any(&self, nth: u64, fault: Fault) {
        self.plan(None, nth, 1, fault);
    }

    /// Every call of a method from now on goes wrong.
    pub fn every(&self, method: Method, fault: Fault) {
        self.plan(Some(method), 1, u64::MAX, fault);
    }

    /// Every call from the `nth` on goes wrong: an outage.
    pub fn outage_from(&self, nth: u64, fault: Fault) {
        self.plan(None, nth, u64::MAX, fault);
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        let mut state = self.state();
        state.plans.clear();
        state.hinting = Hinting::Faithful;
    }

    /// What becomes of change hints from now on.
    pub fn hints(&self, hinting: Hinting) {
        self.state().hinting = hinting;
    }

    pub(super) fn hinting(&self) -> Hinting {
        self.state().hinting
    }

    /// Every call so far, in order, whether or not it went wrong.
    #[must_use]
    pub fn calls(&self) -> Vec<Method> {
        self.state().calls.clone()
    }

    /// Every call that went wrong, in order.
    #[must_use]
    pub fn struck(&self) -> Vec<(Method, Fault)> {
        self.state().struck.clone()
    }

    fn fault(&self, method: Method) -> Option<Fault> {
        let mut state = self.state();
        state.calls.push(method);
        *state.counts.entry(method).or_default() += 1;
        let fault = state.planned(method, 0);
        state.struck.extend(fault.map(|fault| (method, fault)));
        fault
    }

    /// Whether the next call of this method is to be carried out twice.
    pub(super) fn doubles(&self, method: Method) -> bool {
        self.state().planned(method, 1) == Some(Fault::Twice)
    }

    /// Lets a call happen as planned.
    pub(super) async fn carry<T, E, F: Future<Output = Result<T, E>>>(
        &self,
        method: Method,
        call: impl Fn() -> F,
        error: impl FnOnce(String) -> E,
    ) -> Result<T, E> {
        if self.doubles(method) {
            // What it answers is lost.
            let _ = call().await;
        }
        self.carry_once(method, call(), error).await
    }

    /// Lets a call happen as planned, which was carried out once already if it is to be twice.
    pub(super) async fn carry_once<T, E>(
        &self,
        method: Method,
        call: impl Future<Output = Result<T, E>>,
        error: impl FnOnce(String) -> E,
    ) -> Result<T, E> {
        match self.fault(method) {
            None | Some(Fault::Twice) => call.await,
            Some(Fault::Before) => Err(error(format!("injected: {method:?} was not done"))),
            Some(Fault::LostAnswer) => {
                call.await?;
                Err(error(format!("injected: the answer of {method:?} is lost")))
            }
            Some(Fault::Late(by)) => {
                tokio::time::sleep(by).await;
                call.await
            }
            Some(Fault::LateAnswer(by)) => {
                let answer = call.await;
                tokio::time::sleep(by).await;
                answer
            }
        }
    }
}

impl State {
    /// What befalls a call of this method, so many calls from the last one.
    fn planned(&self, method: Method, ahead: u64) -> Option<Fault> {
        let struck = self.plans.iter().find(|plan| {
            let nth = self.count(plan.method).saturating_add(ahead);
            plan.method.is_none_or(|planned| planned == method)
                && (plan.from..=plan.to).contains(&nth)
        });
        struck.map(|plan| plan.fault)
    }

    fn count(&self, method: Option<Method>) -> u64 {
        match method {
            None => u64::try_from(self.calls.len()).unwrap_or(u64::MAX),
            Some(method) => self.counts.get(&method).copied().unwrap_or(0),
        }
    }
}
