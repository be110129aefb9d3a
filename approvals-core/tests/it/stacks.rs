//! The attribute among other attribute macros, above and below them, and above itself.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use approvals_core::memory::{Answer, InMemoryApprover, InMemoryDirectory, MemoryStore};
use approvals_core::{
    ApprovalError, Gate, Kind, Requester, Requirement, async_trait, requires_approval,
};
use tracing::instrument;

type Outcome = Result<(), ApprovalError>;
type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;
/// Counts the bodies that ran.
type Bodies = AtomicUsize;

fn ran(bodies: &Bodies) -> Outcome {
    bodies.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[instrument(skip_all)]
#[requires_approval(policy = "p", skip(bodies))]
async fn instrument_above(bodies: &Bodies, n: u8) -> Outcome {
    let _ = n;
    ran(bodies)
}

#[requires_approval(policy = "p", skip(bodies))]
#[instrument(skip_all, fields(n), err)]
async fn instrument_below(bodies: &Bodies, n: u8) -> Outcome {
    let _ = n;
    ran(bodies)
}

#[instrument(skip_all)]
#[requires_approval(policy = "p", skip(bodies))]
fn instrument_above_boxed(bodies: &Bodies) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
    let outcome = ran(bodies);
    Box::pin(async move { outcome })
}

#[requires_approval(policy = "p", skip(bodies))]
#[instrument(skip_all)]
fn instrument_below_boxed(bodies: &Bodies) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
    let outcome = ran(bodies);
    Box::pin(async move { outcome })
}

#[requires_approval(
    policy = "p",
    action = "stacks.upper",
    skip(bodies),
    resource = "upper/{n}"
)]
#[requires_approval(
    policy = "q",
    action = "stacks.lower",
    skip(bodies),
    resource = "lower/{n}"
)]
async fn two_gates(bodies: &Bodies, n: u8) -> Outcome {
    let _ = n;
    ran(bodies)
}

#[requires_approval(policy = "p", action = "stacks.instrumented.upper", skip(bodies))]
#[instrument(skip_all)]
#[requires_approval(policy = "q", action = "stacks.instrumented.lower", skip(bodies))]
async fn two_gates_and_instrument(bodies: &Bodies) -> Outcome {
    ran(bodies)
}

struct Service;

/// Default bodies, with each order of the two other attributes.
#[async_trait]
trait Defaults: Sync {
    #[requires_approval(policy = "p", skip(self, bodies))]
    async fn alone(&self, bodies: &Bodies) -> Outcome {
        ran(bodies)
    }

    #[instrument(skip_all)]
    #[requires_approval(policy = "p", skip(self, bodies))]
    async fn above(&self, bodies: &Bodies) -> Outcome {
        ran(bodies)
    }

    #[requires_approval(policy = "p", skip(self, bodies))]
    #[instrument(skip_all)]
    async fn below(&self, bodies: &Bodies) -> Outcome {
        ran(bodies)
    }

    #[requires_approval(policy = "p", action = "stacks.default.upper", skip(self, bodies))]
    #[requires_approval(policy = "q", action = "stacks.default.lower", skip(self, bodies))]
    async fn twice(&self, bodies: &Bodies, (a, mut b): (u8, u8)) -> Outcome {
        b += a;
        let _ = b;
        ran(bodies)
    }

    async fn implemented_above(&self, bodies: &Bodies) -> Outcome;
    async fn implemented_below(&self, bodies: &Bodies) -> Outcome;
}

#[async_trait]
impl Defaults for Service {
    #[instrument(skip_all)]
    #[requires_approval(policy = "p", skip(self, bodies))]
    async fn implemented_above(&self, bodies: &Bodies) -> Outcome {
        ran(bodies)
    }

    #[requires_approval(policy = "p", skip(self, bodies))]
    #[instrument(skip_all)]
    async fn implemented_below(&self, bodies: &Bodies) -> Outcome {
        ran(bodies)
    }
}

