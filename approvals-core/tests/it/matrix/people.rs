//! What the people around a call do.

use std::future::{Future, pending};
use std::pin::Pin;

use super::probe::Probe;
use super::shapes::{Outcome, Shape};
use super::world::World;

pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// What they do, always the same for each request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum People {
    Approve,
    Deny,
    SayNothing,
    Withdraw,
    /// The caller drops the call, and only then does somebody approve.
    Cancel,
    /// Somebody approves, and the caller drops the call while it is held.
    ApproveAndCancel,
    NoGate,
    NoRequester,
    ChangeAndApprove,
    FreezeFirst,
    FreezeAndApprove,
}

impl World {
    /// Where a shape names its own gate, a gate that lets everything run surrounds it.
    pub(crate) fn in_gate<'a>(&'a self, shape: &Shape, call: Running<'a>) -> Running<'a> {
        let gate = if shape.has_own_gate {
            &self.open_gate
        } else {
            &self.gate
        };
        Box::pin(gate.scope(call))
    }

    pub(crate) fn in_requester<'a>(&'a self, call: Running<'a>) -> Running<'a> {
        Box::pin(self.requester.scope(call))
    }

    pub(crate) async fn freeze(&self) {
        let frozen = self.gate.freeze(&self.operator, "something is wrong").await;
        frozen.unwrap();
    }

    /// Goes on until the call has ended; returns when the caller is to drop the call.
    pub(crate) async fn answer(&self, people: People, probe: &Probe) {
        loop {
            let request = match people {
                People::SayNothing => pending().await,
                _ => self.approver.next().await,
            };
            match people {
                People::ChangeAndApprove => probe.change(),
                People::FreezeAndApprove => self.freeze().await,
                People::Cancel => {
                    *self.left.lock().unwrap() = Some(request);
                    return;
                }
                _ => {}
            }
            // Where the store fails, the answer may be lost; what counts is what the caller sees.
            match people {
                People::Deny => drop(request.deny_as("alice", "not today").await),
                People::Withdraw => drop(self.gate.withdraw(request.id()).await),
                _ => drop(request.approve_as("alice").await),
            }
            if people == People::ApproveAndCancel {
                return self.held().await;
            }
        }
    }

    /// A yes that comes when nobody waits any more.
    pub(crate) async fn approve_what_was_left(&self) {
        self.gate.flush().await;
        let left = self.left.lock().unwrap().take();
        if let Some(request) = left {
            // Refused where the request was withdrawn; a keyed one is approved and waits.
            drop(request.approve_as("alice").await);
            self.gate.flush().await;
        }
    }
}
