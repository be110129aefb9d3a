//! Whether exactly one won, and everybody else was told who.

use approvals_core::Phase;

use super::Ran;
use super::report::Report;
use super::told::{Told, Want};
use crate::trail::{Broken, History, Trail, Violation};

/// Judges one race by its trail.
pub(super) fn judge(ran: &Ran, trail: &Trail, effects: &[String], report: &mut Report) {
    let mut violations = Vec::new();
    let mut broken = |broken, found: String| {
        let found = format!("race of {}: {found} ({:?})", ran.request, ran.told);
        violations.push(Violation { broken, found });
    };
    let Some(history) = trail.requests.get(&ran.request) else {
        broken(Broken::RecordDisagrees, "it has no trail".to_owned());
        report.violations.append(&mut violations);
        return;
    };
    let times = |phase| history.phases.iter().filter(|was| **was == phase).count();
    let last = history.phase();
    let decided = [Phase::Denied, Phase::Withdrawn, Phase::Expired];
    let decided: usize = decided.into_iter().map(times).sum();
    let was_approved = history.was(Phase::Approved);
    if decided + usize::from(was_approved) != 1 {
        broken(Broken::Order, format!("decided as {:?}", history.phases));
    }
    let ended = [Phase::Revoked, Phase::Lapsed, Phase::Executing];
    let ended: usize = ended.into_iter().map(times).sum();
    if was_approved && ended != 1 {
        broken(Broken::Order, format!("ended as {:?}", history.phases));
    }
    let ran_request = ran.request.to_string();
    let bodies = effects.iter().filter(|line| line.contains(&ran_request));
    if bodies.count() != times(Phase::Executing) {
        broken(
            Broken::EffectWithoutStart,
            "bodies and starts differ".to_owned(),
        );
    }
    for want in Want::ALL {
        let won = |(wants, told): &&(Want, Told)| *wants == want && matches!(told, Told::Won(_));
        let winners = ran.told.iter().filter(won).count();
        let stood = match want {
            // Before the race somebody else did.
            Want::Approve => usize::from(was_approved && !ran.approved),
            Want::Deny => times(Phase::Denied),
            Want::Withdraw => times(Phase::Withdrawn),
            Want::Revoke => times(Phase::Revoked),
            Want::Claim => times(Phase::Executing),
            Want::TimeOut => times(Phase::Expired) + times(Phase::Lapsed),
        };
        report.took_effect(want, stood);
        // Any of the gates may have noticed the time before whoever raced for it.
        let by_a_gate = want == Want::TimeOut && winners == 0 && stood == 1;
        if winners != stood && !by_a_gate {
            let found = format!("{winners} were told that {want} won, and {stood} did");
            broken(Broken::WrongAnswer, found);
        }
    }
    for (want, told) in &ran.told {
        let holds = match told {
            Told::Won(_) => true,
            Told::Lost(phase, by) => {
                history.was(*phase)
                    && (!phase.is_final() || *phase == last)
                    && names_who_decided(*want, *phase, by.as_deref(), ran, history)
            }
            Told::Odd(_) => false,
        };
        if !holds {
            let found = format!("{want} was told {told}, and it was {:?}", history.phases);
            broken(Broken::WrongAnswer, found);
        }
    }
    report.violations.append(&mut violations);
    for (want, told) in &ran.told {
        report.told(*want, told);
    }
    report.ended(last);
}

