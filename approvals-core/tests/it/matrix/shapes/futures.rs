//! Functions that return a future: what stands before it is gated with it.

use std::future::Future;
use std::pin::Pin;

use approvals_core::{Permit, requires_approval};

use super::{Outcome, Probe, Shape, shape};

pub(crate) fn shapes() -> Vec<Shape> {
    vec![
        shape("boxed", |p| async move { boxed(&p).await }),
        shape("boxed, early return", |p| async move {
            boxed_early(&p, true).await
        }),
        shape("boxed, work before the future", |p| async move {
            boxed_work_first(p).await
        }),
        shape(
            "boxed, not `Send`",
            |p| async move { boxed_local(&p).await },
        ),
        shape("boxed, permit", |p| async move { boxed_permit(&p).await }),
        shape(
            "boxed behind an alias",
            |p| async move { box_future(&p).await },
        ),
        shape(
            "boxed behind an alias that hides its output",
            |p| async move { hidden(p).await },
        ),
        shape("opaque", |p| async move { opaque(&p).await }),
        shape("opaque, early return", |p| async move {
            opaque_early(&p, 1).await
        }),
        shape("opaque, captures named", |p| async move {
            opaque_captures(&p).await
        }),
        shape("opaque, permit", |p| async move { opaque_permit(&p).await }),
        shape("method, boxed", |p| async move { Service.boxed(&p).await }),
        shape(
            "method, opaque",
            |p| async move { Service.opaque(&p).await },
        ),
        Shape::with_own_gate("boxed, gate by name", |p| async move {
            boxed_own_gate(&p).await
        }),
    ]
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type Hidden = Pin<Box<dyn Future<Output = Outcome> + Send>>;

#[requires_approval(policy = "p")]
fn boxed(probe: &Probe) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
    Box::pin(async move { Ok(probe.ran()) })
}

#[requires_approval(policy = "p")]
fn boxed_early(probe: &Probe, early: bool) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
    if early {
        let ran = probe.ran();
        return Box::pin(async move { Ok(ran) });
    }
    Box::pin(async { Ok(0) })
}

#[requires_approval(policy = "p")]
fn boxed_work_first(probe: Probe) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
    let ran = probe.ran();
    Box::pin(std::future::ready(Ok(ran)))
}

#[requires_approval(policy = "p")]
fn boxed_local(probe: &Probe) -> Pin<Box<dyn Future<Output = Outcome> + '_>> {
    let local = std::rc::Rc::new(1);
    Box::pin(async move {
        tokio::task::yield_now().await;
        let _ = local;
        Ok(probe.ran())
    })
}

#[requires_approval(policy = "p", permit)]
fn boxed_permit(probe: &Probe) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
    Box::pin(async move {
        let permit: &Permit = permit;
        permit.summarise("ran");
        Ok(probe.ran())
    })
}

#[requires_approval(policy = "p", permit)]
fn box_future<'a>(probe: &'a Probe) -> BoxFuture<'a, Outcome> {
    let ran = probe.ran();
    Box::pin(async move {
        let _ = permit;
        Ok(ran)
    })
}

#[requires_approval(policy = "p", output = Outcome)]
fn hidden(probe: Probe) -> Hidden {
    let ran = probe.ran();
    Box::pin(async move { Ok(ran) })
}

#[requires_approval(policy = "p")]
fn opaque(probe: &Probe) -> impl Future<Output = Outcome> {
    let ran = probe.ran();
    async move { Ok(ran) }
}

#[requires_approval(policy = "p")]
fn opaque_early(probe: &Probe, mut n: u64) -> impl Future<Output = Outcome> + Send {
    n += 1;
    if n == 2 {
        return std::future::ready(Ok(probe.ran()));
    }
    std::future::ready(Ok(0))
}

#[requires_approval(policy = "p")]
fn opaque_captures<'a>(probe: &'a Probe) -> impl Future<Output = Outcome> + Send + use<'a> {
    async move { Ok(probe.ran()) }
}

#[requires_approval(policy = "p", permit)]
fn opaque_permit(probe: &Probe) -> impl Future<Output = Outcome> {
    async move {
        let _: &Permit = permit;
        Ok(probe.ran())
    }
}

#[requires_approval(policy = "p", gate = probe.gate())]
fn boxed_own_gate(probe: &Probe) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
    Box::pin(async move { Ok(probe.ran()) })
}

struct Service;

impl Service {
    #[requires_approval(policy = "p", skip(self))]
    fn boxed<'a>(&'a self, probe: &'a Probe) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
        let ran = probe.ran();
        Box::pin(async move { Ok(ran) })
    }

    #[requires_approval(policy = "p", skip(self))]
    fn opaque(&self, probe: &Probe) -> impl Future<Output = Outcome> + Send {
        let ran = probe.ran();
        async move { Ok(ran) }
    }
}
