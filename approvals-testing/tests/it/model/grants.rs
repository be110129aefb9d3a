//! `review::admit` over a grant: how often one yes may run, and what closes it.
//!
//! One grantor that Alice has agreed to (three runs within three ticks), one identical request that
//! is still pending, and calls that come at any time. Commands are carried out by the product's own
//! loop, with what follows from them for other requests; its process may end in the midst of that. A
//! body that never reports is a crash.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use approvals_core::review::{
    Admission, Asked, Ballot, Bucket, Choice, ClaimNow, Command, Grant, Opening, Phase, Record,
    Refusal, Standing, State, VoterNow, admit,
};
use approvals_core::{
    ChannelId, ChannelIdentity, Limits, NonEmpty, OwnerId, RequestId, Requirement, Timestamp,
    Verdict,
};
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::machine::operator;
use super::stored::{Carried, Guard, Stored};
use super::world::{Human, LEASE, asked, at, named, reasons, tick_of, ticks, within};

const USES: u32 = 3;
const UNTIL: u8 = 3;
const LAST: u8 = 4;
/// The first record is the grantor, the second the identical request that is pending.
const GRANTOR: usize = 0;
const OTHER: usize = 1;
const OWNER: OwnerId = OwnerId::from_bytes([1; 16]);

type Admit = fn(&Opening, &Standing, Timestamp) -> Admission;

#[derive(Debug, Clone)]
struct Grants {
    admit: Admit,
    /// What the store leaves out.
    missing: Option<Guard>,
    asked: Arc<Asked>,
}

#[derive(Debug, Clone)]
struct Granting {
    records: Vec<Arc<Record>>,
    missing: Option<Guard>,
    tick: u8,
    truth: Truth,
}

/// What happened, from outside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Truth {
    /// Bodies that were started on this yes.
    bodies: u32,
    /// By record: started at, without an outcome.
    silent: Vec<Option<u8>>,
    /// Revoked, denied, or a use was in doubt.
    closed: bool,
    used_when_closed: bool,
    used_late: bool,
    started_when_closed: bool,
    started_in_doubt: bool,
    admitted_in_doubt: bool,
    asked_without_telling: bool,
    refused_in_doubt: bool,
    asked: bool,
    told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Open,
    Claim(usize),
    Start(usize),
    /// A claim and a start in one commit.
    Run(usize),
    Finish(usize),
    Abandon(usize, Ends),
    Due(usize, Ends),
    Resolve(usize, Ends),
    Revoke,
    DenyOther(Ends),
    Tick,
}

/// When the process ends that carries a command out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Later,
    /// After the first of its commits.
    Midway,
}

const ENDS: [Ends; 2] = [Ends::Later, Ends::Midway];

impl PartialEq for Granting {
    fn eq(&self, other: &Self) -> bool {
        self.view() == other.view() && self.truth == other.truth
    }
}

impl Eq for Granting {}

impl Hash for Granting {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.view().hash(state);
        self.truth.hash(state);
    }
}

impl Granting {
    /// What decides; ids, revisions and the times of votes do not.
    fn view(&self) -> (u8, Vec<(Phase, u8, Option<Grant>)>) {
        let records = self.records.iter().map(|record| {
            let time = match &record.state {
                State::Executing { claim } | State::Claimed { claim, .. } => {
                    tick_of(claim.lease_until)
                }
                State::Approved { execute_by, .. } => tick_of(*execute_by),
                State::Denied { at, .. } => tick_of(*at),
                _ => 0,
            };
            (record.state.phase(), time, record.grant)
        });
        (self.tick, records.collect())
    }

    /// Whether the command took effect, and whoever carried it out knows.
    fn take(&mut self, index: usize, command: &Command, ends: Ends) -> bool {
        let stored = Stored::of(self.records.clone(), at(self.tick))
            .without(self.missing)
            .ending_after((ends == Ends::Midway).then_some(1));
        let carried = stored.carry_out(self.records[index].id(), command, None);
        let Carried { records, done, .. } = carried;
        self.records = records;
        done
    }

    /// Whether a command brought a record into this phase, whoever knows.
    fn brings(&mut self, index: usize, command: &Command, ends: Ends, phase: Phase) -> bool {
        let before = self.records[index].state.phase();
        self.take(index, command, ends);
        before != phase && self.records[index].state.phase() == phase
    }

    fn in_doubt(&self) -> bool {
        let tick = self.tick;
        let mut silent = self.truth.silent.iter().flatten();
        silent.any(|since| tick >= since + LEASE)
    }
}

