//! What really happened, kept beside the record and never read from it.
//!
//! The truth watches which commands took effect, at which time, and what the directory said then.
//! From that alone, and from the requirement written down a second time as plain seats, it judges
//! every body that starts. It shares no code with `approvals_core::review`: seats are tried out one
//! by one instead of being matched, and deadlines are counted in ticks.

use approvals_core::What;
use approvals_core::review::{Choice, Command, Phase, Record};

use super::world::{
    DEADLINE, Directory, ENG, EXECUTE, HUMANS, Human, LEADS, LEASE, Setting, TrueSeat,
};

/// What must never happen. Each is a property of the exploration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breach {
    /// A body was started twice.
    DoubleStart,
    /// A body was started again after it was in doubt.
    InDoubtRerun,
    /// A body was started after a denial, withdrawal, expiry, lapse or revocation.
    AfterEnd,
    /// A body was started while frozen.
    WhileFrozen,
    /// A body was started after the time to run it, or after the absolute deadline.
    AfterExecuteBy,
    /// A body was started under a claim that was over, or somebody else's.
    WithoutClaim,
    /// A seat was empty.
    EmptySeat,
    /// It took somebody of the requester's chain to fill the seats.
    SelfReview,
    /// It took one human in two seats.
    TwoSeats,
    /// It took a voter who does not qualify any more.
    StaleVoter,
    /// It was less than what policy asks now.
    PolicyAsksMore,
    /// It took a confirmation by somebody who is not of the chain.
    Unconfirmed,
    /// A vote counted after the deadline.
    LateVote,
    /// A vote counted of somebody who was not asked then.
    NotAsked,
    /// An old click undid a reviewer's later word.
    OldClick,
    /// A second decision took effect.
    TwoDecisions,
    /// A second outcome was recorded.
    TwoOutcomes,
    /// A glass was broken, and no review is owed.
    NothingOwed,
    /// Whoever broke the glass reviewed it, or somebody of the chain.
    OwnReviewAfterwards,
    /// People were reminded of what was decided or overdue.
    RemindedTooLate,
    /// People were reminded again at once.
    RemindedTwice,
}

/// A reviewer's last word that took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Word {
    Nothing,
    /// Was in these groups then.
    Approve(u8),
    Confirm,
    BreakGlass(u8),
    Withdrawn,
}

/// A claim as it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TrueClaim {
    pub(super) gate: u8,
    pub(super) until: u8,
    /// What its gate had looked up.
    pub(super) directory: Directory,
    pub(super) policy_changed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Truth {
    pub(super) words: [Word; 4],
    /// Whose last word was a yes after a yes.
    pub(super) again: [bool; 4],
    /// In the order of the last words, where it matters.
    pub(super) order: Vec<Human>,
    /// How long a stage takes votes.
    stage: u8,
    /// Until when the open stage takes votes.
    pub(super) due: u8,
    pub(super) widened: bool,
    pub(super) second_stage: bool,
    pub(super) approved_at: Option<u8>,
    pub(super) ended: Option<Phase>,
    pub(super) claim: Option<TrueClaim>,
    pub(super) bodies: u8,
    pub(super) in_doubt: bool,
    pub(super) outcome: bool,
    pub(super) glass: Option<Human>,
    pub(super) reviewed: bool,
    /// When people were reminded last.
    pub(super) reminded: Option<u8>,
    breaches: u32,
}

/// The world at the moment of a commit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) tick: u8,
    pub(super) frozen: bool,
}

/// Whose command took effect, and on what it was based.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    Reviewer {
        human: Human,
        directory: Directory,
        old_click: bool,
    },
    Gate {
        gate: u8,
        directory: Directory,
        policy_changed: bool,
    },
    Clock,
    Operator,
}

