//! The suite that any directory must pass.

use std::collections::BTreeSet;
use std::sync::Arc;

use approvals_core::{
    ChannelIdentity, Directory, DirectoryError, GroupId, Members, Membership, PersonId,
    PrincipalId, Requester, Voter, Whom,
};

use crate::report::{Judgment, Report, Rule, ensure, rules};

/// A directory, and what is known to be true of the people in it. Everything that is left empty is
/// not judged.
#[derive(Debug, Clone)]
pub struct Town {
    /// The directory.
    pub directory: Arc<dyn Directory>,
    /// People who are known: at least two.
    pub people: Vec<Inhabitant>,
    /// A name that nobody has.
    pub nobody: PersonId,
    /// A name that no group has.
    pub no_group: GroupId,
    /// Identities that are nobody's: guests, bots, deleted users, users of another tenant.
    pub strangers: Vec<ChannelIdentity>,
    /// An agent or service, and all who own it.
    pub owned: Option<(PrincipalId, BTreeSet<PersonId>)>,
    /// An agent or service that nobody owns.
    pub unowned: Option<PrincipalId>,
}

/// Somebody who is known, with all that is true of them.
#[derive(Debug, Clone)]
pub struct Inhabitant {
    /// Who.
    pub person: PersonId,
    /// Their channel identities, on one channel or several.
    pub identities: Vec<ChannelIdentity>,
    /// Groups that they are in, also through groups in groups.
    pub groups: BTreeSet<GroupId>,
    /// Groups that exist and that they are not in.
    pub not_in: BTreeSet<GroupId>,
}

/// Judges a directory by what is known of its people.
pub async fn conformance(town: Town) -> Report {
    let mut report = Report::new("directory");
    for rule in RULES {
        report.judge(rule, town.clone()).await;
    }
    report
}

const RULES: &[Rule<Town>] = rules![Town:
    "the town is told well enough to judge by" => told,
    "a channel identity is the person's whose it is, every time" => identities,
    "one identity is never two people" => never_two,
    "an identity that is nobody's is nobody" => strangers,
    "whoever is known exists, and nobody else" => exists,
    "membership is as it is, and nobody is a member of what does not exist" => membership,
    "the members of a group are those whose membership says so" => members,
    "a group that does not exist is said not to exist, and has no members" => no_group,
    "owners are told whole, and an agent that nobody owns has none" => owners,
    "asked at once, it answers as it does one by one" => at_once,
];

async fn told(town: Town) -> Judgment {
    ensure!(town.people.len() >= 2, "tell of at least two people");
    let identities = town.people.iter().all(|one| !one.identities.is_empty());
    ensure!(identities, "tell at least one identity of each person");
    let groups = town.people.iter().any(|one| !one.groups.is_empty());
    ensure!(groups, "tell of at least one group that somebody is in");
    Ok(())
}

async fn identities(town: Town) -> Judgment {
    for one in &town.people {
        for identity in &one.identities {
            for _ in 0..2 {
                let found = town.directory.person(identity).await?;
                ensure!(
                    found.as_ref() == Some(&one.person),
                    "{identity} is {found:?} and not {}",
                    one.person
                );
            }
            let listed = town
                .directory
                .identities(&one.person, &identity.channel)
                .await?;
            ensure!(
                listed.contains(identity),
                "{identity} is not among the identities of {}: {listed:?}",
                one.person
            );
            let elsewhere = listed
                .iter()
                .find(|found| found.channel != identity.channel);
            ensure!(
                elsewhere.is_none(),
                "asked for `{}`, it lists {elsewhere:?}",
                identity.channel
            );
        }
    }
    Ok(())
}

async fn never_two(town: Town) -> Judgment {
    let channels: BTreeSet<_> = town
        .people
        .iter()
        .flat_map(|one| &one.identities)
        .map(|identity| identity.channel.clone())
        .collect();
    for channel in channels {
        for one in &town.people {
            for identity in town.directory.identities(&one.person, &channel).await? {
                let found = town.directory.person(&identity).await?;
                ensure!(
                    found.as_ref() == Some(&one.person),
                    "{identity} is listed for {} and is {found:?}",
                    one.person
                );
            }
        }
        let listed = town.directory.identities(&town.nobody, &channel).await?;
        ensure!(listed.is_empty(), "nobody has the identities {listed:?}");
    }
    Ok(())
}

async fn strangers(town: Town) -> Judgment {
    for stranger in &town.strangers {
        let found = town.directory.person(stranger).await?;
        ensure!(found.is_none(), "{stranger} is {found:?}");
    }
    Ok(())
}

async fn exists(town: Town) -> Judgment {
    for one in &town.people {
        let exists = town.directory.exists(&one.person).await?;
        ensure!(exists, "{} does not exist", one.person);
    }
    let exists = town.directory.exists(&town.nobody).await?;
    ensure!(!exists, "{} exists", town.nobody);
    Ok(())
}

