//! Methods of traits, native and through `#[async_trait]`.

use std::rc::Rc;

use approvals_core::{Gate, Permit, async_trait, requires_approval};

use super::{Outcome, Probe, Shape, shape};

pub(crate) fn shapes() -> Vec<Shape> {
    vec![
        shape("native trait", |p| async move {
            Native::implemented(&Service, &p).await
        }),
        shape("native trait, default body", |p| async move {
            Native::defaulted(&Service, &p).await
        }),
        shape("async_trait", |p| async move {
            Boxed::implemented(&Service, &p, 1).await
        }),
        shape("async_trait, pattern", |p| async move {
            Service.pattern((p, 1), [1, 2]).await
        }),
        shape("async_trait, early return", |p| async move {
            Service.early(&p, true).await
        }),
        shape("async_trait, default body", |p| async move {
            Boxed::defaulted(&Service, &p).await
        }),
        shape("async_trait, through a trait object", |p| async move {
            let service: Box<dyn Boxed> = Box::new(Service);
            service.implemented(&p, 1).await
        }),
        shape("async_trait, mutable", |p| async move {
            Service.mutable(&p, vec![1]).await
        }),
        shape("async_trait, by value", |p| async move {
            Box::new(Service).consumed(&p).await
        }),
        shape("async_trait, generic", |p| async move {
            Generic::<u8>::generic(&Service, &p, 1, "x").await
        }),
        shape("async_trait, permit", |p| async move {
            Service.with_permit(&p).await
        }),
        shape("async_trait, no receiver", |p| async move {
            <Service as Static>::create(&p).await
        }),
        shape("async_trait, not `Send`", |p| async move {
            Service.local(&p, Rc::new(1)).await
        }),
        Shape::with_own_gate("async_trait, gate of the receiver", |p| async move {
            let gate = p.gate().clone();
            Guarded { gate }.own_gate(&p).await
        }),
    ]
}

struct Service;

trait Native {
    async fn implemented(&self, probe: &Probe) -> Outcome;

    #[requires_approval(policy = "p", skip(self))]
    async fn defaulted(&self, probe: &Probe) -> Outcome {
        Ok(probe.ran())
    }
}

impl Native for Service {
    #[requires_approval(policy = "p", skip(self))]
    async fn implemented(&self, probe: &Probe) -> Outcome {
        Ok(probe.ran())
    }
}

#[async_trait]
trait Boxed: Sync {
    async fn implemented(&self, probe: &Probe, n: u8) -> Outcome;
    async fn pattern(&self, pair: (Probe, u8), list: [u8; 2]) -> Outcome;
    async fn early(&self, probe: &Probe, early: bool) -> Outcome;
    async fn mutable(&mut self, probe: &Probe, list: Vec<u8>) -> Outcome;
    async fn consumed(self: Box<Self>, probe: &Probe) -> Outcome;
    async fn with_permit(&self, probe: &Probe) -> Outcome;

    #[requires_approval(policy = "p", skip(self))]
    async fn defaulted(&self, probe: &Probe) -> Outcome {
        let ran = probe.ran();
        tokio::task::yield_now().await;
        Ok(ran)
    }
}

#[async_trait]
impl Boxed for Service {
    #[requires_approval(policy = "p", skip(self))]
    async fn implemented(&self, probe: &Probe, n: u8) -> Outcome {
        let _ = n;
        Ok(probe.ran())
    }

    #[requires_approval(policy = "p", skip(self))]
    async fn pattern(&self, (probe, mut n): (Probe, u8), [a, b]: [u8; 2]) -> Outcome {
        n += a + b;
        let _ = n;
        Ok(probe.ran())
    }

    #[requires_approval(policy = "p", skip(self))]
    async fn early(&self, probe: &Probe, early: bool) -> Outcome {
        let ran = probe.ran();
        if early {
            return Ok(ran);
        }
        Ok(0)
    }

    #[requires_approval(policy = "p", skip(self))]
    async fn mutable(&mut self, probe: &Probe, mut list: Vec<u8>) -> Outcome {
        list.push(1);
        *self = Self;
        Ok(probe.ran())
    }

    #[requires_approval(policy = "p", skip(self))]
    async fn consumed(self: Box<Self>, probe: &Probe) -> Outcome {
        Ok(probe.ran())
    }

    #[requires_approval(policy = "p", skip(self), permit)]
    async fn with_permit(&self, probe: &Probe) -> Outcome {
        let permit: &Permit = permit;
        permit.summarise("ran");
        Ok(probe.ran())
    }
}

#[async_trait]
trait Generic<T> {
    async fn generic<'a, U>(&'a self, probe: &'a Probe, own: T, other: U) -> Outcome
    where
        U: serde::Serialize + Send + 'a,
        T: 'a;
}

#[async_trait]
impl<T: serde::Serialize + Send + 'static> Generic<T> for Service {
    #[requires_approval(policy = "p", skip(self))]
    async fn generic<'a, U>(&'a self, probe: &'a Probe, own: T, other: U) -> Outcome
    where
        U: serde::Serialize + Send + 'a,
        T: 'a,
    {
        let _ = (own, other);
        Ok(probe.ran())
    }
}

#[async_trait]
trait Static {
    async fn create(probe: &Probe) -> Outcome;
}

#[async_trait]
impl Static for Service {
    #[requires_approval(policy = "p")]
    async fn create(probe: &Probe) -> Outcome {
        Ok(probe.ran())
    }
}

#[async_trait(?Send)]
trait Local {
    async fn local(&self, probe: &Probe, shared: Rc<u8>) -> Outcome;
}

#[async_trait(?Send)]
impl Local for Service {
    #[requires_approval(policy = "p", skip(self))]
    async fn local(&self, probe: &Probe, shared: Rc<u8>) -> Outcome {
        tokio::task::yield_now().await;
        let _ = shared;
        Ok(probe.ran())
    }
}

struct Guarded {
    gate: Gate,
}

#[async_trait]
trait OwnGate {
    async fn own_gate(&self, probe: &Probe) -> Outcome;
}

#[async_trait]
impl OwnGate for Guarded {
    #[requires_approval(policy = "p", skip(self), gate = self.gate)]
    async fn own_gate(&self, probe: &Probe) -> Outcome {
        Ok(probe.ran())
    }
}