impl Truth {
    pub(super) fn new(setting: &Setting) -> Self {
        Self {
            words: [Word::Nothing; 4],
            again: [false; 4],
            order: Vec::new(),
            stage: setting.stage,
            due: setting.stage,
            widened: false,
            second_stage: false,
            approved_at: None,
            ended: None,
            claim: None,
            bodies: 0,
            in_doubt: false,
            outcome: false,
            glass: None,
            reviewed: false,
            reminded: None,
            breaches: 0,
        }
    }

    pub(super) const fn has(&self, breach: Breach) -> bool {
        self.breaches & (1 << breach as u32) != 0
    }

    const fn note(&mut self, breach: Breach, happened: bool) {
        if happened {
            self.breaches |= 1 << breach as u32;
        }
    }

    /// Watches a command that took effect.
    pub(super) fn saw(
        &mut self,
        setting: &Setting,
        (command, by): (&Command, By),
        record: &Record,
        events: &[What],
        now: Moment,
    ) {
        match command {
            Command::Vote(ballot) => self.voted(setting, ballot.choice, by, now),
            Command::Start { .. } => self.started(setting, by, record, now),
            Command::Claim(_) => self.claimed(by, now),
            Command::ClaimAndStart(_) => {
                self.claimed(by, now);
                self.started(setting, by, record, now);
            }
            Command::Renew { .. } => {
                if let Some(claim) = &mut self.claim {
                    claim.until = claim.until.max(now.tick + LEASE);
                }
            }
            Command::Release { .. } => self.claim = None,
            Command::Finish { .. } | Command::Resolve { .. } => {
                self.note(Breach::TwoOutcomes, self.outcome);
                self.outcome = true;
            }
            Command::ReviewAfterwards { by, .. } => {
                let own = |human: &Human| human.person() == *by;
                let dave = own(&Human::Dave);
                self.note(
                    Breach::OwnReviewAfterwards,
                    dave || self.glass.as_ref().is_some_and(own),
                );
                self.reviewed = true;
            }
            Command::Withdraw(_)
            | Command::Revoke { .. }
            | Command::Due
            | Command::Abandon { .. }
            | Command::ShareDenial { .. }
            | Command::CloseGrant { .. } => {}
        }
        for event in events {
            self.announced(event, now.tick);
        }
    }

    /// What was announced: a decision stands from then on.
    fn announced(&mut self, event: &What, tick: u8) {
        let end = match event {
            What::Approved => {
                self.note(
                    Breach::TwoDecisions,
                    self.approved_at.is_some() || self.ended.is_some(),
                );
                self.approved_at = Some(tick);
                None
            }
            What::Widened { .. } => {
                self.widened = true;
                self.due = (tick + self.stage).min(DEADLINE);
                None
            }
            What::StageOpened { .. } => {
                self.second_stage = true;
                self.due = (tick + self.stage).min(DEADLINE);
                None
            }
            What::Reminded { .. } => {
                let decided = self.approved_at.is_some() || self.ended.is_some();
                self.note(Breach::RemindedTooLate, decided || tick >= self.due);
                self.note(Breach::RemindedTwice, self.reminded == Some(tick));
                self.reminded = Some(tick);
                None
            }
            What::LeaseLost { .. } => {
                self.claim = None;
                None
            }
            What::InDoubt { .. } => {
                self.in_doubt = true;
                None
            }
            What::Denied { .. } | What::DeniedWith { .. } => Some(Phase::Denied),
            What::Withdrawn { .. } => Some(Phase::Withdrawn),
            What::Expired => Some(Phase::Expired),
            What::Lapsed => Some(Phase::Lapsed),
            What::Revoked { .. } => Some(Phase::Revoked),
            _ => None,
        };
        if let Some(end) = end {
            let ended_only_by_people = !matches!(end, Phase::Lapsed | Phase::Revoked);
            self.note(
                Breach::TwoDecisions,
                self.ended.is_some() || ended_only_by_people && self.approved_at.is_some(),
            );
            self.ended = Some(end);
            self.claim = None;
        }
    }

