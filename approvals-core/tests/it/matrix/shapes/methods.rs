//! Methods: each form of receiver.

use std::pin::Pin;
use std::sync::Arc;

use approvals_core::{Gate, requires_approval};

use super::{Outcome, Probe, Shape, shape};

pub(crate) fn shapes() -> Vec<Shape> {
    vec![
        shape("by reference", |p| async move {
            account(&p).by_reference(&p, 1).await
        }),
        shape("by mutable reference", |p| async move {
            account(&p).by_mutable_reference(&p, vec![1]).await
        }),
        shape("by value", |p| async move { account(&p).by_value(2).await }),
        shape("by shared pointer", |p| async move {
            Arc::new(account(&p)).shared(&p).await
        }),
        shape("pinned", |p| async move {
            Box::pin(account(&p)).as_mut().pinned(&p).await
        }),
        shape("receiver displayed", |p| async move {
            account(&p).displayed().await
        }),
        shape("receiver in debug", |p| async move {
            account(&p).in_debug().await
        }),
        shape("fields of the receiver", |p| async move {
            account(&p).fields_of_self(&p).await
        }),
        shape("borrowing output", |p| async move {
            account(&p)
                .borrowing(&p)
                .await
                .map(|name| name.len() as u64)
        }),
        shape("no receiver", |p| async move {
            Account::<u8>::associated(&p).await
        }),
        shape("in a generic impl", |p| async move {
            Account {
                probe: p.clone(),
                name: "x",
                more: 1_u8,
            }
            .generic(&p, 2_u64)
            .await
        }),
        Shape::with_own_gate("gate of the receiver", |p| async move {
            guarded(&p).own_gate(&p).await
        }),
        Shape::with_own_gate("gate of a mutable receiver", |p| async move {
            guarded(&p).own_gate_mutably(&p).await
        }),
    ]
}

#[derive(Debug)]
struct Account<T = ()> {
    probe: Probe,
    name: &'static str,
    more: T,
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.probe)
    }
}

fn account(probe: &Probe) -> Account {
    Account {
        probe: probe.clone(),
        name: "savings",
        more: (),
    }
}

impl Account {
    #[requires_approval(policy = "p", fields(account = self.name))]
    async fn by_reference(&self, probe: &Probe, amount: u64) -> Outcome {
        let _ = amount;
        Ok(probe.ran())
    }

    #[requires_approval(policy = "p", resource = self.name)]
    async fn by_mutable_reference(&mut self, probe: &Probe, mut list: Vec<u8>) -> Outcome {
        list.push(1);
        self.name = "closed";
        Ok(probe.ran())
    }

    #[requires_approval(policy = "p", display(self))]
    async fn by_value(self, amount: u64) -> Outcome {
        let _ = amount;
        Ok(self.probe.ran())
    }

    #[requires_approval(policy = "p", skip(self))]
    async fn shared(self: Arc<Self>, probe: &Probe) -> Outcome {
        let _ = probe;
        Ok(self.probe.ran())
    }

    #[requires_approval(policy = "p", skip(self))]
    async fn pinned(self: Pin<&mut Self>, probe: &Probe) -> Outcome {
        Ok(probe.ran())
    }

    #[requires_approval(policy = "p", display(self))]
    async fn displayed(&self) -> Outcome {
        Ok(self.probe.ran())
    }

    #[requires_approval(policy = "p", debug(self))]
    async fn in_debug(&self) -> Outcome {
        Ok(self.probe.ran())
    }

    #[requires_approval(policy = "p", fields(state = self.probe.value()))]
    async fn fields_of_self(&self, probe: &Probe) -> Outcome {
        Ok(probe.ran())
    }

    #[requires_approval(policy = "p", skip(self))]
    async fn borrowing(&self, probe: &Probe) -> Outcome<&str> {
        probe.ran();
        Ok(self.name)
    }
}

impl<T: serde::Serialize> Account<T> {
    #[requires_approval(policy = "p")]
    async fn associated(probe: &Probe) -> Outcome {
        Ok(probe.ran())
    }

    #[requires_approval(policy = "p", fields(account = self.name, more = self.more))]
    async fn generic<U>(&self, probe: &Probe, other: U) -> Outcome
    where
        U: serde::Serialize + Into<u64>,
    {
        let _ = other.into();
        Ok(probe.ran())
    }
}

struct Guarded {
    gate: Gate,
}

fn guarded(probe: &Probe) -> Guarded {
    Guarded {
        gate: probe.gate().clone(),
    }
}

impl Guarded {
    #[requires_approval(policy = "p", skip(self), gate = self.gate)]
    async fn own_gate(&self, probe: &Probe) -> Outcome {
        Ok(probe.ran())
    }

    #[requires_approval(policy = "p", skip(self), gate = &self.gate)]
    async fn own_gate_mutably(&mut self, probe: &Probe) -> Outcome {
        let _ = &mut self.gate;
        Ok(probe.ran())
    }
}