fn vote(human: Human, choice: Choice, record: &Record) -> Command {
    Command::Vote(Box::new(Ballot {
        person: human.person(),
        identity: ChannelIdentity::new(ChannelId::new("terminal").unwrap(), "", "u"),
        groups: named(super::world::ENG),
        excluded: [Human::Dave.person()].into(),
        choice,
        comment: None,
        proposal: None,
        digest: record.asked.digest,
        shown: record.asked.shown,
        revision: record.revision,
    }))
}

impl Grants {
    fn new(admit: Admit, missing: Option<Guard>, idempotent: bool) -> Self {
        let requirement = within(Requirement::one_of("eng").unwrap())
            .reuse(USES, ticks(UNTIL))
            .unwrap();
        Self {
            admit,
            missing,
            asked: asked(NonEmpty::of(Arc::new(requirement)), idempotent),
        }
    }

    fn request(&self, tick: u8) -> Arc<Asked> {
        let mut asked = self.asked.as_ref().clone();
        asked.id = RequestId::new(at(tick));
        asked.asked_at = at(tick);
        Arc::new(asked)
    }

    fn open(&self, world: &mut Granting) {
        let decides = |record: &&Arc<Record>| {
            let phase = record.state.phase();
            record.grant.is_some()
                || matches!(phase, Phase::Executing | Phase::InDoubt | Phase::Denied)
        };
        let standing = Standing {
            keyed: None,
            same_digest: world.records.iter().filter(decides).cloned().collect(),
            bucket: Bucket::default(),
            proposals: Vec::new(),
        };
        let opening = Opening {
            asked: self.request(world.tick),
            key: None,
            excluded: [Human::Dave.person()].into(),
            waiter: None,
            limits: Limits::default(),
        };
        let idempotent = self.asked.call.declaration().idempotent;
        let in_doubt = world.in_doubt();
        let late = world.tick >= UNTIL;
        match (self.admit)(&opening, &standing, at(world.tick)) {
            Admission::UseGrant { grantor, record } => {
                let truth = &mut world.truth;
                truth.used_when_closed |= truth.closed;
                truth.used_late |= late;
                truth.admitted_in_doubt |= in_doubt;
                truth.silent.push(None);
                world.records[GRANTOR] = Arc::new(grantor.record);
                world.records.push(Arc::new(record.record));
            }
            Admission::Ask(transition) => {
                world.truth.asked = true;
                world.truth.admitted_in_doubt |= in_doubt && !idempotent;
                let asked = &transition.record.asked;
                let told = asked.may_have_run.is_some() && asked.shown != self.asked.shown;
                world.truth.asked_without_telling |= in_doubt && !told;
                world.truth.told |= told;
            }
            Admission::Refuse(Refusal::InDoubt(_)) => world.truth.refused_in_doubt = true,
            Admission::Refuse(_) | Admission::Found(_) => {}
        }
    }

    fn claim_now(&self, record: &Record) -> Box<ClaimNow> {
        let voters = record.votes.iter().map(|vote| VoterNow {
            person: vote.person.clone(),
            groups: vote.groups.clone(),
        });
        Box::new(ClaimNow {
            owner: OWNER,
            lease: ticks(LEASE),
            frozen: false,
            verdict: Verdict::Review(self.asked.tracks.clone(), reasons()),
            policy_version: None,
            voters: voters.collect(),
            excluded: [Human::Dave.person()].into(),
        })
    }

    fn start(&self, world: &mut Granting, index: usize, command: &Command) {
        let idempotent = self.asked.call.declaration().idempotent;
        let in_doubt = world.in_doubt();
        if !world.brings(index, command, Ends::Later, Phase::Executing) {
            return;
        }
        let is_use = world.records[index].granted_by.is_some();
        let truth = &mut world.truth;
        truth.bodies += 1;
        truth.silent[index] = Some(world.tick);
        truth.started_when_closed |= is_use && truth.closed;
        // What may run twice may do so beside one in doubt, and not on the same yes.
        truth.started_in_doubt |= in_doubt && (!idempotent || is_use);
    }
}

impl Model for Grants {
    type State = Granting;
    type Action = Step;

