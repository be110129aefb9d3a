//! Records that were read or written lately, so that the same text is not decoded again and again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use approvals_core::store::{StoreError, encoding};
use approvals_core::{Record, RequestId};

use crate::swapping::Text;

/// How many are kept. A request is read several times within a short while: when it is asked, when
/// somebody votes, when its caller wakes.
const KEPT: usize = 512;

/// How long a text that is kept may be, in bytes.
const LONGEST: usize = 8 * 1024;

#[derive(Debug)]
struct Known {
    whole: Arc<str>,
    /// Where it was written here.
    text: Option<Text>,
    record: Arc<Record>,
}

/// What texts say. Only a text that is the same to the byte is not decoded again, so that whatever
/// changed the file is seen.
#[derive(Debug, Default)]
pub(crate) struct Decoded(Mutex<Lately>);

#[derive(Debug, Default)]
struct Lately {
    known: HashMap<RequestId, Known>,
    /// Those that came first go first.
    order: VecDeque<RequestId>,
}

impl Lately {
    /// Returns what is no longer kept.
    fn keep(&mut self, id: RequestId, known: Known) -> Option<Known> {
        let before = self.known.insert(id, known);
        if before.is_some() {
            return before;
        }
        self.order.push_back(id);
        if self.order.len() <= KEPT {
            return None;
        }
        let first = self.order.pop_front()?;
        self.known.remove(&first)
    }
}

impl Decoded {
    fn lately(&self) -> std::sync::MutexGuard<'_, Lately> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The record that stands in this request's column.
    pub(crate) fn record(&self, id: RequestId, text: &str) -> Result<Arc<Record>, StoreError> {
        if let Some(known) = self.known(id, text) {
            return Ok(known);
        }
        let record = Arc::new(encoding::decode(&id.to_string(), text)?);
        self.keep(text.into(), None, &record);
        Ok(record)
    }

    /// The same for somebody who comes back and then waits until it has changed: of many who do, each
    /// would only drive out what another one kept.
    pub(crate) fn record_once(&self, id: RequestId, text: &str) -> Result<Arc<Record>, StoreError> {
        match self.known(id, text) {
            Some(known) => Ok(known),
            None => encoding::decode(&id.to_string(), text).map(Arc::new),
        }
    }

    fn known(&self, id: RequestId, text: &str) -> Option<Arc<Record>> {
        let lately = self.lately();
        let known = lately.known.get(&id)?;
        (*known.whole == *text).then(|| Arc::clone(&known.record))
    }

    /// The text of a former form of this record, made by a change of what is kept here: what was
    /// asked is the same to the byte.
    pub(crate) fn text(&self, record: &Record) -> Option<Text> {
        let lately = self.lately();
        let known = lately.known.get(&record.id())?;
        let same = Arc::ptr_eq(&known.record.asked, &record.asked);
        known.text.clone().filter(|_| same)
    }

    /// Keeps what was encoded to this text.
    pub(crate) fn remember(&self, text: Text, record: &Arc<Record>) {
        self.keep(Arc::clone(&text.whole), Some(text), record);
    }

    fn keep(&self, whole: Arc<str>, text: Option<Text>, record: &Arc<Record>) {
        if whole.len() > LONGEST {
            return;
        }
        let id = record.id();
        let known = Known {
            whole,
            text,
            record: Arc::clone(record),
        };
        // What goes is freed when others can look again.
        let _goes = self.lately().keep(id, known);
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

    fn text_of(record: &Record) -> Text {
        let asked = encoding::encode_asked(&record.asked).unwrap();
        let text = Text::of(record, &asked).unwrap();
        assert_eq!(*text.whole, encoding::encode(record).unwrap());
        assert_eq!(text.asked(), Some(asked.as_str()));
        text
    }

    #[test]
    fn what_was_asked_is_put_into_words_once() {
        let decoded = Decoded::default();
        let record = asked();
        decoded.remember(text_of(&record), &record);
        let mut next = Record::clone(&record);
        next.revision += 1;
        let known = decoded.text(&next).unwrap();
        let text = Text::of(&next, known.asked().unwrap()).unwrap();
        assert_eq!(*text.whole, encoding::encode(&next).unwrap());
        // Equal is not the same: another text may say it.
        next.asked = Arc::new(approvals_core::review::Asked::clone(&next.asked));
        assert!(decoded.text(&next).is_none());
    }

    #[test]
    fn a_text_that_was_changed_is_read_anew() {
        let decoded = Decoded::default();
        let record = asked();
        let id = record.id();
        let text = text_of(&record);
        decoded.remember(text.clone(), &record);
        let text = text.whole;
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
            decoded.remember(text_of(&record), &record);
        }
        decoded.keep("x".repeat(LONGEST + 1).into(), None, &asked());
        let lately = decoded.lately();
        assert_eq!((lately.known.len(), lately.order.len()), (KEPT, KEPT));
    }
}
