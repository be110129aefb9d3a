//! Every step that anybody can take, one commit at a time.

use std::sync::Arc;

use approvals_core::review::{
    Choice, ClaimNow, Command, Phase, Record, Refused, Transition, WithdrawnBy, apply,
};
use approvals_core::store::Snapshot;
use approvals_core::{PersonId, What};
use stateright::{Model, Property};

use super::ballots::{ballot, same_human, sent, voters};
use super::properties;
use super::stored::{Carried, Stored};
use super::truth::{By, Moment, Truth, Word};
use super::world::{Directory, Human, LAST_TICK, LEASE, Setting, Through, at, tick_of, ticks};

/// A gate's process: what it remembers. A crash empties it.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate {
    /// What it read and looked up before it claims.
    pub(super) looked: Option<Looked>,
    /// The claim that it believes to hold.
    pub(super) held: Option<Held>,
    /// Its body is running.
    pub(super) running: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Looked {
    pub(super) record: Arc<Record>,
    pub(super) tick: u8,
    /// Whether what follows is refused by that record already.
    pub(super) refused: bool,
    pub(super) frozen: bool,
    pub(super) directory: Directory,
    pub(super) policy_changed: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) fence: u64,
    /// The record and the time that its start is judged on first.
    pub(super) record: Arc<Record>,
    pub(super) tick: u8,
}

/// A vote on its way from the desk to the store.
#[derive(Debug, Clone)]
pub(super) struct OnItsWay {
    pub(super) human: Human,
    pub(super) choice: Choice,
    pub(super) looked: Looked,
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) record: Arc<Record>,
    pub(super) tick: u8,
    pub(super) frozen: bool,
    pub(super) directory: Directory,
    pub(super) policy_changed: bool,
    pub(super) gates: [Gate; 2],
    pub(super) vote: Option<OnItsWay>,
    pub(super) truth: Truth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A click through this channel identity (Alice has two), perhaps on what an older message
    /// shows.
    Vote {
        human: Human,
        identity: u8,
        choice: Choice,
        old_click: bool,
    },
    /// The desk has read the record and looked the reviewer up; the swap follows.
    Send(Human, Choice),
    Arrive,
    Tick,
    Due,
    Withdraw,
    Revoke,
    Freeze,
    Thaw,
    Change(Change),
    /// A gate reads the record, and looks policy, voters and freeze up; the swap follows.
    Look(u8),
    Claim(u8),
    /// A claim and a start in one commit.
    ClaimAndStart(u8),
    Release(u8),
    Start(u8),
    Renew(u8),
    Finish(u8),
    /// The body's future was dropped, or panicked.
    Abandon(u8),
    /// The gate's process dies and comes back empty.
    Crash(u8),
    Resolve,
    ReviewAfterwards(Human),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    BobLeaves,
    BobUnknown,
    AliceOwns,
    DaveGoes,
    Policy,
}

impl Setting {
    fn offers_votes(&self, world: &World, steps: &mut Vec<Step>) {
        for human in self.voters.iter().copied() {
            // Alice clicks in one channel or the other.
            for identity in 0..=u8::from(human == Human::Alice) {
                let mut vote = |choice, old_click| {
                    steps.push(Step::Vote {
                        human,
                        identity,
                        choice,
                        old_click,
                    });
                };
                vote(Choice::Approve, false);
                vote(Choice::Deny, false);
                if world.truth.words[human.index()] != Word::Nothing {
                    vote(Choice::Approve, true);
                }
                if self.glass != 0 {
                    vote(Choice::BreakGlass, false);
                }
                if self.confirm {
                    vote(Choice::Confirm, false);
                }
                if self.may.withdraw_votes {
                    vote(Choice::Withdrawn, false);
                }
            }
        }
        if self.on_snapshots() && world.vote.is_none() {
            steps.push(Step::Send(Human::Carol, Choice::Approve));
        }
    }

    fn offers_changes(&self, world: &World, steps: &mut Vec<Step>) {
        let Directory {
            bob_left,
            bob_unknown,
            alice_owns,
            dave_gone,
        } = world.directory;
        let mut change = |may: bool, change| {
            if may {
                steps.push(Step::Change(change));
            }
        };
        change(self.may.bob_leaves && !bob_left, Change::BobLeaves);
        change(self.may.bob_unknown && !bob_unknown, Change::BobUnknown);
        change(self.may.alice_owns && !alice_owns, Change::AliceOwns);
        change(self.may.dave_goes && !dave_gone, Change::DaveGoes);
        change(
            self.may.policy_changes && !world.policy_changed,
            Change::Policy,
        );
    }

