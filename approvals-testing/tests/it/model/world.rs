//! The small world that is explored: four people, three identities' worth of overlap, one call.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::review::{Asked, Command, Record, Refused, Transition};
use approvals_core::{
    ActionName, Audience, Call, Declaration, Digest, GroupId, Groups, NonEmpty, OwnerId, People,
    PersonId, PolicyName, PrincipalId, Quorum, Reasons, RequestId, Requester, Requirement, Risk,
    Stage, Timestamp, Verdict,
};

use super::stored::Guard;

/// One tick of the model's clock: every deadline is a whole number of them. So long that no step takes
/// a part of it by the machine's clock, which bounds how long a command is judged anew.
pub(super) const TICK: Duration = Duration::from_secs(60);
/// The stages' time, the widened stage's again, and a claim's lease, in ticks.
pub(super) const STAGE: u8 = 1;
pub(super) const LEASE: u8 = 1;
/// The stages' time where people are reminded: between two ticks there is a moment for it.
pub(super) const REMINDED_STAGE: u8 = 2;
/// How long an approval may wait, in ticks.
pub(super) const EXECUTE: u8 = 2;
/// The absolute deadline, in ticks after the request.
pub(super) const DEADLINE: u8 = 4;
/// Nothing can be due after this: the last start is before the absolute deadline, and its lease
/// (renewed once more) runs out within two ticks.
pub(super) const LAST_TICK: u8 = 6;

/// The people. Dave is the requester's principal; nothing but that keeps him from voting, for he is
/// in every group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Human {
    Alice,
    Bob,
    Carol,
    Dave,
}

pub(super) const HUMANS: [Human; 4] = [Human::Alice, Human::Bob, Human::Carol, Human::Dave];

pub(super) const ENG: u8 = 1;
pub(super) const LEADS: u8 = 2;
pub(super) const SECURITY: u8 = 4;
pub(super) const ONCALL: u8 = 8;
const NAMES: [(u8, &str); 4] = [
    (ENG, "eng"),
    (LEADS, "leads"),
    (SECURITY, "security"),
    (ONCALL, "oncall"),
];

impl Human {
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    pub(super) fn person(self) -> PersonId {
        let name = match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
            Self::Dave => "dave",
        };
        PersonId::new(name).unwrap()
    }

    /// The groups overlap: Alice could sit in either stage, Bob in the first or alone with the
    /// hammer, Carol in the second or, once it is widened, in the first.
    const fn groups(self) -> u8 {
        match self {
            Self::Alice => ENG | LEADS,
            Self::Bob => ENG | ONCALL,
            Self::Carol => LEADS | SECURITY,
            Self::Dave => ENG | LEADS | SECURITY | ONCALL,
        }
    }
}

/// What the directory says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Directory {
    /// Bob has left all of his groups.
    pub(super) bob_left: bool,
    /// Bob is nobody that the directory knows.
    pub(super) bob_unknown: bool,
    /// Alice has become an owner of the agent.
    pub(super) alice_owns: bool,
    /// Dave is not of the chain any more: the agent has another owner.
    pub(super) dave_gone: bool,
}

impl Directory {
    pub(super) const fn groups(self, human: Human) -> u8 {
        match human {
            Human::Bob if self.bob_left || self.bob_unknown => 0,
            Human::Alice | Human::Bob | Human::Carol | Human::Dave => human.groups(),
        }
    }

    pub(super) const fn knows(self, human: Human) -> bool {
        !(self.bob_unknown && matches!(human, Human::Bob))
    }

    /// Who is of the requester's chain now.
    pub(super) const fn has_a_part(self, human: Human) -> bool {
        match human {
            Human::Dave => !self.dave_gone,
            Human::Alice => self.alice_owns,
            Human::Bob | Human::Carol => false,
        }
    }

    pub(super) fn chain(self) -> People {
        let of_chain = HUMANS.into_iter().filter(|human| self.has_a_part(*human));
        of_chain.map(Human::person).collect()
    }
}

pub(super) fn named(groups: u8) -> Groups {
    let held = NAMES.iter().filter(|(bit, _)| groups & bit != 0);
    held.map(|(_, name)| GroupId::new(name).unwrap()).collect()
}

/// The function under exploration: the real `apply`, or a mutant.
pub(super) type Apply = fn(&Record, &Command, Timestamp) -> Result<Transition, Refused>;

/// How commands take effect.
#[derive(Debug, Clone, Copy)]
pub(super) enum Through {
    /// Each is judged by this at the moment at which it takes effect, without guards: the engine
    /// alone must hold.
    Engine(Apply),
    /// Each is carried out by the loop that the gate and the desk use, from a snapshot that may be
    /// old, over a store that keeps its guards, or all but one.
    Store(Option<Guard>),
}

