//! Broken forms of `apply`, each caught: the exploration can tell right from wrong.
//!
//! A mutant is a function around the real one that changes what goes in or comes out. Nothing in
//! the library can be switched to behave like that.

use std::sync::Arc;

use approvals_core::review::{
    Choice, Claim, Command, Phase, Record, Refused, State, Transition, VoterNow, apply,
};
use approvals_core::{NonEmpty, People, PersonId, Requirement, Timestamp, What};
use stateright::{Checker, HasDiscoveries, Model};

use super::properties::sentence;
use super::truth::Breach;
use super::world::{Apply, EXECUTE, LEASE, May, Setting, Through, ticks, two_stages};

type Judged = Result<Transition, Refused>;

/// Explores until the breach is found, and says by which steps.
pub(super) fn caught(setting: Setting, breach: Breach) {
    let name = sentence(breach);
    let checker = setting
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyOf([name].into()))
        .spawn_bfs()
        .join();
    let path = checker.discovery(name);
    let path = path.unwrap_or_else(|| panic!("the mutant was not caught: {name}"));
    println!("{name}: {:?}", path.into_actions());
}

/// Nothing happens but votes, time, crashes and one gate; each mutant adds what it needs.
const CALM: May = May {
    withdraw_votes: false,
    bob_leaves: false,
    bob_unknown: false,
    alice_owns: false,
    dave_goes: false,
    policy_changes: false,
    freeze: false,
    two_gates: false,
};

fn two_stages_of(mutant: Apply, may: May) -> Setting {
    Setting::two_stages(Through::Engine(mutant), may)
}

/// Judges another record than the one that stands, and puts back what was only pretended.
fn pretending(
    record: &Record,
    command: &Command,
    now: Timestamp,
    pretend: impl FnOnce(&mut Record),
) -> Judged {
    let mut other = record.clone();
    pretend(&mut other);
    let mut transition = apply(&other, command, now)?;
    transition.record.asked = Arc::clone(&record.asked);
    Ok(transition)
}

fn with_vote(
    command: &Command,
    change: impl FnOnce(&mut approvals_core::review::Ballot),
) -> Command {
    let mut command = command.clone();
    if let Command::Vote(ballot) = &mut command {
        change(ballot);
    }
    command
}

fn with_claim(
    command: &Command,
    change: impl FnOnce(&mut approvals_core::review::ClaimNow),
) -> Command {
    let mut command = command.clone();
    if let Command::Claim(claim) | Command::ClaimAndStart(claim) = &mut command {
        change(claim);
    }
    command
}

const fn claims(command: &Command) -> bool {
    matches!(command, Command::Claim(_) | Command::ClaimAndStart(_))
}

/// The claim that a start would need.
fn as_if_claimed(record: &mut Record, command: &Command, now: Timestamp) {
    if let Command::Start { fence, owner, .. } = command {
        record.state = State::Claimed {
            claim: Claim {
                fence: *fence,
                owner: *owner,
                lease_until: now.plus(ticks(LEASE)),
            },
            execute_by: now.plus(ticks(EXECUTE)),
            approved_at: now,
        };
    }
}

fn allows_self_votes(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let command = with_vote(command, |ballot| ballot.excluded.clear());
    let command = with_claim(&command, |claim| claim.excluded.clear());
    let mut transition = pretending(record, &command, now, |record| {
        let mut asked = record.asked.as_ref().clone();
        asked.principals.clear();
        record.asked = Arc::new(asked);
        record.excluded.clear();
    })?;
    transition.record.excluded.clone_from(&record.excluded);
    Ok(transition)
}

#[test]
fn the_model_catches_a_vote_on_ones_own_request() {
    caught(two_stages_of(allows_self_votes, CALM), Breach::SelfReview);
}

fn needs_one_less(record: &Record, command: &Command, now: Timestamp) -> Judged {
    thread_local! {
        static ONE_LESS: NonEmpty<Arc<Requirement>> = NonEmpty::of(Arc::new(two_stages(1)));
    }
    let command = with_claim(command, |claim| {
        claim.verdict = approvals_core::Verdict::Allow(super::world::reasons());
    });
    pretending(record, &command, now, |record| {
        let mut asked = record.asked.as_ref().clone();
        asked.tracks = ONE_LESS.with(Clone::clone);
        record.asked = Arc::new(asked);
    })
}