    fn offers_gates(&self, world: &World, steps: &mut Vec<Step>) {
        for gate in 0..1 + u8::from(self.may.two_gates) {
            let Gate {
                looked,
                held,
                running,
            } = &world.gates[usize::from(gate)];
            match (held, looked) {
                (None, None) if self.on_snapshots() => steps.push(Step::Look(gate)),
                (None, _) => steps.extend([Step::Claim(gate), Step::ClaimAndStart(gate)]),
                (Some(_), _) => {
                    // A start may be repeated, as a retry that should not be one.
                    steps.push(Step::Start(gate));
                    steps.push(Step::Renew(gate));
                    if *running {
                        steps.push(Step::Finish(gate));
                        steps.push(Step::Abandon(gate));
                    } else {
                        steps.push(Step::Release(gate));
                    }
                }
            }
            if held.is_some() || looked.is_some() {
                steps.push(Step::Crash(gate));
            }
        }
    }

    fn command(&self, world: &World, step: Step) -> Option<Command> {
        let held = |gate: u8| world.gates[usize::from(gate)].held.as_ref();
        Some(match step {
            Step::Vote {
                human,
                identity,
                choice,
                old_click,
            } => {
                let own = world.record.votes.iter().rev();
                let own = own
                    .filter(|vote| same_human(&vote.person, human))
                    .map(|vote| vote.revision.saturating_sub(1))
                    .next();
                let seen = own.filter(|_| old_click).unwrap_or(world.record.revision);
                ballot(
                    &world.record,
                    human,
                    identity,
                    choice,
                    seen,
                    world.directory,
                )
            }
            Step::Send(..) => return None,
            Step::Arrive => {
                let OnItsWay {
                    human,
                    choice,
                    looked,
                } = world.vote.as_ref()?;
                sent(*human, *choice, looked)
            }
            Step::Due => Command::Due,
            Step::Withdraw => Command::Withdraw(WithdrawnBy::Requester),
            Step::Revoke => Command::Revoke {
                by: operator(),
                reason: "no longer wanted".into(),
            },
            Step::Claim(gate) => Command::Claim(self.claim_now(world, gate)),
            Step::ClaimAndStart(gate) => Command::ClaimAndStart(self.claim_now(world, gate)),
            Step::Release(gate) => Command::Release {
                fence: held(gate)?.fence,
            },
            Step::Start(gate) => Command::Start {
                fence: held(gate)?.fence,
                owner: self.owners[usize::from(gate)],
                // With snapshots only the commit knows.
                frozen: world.frozen && !self.on_snapshots(),
                lease: ticks(LEASE),
            },
            Step::Renew(gate) => Command::Renew {
                fence: held(gate)?.fence,
                lease: ticks(LEASE),
            },
            Step::Finish(gate) => Command::Finish {
                fence: held(gate)?.fence,
                succeeded: true,
                summary: None,
            },
            Step::Abandon(gate) => Command::Abandon {
                fence: held(gate)?.fence,
                why: "it was dropped".into(),
            },
            Step::Resolve => Command::Resolve {
                by: operator(),
                reason: "it had run".into(),
                succeeded: true,
            },
            Step::ReviewAfterwards(human) => Command::ReviewAfterwards {
                by: human.person(),
                excluded: world.directory.chain(),
                comment: "seen".into(),
            },
            Step::Tick
            | Step::Freeze
            | Step::Thaw
            | Step::Change(_)
            | Step::Look(_)
            | Step::Crash(_) => return None,
        })
    }

    fn claim_now(&self, world: &World, gate: u8) -> Box<ClaimNow> {
        let looked = self.looked(world, gate);
        Box::new(ClaimNow {
            owner: self.owners[usize::from(gate)],
            lease: ticks(LEASE),
            frozen: looked.frozen,
            verdict: self.verdicts[usize::from(looked.policy_changed)].clone(),
            policy_version: None,
            voters: voters(&world.record, looked.directory),
            excluded: looked.directory.chain(),
        })
    }

