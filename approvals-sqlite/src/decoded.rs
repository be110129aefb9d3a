//! Records that were read or written lately, so that the same text is not decoded again and again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use approvals_core::store::{StoreError, encoding};
use approvals_core::{Record, RequestId};

/// How many are kept. A request is read several times within a short while: when it is asked, when
/// somebody votes, when its caller wakes.
const KEPT: usize = 512;

/// How long a text that is kept may be, in bytes.
const LONGEST: usize = 8 * 1024;

/// What texts say. Only a text that is the same to the byte is not decoded again, so that whatever
/// changed the file is seen.
#[derive(Debug, Default)]
pub(crate) struct Decoded(Mutex<Lately>);

#[derive(Debug, Default)]
struct Lately {
    known: HashMap<RequestId, (Arc<str>, Arc<Record>)>,
    /// Those that came first go first.
    order: VecDeque<RequestId>,
}

impl Decoded {
    fn lately(&self) -> std::sync::MutexGuard<'_, Lately> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The record that stands in this request's column.
    pub(crate) fn record(&self, id: RequestId, text: &str) -> Result<Arc<Record>, StoreError> {
        if let Some((known, record)) = self.lately().known.get(&id)
            && **known == *text
        {
            return Ok(Arc::clone(record));
        }
        let record = Arc::new(encoding::decode(&id.to_string(), text)?);
        self.remember(text.into(), &record);
        Ok(record)
    }

    /// Keeps what was decoded from this text, or encoded to it.
    pub(crate) fn remember(&self, text: Arc<str>, record: &Arc<Record>) {
        if text.len() > LONGEST {
            return;
        }
        let id = record.id();
        let mut lately = self.lately();
        let known = lately.known.insert(id, (text, Arc::clone(record)));
        if known.is_some() {
            return;
        }
        lately.order.push_back(id);
        if lately.order.len() > KEPT
            && let Some(first) = lately.order.pop_front()
        {
            lately.known.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use approvals_core::Timestamp;
    use approvals_testing::sample::Sample;

    use super::*;

    fn asked() -> Arc<Record> {
        let opening = Sample::at(Timestamp::from_millis(1_000_000)).opening();
        Arc::new(Record::pending(opening.asked, opening.excluded, None))
    }

    #[test]
    fn a_text_that_was_changed_is_read_anew() {
        let decoded = Decoded::default();
        let record = asked();
        let id = record.id();
        let text: Arc<str> = encoding::encode(&record).unwrap().into();
        decoded.remember(Arc::clone(&text), &record);
        let again = decoded.record(id, &text).unwrap();
        assert!(Arc::ptr_eq(&again, &record));
        let changed = text.replace("\"revision\":1", "\"revision\":9");
        assert_eq!(decoded.record(id, &changed).unwrap().revision, 9);
        assert_eq!(*decoded.record(id, &text).unwrap(), *record);
        let cut = text.get(..100).unwrap();
        assert!(decoded.record(id, cut).is_err());
    }

    #[test]
    fn no_more_is_kept_than_a_few() {
        let decoded = Decoded::default();
        for _ in 0..KEPT * 3 {
            let record = asked();
            let text = encoding::encode(&record).unwrap();
            decoded.remember(text.into(), &record);
        }
        let long: Arc<str> = "x".repeat(LONGEST + 1).into();
        decoded.remember(long, &asked());
        let lately = decoded.lately();
        assert_eq!((lately.known.len(), lately.order.len()), (KEPT, KEPT));
    }
}
