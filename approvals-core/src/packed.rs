//! An ordered map for very many small entries that mostly arrive in order.

use std::collections::BTreeMap;
use std::collections::btree_map::OccupiedEntry;

/// Entries that stand together in memory.
const CHUNK: usize = 32;

type Chunks<K, V> = BTreeMap<K, Vec<(K, V)>>;

/// An ordered map whose entries stand in chunks that are full when they arrive in order.
///
/// A B-tree that is filled in order leaves half of every node empty, and a table that doubles
/// leaves half of itself empty at worst: with a million requests parked, the store's indices are a
/// good part of what they hold.
#[derive(Debug)]
pub(crate) struct Packed<K, V> {
    /// Each under a key that is not above its entries, and above those of the chunk before.
    chunks: Chunks<K, V>,
    len: usize,
}

impl<K, V> Default for Packed<K, V> {
    fn default() -> Self {
        Self {
            chunks: BTreeMap::new(),
            len: 0,
        }
    }
}

/// Whether a key is in the last chunk, or after it. What is busy is what came last, and the end of a
/// tree is found without comparing.
fn is_last<K: Ord, V>(chunks: &Chunks<K, V>, key: &K) -> bool {
    let last = chunks.last_key_value();
    last.is_some_and(|(low, _)| low <= key)
}