    fn init_states(&self) -> Vec<Granting> {
        let pending = || {
            let record = Record::pending(self.request(0), [Human::Dave.person()].into(), None);
            Arc::new(record)
        };
        let mut world = Granting {
            records: vec![pending(), pending()],
            missing: self.missing,
            tick: 0,
            truth: Truth {
                silent: vec![None, None],
                ..Truth::default()
            },
        };
        let yes = vote(Human::Alice, Choice::Approve, &world.records[GRANTOR]);
        assert!(world.take(GRANTOR, &yes, Ends::Later));
        vec![world]
    }

    fn actions(&self, world: &Granting, steps: &mut Vec<Step>) {
        // More uses than the grant has, so that one too many would show.
        if world.records.len() < 6 {
            steps.push(Step::Open);
        }
        if world.tick < LAST {
            steps.push(Step::Tick);
        }
        steps.push(Step::Revoke);
        steps.extend(ENDS.map(Step::DenyOther));
        for (index, record) in world.records.iter().enumerate() {
            match record.state.phase() {
                Phase::Approved => steps.extend([Step::Claim(index), Step::Run(index)]),
                Phase::Claimed => {
                    steps.extend([Step::Start(index), Step::Due(index, Ends::Later)]);
                }
                Phase::Executing => {
                    steps.push(Step::Finish(index));
                    steps.extend(ENDS.map(|ends| Step::Abandon(index, ends)));
                    steps.extend(ENDS.map(|ends| Step::Due(index, ends)));
                }
                Phase::InDoubt => steps.extend(ENDS.map(|ends| Step::Resolve(index, ends))),
                _ => {}
            }
        }
    }

    fn next_state(&self, before: &Granting, step: Step) -> Option<Granting> {
        let mut world = before.clone();
        let fence = |index: usize| before.records[index].fence;
        match step {
            Step::Open => self.open(&mut world),
            Step::Claim(index) => {
                let claim = Command::Claim(self.claim_now(&before.records[index]));
                world.take(index, &claim, Ends::Later);
            }
            Step::Start(index) => {
                let start = Command::Start {
                    fence: fence(index),
                    owner: OWNER,
                    frozen: false,
                    lease: ticks(LEASE),
                };
                self.start(&mut world, index, &start);
            }
            Step::Run(index) => {
                let both = Command::ClaimAndStart(self.claim_now(&before.records[index]));
                self.start(&mut world, index, &both);
            }
            Step::Finish(index) => {
                let finish = Command::Finish {
                    fence: fence(index),
                    succeeded: true,
                    summary: None,
                };
                if world.brings(index, &finish, Ends::Later, Phase::Succeeded) {
                    world.truth.silent[index] = None;
                }
            }
            Step::Abandon(index, ends) => {
                let fence = fence(index);
                let why = "it was dropped".into();
                let abandon = Command::Abandon { fence, why };
                if world.brings(index, &abandon, ends, Phase::InDoubt) {
                    // In doubt at once, whatever its lease says.
                    world.truth.silent[index] = Some(0);
                    world.truth.closed = true;
                }
            }
            Step::Due(index, ends) => {
                let doubted = world.brings(index, &Command::Due, ends, Phase::InDoubt);
                world.truth.closed |= doubted;
            }
            Step::Resolve(index, ends) => {
                let resolve = Command::Resolve {
                    by: operator(),
                    reason: "it had run".into(),
                    succeeded: true,
                };
                if world.brings(index, &resolve, ends, Phase::Succeeded) {
                    world.truth.silent[index] = None;
                }
            }
            Step::Revoke => {
                let revoke = Command::Revoke {
                    by: operator(),
                    reason: "no longer wanted".into(),
                };
                world.truth.closed |= world.take(GRANTOR, &revoke, Ends::Later);
            }
            Step::DenyOther(ends) => {
                let no = vote(Human::Bob, Choice::Deny, &world.records[OTHER]);
                world.truth.closed |= world.brings(OTHER, &no, ends, Phase::Denied);
            }
            Step::Tick => world.tick += 1,
        }
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always("a grant's uses are not exceeded", |_, world: &Granting| {
                world.truth.bodies <= USES && world.records.len() <= 1 + USES as usize
            }),
            Property::always("a closed grant is not used", |_, world: &Granting| {
                !world.truth.used_when_closed
            }),
            Property::always(
                "nothing starts under a grant that is closed",
                |_, world: &Granting| !world.truth.started_when_closed,
            ),
            Property::always(
                "nothing starts beside an equal call in doubt",
                |_, world: &Granting| !world.truth.started_in_doubt,
            ),
            Property::always(
                "a grant is not used after its time",
                |_, world: &Granting| !world.truth.used_late,
            ),
            Property::always(
                "nothing is admitted while in doubt",
                |_, world: &Granting| !world.truth.admitted_in_doubt,
            ),
            Property::always(
                "reviewers see that it may have run",
                |_, world: &Granting| !world.truth.asked_without_telling,
            ),
            Property::sometimes("every use is run", |_, world: &Granting| {
                world.truth.bodies == USES
            }),
            Property::sometimes("people are asked again", |_, world: &Granting| {
                world.truth.asked
            }),
        ];
        all.push(if self.asked.call.declaration().idempotent {
            Property::sometimes("reviewers are told", |_, world: &Granting| world.truth.told)
        } else {
            Property::sometimes("refused while in doubt", |_, world: &Granting| {
                world.truth.refused_in_doubt
            })
        });
        all
    }
}

