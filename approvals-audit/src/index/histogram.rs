//! Percentiles of many times in little memory.

/// How many parts each doubling is cut into: a percentile is at most 1/64 too high.
const PARTS: u64 = 64;

/// How often each time occurred, in parts of a doubling.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    most: u64,
}

impl Histogram {
    pub(super) fn add(&mut self, value: u64) {
        let at = place(value);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.total += 1;
        self.most = self.most.max(value);
    }

    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    pub(super) const fn most(&self) -> u64 {
        self.most
    }

    /// The least value that so many parts of a hundred are at most, as exact as the parts are.
    pub(super) fn percentile(&self, percent: u8) -> u64 {
        let wanted = (self.total * u64::from(percent)).div_ceil(100).max(1);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return highest(at as u64).min(self.most);
            }
        }
        self.most
    }
}

/// Small values have a place each; of the others the highest bits.
fn place(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(PARTS.trailing_zeros() + 1);
    let place = u64::from(shift) * PARTS + (value >> shift);
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// The highest value that has this place.
fn highest(place: u64) -> u64 {
    if place < 2 * PARTS {
        return place;
    }
    let shift = place / PARTS - 1;
    let first = place % PARTS + PARTS;
    ((first + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_at_most_a_sixty_fourth_below_the_highest_of_its_place() {
        let mut last = 0;
        for value in (0..5_000).chain((0..200).map(|n| 5_000 + n * 4_567_891)) {
            let at = place(value);
            assert!(at >= last, "places are in the order of values");
            last = at;
            let high = highest(at as u64);
            assert!(
                high >= value && high - value <= value / 64,
                "{value} {high}"
            );
            assert_eq!(place(high), at);
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_values_up_to_their_places() {
        let mut histogram = Histogram::default();
        let mut values: Vec<u64> = (0..1_000_u64).map(|n| n * n * 37 % 900_001).collect();
        values.iter().for_each(|value| histogram.add(*value));
        values.sort_unstable();
        for percent in [1_u8, 50, 90, 95, 99, 100] {
            let exact = values[usize::from(percent) * 10 - 1];
            let said = histogram.percentile(percent);
            assert!(
                said >= exact && said - exact <= exact / 64,
                "{percent}: {said} {exact}"
            );
        }
        assert_eq!(histogram.total(), 1_000);
        assert_eq!(histogram.percentile(100), *values.last().unwrap());
    }
}