impl<K: Ord + Copy, V> Packed<K, V> {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let chunk = self.chunk(key)?;
        let place = chunk.binary_search_by_key(key, |(k, _)| *k).ok()?;
        chunk.get(place).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (_, chunk) = Self::chunk_mut(&mut self.chunks, key)?;
        let place = chunk.binary_search_by_key(key, |(k, _)| *k).ok()?;
        chunk.get_mut(place).map(|(_, value)| value)
    }

    /// The chunk in which a key would be.
    fn chunk(&self, key: &K) -> Option<&Vec<(K, V)>> {
        let found = match self.chunks.last_key_value() {
            Some((low, chunk)) if low <= key => Some((low, chunk)),
            Some(_) => self.chunks.range(..=key).next_back(),
            None => None,
        };
        found.map(|(_, chunk)| chunk)
    }

    /// The chunk in which a key would be, under its own key.
    fn chunk_mut<'a>(chunks: &'a mut Chunks<K, V>, key: &K) -> Option<(K, &'a mut Vec<(K, V)>)> {
        if is_last(chunks, key) {
            let last = chunks.last_entry()?;
            return Some((*last.key(), last.into_mut()));
        }
        let (&low, chunk) = chunks.range_mut(..=key).next_back()?;
        Some((low, chunk))
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Puts a value under a key, in place of the one that is there.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.chunk(&key).is_none() {
            // Below everything: the first chunk begins with it from now on.
            let first = self.chunks.pop_first().map(|(_, chunk)| chunk);
            self.chunks
                .insert(key, first.unwrap_or_else(|| Vec::with_capacity(CHUNK)));
        }
        let Some((_, chunk)) = Self::chunk_mut(&mut self.chunks, &key) else {
            return;
        };
        let place = match chunk.binary_search_by_key(&key, |(k, _)| *k) {
            Ok(place) => {
                if let Some((_, former)) = chunk.get_mut(place) {
                    *former = value;
                }
                return;
            }
            Err(place) => place,
        };
        self.len += 1;
        if chunk.len() < CHUNK {
            chunk.insert(place, (key, value));
            return;
        }
        // In order: what is full stays full. Otherwise both halves have room.
        let split = if place == chunk.len() {
            place
        } else {
            CHUNK / 2
        };
        let mut second = Vec::with_capacity(CHUNK);
        second.extend(chunk.drain(split..));
        if place < split || (place == split && !second.is_empty()) {
            chunk.insert(place, (key, value));
        } else {
            second.insert(place - split, (key, value));
        }
        if let Some((first, _)) = second.first() {
            self.chunks.insert(*first, second);
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (low, chunk) = Self::chunk_mut(&mut self.chunks, key)?;
        let place = chunk.binary_search_by_key(key, |(k, _)| *k).ok()?;
        let (_, value) = chunk.remove(place);
        self.len -= 1;
        if chunk.is_empty() {
            self.chunks.remove(&low);
        } else if chunk.len() <= CHUNK / 4 {
            self.merge(low);
        }
        Some(value)
    }

    /// What removals leave behind shares a chunk with its neighbour.
    fn merge(&mut self, low: K) {
        let before = self.chunks.range(..low).next_back();
        let first = before.map_or(low, |(before, _)| *before);
        for first in [first, low] {
            let mut from = self.chunks.range_mut(first..);
            let (Some((_, chunk)), Some((&next, entries))) = (from.next(), from.next()) else {
                return;
            };
            if chunk.len() + entries.len() <= CHUNK / 2 {
                chunk.append(entries);
                self.chunks.remove(&next);
                return;
            }
        }
    }

    /// The entries in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.values().flatten().map(|(k, v)| (k, v))
    }

    /// The entries in order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.chunks.values_mut().flatten().map(|(k, v)| (&*k, v))
    }

    /// The entries in order, beginning with this key or what comes after it.
    pub(crate) fn starting_at(&self, first: K) -> impl Iterator<Item = (&K, &V)> {
        let (last, chunks) = if is_last(&self.chunks, &first) {
            (self.chunks.last_key_value(), None)
        } else {
            (None, Some(self.chunks.range(self.low(first)..)))
        };
        let chunks = last.into_iter().chain(chunks.into_iter().flatten());
        chunks.flat_map(move |(_, chunk)| {
            let before = chunk.partition_point(|(k, _)| *k < first);
            chunk.iter().skip(before).map(|(k, v)| (k, v))
        })
    }

    /// The entries in order, beginning with this key or what comes after it.
    pub(crate) fn starting_at_mut(&mut self, first: K) -> impl Iterator<Item = (&K, &mut V)> {
        let (last, chunks) = if is_last(&self.chunks, &first) {
            (self.chunks.last_entry().map(OccupiedEntry::into_mut), None)
        } else {
            let low = self.low(first);
            (None, Some(self.chunks.range_mut(low..)))
        };
        let chunks = chunks.into_iter().flatten().map(|(_, chunk)| chunk);
        last.into_iter().chain(chunks).flat_map(move |chunk| {
            let before = chunk.partition_point(|(k, _)| *k < first);
            chunk.iter_mut().skip(before).map(|(k, v)| (&*k, v))
        })
    }

    /// The key of the chunk in which a key would be.
    fn low(&self, key: K) -> K {
        let before = self.chunks.range(..=key).next_back();
        before.map_or(key, |(low, _)| *low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<K: Ord + Copy + std::fmt::Debug, V> Packed<K, V> {
        fn check(&self) {
            let mut all = 0;
            let mut last: Option<K> = None;
            for (low, chunk) in &self.chunks {
                assert!(!chunk.is_empty() && chunk.len() <= CHUNK);
                assert!(*low <= chunk[0].0 && last.is_none_or(|last| last < *low));
                assert!(chunk.is_sorted_by(|(a, _), (b, _)| a < b));
                last = chunk.last().map(|(key, _)| *key);
                all += chunk.len();
            }
            assert_eq!(all, self.len);
        }
    }

    /// Numbers that look like chance, the same at every run.
    fn numbers(seed: u64) -> impl Iterator<Item = u64> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 32
        })
    }

    #[test]
    fn it_holds_what_a_tree_holds_whatever_is_done_to_both() {
        for seed in 0..9 {
            let mut packed = Packed::default();
            let mut tree = BTreeMap::new();
            let mut numbers = numbers(seed);
            let mut next = || numbers.next().unwrap();
            // More is put in than taken out in the first half, and the other way round then.
            for step in 0..4_000 {
                let key = match seed % 3 {
                    0 => next() % 600,
                    1 => step % 700,
                    _ => 4_000 - step,
                };
                let puts = next() % 10 < if step < 2_000 { 7 } else { 3 };
                if puts {
                    packed.insert(key, step);
                    tree.insert(key, step);
                } else {
                    let key = tree.range(key..).next().map_or(key, |(key, _)| *key);
                    assert_eq!(packed.remove(&key), tree.remove(&key));
                }
                if let Some(value) = packed.get_mut(&key) {
                    *value += 1;
                    *tree.get_mut(&key).unwrap() += 1;
                }
                let first = next() % 600;
                assert!(
                    packed
                        .starting_at(first)
                        .take(40)
                        .eq(tree.range(first..).take(40))
                );
                assert!(
                    packed
                        .starting_at_mut(first)
                        .take(40)
                        .eq(tree.range_mut(first..).take(40))
                );
                assert_eq!(packed.get(&first), tree.get(&first));
                assert_eq!(packed.len(), tree.len());
            }
            packed.check();
            assert!(packed.iter().eq(&tree) && packed.iter_mut().eq(&mut tree));
            for key in tree.keys() {
                assert!(packed.contains(key) && packed.remove(key).is_some());
            }
            assert!(packed.is_empty() && packed.chunks.is_empty());
        }
    }

    #[test]
    fn what_arrives_in_order_fills_every_chunk() {
        let mut packed = Packed::default();
        for key in 0..10_000 {
            packed.insert(key, ());
        }
        assert_eq!(packed.chunks.len(), 10_000_usize.div_ceil(CHUNK));
    }

    #[test]
    fn what_is_left_after_many_are_gone_shares_chunks() {
        let mut packed = Packed::default();
        for key in 0..32_000 {
            packed.insert(key, ());
        }
        for key in (0..32_000).filter(|key| key % 32 != 0) {
            packed.remove(&key);
        }
        packed.check();
        assert!(packed.chunks.len() <= 250, "{}", packed.chunks.len());
    }
}
