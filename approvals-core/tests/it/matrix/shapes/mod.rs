//! The shapes: each a name and how it is called.

mod functions;
mod futures;
mod hostile;
mod methods;
mod traits;

use std::future::Future;
use std::pin::Pin;

use approvals_core::ApprovalError;

pub(crate) use super::probe::{Probe, RESULT};

pub(crate) type Outcome<T = u64> = Result<T, ApprovalError>;
type Running = Pin<Box<dyn Future<Output = Outcome>>>;

/// One guarded function, and how it is called.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// The attribute names the gate, so that there is no call without one.
    pub(crate) has_own_gate: bool,
    /// The attribute names the requester.
    pub(crate) has_own_requester: bool,
    call: Box<dyn Fn(Probe) -> Running>,
}

impl Shape {
    pub(crate) fn call(&self, probe: Probe) -> Running {
        (self.call)(probe)
    }

    fn with_own_gate<F>(name: &'static str, call: impl Fn(Probe) -> F + 'static) -> Self
    where
        F: Future<Output = Outcome> + 'static,
    {
        Self {
            has_own_gate: true,
            ..shape(name, call)
        }
    }

    fn with_own_requester<F>(name: &'static str, call: impl Fn(Probe) -> F + 'static) -> Self
    where
        F: Future<Output = Outcome> + 'static,
    {
        Self {
            has_own_requester: true,
            ..shape(name, call)
        }
    }
}

fn shape<F>(name: &'static str, call: impl Fn(Probe) -> F + 'static) -> Shape
where
    F: Future<Output = Outcome> + 'static,
{
    Shape {
        name,
        has_own_gate: false,
        has_own_requester: false,
        call: Box::new(move |probe| Box::pin(call(probe))),
    }
}

pub(crate) fn all() -> Vec<Shape> {
    [
        functions::shapes(),
        methods::shapes(),
        futures::shapes(),
        traits::shapes(),
        hostile::shapes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