/// One seat, as the truth knows it: who may take it, and who else once its stage was widened.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrueSeat {
    pub(super) stage: u8,
    pub(super) of: u8,
    pub(super) widened: u8,
}

/// What is explored: the requirement, twice (as the library reads it, and as plain seats), and
/// which of the world's misfortunes can happen. Each costs a factor, so not all happen together.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) through: Through,
    pub(super) asked: Arc<Asked>,
    pub(super) seats: Vec<TrueSeat>,
    /// A second track: the principal's own confirmation.
    pub(super) confirm: bool,
    /// The group that may release alone.
    pub(super) glass: u8,
    /// Policy's answer at the claim, before and after it changes.
    pub(super) verdicts: [Verdict; 2],
    /// How long a stage takes votes, and takes them again when it is widened, in ticks.
    pub(super) stage: u8,
    pub(super) may: May,
    pub(super) owners: [OwnerId; 2],
    pub(super) voters: &'static [Human],
}

/// What may happen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct May {
    pub(super) withdraw_votes: bool,
    pub(super) bob_leaves: bool,
    pub(super) bob_unknown: bool,
    pub(super) alice_owns: bool,
    pub(super) dave_goes: bool,
    pub(super) policy_changes: bool,
    pub(super) freeze: bool,
    pub(super) two_gates: bool,
}

pub(super) const BASE: u64 = 1_700_000_000_000;

pub(super) fn at(tick: u8) -> Timestamp {
    Timestamp::from_millis(BASE).plus(TICK * u32::from(tick))
}

pub(super) fn tick_of(time: Timestamp) -> u8 {
    u8::try_from(time.since(at(0)).as_secs() / TICK.as_secs()).unwrap()
}

pub(super) fn ticks(count: u8) -> Duration {
    TICK * u32::from(count)
}

pub(super) fn declaration(idempotent: bool) -> Arc<Declaration> {
    Arc::new(Declaration {
        action: ActionName::new("db.export").unwrap(),
        policy: PolicyName::new("prod-db").unwrap(),
        signature: "fn export(database: &str)".into(),
        version: 1,
        risk: Risk::High,
        idempotent,
        origin: "model".into(),
    })
}

pub(super) fn asked(requirements: NonEmpty<Arc<Requirement>>, idempotent: bool) -> Arc<Asked> {
    let requester = Requester::agent("exporter")
        .map(|agent| agent.acting_for("person:dave").unwrap())
        .unwrap();
    let call = Call::of(declaration(idempotent), requester)
        .argument("database", "orders")
        .build()
        .unwrap();
    Arc::new(Asked {
        id: RequestId::new(at(0)),
        digest: call.digest(),
        shown: Digest::from_bytes([7; 32]),
        call: Arc::new(call),
        tracks: requirements,
        reasons: reasons(),
        policy_version: None,
        risk: Risk::High,
        principals: [Human::Dave.person()].into(),
        root: PrincipalId::person(Human::Dave.person()),
        asked_at: at(0),
        expires_at: at(DEADLINE),
        may_have_run: None,
    })
}

pub(super) fn reasons() -> Reasons {
    Reasons::rule("exports", "exports are reviewed").unwrap()
}

/// A first stage of `first` engineers, widened to security, then one lead; on-call may break the
/// glass.
pub(super) fn two_stages(first: u8) -> Requirement {
    let engineers = Stage::of(Quorum::of(first, ["eng"]).unwrap())
        .decide_within(ticks(STAGE))
        .unwrap()
        .escalate_to(Audience::of(["security"]).unwrap());
    let lead = Stage::of(Quorum::of(1, ["leads"]).unwrap())
        .decide_within(ticks(STAGE))
        .unwrap();
    within(Requirement::review(engineers).then(lead).unwrap())
        .break_glass("oncall")
        .unwrap()
}

/// One stage with two different quorums at once: an engineer and a lead.
pub(super) fn one_stage() -> Requirement {
    let both = Stage::of(Quorum::of(1, ["eng"]).unwrap())
        .and(Quorum::of(1, ["leads"]).unwrap())
        .decide_within(ticks(STAGE + 1))
        .unwrap();
    within(Requirement::review(both))
}

pub(super) fn within(requirement: Requirement) -> Requirement {
    requirement
        .execute_within(ticks(EXECUTE))
        .unwrap()
        .deadline(ticks(DEADLINE))
        .unwrap()
}

