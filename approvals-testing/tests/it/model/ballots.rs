//! What is said, and what is looked up about whoever said it.

use std::sync::Arc;

use approvals_core::review::{Ballot, Choice, Command, Record, VoterNow};
use approvals_core::{ChannelId, ChannelIdentity, PersonId};

use super::machine::Looked;
use super::world::{Directory, HUMANS, Human, named};

/// A vote that was sent from what the desk had looked up.
pub(super) fn sent(human: Human, choice: Choice, looked: &Looked) -> Command {
    let seen = looked.record.revision;
    ballot(&looked.record, human, 0, choice, seen, looked.directory)
}

pub(super) fn ballot(
    record: &Record,
    human: Human,
    identity: u8,
    choice: Choice,
    seen: u64,
    directory: Directory,
) -> Command {
    let channel = ChannelId::new(["terminal", "slack"][usize::from(identity)]).unwrap();
    let because = matches!(choice, Choice::BreakGlass).then(|| Arc::from("it burns"));
    Command::Vote(Box::new(Ballot {
        person: human.person(),
        identity: ChannelIdentity::new(channel, "", human.person().as_str()),
        groups: named(directory.groups(human)),
        excluded: directory.chain(),
        choice,
        comment: because,
        proposal: None,
        digest: record.asked.digest,
        shown: record.asked.shown,
        revision: seen,
    }))
}

/// Every voter as the directory knows them, as the gate looks them up.
pub(super) fn voters(record: &Record, directory: Directory) -> Vec<VoterNow> {
    let human_of = |person: &PersonId| HUMANS.into_iter().find(|h| same_human(person, *h));
    record
        .votes
        .iter()
        .filter(|vote| vote.choice != Choice::Withdrawn)
        .filter_map(|vote| Some((vote, human_of(&vote.person)?)))
        .filter(|(_, human)| directory.knows(*human))
        .map(|(vote, human)| VoterNow {
            person: vote.person.clone(),
            groups: named(directory.groups(human)),
        })
        .collect()
}

pub(super) fn same_human(person: &PersonId, human: Human) -> bool {
    // Mutants that take an identity for a person append to the name.
    person.as_str().starts_with(human.person().as_str())
}