#[test]
fn the_model_catches_a_quorum_that_is_off_by_one() {
    caught(two_stages_of(needs_one_less, CALM), Breach::EmptySeat);
}

/// Takes every channel identity for a person.
fn seats_identities(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let command = with_vote(command, |ballot| {
        if ballot.identity.channel.as_str() == "slack" {
            ballot.person = PersonId::new(format!("{}-on-slack", ballot.person)).unwrap();
        }
    });
    apply(record, &command, now)
}

#[test]
fn the_model_catches_one_human_in_two_seats() {
    caught(two_stages_of(seats_identities, CALM), Breach::TwoSeats);
}

/// Judges a late vote as if it had come a moment before the deadline.
fn accepts_late_votes(record: &Record, command: &Command, now: Timestamp) -> Judged {
    match apply(record, command, now) {
        Err(Refused::Late(deadline)) if matches!(command, Command::Vote(_)) => {
            apply(record, command, deadline.minus(ticks(1)))
        }
        judged => judged,
    }
}

#[test]
fn the_model_catches_a_late_vote_that_is_accepted() {
    caught(two_stages_of(accepts_late_votes, CALM), Breach::LateVote);
}

/// Takes a reminder for more time to decide.
fn reminds_instead_of_expiring(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let mut transition = apply(record, command, now)?;
    if transition
        .events
        .iter()
        .any(|event| matches!(event, What::Reminded { .. }))
    {
        for progress in &mut transition.record.progress {
            progress.deadline = progress.deadline.plus(ticks(1));
        }
    }
    Ok(transition)
}

#[test]
fn the_model_catches_a_reminder_that_extends_a_deadline() {
    let setting = Setting::reminded(Through::Engine(reminds_instead_of_expiring), CALM);
    caught(setting, Breach::LateVote);
}

/// Forgets that it reminded.
fn reminds_again_at_once(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let mut transition = apply(record, command, now)?;
    if matches!(command, Command::Due) && transition.record.state.phase() == Phase::Pending {
        transition.record.progress.clone_from(&record.progress);
    }
    Ok(transition)
}

#[test]
fn the_model_catches_a_reminder_that_comes_again_at_once() {
    let setting = Setting::reminded(Through::Engine(reminds_again_at_once), CALM);
    caught(setting, Breach::RemindedTwice);
}

fn starts_twice(record: &Record, command: &Command, now: Timestamp) -> Judged {
    pretending(record, command, now, |record| {
        if record.state.phase() == Phase::Executing {
            as_if_claimed(record, command, now);
        }
    })
}

#[test]
fn the_model_catches_a_double_start() {
    caught(two_stages_of(starts_twice, CALM), Breach::DoubleStart);
}

fn starts_what_was_revoked(record: &Record, command: &Command, now: Timestamp) -> Judged {
    pretending(record, command, now, |record| {
        if record.state.phase() == Phase::Revoked {
            as_if_claimed(record, command, now);
        }
    })
}

#[test]
fn the_model_catches_a_start_after_a_revocation() {
    caught(
        two_stages_of(starts_what_was_revoked, CALM),
        Breach::AfterEnd,
    );
}

fn claims_what_was_denied(record: &Record, command: &Command, now: Timestamp) -> Judged {
    pretending(record, command, now, |record| {
        if record.state.phase() == Phase::Denied && claims(command) {
            record.state = State::Approved {
                at: now,
                execute_by: now.plus(ticks(EXECUTE)),
            };
        }
    })
}

#[test]
fn the_model_catches_a_claim_after_a_denial() {
    caught(two_stages_of(denies_too_late, CALM), Breach::AfterEnd);
}

/// Hears a denial and lets the request go on.
fn denies_too_late(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let mut transition = claims_what_was_denied(record, command, now)?;
    if matches!(command, Command::Vote(ballot) if ballot.choice == Choice::Deny) {
        transition.record.state = State::Pending;
    }
    Ok(transition)
}

