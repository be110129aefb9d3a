//! Groups of groups, as the people who are in them.

use std::collections::{BTreeMap, BTreeSet};

use approvals_core::{GroupId, PersonId};

use crate::draft::GroupDraft;
use crate::mistake::{MAX_MISTAKES, Mistakes, quoted};
use crate::roster::Names;
use crate::syntax::At;

/// How many memberships the groups of a file may come to, counted as often as they are passed on to
/// a group around. A few groups in groups in groups would otherwise fill the memory.
const MAX_MEMBERSHIPS: usize = 1_000_000;
/// How many groups of a cycle a message names.
const SHOWN: usize = 8;

/// Of each group the active people, also those of groups in it.
///
/// Goes through the groups with a stack of its own, so that how deep they are nested does not
/// matter.
pub(crate) fn resolve(
    drafts: &[At<GroupDraft<'_>>],
    names: &Names<'_>,
    is_active: &BTreeSet<&str>,
    mistakes: &mut Mistakes,
) -> BTreeMap<GroupId, BTreeSet<PersonId>> {
    let direct: Vec<_> = drafts
        .iter()
        .map(|group| people_of(&group.value, names, is_active, mistakes))
        .collect();
    let inside = groups_inside(drafts, names, mistakes);
    let Some(order) = innermost_first(drafts, &inside, mistakes) else {
        return BTreeMap::new();
    };
    let mut resolved: BTreeMap<usize, BTreeSet<PersonId>> = BTreeMap::new();
    let mut direct: BTreeMap<usize, BTreeSet<PersonId>> = direct.into_iter().enumerate().collect();
    let mut memberships = 0;
    for group in order {
        let mut people = direct.remove(&group).unwrap_or_default();
        memberships += people.len();
        let Some((draft, inner)) = drafts.get(group).zip(inside.get(group)) else {
            continue;
        };
        for inner in inner {
            let Some(passed_on) = resolved.get(&inner.group) else {
                continue;
            };
            memberships += passed_on.len();
            if memberships > MAX_MEMBERSHIPS {
                break;
            }
            people.extend(passed_on.iter().cloned());
        }
        if memberships > MAX_MEMBERSHIPS {
            let message = format!(
                "with group {} the groups of this file come to more than {MAX_MEMBERSHIPS} memberships: nest fewer groups",
                quoted(draft.value.id.as_str())
            );
            mistakes.add(&draft.span, message);
            return BTreeMap::new();
        }
        resolved.insert(group, people);
    }
    // A group whose people are unknown is told of as that.
    if mistakes.is_empty() {
        for (draft, people) in drafts.iter().zip(resolved.values()) {
            if people.is_empty() {
                let message = format!(
                    "nobody in group {} is active, and nobody could ever agree for it: add a person who is, or remove the group",
                    quoted(draft.value.id.as_str())
                );
                mistakes.add(&draft.span, message);
            }
        }
    }
    drafts
        .iter()
        .zip(resolved.into_values())
        .map(|(draft, people)| (draft.value.id.clone(), people))
        .collect()
}

/// The active people whom a group names itself.
fn people_of(
    group: &GroupDraft<'_>,
    names: &Names<'_>,
    is_active: &BTreeSet<&str>,
    mistakes: &mut Mistakes,
) -> BTreeSet<PersonId> {
    let shown = quoted(group.id.as_str());
    let mut seen = BTreeSet::new();
    let mut people = BTreeSet::new();
    for name in &group.people {
        if !seen.insert(name.value) {
            let message = format!(
                "{} is in group {shown} twice: remove one",
                quoted(name.value)
            );
            mistakes.add(&name.span, message);
            continue;
        }
        match names.person(name.value) {
            Ok(person) if is_active.contains(person.as_str()) => {
                people.insert(person.clone());
            }
            Ok(_) => {}
            Err(why) => mistakes.add(&name.span, format!("{why} (in group {shown})")),
        }
    }
    people
}

/// A group inside another, by its place in the list of drafts.
#[derive(Debug)]
struct Inner<'d> {
    group: usize,
    named: &'d At<&'d str>,
}

fn groups_inside<'d>(
    drafts: &'d [At<GroupDraft<'d>>],
    names: &Names<'_>,
    mistakes: &mut Mistakes,
) -> Vec<Vec<Inner<'d>>> {
    let numbers: BTreeMap<&str, usize> = drafts
        .iter()
        .enumerate()
        .map(|(number, group)| (group.value.id.as_str(), number))
        .collect();
    let mut inside = Vec::with_capacity(drafts.len());
    for group in drafts {
        let shown = quoted(group.value.id.as_str());
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for named in &group.value.groups {
            match numbers.get(named.value) {
                _ if !seen.insert(named.value) => {
                    let message = format!(
                        "{} is in group {shown} twice: remove one",
                        quoted(named.value)
                    );
                    mistakes.add(&named.span, message);
                }
                Some(group) => found.push(Inner {
                    group: *group,
                    named,
                }),
                None => {
                    let why = names.no_group(named.value);
                    mistakes.add(&named.span, format!("{why} (in group {shown})"));
                }
            }
        }
        inside.push(found);
    }
    inside
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    NotYet,
    /// On the way from where the visit began to where it is.
    OnTheWay,
    Done,
}

/// All groups, each after those inside it; nothing when there is a cycle.
fn innermost_first(
    drafts: &[At<GroupDraft<'_>>],
    inside: &[Vec<Inner<'_>>],
    mistakes: &mut Mistakes,
) -> Option<Vec<usize>> {
    let mut visits = vec![Visit::NotYet; inside.len()];
    let mut order = Vec::with_capacity(inside.len());
    let mut cycles = 0;
    for start in 0..inside.len() {
        if visits.get(start) != Some(&Visit::NotYet) {
            continue;
        }
        // Each group on the way, with those inside it that were not looked at yet.
        let mut way = vec![(start, inside.get(start)?.iter())];
        *visits.get_mut(start)? = Visit::OnTheWay;
        while let Some((group, rest)) = way.last_mut() {
            let Some(inner) = rest.next() else {
                *visits.get_mut(*group)? = Visit::Done;
                order.push(*group);
                way.pop();
                continue;
            };
            match visits.get(inner.group)? {
                Visit::Done => {}
                Visit::OnTheWay => {
                    cycles += 1;
                    let on_the_way = way.iter().map(|(group, _)| *group);
                    let cycle = on_the_way.skip_while(|group| *group != inner.group);
                    let message = format!(
                        "groups go round in a circle: {}: remove one of them from the other",
                        shown(drafts, cycle, inner.group)
                    );
                    mistakes.add(&inner.named.span, message);
                    // Each takes as long to tell as its way is long.
                    if cycles == MAX_MISTAKES {
                        return None;
                    }
                }
                Visit::NotYet => {
                    *visits.get_mut(inner.group)? = Visit::OnTheWay;
                    way.push((inner.group, inside.get(inner.group)?.iter()));
                }
            }
        }
    }
    (cycles == 0).then_some(order)
}

/// A cycle as its groups in order, the first at the end again.
fn shown(
    drafts: &[At<GroupDraft<'_>>],
    cycle: impl Iterator<Item = usize>,
    first: usize,
) -> String {
    let name = |group: usize| {
        let draft = drafts.get(group);
        draft.map_or_else(String::new, |draft| quoted(draft.value.id.as_str()))
    };
    let mut names: Vec<_> = cycle.take(SHOWN + 1).map(name).collect();
    if names.len() > SHOWN {
        names.truncate(SHOWN);
        names.push("…".to_owned());
    }
    names.push(name(first));
    names.join(" → ")
}
