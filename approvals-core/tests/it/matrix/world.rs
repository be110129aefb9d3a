//! A gate of its own for each cell, whose store or required sink does harm at a chosen moment.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::audit::{AuditError, Event, NewEvent};
use approvals_core::memory::{InMemoryApprover, InMemoryDirectory, MemoryStore, PendingRequest};
use approvals_core::review::Opening;
use approvals_core::store::{Delivery, Freeze, Opened, Swap, Swapped};
use approvals_core::{
    AuditSink, Gate, PersonId, Phase, Reasons, RequestId, RequestStore, Requester, Requirement,
    StoreError, Verdict, What, async_trait, policy,
};
use approvals_testing::wrapping::{Wrapping, WrapsStore};
use tokio::sync::Notify;

use super::probe::Probe;

/// How a gate gets from a yes to the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A required sink stands between claim and start, and harm is done as it learns of an event.
    TwoCommits,
    /// The sink is fed behind: one commit claims and starts, and harm is done right before it, or
    /// right after the commit of the yes.
    OneCommit,
}

/// What happens besides, and when.
#[derive(Clone, Copy)]
pub(crate) enum Harm {
    None,
    /// The code names policies that the gate lacks.
    PolicyUnknown,
    PolicyPanics,
    PolicyDenies,
    /// The channel cannot post.
    ChannelFails,
    /// The store fails when it is to open the request.
    OpeningFails,
    /// The store fails when it is to bring a request into this phase.
    SwapFails(Phase),
    /// The store has brought the request into this phase, and says that it failed.
    SwapFailsAfterwards(Phase),
    /// The store has brought the request into this phase, and does not say so for a while.
    HoldsAfterwards(Phase),
    /// The required sink does not take this event.
    SinkFails(Moment),
    /// Everything is held for a while at this event.
    Holds(Moment),
    /// An operator freezes the gate at this event.
    Freeze(Moment),
    /// An operator revokes the approval at this event.
    Revoke(Moment),
    /// The reviewer leaves at this event.
    ReviewerLeaves(Moment),
    /// Whoever shares the argument changes it at this event.
    Change(Moment),
}

/// A kind of event.
pub(crate) type Moment = fn(&What) -> bool;

/// One gate and all around it.
pub(crate) struct World {
    pub(crate) gate: Gate,
    /// Lets everything run: found wherever the gate that an attribute names is not used.
    pub(crate) open_gate: Gate,
    pub(crate) approver: InMemoryApprover,
    pub(crate) requester: Requester,
    pub(crate) operator: PersonId,
    /// A request whose caller has gone.
    pub(crate) left: Mutex<Option<PendingRequest>>,
    trail: Arc<Trail>,
}

impl World {
    pub(crate) async fn new(harm: Harm, probe: &Probe, way: Way) -> Self {
        let directory = Arc::new(InMemoryDirectory::new());
        directory.person("alice", ["seniors"]).unwrap();
        directory.person("bob", ["owners"]).unwrap();
        let operator = PersonId::new("olga").unwrap();
        let inner = Arc::new(MemoryStore::on_tokio_time());
        let hand = Arc::new(Hand {
            harm,
            probe: probe.clone(),
            directory: Arc::clone(&directory),
            store: Arc::clone(&inner),
            operator: operator.clone(),
            gate: Mutex::default(),
            held: Notify::new(),
        });
        let store = Arc::new(Wrapping(Harmed {
            inner,
            hand: Arc::clone(&hand),
            way,
        }));
        let trail = Arc::new(Trail {
            hand: Arc::clone(&hand),
            way,
            events: Mutex::default(),
        });
        let approver = InMemoryApprover::new();
        if matches!(harm, Harm::ChannelFails) {
            approver.fail(Some("the channel is gone"));
        }
        let review = || {
            let one = Requirement::one_of("seniors").unwrap();
            one.deadline(Duration::from_secs(60)).unwrap()
        };
        let open = Reasons::rule("open", "for everybody").unwrap();
        let allows = move |_: &_, _: &_| Verdict::Allow(open.clone());
        let gate = Gate::builder(store, directory.clone())
            .approver("test", approver.connect())
            .environments(["production", "staging"])
            .environment("staging");
        let gate = match way {
            Way::TwoCommits => gate.required_audit_sink("trail", trail.clone()),
            Way::OneCommit => gate.audit_sink("trail", trail.clone()),
        };
        let gate = match harm {
            Harm::PolicyUnknown => gate.policy("another", review()),
            Harm::PolicyPanics => {
                let panics = |_: &_, _: &_| -> Verdict { panic!("the policy has a defect") };
                gate.policy("p", policy::from_fn(panics))
                    .policy("q", policy::from_fn(panics))
            }
            Harm::PolicyDenies => {
                let never = Reasons::rule("never", "for nobody").unwrap();
                let denies = move |_: &_, _: &_| Verdict::Deny(never.clone());
                gate.policy("p", policy::from_fn(denies.clone()))
                    .policy("q", policy::from_fn(denies))
            }
            _ => gate.policy("p", review()).policy("q", review()),
        };
        let gate = gate.build().await.unwrap();
        let open_gate = Gate::builder(Arc::new(MemoryStore::on_tokio_time()), directory)
            .policy("p", policy::from_fn(allows.clone()))
            .policy("q", policy::from_fn(allows))
            .approver("nobody", InMemoryApprover::new().connect())
            .environments(["production", "staging"])
            .environment("staging")
            .build()
            .await
            .unwrap();
        let requester = Requester::agent("exporter")
            .unwrap()
            .acting_for("person:bob")
            .unwrap();
        *hand.gate.lock().unwrap() = Some(gate.clone());
        Self {
            gate,
            open_gate,
            approver,
            requester,
            operator,
            left: Mutex::default(),
            trail,
        }
    }