pub(super) fn two_stage_seats(first: u8) -> Vec<TrueSeat> {
    let engineer = TrueSeat {
        stage: 0,
        of: ENG,
        widened: SECURITY,
    };
    let lead = TrueSeat {
        stage: 1,
        of: LEADS,
        widened: 0,
    };
    let mut seats = vec![engineer; usize::from(first)];
    seats.push(lead);
    seats
}

pub(super) fn one_stage_seats() -> Vec<TrueSeat> {
    [ENG, LEADS]
        .map(|of| TrueSeat {
            stage: 0,
            of,
            widened: 0,
        })
        .to_vec()
}

impl Setting {
    /// Two engineers, then a lead: the main exploration's requirement.
    pub(super) fn two_stages(through: Through, may: May) -> Self {
        let requirement = Arc::new(two_stages(2));
        let tracks = NonEmpty::of(requirement);
        Self {
            through,
            asked: asked(tracks.clone(), false),
            seats: two_stage_seats(2),
            confirm: false,
            glass: ONCALL,
            verdicts: [
                Verdict::Review(tracks.clone(), reasons()),
                Verdict::Review(tracks, reasons()),
            ],
            stage: STAGE,
            may,
            owners: [OwnerId::from_bytes([1; 16]), OwnerId::from_bytes([2; 16])],
            voters: &HUMANS,
        }
    }

    /// An engineer and a lead at once, and beside that track the principal's own confirmation.
    pub(super) fn confirmed(through: Through, may: May) -> Self {
        let review = Arc::new(one_stage());
        let confirm = Arc::new(within(Requirement::confirm(ticks(STAGE + 2)).unwrap()));
        let tracks = NonEmpty::of(review).and(confirm);
        Self {
            asked: asked(tracks.clone(), false),
            seats: one_stage_seats(),
            stage: STAGE + 1,
            confirm: true,
            glass: 0,
            verdicts: [
                Verdict::Review(tracks.clone(), reasons()),
                Verdict::Review(tracks, reasons()),
            ],
            ..Self::two_stages(through, may)
        }
    }

    /// An engineer and a lead at once, and nothing else: small enough for old snapshots.
    pub(super) fn one_stage(through: Through, may: May) -> Self {
        let tracks = NonEmpty::of(Arc::new(one_stage()));
        let verdict = Verdict::Review(tracks.clone(), reasons());
        Self {
            asked: asked(tracks, false),
            seats: one_stage_seats(),
            stage: STAGE + 1,
            glass: 0,
            verdicts: [verdict.clone(), verdict],
            voters: &[Human::Bob, Human::Carol, Human::Dave],
            ..Self::two_stages(through, may)
        }
    }

    /// Two engineers within two ticks, widened for two more, then a lead within two; whoever has not
    /// answered is reminded at every tick.
    pub(super) fn reminded(through: Through, may: May) -> Self {
        let stage = |quorum| {
            Stage::of(quorum)
                .decide_within(ticks(REMINDED_STAGE))
                .unwrap()
        };
        let engineer =
            stage(Quorum::of(1, ["eng"]).unwrap()).escalate_to(Audience::of(["security"]).unwrap());
        let lead = stage(Quorum::of(1, ["leads"]).unwrap());
        let requirement = within(Requirement::review(engineer).then(lead).unwrap())
            .remind_every(ticks(1))
            .unwrap();
        let tracks = NonEmpty::of(Arc::new(requirement));
        let verdict = Verdict::Review(tracks.clone(), reasons());
        Self {
            asked: asked(tracks, false),
            seats: two_stage_seats(1),
            glass: 0,
            verdicts: [verdict.clone(), verdict],
            stage: REMINDED_STAGE,
            ..Self::two_stages(through, may)
        }
    }

    /// Whether commands are judged on snapshots.
    pub(super) const fn on_snapshots(&self) -> bool {
        matches!(self.through, Through::Store(_))
    }

    /// Whether people are reminded.
    pub(super) fn reminds(&self) -> bool {
        self.asked
            .tracks
            .iter()
            .any(|track| !track.reminders().are_none())
    }

    /// Policy asks for an engineer and a lead, and at the claim perhaps for two engineers and then
    /// a lead.
    pub(super) fn tightened(through: Through, may: May) -> Self {
        let now = NonEmpty::of(Arc::new(one_stage()));
        let later = NonEmpty::of(Arc::new(two_stages(1)));
        Self {
            asked: asked(now.clone(), false),
            seats: one_stage_seats(),
            stage: STAGE + 1,
            glass: 0,
            verdicts: [
                Verdict::Review(now, reasons()),
                Verdict::Review(later, reasons()),
            ],
            ..Self::two_stages(through, may)
        }
    }
}