    /// What a gate's claim is based on: what it looked up, or the world as it is.
    fn looked(&self, world: &World, gate: u8) -> Looked {
        let before = world.gates[usize::from(gate)].looked.clone();
        before.unwrap_or_else(|| look(world))
    }

    fn by(&self, world: &World, step: Step) -> By {
        match step {
            Step::Vote {
                human, old_click, ..
            } => By::Reviewer {
                human,
                directory: world.directory,
                old_click,
            },
            Step::Arrive => match &world.vote {
                Some(OnItsWay { human, looked, .. }) => By::Reviewer {
                    human: *human,
                    directory: looked.directory,
                    old_click: false,
                },
                None => By::Clock,
            },
            Step::Look(gate)
            | Step::Claim(gate)
            | Step::ClaimAndStart(gate)
            | Step::Release(gate)
            | Step::Start(gate)
            | Step::Renew(gate)
            | Step::Finish(gate)
            | Step::Abandon(gate)
            | Step::Crash(gate) => {
                let looked = self.looked(world, gate);
                By::Gate {
                    gate,
                    directory: looked.directory,
                    policy_changed: looked.policy_changed,
                }
            }
            Step::Send(..) | Step::Tick | Step::Due => By::Clock,
            Step::Withdraw
            | Step::Revoke
            | Step::Freeze
            | Step::Thaw
            | Step::Change(_)
            | Step::Resolve
            | Step::ReviewAfterwards(_) => By::Operator,
        }
    }

    /// The snapshot that a command is judged on first, where it comes with one.
    fn snapshot(world: &World, step: Step) -> Option<Snapshot> {
        let (record, tick) = match step {
            Step::Arrive => {
                let looked = &world.vote.as_ref()?.looked;
                (&looked.record, looked.tick)
            }
            Step::Claim(gate) | Step::ClaimAndStart(gate) => {
                let looked = world.gates[usize::from(gate)].looked.as_ref()?;
                (&looked.record, looked.tick)
            }
            Step::Start(gate) => {
                let held = world.gates[usize::from(gate)].held.as_ref()?;
                (&held.record, held.tick)
            }
            _ => return None,
        };
        Some(Snapshot {
            record: Arc::clone(record),
            now: at(tick),
            frozen: false,
        })
    }

    /// Has a command take effect, if it may. Whether it did.
    fn carry_out(&self, world: &mut World, step: Step, command: &Command) -> bool {
        let by = self.by(world, step);
        let missing = match self.through {
            Through::Engine(apply) => {
                let judged = apply(&world.record, command, at(world.tick));
                let Ok(Transition { record, events }) = judged else {
                    return false;
                };
                self.saw(world, (command, by), Arc::new(record), &events);
                return true;
            }
            Through::Store(missing) => missing,
        };
        let from = Self::snapshot(world, step);
        let stored = Stored::of(vec![Arc::clone(&world.record)], at(world.tick))
            .frozen(world.frozen)
            .without(missing);
        let Carried {
            mut changes, done, ..
        } = stored.carry_out(world.record.id(), command, from);
        // What was swapped in before the command was due before it.
        let own = if done { changes.pop() } else { None };
        assert_eq!(
            done,
            own.is_some(),
            "{command:?} is said to have taken effect"
        );
        for (record, events) in changes {
            self.saw(world, (&Command::Due, By::Clock), record, &events);
        }
        if let Some((record, events)) = own {
            self.saw(world, (command, by), record, &events);
        }
        done
    }

    /// A command has taken effect.
    fn saw(
        &self,
        world: &mut World,
        (command, by): (&Command, By),
        record: Arc<Record>,
        events: &[What],
    ) {
        let moment = Moment {
            tick: world.tick,
            frozen: world.frozen,
        };
        world.record = record;
        let truth = &mut world.truth;
        truth.saw(self, (command, by), &world.record, events, moment);
    }

