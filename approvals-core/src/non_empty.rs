//! A list that cannot be empty. Empty means no (invariant 12), so it is not representable.

use serde::{Deserialize, Serialize};

/// One or more values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    try_from = "Vec<T>",
    into = "Vec<T>",
    bound(serialize = "T: Clone + Serialize")
)]
pub struct NonEmpty<T> {
    first: T,
    rest: Vec<T>,
}

/// The list was empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list is empty: name at least one")]
pub struct EmptyError;

impl<T> NonEmpty<T> {
    /// A list of one.
    #[must_use]
    pub const fn of(first: T) -> Self {
        Self {
            first,
            rest: Vec::new(),
        }
    }

    /// The list with one more at its end.
    #[must_use]
    pub fn and(mut self, next: T) -> Self {
        self.rest.push(next);
        self
    }

    /// The first value.
    pub const fn first(&self) -> &T {
        &self.first
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// How many there are: at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + self.rest.len()
    }

    /// The value at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        match index.checked_sub(1) {
            None => Some(&self.first),
            Some(rest) => self.rest.get(rest),
        }
    }
}

impl<T> TryFrom<Vec<T>> for NonEmpty<T> {
    type Error = EmptyError;
    fn try_from(list: Vec<T>) -> Result<Self, EmptyError> {
        let mut values = list.into_iter();
        let first = values.next().ok_or(EmptyError)?;
        Ok(Self {
            first,
            rest: values.collect(),
        })
    }
}

impl<T> From<NonEmpty<T>> for Vec<T> {
    fn from(list: NonEmpty<T>) -> Self {
        let mut all = Self::with_capacity(1 + list.rest.len());
        all.push(list.first);
        all.extend(list.rest);
        all
    }
}