fn starts_while_frozen(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let mut command = command.clone();
    match &mut command {
        Command::Start { frozen, .. } => *frozen = false,
        Command::ClaimAndStart(claim) => claim.frozen = false,
        _ => {}
    }
    apply(record, &command, now)
}

#[test]
fn the_model_catches_a_start_after_a_freeze() {
    caught(
        two_stages_of(
            starts_while_frozen,
            May {
                freeze: true,
                ..CALM
            },
        ),
        Breach::WhileFrozen,
    );
}

/// Believes at the claim what the votes said when they were cast.
fn keeps_stale_voters(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let command = with_claim(command, |claim| {
        let voters = record.votes.iter().map(|vote| VoterNow {
            person: vote.person.clone(),
            groups: vote.groups.clone(),
        });
        claim.voters = voters.collect();
    });
    apply(record, &command, now)
}

#[test]
fn the_model_catches_a_stale_voter_kept_at_the_claim() {
    caught(
        two_stages_of(
            keeps_stale_voters,
            May {
                bob_leaves: true,
                ..CALM
            },
        ),
        Breach::StaleVoter,
    );
}

/// Forgets at the claim who has become a part of the request meanwhile.
fn keeps_new_owners(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let command = with_claim(command, |claim| claim.excluded = People::new());
    apply(record, &command, now)
}

#[test]
fn the_model_catches_a_voter_who_became_an_owner() {
    caught(
        two_stages_of(
            keeps_new_owners,
            May {
                alice_owns: true,
                ..CALM
            },
        ),
        Breach::StaleVoter,
    );
}

fn claims_what_is_in_doubt(record: &Record, command: &Command, now: Timestamp) -> Judged {
    pretending(record, command, now, |record| {
        if record.state.phase() == Phase::InDoubt && claims(command) {
            record.state = State::Approved {
                at: now,
                execute_by: now.plus(ticks(EXECUTE)),
            };
        }
    })
}

#[test]
fn the_model_catches_what_is_in_doubt_being_run_again() {
    caught(
        two_stages_of(claims_what_is_in_doubt, CALM),
        Breach::InDoubtRerun,
    );
}

/// Gives an executing request back when its lease is lost, as if it had only been claimed.
fn gives_back_what_was_started(record: &Record, command: &Command, now: Timestamp) -> Judged {
    pretending(record, command, now, |record| {
        if let State::Executing { claim } = record.state
            && matches!(command, Command::Due)
        {
            record.state = State::Claimed {
                claim,
                execute_by: record.asked.expires_at,
                approved_at: now,
            };
        }
    })
}

#[test]
fn the_model_catches_a_lost_lease_that_gives_back_what_was_started() {
    caught(
        two_stages_of(gives_back_what_was_started, CALM),
        Breach::DoubleStart,
    );
}

/// Lets a second gate claim what the first still holds.
fn steals_claims(record: &Record, command: &Command, now: Timestamp) -> Judged {
    pretending(record, command, now, |record| {
        if let State::Claimed {
            execute_by,
            approved_at,
            ..
        } = record.state
            && claims(command)
        {
            record.state = State::Approved {
                at: approved_at,
                execute_by,
            };
            // Without a new fence the first claimer cannot tell.
            record.fence -= 1;
        }
    })
}

fn forgets_owners(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let mut command = command.clone();
    if let (
        Command::Start { owner, .. },
        State::Claimed {
            claim: Claim { owner: holder, .. },
            ..
        },
    ) = (&mut command, &record.state)
    {
        *owner = *holder;
    }
    steals_claims(record, &command, now)
}

#[test]
fn the_model_catches_a_start_under_somebody_elses_claim() {
    caught(
        two_stages_of(
            forgets_owners,
            May {
                two_gates: true,
                ..CALM
            },
        ),
        Breach::WithoutClaim,
    );
}

/// Judges a start as if its lease, and its time to run, had not run out.
fn starts_late(record: &Record, command: &Command, now: Timestamp) -> Judged {
    match apply(record, command, now) {
        Err(Refused::Late(_)) if matches!(command, Command::Start { .. }) => {
            pretending(record, command, now, |record| {
                as_if_claimed(record, command, now);
            })
        }
        judged => judged,
    }
}