fn explore(name: &str, model: Grants) {
    let checker = model.checker().threads(2).spawn_bfs().join();
    let (all, unique) = (checker.state_count(), checker.unique_state_count());
    println!(
        "{name}: {all} states ({unique} unique), {} steps deep",
        checker.max_depth()
    );
    checker.assert_properties();
}

#[test]
fn every_interleaving_of_a_grants_uses_holds_its_limits() {
    explore("grant", Grants::new(admit, None, false));
}

#[test]
fn every_interleaving_of_an_idempotent_actions_grant_holds_its_limits() {
    explore(
        "grant of an idempotent action",
        Grants::new(admit, None, true),
    );
}

fn caught(mutant: Admit, idempotent: bool, name: &'static str) {
    is_caught(Grants::new(mutant, None, idempotent), name);
}

fn is_caught(mutant: Grants, name: &'static str) {
    let checker = mutant
        .checker()
        .finish_when(HasDiscoveries::AnyOf([name].into()))
        .spawn_bfs()
        .join();
    assert!(checker.discovery(name).is_some(), "not caught: {name}");
}

#[test]
fn the_model_catches_a_store_that_starts_what_has_nothing_to_lean_on() {
    for name in [
        "nothing starts under a grant that is closed",
        "nothing starts beside an equal call in doubt",
    ] {
        is_caught(Grants::new(admit, Some(Guard::Standing), false), name);
    }
}

fn with_records(standing: &Standing, change: impl Fn(&mut Record)) -> Standing {
    let mut standing = standing.clone();
    for record in &mut standing.same_digest {
        change(Arc::make_mut(record));
    }
    standing
}

fn never_poorer(opening: &Opening, standing: &Standing, now: Timestamp) -> Admission {
    let mut admission = admit(opening, standing, now);
    if let Admission::UseGrant { grantor, .. } = &mut admission
        && let Some(grant) = &mut grantor.record.grant
    {
        grant.uses_left += 1;
    }
    admission
}

#[test]
fn the_model_catches_a_grant_that_never_gets_poorer() {
    caught(never_poorer, false, "a grant's uses are not exceeded");
}

fn opens_closed_grants(opening: &Opening, standing: &Standing, now: Timestamp) -> Admission {
    let standing = with_records(standing, |record| {
        if let Some(grant) = &mut record.grant {
            grant.closed = false;
        }
    });
    admit(opening, &standing, now)
}

#[test]
fn the_model_catches_a_revoked_grant_that_is_used() {
    caught(opens_closed_grants, false, "a closed grant is not used");
}

fn forgets_doubt(opening: &Opening, standing: &Standing, now: Timestamp) -> Admission {
    let mut standing = standing.clone();
    let doubtful = |record: &Record| record.state.phase() == Phase::InDoubt;
    standing.same_digest.retain(|record| !doubtful(record));
    admit(opening, &standing, now)
}

#[test]
fn the_model_catches_an_equal_call_that_is_admitted_while_in_doubt() {
    caught(forgets_doubt, false, "nothing is admitted while in doubt");
}

fn waits_for_someone_to_notice(
    opening: &Opening,
    standing: &Standing,
    now: Timestamp,
) -> Admission {
    let mut standing = standing.clone();
    let executing = |record: &Record| record.state.phase() == Phase::Executing;
    standing.same_digest.retain(|record| !executing(record));
    admit(opening, &standing, now)
}

#[test]
fn the_model_catches_a_lost_lease_that_nobody_has_noted() {
    caught(
        waits_for_someone_to_notice,
        false,
        "nothing is admitted while in doubt",
    );
}
