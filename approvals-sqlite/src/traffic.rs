//! How often something happened within the last hour, as it stands in a column.

use approvals_core::Timestamp;
use approvals_core::store::lookup::TRAFFIC_COUNTS_FOR;

/// Pairs of a time and a count, the oldest first. What happened within one second is kept as one,
/// and counts until the last of it is an hour old.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic(Vec<(u64, u32)>);

impl Traffic {
    /// What is written in a column. A rest that is no pair counts as nothing.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let (pairs, _) = bytes.as_chunks::<12>();
        Self(
            pairs
                .iter()
                .map(|[a, b, c, d, e, f, g, h, count @ ..]| {
                    (
                        u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
                        u32::from_le_bytes(*count),
                    )
                })
                .collect(),
        )
    }

    /// As it is written in a column.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 12);
        for (at, count) in &self.0 {
            bytes.extend_from_slice(&at.to_le_bytes());
            bytes.extend_from_slice(&count.to_le_bytes());
        }
        bytes
    }

    /// Forgets what is an hour old.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        let old = |at: u64| Timestamp::from_millis(at).plus(TRAFFIC_COUNTS_FOR) <= now;
        self.0.retain(|(at, _)| !old(*at));
    }

    pub(crate) fn add(&mut self, now: Timestamp) {
        self.forget(now);
        let now = now.as_millis();
        match self.0.last_mut() {
            Some((last, count)) if *last / 1000 == now / 1000 => {
                *last = now;
                *count = count.saturating_add(1);
            }
            Some(_) | None => self.0.push((now, 1)),
        }
    }

    pub(crate) fn total(&self) -> u32 {
        self.0
            .iter()
            .fold(0, |total, (_, count)| total.saturating_add(*count))
    }

    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.0.last().map(|(at, _)| Timestamp::from_millis(*at))
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_happened_counts_for_an_hour_and_survives_a_column() {
        let start = Timestamp::from_millis(1_000_000);
        let mut traffic = Traffic::default();
        for seconds in [0, 0, 10, 3_599] {
            traffic.add(start.plus(Duration::from_secs(seconds)));
        }
        assert_eq!(Traffic::read(&traffic.bytes()), traffic);
        assert_eq!(traffic.total(), 4);
        traffic.forget(start.plus(Duration::from_secs(3_600)));
        assert_eq!(traffic.total(), 2);
        assert_eq!(traffic.last(), Some(start.plus(Duration::from_secs(3_599))));
        traffic.forget(start.plus(Duration::from_secs(10_000)));
        assert!(traffic.is_empty());
        assert_eq!(Traffic::read(&[1, 2, 3]), Traffic::default());
    }
}