    fn voted(&mut self, setting: &Setting, choice: Choice, by: By, now: Moment) {
        let By::Reviewer {
            human,
            directory,
            old_click,
        } = by
        else {
            return;
        };
        let word = &mut self.words[human.index()];
        let before = *word;
        let groups = directory.groups(human);
        *word = match choice {
            Choice::Approve => Word::Approve(groups),
            Choice::Confirm => Word::Confirm,
            Choice::BreakGlass => Word::BreakGlass(groups),
            Choice::Withdrawn => Word::Withdrawn,
            Choice::Deny => Word::Nothing,
        };
        self.again[human.index()] = choice == Choice::Approve && matches!(before, Word::Approve(_));
        if setting.may.policy_changes {
            self.order.retain(|other| *other != human);
            self.order.push(human);
        }
        self.note(
            Breach::OldClick,
            old_click && !matches!(before, Word::Nothing),
        );
        if choice == Choice::Withdrawn {
            return;
        }
        self.note(
            Breach::LateVote,
            now.tick >= DEADLINE || !setting.confirm && now.tick >= self.due,
        );
        let reviews = matches!(choice, Choice::Approve | Choice::BreakGlass);
        let has_a_part = directory.has_a_part(human) || human == Human::Dave;
        self.note(Breach::SelfReview, reviews && has_a_part);
        self.note(
            Breach::Unconfirmed,
            choice == Choice::Confirm && !directory.has_a_part(human),
        );
        let asked = setting.seats.iter().any(|seat| {
            let open = seat.stage == 0 || self.second_stage;
            open && self.may_sit(*seat, groups)
        });
        let released = groups & setting.glass != 0;
        let confirms = setting.confirm && human == Human::Dave;
        let wrong = match choice {
            Choice::Approve => !asked,
            Choice::BreakGlass => !released,
            Choice::Deny => !asked && !confirms,
            Choice::Confirm => !confirms,
            Choice::Withdrawn => false,
        };
        self.note(Breach::NotAsked, wrong);
    }

    const fn may_sit(&self, seat: TrueSeat, groups: u8) -> bool {
        let wide = if self.widened { seat.widened } else { 0 };
        groups & (seat.of | wide) != 0
    }

    const fn claimed(&mut self, by: By, now: Moment) {
        if let By::Gate {
            gate,
            directory,
            policy_changed,
        } = by
        {
            self.claim = Some(TrueClaim {
                gate,
                until: now.tick + LEASE,
                directory,
                policy_changed,
            });
        }
    }

    fn started(&mut self, setting: &Setting, by: By, record: &Record, now: Moment) {
        let By::Gate { gate, .. } = by else { return };
        self.note(Breach::InDoubtRerun, self.in_doubt);
        self.note(Breach::DoubleStart, self.bodies > 0 && !self.in_doubt);
        self.note(Breach::AfterEnd, self.ended.is_some());
        self.note(Breach::WhileFrozen, now.frozen);
        let in_time = self
            .approved_at
            .is_some_and(|approved| now.tick < (approved + EXECUTE).min(DEADLINE));
        self.note(Breach::AfterExecuteBy, !in_time);
        self.bodies = (self.bodies + 1).min(2);
        let held = self
            .claim
            .filter(|claim| claim.gate == gate && now.tick < claim.until);
        self.note(Breach::WithoutClaim, held.is_none());
        if let Some(claim) = self.claim {
            self.judge(setting, claim, record);
            // The lease begins anew with the start.
            self.claim = Some(TrueClaim {
                until: now.tick + LEASE,
                ..claim
            });
        }
    }

