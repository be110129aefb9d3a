//! Who is asked now, and how they are known on a channel.

use std::collections::{BTreeMap, BTreeSet};

use approvals_core::directory::Members;
use approvals_core::policy::{Agreement, Member, OnTimeout};
use approvals_core::{
    ApproverError, ChannelId, ChannelIdentity, Directory, DirectoryError, PersonId, Record,
};

/// The most people that one request goes to one by one. More are reached where many are at once.
pub const MOST: usize = 50;

/// The identities on a channel of everybody who is asked now, as the directory lists and knows them.
/// Whoever cannot be listed is left out: they are reached elsewhere.
///
/// # Errors
/// [`ApproverError`] when the directory cannot answer.
pub async fn identities(
    directory: &dyn Directory,
    channel: &ChannelId,
    record: &Record,
) -> Result<Vec<ChannelIdentity>, ApproverError> {
    let people = people(directory, channel, record).await?;
    Ok(people.into_values().flatten().collect())
}

/// Everybody who is asked now, with their identities on a channel: some may have none.
///
/// # Errors
/// [`ApproverError`] when the directory cannot answer.
pub async fn people(
    directory: &dyn Directory,
    channel: &ChannelId,
    record: &Record,
) -> Result<BTreeMap<PersonId, Vec<ChannelIdentity>>, ApproverError> {
    let mut people = BTreeSet::new();
    for member in audience(record) {
        match member {
            Member::Person(person) => {
                people.insert(person);
            }
            Member::Group(group) => match directory.members(&group).await.map_err(unsaid)? {
                Members::Listed(members) => people.extend(members),
                Members::Unenumerable | Members::NoSuchGroup => {
                    tracing::warn!(%group, "its members cannot be listed: nobody of it is written to");
                }
            },
        }
    }
    let mut all = BTreeMap::new();
    // Whoever may not vote is not asked to.
    for person in people {
        if excluded(record, &person) {
            continue;
        }
        let identities = directory.identities(&person, channel).await;
        all.insert(person, identities.map_err(unsaid)?);
    }
    Ok(all)
}

/// That a directory did not answer, which may be better later.
#[must_use]
pub fn unsaid(error: DirectoryError) -> ApproverError {
    ApproverError::new(error.to_string())
}

/// Checks that these are few enough to be written to one by one.
///
/// # Errors
/// [`ApproverError`], for good, when they are more than [`MOST`].
pub fn few<T>(users: BTreeSet<T>) -> Result<BTreeSet<T>, ApproverError> {
    if users.len() > MOST {
        let why = format!(
            "{} people would be written to one by one, and {MOST} is the most: route the request \
             to a channel that calls them",
            users.len()
        );
        return Err(ApproverError::for_good(why));
    }
    Ok(users)
}

fn excluded(record: &Record, person: &PersonId) -> bool {
    let confirms = record
        .asked
        .tracks
        .iter()
        .any(|track| matches!(track.agreement(), Agreement::Confirm { .. }));
    record.excluded.contains(person) && !confirms
}

/// Everybody who is asked now: the open stages' audiences, wider where they were widened; of a
/// confirmation, the people of the requester's chain.
#[must_use]
pub fn audience(record: &Record) -> BTreeSet<Member> {
    let mut members = BTreeSet::new();
    for (track, progress) in record.asked.tracks.iter().zip(&record.progress) {
        if progress.met {
            continue;
        }
        if let Agreement::Confirm { .. } = track.agreement() {
            let people = record.asked.principals.iter().cloned();
            members.extend(people.map(Member::Person));
        }
        let Some(stage) = track.stages().nth(progress.open.into()) else {
            continue;
        };
        for quorum in stage.quorums().iter() {
            members.extend(quorum.from().members().cloned());
        }
        let widened = 1_u16.checked_shl(progress.open.into()).unwrap_or(0);
        if let OnTimeout::EscalateTo(audience) = stage.on_timeout()
            && progress.widened & widened != 0
        {
            members.extend(audience.members().cloned());
        }
    }
    members
}
