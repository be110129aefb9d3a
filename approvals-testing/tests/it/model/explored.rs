//! The explorations of the real `apply`.

use std::io::Write as _;
use std::time::Instant;

use approvals_core::review::apply;
use stateright::{Checker, DiscoveryClassification, Model};

use super::world::{May, Setting, Through};

const ENGINE: Through = Through::Engine(apply);

/// Explores everything that a setting can reach, prints how much that is, and holds it against
/// every property.
fn explore(name: &str, setting: Setting) {
    let began = Instant::now();
    let checker = setting.checker().threads(2).spawn_bfs().join();
    // On the real standard error: it is seen also when the test passes.
    let _ = writeln!(
        std::io::stderr(),
        "{name}: {} states ({} unique), {} steps deep, {:.1?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed()
    );
    assert!(checker.is_done(), "the exploration was cut short");
    for (property, path) in checker.discoveries() {
        let kind = checker.discovery_classification(property);
        let failed = matches!(kind, DiscoveryClassification::Counterexample);
        assert!(
            !failed,
            "not so: {property}, after {:?}",
            path.into_actions()
        );
    }
    checker.assert_properties();
}

/// Three reviewers with overlapping groups and a second channel identity, two stages, a widened
/// audience, every deadline, break-glass, withdraw, revoke, freeze, a reviewer who leaves, two
/// gates that claim, and a crash or a lost lease between any two steps.
#[test]
fn every_interleaving_of_two_stages_and_two_claimers_holds_the_invariants() {
    let may = May {
        withdraw_votes: true,
        bob_leaves: true,
        freeze: true,
        two_gates: true,
        ..May::default()
    };
    explore("two stages", Setting::two_stages(ENGINE, may));
}

/// The same through the store, by the loop that the product has: votes, claims and starts are judged
/// on a snapshot that may be old, by what a gate or a desk looked up before, and swapped in under the
/// store's guards.
#[test]
fn every_interleaving_on_old_snapshots_holds_the_invariants() {
    let may = May {
        freeze: true,
        two_gates: true,
        ..May::default()
    };
    explore(
        "old snapshots",
        Setting::one_stage(Through::Store(None), may),
    );
}

/// A voter becomes an owner of the agent, and another is unknown to the directory.
#[test]
fn every_interleaving_with_new_owners_and_unknown_voters_holds_the_invariants() {
    let may = May {
        withdraw_votes: true,
        bob_unknown: true,
        alice_owns: true,
        two_gates: true,
        ..May::default()
    };
    explore("new owners", Setting::two_stages(ENGINE, may));
}

/// A second track: the principal confirms, and may be no principal any more.
#[test]
fn every_interleaving_of_a_review_and_a_confirmation_holds_the_invariants() {
    let may = May {
        withdraw_votes: true,
        alice_owns: true,
        dave_goes: true,
        two_gates: true,
        ..May::default()
    };
    explore("review and confirmation", Setting::confirmed(ENGINE, may));
}

/// Policy asks for something else by the time of the claim: the votes are replayed in order.
#[test]
fn every_interleaving_with_a_policy_that_changes_holds_the_invariants() {
    let may = May {
        withdraw_votes: true,
        bob_leaves: true,
        policy_changes: true,
        two_gates: true,
        ..May::default()
    };
    explore("policy changes", Setting::tightened(ENGINE, may));
}

/// Whoever has not answered is reminded at every tick, while a stage opens, is widened and closes.
#[test]
fn every_interleaving_with_reminders_holds_the_invariants() {
    let may = May {
        withdraw_votes: true,
        bob_leaves: true,
        two_gates: true,
        ..May::default()
    };
    explore("reminders", Setting::reminded(ENGINE, may));
}