    /// Whether the right people had said yes to it, and are still the right people.
    fn judge(&mut self, setting: &Setting, claim: TrueClaim, record: &Record) {
        let now = claim.directory;
        let confirmed = |directory: Directory| {
            !setting.confirm
                || self.words[Human::Dave.index()] == Word::Confirm
                    && directory.has_a_part(Human::Dave)
        };
        let judged = |how: How| self.seated(&setting.seats, now, how);
        let none = How::default();
        let glass = self.released(setting, now, false);
        let owed = record.review_owed.is_some() || self.reviewed;
        let by_review = judged(none);
        let not_owed = glass.is_some() && !by_review && !owed;
        let good = by_review || glass.is_some();
        let breach = if good {
            None
        } else if judged(How { then: true, ..none }) || self.released(setting, now, true).is_some()
        {
            Some(Breach::StaleVoter)
        } else if judged(How {
            chain: true,
            ..none
        }) {
            Some(Breach::SelfReview)
        } else if judged(How {
            twice: true,
            ..none
        }) {
            Some(Breach::TwoSeats)
        } else {
            Some(Breach::EmptySeat)
        };
        let unconfirmed = !confirmed(now);
        let asks_more = claim.policy_changed && !self.ordered(now);
        self.glass = glass;
        if let Some(breach) = breach {
            self.note(breach, true);
        }
        self.note(Breach::NothingOwed, not_owed);
        self.note(Breach::Unconfirmed, unconfirmed);
        self.note(Breach::PolicyAsksMore, asks_more);
    }

    fn released(&self, setting: &Setting, now: Directory, then: bool) -> Option<Human> {
        HUMANS.into_iter().find(|human| {
            let still = now.groups(*human) & setting.glass != 0 && now.knows(*human);
            let outside = !now.has_a_part(*human) && *human != Human::Dave;
            matches!(self.words[human.index()], Word::BreakGlass(groups)
                if groups & setting.glass != 0 && (then || still && outside))
        })
    }

    /// Whether every seat can be given to somebody who approved: by the groups of then, and by
    /// those of now.
    fn seated(&self, seats: &[TrueSeat], now: Directory, how: How) -> bool {
        let fill =
            |groups: &dyn Fn(Human, u8) -> u8| self.fill(seats, &mut Vec::new(), groups, how);
        let by_then = fill(&|human, then| if self.out(human, now, how) { 0 } else { then });
        let by_now = how.then
            || fill(&|human, _| {
                if self.out(human, now, how) || !now.knows(human) {
                    0
                } else {
                    now.groups(human)
                }
            });
        by_then && by_now
    }

    /// Nobody of the chain counts: as it was asked, or as it is now.
    fn out(&self, human: Human, now: Directory, how: How) -> bool {
        !how.chain && !how.then && (human == Human::Dave || now.has_a_part(human))
            || how.then && human == Human::Dave
    }

    fn fill(
        &self,
        seats: &[TrueSeat],
        sitting: &mut Vec<Human>,
        groups: &dyn Fn(Human, u8) -> u8,
        how: How,
    ) -> bool {
        let Some((seat, rest)) = seats.split_first() else {
            return true;
        };
        HUMANS.into_iter().any(|human| {
            let Word::Approve(then) = self.words[human.index()] else {
                return false;
            };
            let twice = how.twice && self.again[human.index()];
            let free = !sitting.contains(&human) || twice;
            if !free || !self.may_sit(*seat, groups(human, then)) {
                return false;
            }
            sitting.push(human);
            let all = self.fill(rest, sitting, groups, how);
            sitting.pop();
            all
        })
    }

    /// The tightened requirement: somebody of the engineers, and after them a lead; or on-call
    /// releases it. Nobody was asked to widen it.
    fn ordered(&self, now: Directory) -> bool {
        let approves = |human: &Human, group: u8| {
            matches!(self.words[human.index()], Word::Approve(_))
                && now.groups(*human) & group != 0
                && now.knows(*human)
                && !now.has_a_part(*human)
        };
        let first = self.order.iter().position(|human| approves(human, ENG));
        first.is_some_and(|first| {
            self.order
                .iter()
                .skip(first + 1)
                .any(|human| approves(human, LEADS))
        })
    }
}

/// A rule left out, to tell which one a start broke.
#[derive(Debug, Clone, Copy, Default)]
struct How {
    /// People of the chain count.
    chain: bool,
    /// One human who said yes twice may take two seats.
    twice: bool,
    /// Voters count as they were then.
    then: bool,
}