async fn membership(town: Town) -> Judgment {
    for one in &town.people {
        for group in &one.groups {
            let found = town.directory.membership(&one.person, group).await?;
            ensure!(
                found == Membership::Member,
                "{} in {group}: {found:?}",
                one.person
            );
        }
        for group in one.not_in.iter().chain([&town.no_group]) {
            let found = town.directory.membership(&one.person, group).await?;
            ensure!(found != Membership::Member, "{} is in {group}", one.person);
        }
        for group in &one.groups {
            let found = town.directory.membership(&town.nobody, group).await?;
            ensure!(found != Membership::Member, "{} is in {group}", town.nobody);
        }
    }
    Ok(())
}

async fn members(town: Town) -> Judgment {
    let mut groups = BTreeSet::new();
    for one in &town.people {
        groups.extend(one.groups.union(&one.not_in).cloned());
    }
    for group in &groups {
        let listed = match town.directory.members(group).await? {
            Members::Listed(listed) => listed,
            Members::Unenumerable => continue,
            Members::NoSuchGroup => {
                return Err(crate::report::Found(format!("{group} does not exist")));
            }
        };
        for one in &town.people {
            let in_it = one.groups.contains(group);
            if in_it || one.not_in.contains(group) {
                ensure!(
                    listed.contains(&one.person) == in_it,
                    "the members of {group} are {listed:?}"
                );
            }
        }
        for person in &listed {
            let found = town.directory.membership(person, group).await?;
            ensure!(
                found == Membership::Member,
                "{person} is listed in {group}, and asked for it is: {found:?}"
            );
        }
    }
    Ok(())
}

async fn no_group(town: Town) -> Judgment {
    let found = town.directory.members(&town.no_group).await?;
    ensure!(
        found == Members::NoSuchGroup,
        "of {} it says {found:?}",
        town.no_group
    );
    Ok(())
}

async fn owners(town: Town) -> Judgment {
    if let Some((agent, owners)) = &town.owned {
        let found = town.directory.owners(agent).await?;
        ensure!(found == *owners, "the owners of {agent} are {found:?}");
    }
    if let Some(agent) = &town.unowned {
        let found = town.directory.owners(agent).await?;
        ensure!(found.is_empty(), "the owners of {agent} are {found:?}");
    }
    Ok(())
}

async fn at_once(town: Town) -> Judgment {
    let known = town.people.iter().flat_map(|one| &one.identities);
    let identities: Vec<_> = known.chain(&town.strangers).collect();
    let everywhere = town.people.iter().map(|one| one.groups.union(&one.not_in));
    let mut groups: Vec<GroupId> = everywhere.flatten().cloned().collect();
    groups.push(town.no_group.clone());
    let person = |person: &PersonId| Requester::person(person.as_str());
    let mut requesters = vec![person(&town.nobody)?];
    for one in &town.people {
        requesters.push(person(&one.person)?);
    }
    for agent in town
        .owned
        .iter()
        .map(|(agent, _)| agent)
        .chain(&town.unowned)
    {
        let requester = Requester::service("service")?.acting_for(&agent.to_string())?;
        requesters.push(requester);
    }
    for requester in &requesters {
        let whom = Whom {
            requester,
            identities: &identities,
            groups: &groups.iter().collect::<Vec<_>>(),
        };
        let resolved = town.directory.resolve(&whom).await?;
        let mut chain = BTreeSet::new();
        let mut unknown = None;
        for principal in requester.chain() {
            match principal.as_person() {
                Some(person) if town.directory.exists(person).await? => {
                    chain.insert(person.clone());
                }
                Some(_) => unknown = Some(principal.clone()),
                None => chain.extend(town.directory.owners(principal).await?),
            }
        }
        let chain = unknown.map_or(Ok(chain.into()), Err);
        ensure!(
            resolved.chain == chain,
            "behind {requester} are {:?}, and one by one {chain:?}",
            resolved.chain
        );
        ensure!(
            resolved.voters.len() == identities.len(),
            "it was asked for {} identities, and answers about {}",
            identities.len(),
            resolved.voters.len()
        );
        for (identity, found) in identities.iter().zip(&resolved.voters) {
            let voter = one_by_one(&town, identity, &groups).await?;
            ensure!(
                *found == voter,
                "{identity} is {found:?}, and one by one {voter:?}"
            );
        }
    }
    Ok(())
}

async fn one_by_one(
    town: &Town,
    identity: &ChannelIdentity,
    groups: &[GroupId],
) -> Result<Option<Voter>, DirectoryError> {
    let Some(person) = town.directory.person(identity).await? else {
        return Ok(None);
    };
    if !town.directory.exists(&person).await? {
        return Ok(None);
    }
    let mut found = BTreeSet::new();
    for group in groups {
        if town.directory.membership(&person, group).await? == Membership::Member {
            found.insert(group.clone());
        }
    }
    Ok(Some(Voter {
        person,
        groups: found.into(),
    }))
}
