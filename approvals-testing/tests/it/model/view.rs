//! When two worlds are the same: they behave alike from here on.
//!
//! A record also holds what nobody decides by: when a vote was cast, through which identity, how
//! often the record changed. Left in, they would tell apart worlds that can never differ again, and
//! the exploration would not end. What remains is compared exactly:
//! - revisions only by whether a gate's or a desk's snapshot is still the record that stands, and if not, by whether what follows is refused by it at once;
//! - fences only by whether a gate's is the one that stands;
//! - votes by person (the groups they were cast with are in the truth's words), in order only where a later policy replays them;
//! - once a request is over, only how it ended.

use std::hash::{Hash, Hasher};

use approvals_core::PersonId;
use approvals_core::review::{Choice, Claim, Phase, Seat, State};

use super::machine::{Gate, Looked, World};
use super::world::{Directory, Human, tick_of};

type Voted = (PersonId, Choice, Vec<Seat>, usize);

#[derive(PartialEq, Eq, Hash)]
struct View<'a> {
    phase: Phase,
    execute_by: u8,
    claim: Option<(approvals_core::OwnerId, u8)>,
    progress: Vec<(u8, bool, u16, u8, Option<u8>)>,
    votes: Vec<Voted>,
    excluded: Vec<&'a PersonId>,
    owed: Option<&'a PersonId>,
    claimed_again: bool,
    tick: u8,
    frozen: bool,
    directory: Directory,
    policy_changed: bool,
    gates: Vec<GateView>,
    vote: Option<(Human, Choice, Seen)>,
}

/// What a gate knows: its snapshot, its claim, whether it runs.
type GateView = (Option<Seen>, Option<(bool, bool, u8)>, bool);

/// A snapshot: whether it still stands, and what it said.
type Seen = (bool, u8, bool, bool, Directory, bool);

impl World {
    fn seen(&self, looked: &Looked) -> Seen {
        let stands = looked.record.revision == self.record.revision;
        (
            stands,
            // Swapped in only while it stands; after that it is judged anew, unless it was refused.
            if stands { looked.tick } else { 0 },
            !stands && looked.refused,
            looked.frozen,
            looked.directory,
            looked.policy_changed,
        )
    }

    fn gate(&self, gate: &Gate) -> (Option<Seen>, Option<(bool, bool, u8)>, bool) {
        let held = gate.held.as_ref().map(|held| {
            let stands = held.record.revision == self.record.revision;
            let tick = if stands { held.tick } else { 0 };
            (held.fence == self.record.fence, stands, tick)
        });
        let looked = gate.looked.as_ref();
        (looked.map(|l| self.seen(l)), held, gate.running)
    }

    fn view(&self) -> View<'_> {
        let record = &self.record;
        let phase = record.state.phase();
        let over = phase.is_final() || phase == Phase::InDoubt;
        let held = |claim: &Claim| Some((claim.owner, tick_of(claim.lease_until)));
        let (execute_by, claim) = match &record.state {
            State::Approved { execute_by, .. } => (tick_of(*execute_by), None),
            State::Claimed {
                claim, execute_by, ..
            } => (tick_of(*execute_by), held(claim)),
            State::Executing { claim } => (0, held(claim)),
            _ => (0, None),
        };
        let pending = phase == Phase::Pending;
        let progress = record.progress.iter().map(|p| {
            let deadline = if pending { tick_of(p.deadline) } else { 0 };
            let remind_at = p.remind_at.filter(|_| pending && !p.met).map(tick_of);
            (p.open, p.met, p.widened, deadline, remind_at)
        });
        let ordered = !self.truth.order.is_empty();
        let mut votes: Vec<Voted> = record
            .votes
            .iter()
            .enumerate()
            .map(|(place, vote)| {
                let place = if ordered { place } else { 0 };
                (vote.person.clone(), vote.choice, vote.seats.clone(), place)
            })
            .collect();
        votes.sort();
        View {
            phase,
            execute_by,
            claim,
            progress: if over { Vec::new() } else { progress.collect() },
            votes: if over { Vec::new() } else { votes },
            excluded: if over {
                Vec::new()
            } else {
                record.excluded.iter().collect()
            },
            owed: record.review_owed.as_ref(),
            claimed_again: record.fence > 1,
            tick: self.tick,
            frozen: self.frozen,
            directory: self.directory,
            policy_changed: self.policy_changed,
            gates: self.gates.iter().map(|gate| self.gate(gate)).collect(),
            vote: self
                .vote
                .as_ref()
                .map(|vote| (vote.human, vote.choice, self.seen(&vote.looked))),
        }
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.view() == other.view() && self.truth == other.truth
    }
}

impl Eq for World {}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.view().hash(state);
        self.truth.hash(state);
    }
}
