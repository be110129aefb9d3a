//! Several gates over one store, each with its own channel: processes that share what is stored.

use std::sync::Arc;

use approvals_core::memory::InMemoryApprover;
use approvals_core::{Gate, GateBuilder, Policy};

use crate::support::World;

/// Another process on the same store, with the same people and the same trail.
pub(super) async fn beside(world: &World, policy: impl Policy + 'static) -> World {
    beside_with(world, policy, |gate| gate).await
}

/// The same with whatever else a test wants of its gate.
pub(super) async fn beside_with(
    world: &World,
    policy: impl Policy + 'static,
    more: impl FnOnce(GateBuilder) -> GateBuilder,
) -> World {
    let approver = InMemoryApprover::new();
    let gate = Gate::builder(world.store.clone(), world.directory.clone())
        .policy("p", policy)
        .approver("test", approver.connect())
        .required_audit_sink("memory", world.sink.clone());
    World {
        gate: more(gate).build().await.unwrap(),
        approver,
        sink: Arc::clone(&world.sink),
        store: Arc::clone(&world.store),
        directory: Arc::clone(&world.directory),
        bodies: Arc::clone(&world.bodies),
    }
}

/// The process ends, and another one starts on what it has stored.
pub(super) async fn restarted(world: World, policy: impl Policy + 'static) -> World {
    world.gate.flush().await;
    let after = beside(&world, policy).await;
    drop(world);
    after
}