    /// Waits for what the gate has still to record, and lets go of it.
    pub(crate) async fn end(&self) {
        self.gate.flush().await;
        self.trail.hand.gate.lock().unwrap().take();
    }

    /// Waits until something is held.
    pub(crate) async fn held(&self) {
        self.trail.hand.held.notified().await;
    }

    /// How many bodies the trail says were started.
    pub(crate) fn started(&self) -> usize {
        let events = self.trail.events.lock().unwrap();
        events
            .iter()
            .filter(|event| matches!(event.what, What::Started { .. }))
            .count()
    }
}

/// Does the harm.
struct Hand {
    harm: Harm,
    probe: Probe,
    directory: Arc<InMemoryDirectory>,
    store: Arc<MemoryStore>,
    operator: PersonId,
    /// To revoke through, until the world ends.
    gate: Mutex<Option<Gate>>,
    held: Notify,
}

impl Hand {
    async fn strike(&self, what: &What, request: Option<RequestId>) {
        match self.harm {
            Harm::Holds(moment) if moment(what) => self.hold().await,
            Harm::Freeze(moment) if moment(what) => self.freeze().await,
            Harm::Revoke(moment) if moment(what) => {
                let gate = self.gate.lock().unwrap().clone().unwrap();
                let revoked = gate.revoke(request.unwrap(), &self.operator, "a mistake");
                revoked.await.unwrap();
            }
            Harm::ReviewerLeaves(moment) if moment(what) => {
                self.directory.remove(&PersonId::new("alice").unwrap());
            }
            Harm::Change(moment) if moment(what) => {
                self.probe.change();
                // As a store does that is asked over a network.
                tokio::task::yield_now().await;
            }
            _ => {}
        }
    }

    /// As long as a caller may wait for a store or a sink.
    async fn hold(&self) {
        self.held.notify_one();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    /// As another replica's operator would: this gate is not told.
    async fn freeze(&self) {
        let freeze = Freeze {
            by: self.operator.clone(),
            reason: "something is wrong".into(),
            since: self.store.now().await.unwrap(),
        };
        let event = NewEvent::new(What::Frozen {
            by: self.operator.clone(),
            reason: "something is wrong".into(),
        });
        self.store.set_freeze(Some(freeze), event).await.unwrap();
    }
}

/// A sink at which things happen where it is required.
struct Trail {
    hand: Arc<Hand>,
    way: Way,
    events: Mutex<Vec<Event>>,
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trail")
    }
}

#[async_trait]
impl AuditSink for Trail {
    async fn record(&self, events: &[Event]) -> Result<(), AuditError> {
        for event in events {
            match self.hand.harm {
                Harm::SinkFails(moment) if moment(&event.what) => {
                    return Err(AuditError("the disk is full".to_owned()));
                }
                _ if self.way == Way::TwoCommits => {
                    self.hand.strike(&event.what, event.request).await;
                }
                _ => {}
            }
        }
        self.events.lock().unwrap().extend_from_slice(events);
        Ok(())
    }
}

/// A store that fails at one thing.
struct Harmed {
    inner: Arc<MemoryStore>,
    hand: Arc<Hand>,
    way: Way,
}

impl fmt::Debug for Harmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

fn gone<T>() -> Result<T, StoreError> {
    Err(StoreError::Unreachable("no answer".to_owned()))
}

impl WrapsStore for Harmed {
    fn inner(&self) -> &dyn RequestStore {
        &*self.inner
    }

    async fn open(&self, opening: Opening, to: Vec<Delivery>) -> Result<Opened, StoreError> {
        match self.hand.harm {
            Harm::OpeningFails => gone(),
            _ => self.inner.open(opening, to).await,
        }
    }

    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        let to = swap.record.state.phase();
        match self.hand.harm {
            Harm::SwapFails(phase) if phase == to => return gone(),
            Harm::SwapFailsAfterwards(phase) if phase == to => {
                self.inner.compare_and_swap(swap).await?;
                return gone();
            }
            Harm::HoldsAfterwards(phase) if phase == to => {
                let swapped = self.inner.compare_and_swap(swap).await;
                self.hand.hold().await;
                return swapped;
            }
            _ => {}
        }
        if self.way == Way::TwoCommits {
            return self.inner.compare_and_swap(swap).await;
        }
        let id = Some(swap.record.id());
        let whats: Vec<What> = swap.events.iter().map(|event| event.what.clone()).collect();
        let runs = |what: &&What| matches!(what, What::Claimed { .. });
        for what in whats.iter().filter(runs) {
            self.hand.strike(what, id).await;
        }
        let swapped = self.inner.compare_and_swap(swap).await?;
        for what in whats.iter().filter(|what| !runs(what)) {
            self.hand.strike(what, id).await;
        }
        Ok(swapped)
    }
}