/// Whether whoever lost was told by name who had decided, where a person had.
fn names_who_decided(
    want: Want,
    phase: Phase,
    told: Option<&str>,
    ran: &Ran,
    history: &History,
) -> bool {
    // Before the race it was bob who said yes.
    let yes = if ran.approved { "bob" } else { "alice" };
    let decided = match phase {
        Phase::Denied => Some("bob"),
        Phase::Revoked => Some("olga"),
        Phase::Approved
        | Phase::Claimed
        | Phase::Executing
        | Phase::Succeeded
        | Phase::Failed
        | Phase::InDoubt
        | Phase::Lapsed => Some(yes),
        Phase::Pending | Phase::Withdrawn | Phase::Expired => None,
    };
    if told.is_some() {
        return told == decided && decided.is_some_and(|by| history.was_decided_by(by));
    }
    // Votes and withdrawals are told who decided, and everybody who said no or took the yes back.
    // An operator or a caller that comes after a run is told of the run.
    let votes = matches!(want, Want::Approve | Want::Deny);
    let by_a_no = matches!(phase, Phase::Denied | Phase::Revoked);
    decided.is_none() || !(votes || by_a_no || phase == Phase::Approved && want == Want::Withdraw)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use approvals_core::Event;
    use approvals_core::{EventId, PersonId, RequestId, Timestamp, What};
    use approvals_testing::sample::Sample;

    use super::*;
    use crate::Backend;
    use crate::races::Races;

    /// What is found when these were told this, and Bob denied.
    fn found(told: &[(Want, Told)]) -> Vec<Broken> {
        let asked = Sample::at(Timestamp::from_millis(1_000)).opening().asked;
        let request: RequestId = asked.id;
        let denied = What::Denied {
            by: PersonId::new("bob").unwrap(),
            comment: None,
            proposal: None,
        };
        let mut trail = Trail::default();
        for (number, what) in [(1, What::Requested { asked }), (2, denied)] {
            let event = Event {
                number,
                id: EventId::new(),
                at: Timestamp::from_millis(1_000),
                request: Some(request),
                revision: number,
                what,
            };
            trail.read(&event, &mut Vec::new());
        }
        let ran = Ran {
            request,
            approved: false,
            told: told.to_vec(),
        };
        let mut report = Report::new(&Races {
            program: PathBuf::new(),
            backend: Backend::Sqlite,
            races: 1,
            seed: 0,
        });
        judge(&ran, &trail, &[], &mut report);
        let violations = report.violations.iter();
        violations.map(|violation| violation.broken).collect()
    }

    #[test]
    fn one_who_won_and_others_who_were_told_so_break_nothing() {
        let told = [
            (Want::Deny, Told::Won(Phase::Denied)),
            (
                Want::Approve,
                Told::Lost(Phase::Denied, Some("bob".to_owned())),
            ),
            (Want::Revoke, Told::Lost(Phase::Pending, None)),
        ];
        assert_eq!(found(&told), []);
    }

    #[test]
    fn a_second_winner_is_recognised() {
        let told = [
            (Want::Deny, Told::Won(Phase::Denied)),
            (Want::Withdraw, Told::Won(Phase::Withdrawn)),
        ];
        assert_eq!(found(&told), [Broken::WrongAnswer]);
        let told = [
            (Want::Deny, Told::Won(Phase::Denied)),
            (Want::Deny, Told::Won(Phase::Denied)),
        ];
        assert_eq!(found(&told), [Broken::WrongAnswer]);
    }

    #[test]
    fn a_winner_who_was_not_told_and_a_loser_who_was_told_another_are_recognised() {
        let bob = || Some("bob".to_owned());
        let told = [(Want::Deny, Told::Lost(Phase::Denied, bob()))];
        assert_eq!(found(&told), [Broken::WrongAnswer]);
        let told = [
            (Want::Deny, Told::Won(Phase::Denied)),
            (Want::Approve, Told::Lost(Phase::Expired, None)),
        ];
        assert_eq!(found(&told), [Broken::WrongAnswer]);
    }

    #[test]
    fn a_loser_who_was_not_told_who_won_or_was_told_another_name_is_recognised() {
        for by in [None, Some("olga".to_owned())] {
            let told = [
                (Want::Deny, Told::Won(Phase::Denied)),
                (Want::Approve, Told::Lost(Phase::Denied, by)),
            ];
            assert_eq!(found(&told), [Broken::WrongAnswer]);
        }
    }
}