    /// What a gate remembers of its step.
    fn remember(world: &mut World, step: Step, done: bool) {
        let record = Arc::clone(&world.record);
        let changed = tick_of(world.record.changed_at);
        let gate_of = |gate: u8| usize::from(gate);
        match step {
            Step::Arrive => world.vote = None,
            Step::Claim(index) | Step::ClaimAndStart(index) => {
                let gate = &mut world.gates[gate_of(index)];
                gate.running = done && matches!(step, Step::ClaimAndStart(_));
                gate.looked = None;
                gate.held = done.then_some(Held {
                    fence: record.fence,
                    record,
                    tick: changed,
                });
            }
            Step::Start(gate) if done => world.gates[gate_of(gate)].running = true,
            // What has begun goes on, whether or not its end could be recorded.
            Step::Finish(gate) | Step::Abandon(gate) => {
                world.gates[gate_of(gate)] = Gate::default();
            }
            // The claim is given back, or was not its own any more.
            Step::Release(gate) => world.gates[gate_of(gate)] = Gate::default(),
            _ => {}
        }
    }
}

pub(super) fn operator() -> PersonId {
    PersonId::new("olivia").unwrap()
}

/// Whether a command is refused by what stands, whatever is due.
fn is_refused(world: &World, command: &Command) -> bool {
    let judged = apply(&world.record, command, at(world.tick));
    judged.is_err_and(|refused| !matches!(refused, Refused::Late(_)))
}

fn look(world: &World) -> Looked {
    Looked {
        record: Arc::clone(&world.record),
        tick: world.tick,
        refused: false,
        frozen: world.frozen,
        directory: world.directory,
        policy_changed: world.policy_changed,
    }
}

impl Model for Setting {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let directory = Directory::default();
        vec![World {
            record: Arc::new(Record::pending(
                Arc::clone(&self.asked),
                directory.chain(),
                None,
            )),
            tick: 0,
            frozen: false,
            directory,
            policy_changed: false,
            gates: [Gate::default(), Gate::default()],
            vote: None,
            truth: Truth::new(self),
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let phase = world.record.state.phase();
        let over = phase.is_final() || phase == Phase::InDoubt;
        let runs = world.gates.iter().any(|gate| gate.running);
        match phase {
            Phase::Pending => self.offers_votes(world, steps),
            // One of each kind, to see that it is refused.
            _ => steps.push(Step::Vote {
                human: Human::Bob,
                identity: 0,
                choice: Choice::Deny,
                old_click: false,
            }),
        }
        if world.vote.is_some() {
            steps.push(Step::Arrive);
        }
        steps.extend([Step::Due, Step::Withdraw, Step::Revoke, Step::Resolve]);
        self.offers_gates(world, steps);
        if phase == Phase::Succeeded && self.glass != 0 {
            steps.extend(
                self.voters
                    .iter()
                    .map(|human| Step::ReviewAfterwards(*human)),
            );
        }
        // Where a request is over nothing depends on time, directory or freeze any more; and a
        // freeze before the approval is the same as one right after it.
        if (!over || runs) && world.tick < LAST_TICK {
            steps.push(Step::Tick);
        }
        if !over {
            self.offers_changes(world, steps);
        }
        if self.may.freeze && matches!(phase, Phase::Approved | Phase::Claimed) {
            steps.push([Step::Freeze, Step::Thaw][usize::from(world.frozen)]);
        }
    }

    fn next_state(&self, before: &World, step: Step) -> Option<World> {
        let mut world = before.clone();
        match step {
            Step::Tick => world.tick += 1,
            Step::Freeze => world.frozen = true,
            Step::Thaw => world.frozen = false,
            Step::Crash(gate) => world.gates[usize::from(gate)] = Gate::default(),
            Step::Look(gate) => {
                let mut looked = look(before);
                let claim = Command::Claim(self.claim_now(before, gate));
                looked.refused = is_refused(before, &claim);
                world.gates[usize::from(gate)].looked = Some(looked);
            }
            Step::Send(human, choice) => {
                let mut looked = look(before);
                looked.refused = is_refused(before, &sent(human, choice, &looked));
                world.vote = Some(OnItsWay {
                    human,
                    choice,
                    looked,
                });
            }
            Step::Change(change) => match change {
                Change::BobLeaves => world.directory.bob_left = true,
                Change::BobUnknown => world.directory.bob_unknown = true,
                Change::AliceOwns => world.directory.alice_owns = true,
                Change::DaveGoes => world.directory.dave_gone = true,
                Change::Policy => world.policy_changed = true,
            },
            _ => {
                let command = self.command(before, step)?;
                let done = self.carry_out(&mut world, step, &command);
                Self::remember(&mut world, step, done);
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(self)
    }
}
