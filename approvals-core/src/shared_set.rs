//! Small sets that are copied often and changed rarely: who may not vote, who is in which group.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{GroupId, PersonId};

/// A set of people.
pub type People = SharedSet<PersonId>;

/// A set of groups.
pub type Groups = SharedSet<GroupId>;

/// A small set: its values in order, each once. A value that is alone stands in the set itself,
/// several in one allocation that all clones share.
///
/// Cheap to clone. What is added to one clone is not in the others, and
/// adding what is there already changes nothing. Serialised as the list of its values.
///
/// ```
/// use approvals_core::{People, PersonId};
/// let (alice, bob) = (PersonId::new("alice")?, PersonId::new("bob")?);
/// let mut people = People::from([bob.clone(), alice.clone(), bob.clone()]);
/// let before = people.clone();
/// people.insert(PersonId::new("carol")?);
/// assert!(people.contains(&alice));
/// assert_eq!(before.as_slice(), [alice, bob]);
/// assert_eq!(people.as_slice().len(), 3);
/// # Ok::<(), approvals_core::NameError>(())
/// ```
#[derive(Clone)]
pub struct SharedSet<T>(Values<T>);

#[derive(Clone)]
enum Values<T> {
    None,
    One(T),
    Several(Arc<[T]>),
}

impl<T> SharedSet<T> {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Values::None)
    }

    /// The values, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        match &self.0 {
            Values::None => &[],
            Values::One(value) => std::slice::from_ref(value),
            Values::Several(values) => values,
        }
    }

    /// The values, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.as_slice().iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Leaves none.
    pub fn clear(&mut self) {
        *self = Self::new();
    }
}

impl<T: Ord> SharedSet<T> {
    /// Whether a value is in it.
    #[must_use]
    pub fn contains(&self, value: &T) -> bool {
        // Such sets hold a value or two: looking at each in turn is quicker than halving.
        self.iter().any(|known| known == value)
    }
}

impl<T: Ord + Clone> SharedSet<T> {
    /// Adds a value.
    pub fn insert(&mut self, value: T) {
        self.extend([value]);
    }

    /// Adds what is in another set, and shares its values where they are all that there is.
    pub fn unite(&mut self, other: &Self) {
        if self.is_empty() {
            self.clone_from(other);
        } else {
            let new: Vec<&T> = other.iter().filter(|value| !self.contains(value)).collect();
            self.extend(new.into_iter().cloned());
        }
    }
}

impl<T: Ord + Clone> Extend<T> for SharedSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        let mut values = values.into_iter();
        if self.is_empty() {
            // Most sets get one value and no other.
            let Some(first) = values.next() else {
                return;
            };
            self.0 = Values::One(first);
        }
        let new = values.filter(|value| !self.contains(value));
        let mut added: Vec<T> = new.collect();
        if !added.is_empty() {
            added.extend(self.iter().cloned());
            *self = Self::from(added);
        }
    }
}

impl<T: Ord> From<Vec<T>> for SharedSet<T> {
    fn from(mut values: Vec<T>) -> Self {
        values.sort_unstable();
        values.dedup();
        let more = values.len() > 1;
        Self(match values.pop() {
            None => Values::None,
            Some(value) if more => {
                values.push(value);
                Values::Several(values.into())
            }
            Some(value) => Values::One(value),
        })
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for SharedSet<T> {
    fn from(values: [T; N]) -> Self {
        values.into_iter().collect()
    }
}

impl<T: Ord> From<BTreeSet<T>> for SharedSet<T> {
    fn from(values: BTreeSet<T>) -> Self {
        values.into_iter().collect()
    }
}

impl<T: Ord> FromIterator<T> for SharedSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::from(Vec::from_iter(values))
    }
}

impl<'a, T> IntoIterator for &'a SharedSet<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> Default for SharedSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: PartialEq> PartialEq for SharedSet<T> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Eq> Eq for SharedSet<T> {}

impl<T: Hash> Hash for SharedSet<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for SharedSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<T: Serialize> Serialize for SharedSet<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}

impl<'de, T: Ord + Deserialize<'de>> Deserialize<'de> for SharedSet<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(values: &[u8]) -> SharedSet<u8> {
        values.iter().copied().collect()
    }

    #[test]
    fn a_set_is_its_values_in_order_each_once_however_it_was_made() {
        let mut grown = SharedSet::new();
        for value in [3, 1, 3, 2, 1] {
            grown.insert(value);
        }
        assert_eq!(grown.as_slice(), [1, 2, 3]);
        assert_eq!(grown, SharedSet::from([2, 3, 1, 2]));
        assert_eq!(grown, SharedSet::from(BTreeSet::from([3, 2, 1])));
        assert_eq!(grown, serde_json::from_str("[3,1,2,1]").unwrap());
        assert_eq!(serde_json::to_string(&grown).unwrap(), "[1,2,3]");
        assert_eq!(serde_json::to_string(&set(&[])).unwrap(), "[]");
        assert_eq!(set(&[]), SharedSet::new());
    }

    #[test]
    fn clones_share_their_values_until_one_gains_another() {
        let first = set(&[1, 2]);
        let mut second = SharedSet::new();
        second.unite(&first);
        second.extend([2, 1]);
        assert!(std::ptr::eq(first.as_slice(), second.as_slice()));
        second.unite(&set(&[0, 2]));
        assert_eq!(second.as_slice(), [0, 1, 2]);
        assert_eq!(first.as_slice(), [1, 2]);
    }

    #[test]
    fn an_empty_set_stays_empty_when_nothing_is_added() {
        let mut empty = set(&[]);
        empty.extend([]);
        empty.unite(&set(&[]));
        assert!(empty.is_empty() && !empty.contains(&1));
        let mut full = set(&[1]);
        full.clear();
        assert_eq!(full, empty);
    }
}