/// A default body whose `#[async_trait]` expands after the gate: the trait stands in a function.
#[requires_approval(policy = "p", skip(bodies))]
async fn around_a_trait(bodies: &Bodies) -> Outcome {
    #[async_trait]
    trait Inner: Sync {
        async fn run(&self, bodies: &Bodies) -> Outcome {
            ran(bodies)
        }
    }
    impl Inner for Service {}
    Service.run(bodies).await
}

/// Each stack, and how many people have to say yes.
type Stack = (&'static str, usize, fn(&Bodies) -> Running<'_>);

fn stacks() -> Vec<Stack> {
    vec![
        ("instrument above", 1, |b| Box::pin(instrument_above(b, 1))),
        ("instrument below", 1, |b| Box::pin(instrument_below(b, 1))),
        ("instrument above a box", 1, |b| instrument_above_boxed(b)),
        ("instrument below a box", 1, |b| instrument_below_boxed(b)),
        ("two gates", 2, |b| Box::pin(two_gates(b, 1))),
        ("two gates and instrument", 2, |b| {
            Box::pin(two_gates_and_instrument(b))
        }),
        ("default body", 1, |b| Service.alone_of(b)),
        ("default body, instrument above", 1, |b| {
            Box::pin(async move { Service.above(b).await })
        }),
        ("default body, instrument below", 1, |b| {
            Box::pin(async move { Service.below(b).await })
        }),
        ("default body, two gates", 2, |b| {
            Box::pin(async move { Service.twice(b, (1, 2)).await })
        }),
        ("async_trait, instrument above", 1, |b| {
            Box::pin(async move { Service.implemented_above(b).await })
        }),
        ("async_trait, instrument below", 1, |b| {
            Box::pin(async move { Service.implemented_below(b).await })
        }),
        ("around a trait", 1, |b| Box::pin(around_a_trait(b))),
    ]
}

impl Service {
    fn alone_of<'a>(&'static self, bodies: &'a Bodies) -> Running<'a> {
        Box::pin(async move { self.alone(bodies).await })
    }
}

async fn gate() -> (Gate, InMemoryApprover, Requester) {
    let directory = Arc::new(InMemoryDirectory::new());
    directory.person("alice", ["seniors"]).unwrap();
    directory.person("bob", ["owners"]).unwrap();
    let approver = InMemoryApprover::new();
    let gate = Gate::builder(Arc::new(MemoryStore::on_tokio_time()), directory)
        .policy("p", Requirement::one_of("seniors").unwrap())
        .policy("q", Requirement::one_of("seniors").unwrap())
        .approver("test", approver.connect())
        .build()
        .await
        .unwrap();
    let requester = Requester::agent("exporter")
        .unwrap()
        .acting_for("person:bob")
        .unwrap();
    (gate, approver, requester)
}