#[test]
fn the_model_catches_a_start_after_the_lease() {
    caught(two_stages_of(starts_late, CALM), Breach::WithoutClaim);
}

#[test]
fn the_model_catches_a_start_after_the_time_to_run() {
    caught(two_stages_of(starts_late, CALM), Breach::AfterExecuteBy);
}

/// Believes a click on what an old message showed.
fn believes_old_clicks(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let command = with_vote(command, |ballot| ballot.revision = record.revision);
    apply(record, &command, now)
}

#[test]
fn the_model_catches_an_old_click_that_undoes_a_later_word() {
    caught(
        two_stages_of(
            believes_old_clicks,
            May {
                withdraw_votes: true,
                ..CALM
            },
        ),
        Breach::OldClick,
    );
}

/// Lets everybody break the glass.
fn gives_everybody_the_hammer(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let hammer = || approvals_core::GroupId::new("oncall").unwrap();
    let command = with_vote(command, |ballot| {
        if ballot.choice == Choice::BreakGlass {
            ballot.groups.insert(hammer());
        }
    });
    apply(record, &command, now)
}

#[test]
fn the_model_catches_a_glass_broken_by_somebody_else() {
    caught(
        two_stages_of(gives_everybody_the_hammer, CALM),
        Breach::NotAsked,
    );
}

fn forgets_what_is_owed(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let mut transition = apply(record, command, now)?;
    if matches!(command, Command::Vote(_)) {
        transition.record.review_owed = None;
    }
    Ok(transition)
}

#[test]
fn the_model_catches_a_broken_glass_that_owes_nothing() {
    caught(
        two_stages_of(forgets_what_is_owed, CALM),
        Breach::NothingOwed,
    );
}

/// Asks the widened audience from the beginning.
fn widens_early(record: &Record, command: &Command, now: Timestamp) -> Judged {
    pretending(record, command, now, |record| {
        for progress in &mut record.progress {
            progress.widened = 1;
        }
    })
}

#[test]
fn the_model_catches_an_audience_that_is_widened_early() {
    caught(two_stages_of(widens_early, CALM), Breach::NotAsked);
}

/// Does not ask policy again at the claim.
fn trusts_the_policy_of_then(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let command = with_claim(command, |claim| {
        claim.verdict =
            approvals_core::Verdict::Review(record.asked.tracks.clone(), super::world::reasons());
    });
    apply(record, &command, now)
}

#[test]
fn the_model_catches_a_policy_that_is_not_asked_again() {
    let may = May {
        policy_changes: true,
        ..CALM
    };
    caught(
        Setting::tightened(Through::Engine(trusts_the_policy_of_then), may),
        Breach::PolicyAsksMore,
    );
}

/// Believes at the claim that whoever confirmed is of the chain still.
fn keeps_former_principals(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let command = with_claim(command, |claim| {
        claim
            .excluded
            .extend(record.asked.principals.iter().cloned());
    });
    apply(record, &command, now)
}

#[test]
fn the_model_catches_a_confirmation_by_somebody_who_left_the_chain() {
    let may = May {
        dave_goes: true,
        ..CALM
    };
    caught(
        Setting::confirmed(Through::Engine(keeps_former_principals), may),
        Breach::Unconfirmed,
    );
}

/// Takes the principal's own confirmation for all that was asked.
fn counts_confirmations(record: &Record, command: &Command, now: Timestamp) -> Judged {
    let command = with_claim(command, |claim| {
        claim.verdict = approvals_core::Verdict::Allow(super::world::reasons());
    });
    let mut transition = pretending(record, &command, now, |record| {
        let mut asked = record.asked.as_ref().clone();
        asked.tracks = NonEmpty::of(Arc::clone(asked.tracks.get(1).unwrap()));
        record.asked = Arc::new(asked);
        record.progress = record.progress[1..].into();
    })?;
    let first = [record.progress[0]].into_iter();
    let others = transition.record.progress.iter().copied();
    transition.record.progress = first.chain(others).collect();
    Ok(transition)
}

#[test]
fn the_model_catches_a_confirmation_that_counts_as_a_review() {
    caught(
        Setting::confirmed(Through::Engine(counts_confirmations), CALM),
        Breach::EmptySeat,
    );
}
