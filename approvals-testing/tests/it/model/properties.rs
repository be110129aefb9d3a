//! What must always hold, and what must be reachable for that to mean anything.

use approvals_core::review::{Phase, State};
use stateright::Property;

use super::machine::World;
use super::truth::{Breach, Word};
use super::world::{Human, Setting};

macro_rules! never {
    ($($breach:ident: $name:literal,)*) => {
        /// The property that a breach would break.
        pub(super) const fn sentence(breach: Breach) -> &'static str {
            match breach {
                $(Breach::$breach => $name,)*
            }
        }

        fn never() -> Vec<Property<Setting>> {
            vec![$(Property::always($name, |_: &Setting, world: &World| {
                !world.truth.has(Breach::$breach)
            }),)*]
        }
    };
}

never! {
    DoubleStart: "a body is started once",
    InDoubtRerun: "what is in doubt is never started again",
    AfterEnd: "nothing starts after a denial, withdrawal, expiry, lapse or revocation",
    WhileFrozen: "nothing starts while frozen",
    AfterExecuteBy: "nothing starts after its time to run",
    WithoutClaim: "nothing starts without a claim that holds",
    EmptySeat: "nothing starts with an empty seat",
    SelfReview: "nobody of the requester's chain reviews",
    TwoSeats: "one human takes one seat",
    StaleVoter: "whoever no longer qualifies does not count at the claim",
    PolicyAsksMore: "what policy asks for now is met as well",
    Unconfirmed: "only somebody of the chain, then and now, confirms",
    LateVote: "a late vote does not count",
    NotAsked: "only who is asked votes",
    OldClick: "an old click does not undo a later word",
    TwoDecisions: "one decision stands",
    TwoOutcomes: "one outcome stands",
    NothingOwed: "a broken glass owes a review",
    OwnReviewAfterwards: "somebody else reviews a broken glass",
    RemindedTooLate: "nobody is reminded of what is decided or overdue",
    RemindedTwice: "people are reminded once at a time",
}

macro_rules! reached {
    ($($name:literal: $world:ident => $reached:expr,)*) => {
        vec![$(Property::sometimes($name, |_: &Setting, $world: &World| $reached)),*]
    };
}

fn in_phase(world: &World, phase: Phase) -> bool {
    world.record.state.phase() == phase
}

/// Reachable whatever else may happen.
fn always_reachable() -> Vec<Property<Setting>> {
    reached! {
        "approved": world => in_phase(world, Phase::Approved),
        "claimed": world => in_phase(world, Phase::Claimed),
        "executing": world => in_phase(world, Phase::Executing),
        "succeeded": world => in_phase(world, Phase::Succeeded),
        "in doubt": world => in_phase(world, Phase::InDoubt),
        "denied": world => in_phase(world, Phase::Denied),
        "withdrawn": world => in_phase(world, Phase::Withdrawn),
        "expired": world => in_phase(world, Phase::Expired),
        "revoked": world => in_phase(world, Phase::Revoked),
        "lapsed": world => in_phase(world, Phase::Lapsed),
        "a lease is lost and another gate claims": world => {
            in_phase(world, Phase::Claimed)
                && world.record.fence > 1
                && world.gates.iter().all(|gate| gate.held.is_some())
        },
        "a crashed body becomes in doubt": world => {
            in_phase(world, Phase::InDoubt) && world.gates.iter().all(|gate| gate.held.is_none())
        },
    }
}

/// What only some settings can reach.
fn reachable_here(setting: &Setting) -> Vec<Property<Setting>> {
    let mut all = Vec::new();
    let widens = setting.seats.iter().any(|seat| seat.widened != 0);
    if widens {
        all.extend(reached! {
            "a widened audience takes a seat": world => {
                in_phase(world, Phase::Approved)
                    && world.truth.widened
                    && matches!(world.truth.words[Human::Carol.index()], Word::Approve(_))
                    && !world.record.votes.iter().any(|vote| {
                        vote.person == Human::Carol.person()
                            && vote.seats.iter().any(|seat| seat.stage == 1)
                    })
            },
        });
    }
    if setting.glass != 0 {
        all.extend(reached! {
            "a broken glass runs and is reviewed by somebody else": world => {
                in_phase(world, Phase::Succeeded)
                    && world.truth.glass.is_some()
                    && world.truth.reviewed
            },
        });
    }
    if setting.may.bob_leaves || setting.may.bob_unknown {
        all.extend(reached! {
            "a voter has lost the groups by the time of the claim": world => {
                in_phase(world, Phase::Approved)
                    && matches!(world.truth.words[Human::Bob.index()], Word::Approve(_))
                    && world.directory.groups(Human::Bob) == 0
            },
        });
    }
    if setting.may.freeze {
        all.extend(reached! {
            "a freeze comes between claim and start": world => {
                world.frozen && matches!(&world.record.state, State::Claimed { .. })
            },
        });
    }
    if setting.confirm {
        all.extend(reached! {
            "the principal has confirmed and two others have agreed": world => {
                in_phase(world, Phase::Approved)
                    && world.truth.words[Human::Dave.index()] == Word::Confirm
            },
        });
    }
    if setting.may.withdraw_votes && setting.seats.iter().any(|seat| seat.stage == 1) {
        all.extend(reached! {
            "a stage opens again": world => {
                world.truth.second_stage
                    && world.record.progress.iter().any(|progress| progress.open == 0)
            },
        });
    }
    if setting.reminds() {
        all.extend(reached! {
            "people are reminded, and agree then": world => {
                in_phase(world, Phase::Approved) && world.truth.reminded.is_some()
            },
            "people are reminded again in another stage or of another deadline": world => {
                world.truth.reminded > Some(1)
            },
        });
    }
    if setting.may.policy_changes {
        all.extend(reached! {
            "an approval meets a policy that came after it": world => {
                world.truth.claim.is_some_and(|claim| claim.policy_changed)
                    && in_phase(world, Phase::Executing)
            },
        });
    }
    all
}

pub(super) fn of(setting: &Setting) -> Vec<Property<Setting>> {
    let mut all = never();
    all.extend(always_reachable());
    all.extend(reachable_here(setting));
    all
}