#[tokio::test(start_paused = true)]
async fn every_stack_runs_its_body_once_after_every_yes() {
    for (name, gates, call) in stacks() {
        let (gate, approver, requester) = gate().await;
        approver.script(vec![Answer::approve("alice"); gates]);
        let bodies = Bodies::new(0);
        let outcome = gate.scope(requester.scope(call(&bodies))).await;
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
        assert_eq!(bodies.into_inner(), 1, "{name}");
        assert_eq!(approver.asked().len(), gates, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_stack_runs_its_body_after_a_no_of_any_gate() {
    for (name, gates, call) in stacks() {
        for denied in 0..gates {
            let (gate, approver, requester) = gate().await;
            let mut answers = vec![Answer::approve("alice"); gates];
            answers[denied] = Answer::deny("alice", "not today");
            approver.script(answers);
            let bodies = Bodies::new(0);
            let error = gate
                .scope(requester.scope(call(&bodies)))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), Kind::Denied, "{name}");
            assert_eq!(bodies.into_inner(), 0, "{name}");
            assert_eq!(approver.asked().len(), denied + 1, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_stack_runs_its_body_without_a_gate() {
    for (name, _, call) in stacks() {
        let (_, _, requester) = gate().await;
        let bodies = Bodies::new(0);
        let error = requester.scope(call(&bodies)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{name}");
        assert_eq!(bodies.into_inner(), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_template_of_each_gate_names_what_its_own_reviewers_see() {
    let (gate, approver, requester) = gate().await;
    approver.script(vec![Answer::approve("alice"); 2]);
    let bodies = Bodies::new(0);
    let call = two_gates(&bodies, 7);
    gate.scope(requester.scope(call)).await.unwrap();
    let mut resources: Vec<_> = approver
        .asked()
        .iter()
        .map(|asked| asked.call.resource().unwrap().to_owned())
        .collect();
    resources.sort();
    assert_eq!(resources, ["lower/7", "upper/7"]);
}

/// `Send` is asserted while compiling; the futures are never polled.
mod send {
    use super::*;
    use approvals_core::Permit;
    use std::cell::Cell;

    fn is_send(_: impl Send) {}

    fn is_send_of<F: Send>(_: impl FnOnce(&'static Gate, &'static Requester) -> F) {}

    #[requires_approval(policy = "p")]
    async fn plain(text: &str, cell: Cell<u8>) -> Outcome {
        let _ = (text, cell);
        Ok(())
    }

    #[requires_approval(policy = "p", skip(act), permit)]
    async fn with_permit(act: impl FnOnce() + Send) -> Outcome {
        let _: &Permit = permit;
        tokio::task::yield_now().await;
        act();
        let _ = permit;
        Ok(())
    }

    #[requires_approval(policy = "p", permit)]
    fn opaque(text: &str) -> impl Future<Output = Outcome> {
        async move {
            tokio::task::yield_now().await;
            let _ = (text, permit);
            Ok(())
        }
    }

    #[requires_approval(policy = "p", permit)]
    fn boxed(text: &str) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let _ = (text, permit);
            Ok(())
        })
    }

    #[requires_approval(policy = "p", action = "stacks.send.upper", skip(bodies))]
    #[requires_approval(policy = "q", action = "stacks.send.lower", skip(bodies), permit)]
    async fn stacked(bodies: &Bodies) -> Outcome {
        let _ = permit;
        ran(bodies)
    }

    #[requires_approval(policy = "p", gate = gate, requester = requester, skip(gate, requester))]
    async fn named(gate: &Gate, requester: &Requester) -> Outcome {
        let _ = (gate, requester);
        Ok(())
    }

    struct Account(Cell<u8>);

    impl Account {
        #[requires_approval(policy = "p", fields(account = self.0.get()), permit)]
        async fn by_mutable_reference(&mut self) -> Outcome {
            tokio::task::yield_now().await;
            let _ = (permit, &mut self.0);
            Ok(())
        }
    }

    /// Nothing that the expansion adds needs a lock on what the caller holds: it is `Send` though
    /// an argument is not `Sync`.
    #[test]
    fn a_guarded_future_is_send_where_the_bare_one_is() {
        is_send(plain("", Cell::new(1)));
        is_send(with_permit(|| ()));
        is_send(opaque(""));
        is_send(boxed(""));
        is_send(stacked(&Bodies::new(0)));
        is_send(Account(Cell::new(1)).by_mutable_reference());
        is_send(Defaults::twice(&Service, &Bodies::new(0), (1, 2)));
        is_send(Defaults::implemented_below(&Service, &Bodies::new(0)));
        is_send_of(named);
    }
}

#[requires_approval(policy = "p", skip(bodies))]
async fn not_send(bodies: Rc<Bodies>, shared: Rc<str>) -> Outcome {
    tokio::task::yield_now().await;
    let _ = shared;
    ran(&bodies)
}

#[tokio::test(start_paused = true)]
async fn a_guarded_future_need_not_be_send() {
    let (gate, approver, requester) = gate().await;
    approver.script([Answer::approve("alice")]);
    let bodies = Rc::new(Bodies::new(0));
    let local = tokio::task::LocalSet::new();
    let call = not_send(Rc::clone(&bodies), "text".into());
    let task = local.run_until(async move {
        let scoped = async move { gate.scope(requester.scope(call)).await };
        tokio::task::spawn_local(scoped).await.unwrap()
    });
    task.await.unwrap();
    assert_eq!(bodies.load(Ordering::Relaxed), 1);
}
