//! What the arguments are compared with when they are captured again.

use std::sync::Arc;

use crate::call::{Arguments, Call, Capturing, RedactionKey};
use crate::digest::Digest;

/// The arguments that people are asked about, as the digest binds them.
///
/// Kept for every parked call, so it shares the record's call where it can.
#[derive(Debug, Clone)]
pub(super) enum Agreed {
    /// Nothing in them had to be masked: they stand in the call itself.
    Shown(Arc<Call>),
    /// Their hash. What was masked is kept nowhere.
    Hashed(Box<Digest>),
}

impl Agreed {
    /// Keeps the call where `shares` says that its record does so too, and no more than a hash
    /// otherwise. `unmasked` is the hash of the arguments from before they were masked, if they
    /// were.
    pub(super) fn new(call: &Arc<Call>, unmasked: Option<Digest>, shares: bool) -> Self {
        match unmasked {
            Some(unmasked) => Self::Hashed(Box::new(unmasked)),
            None if shares => Self::Shown(Arc::clone(call)),
            None => Self::Hashed(Box::new(call.arguments().digest())),
        }
    }

    /// Of a call whose request was found: the arguments as they are, before anything is masked.
    pub(super) fn of(call: &Call) -> Self {
        Self::Hashed(Box::new(call.arguments().digest()))
    }

    /// The same without the call.
    pub(super) fn hashed(&self) -> Self {
        match self {
            Self::Shown(call) => Self::Hashed(Box::new(call.arguments().digest())),
            Self::Hashed(digest) => Self::Hashed(digest.clone()),
        }
    }

    /// Invariant 3: whether what will run is what was shown.
    pub(super) fn is(&self, again: &Arguments) -> bool {
        match self {
            // Two lists of arguments are equal when their names, how they are bound and every byte
            // of their canonical form are: all that the hash is taken over.
            Self::Shown(call) => call.arguments() == again,
            Self::Hashed(digest) => **digest == again.digest(),
        }
    }

    /// What was captured the first time, as far as it is kept.
    pub(super) fn first(&self) -> Option<&Arguments> {
        match self {
            Self::Shown(call) => Some(call.arguments()),
            Self::Hashed(_) => None,
        }
    }
}

/// What arguments are captured again and compared by.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    pub(super) redaction: Arc<RedactionKey>,
    pub(super) agreed: Agreed,
}

impl Comparison {
    /// An empty capture of the same arguments.
    pub(crate) fn capture(&self) -> Capturing {
        let redaction = Some(Arc::clone(&self.redaction));
        match self.agreed.first() {
            Some(first) => Capturing::again(redaction, first),
            None => Capturing::new(redaction),
        }
    }

    /// Whether these are the arguments that people agreed to.
    pub(crate) fn is_with(&self, again: &Arguments) -> bool {
        self.agreed.is(again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Declaration, Risk};
    use crate::id::{ActionName, PolicyName};
    use crate::principal::Requester;

    fn captured(capture: impl FnOnce(&mut Capturing)) -> Arguments {
        let key = RedactionKey::new("key", vec![7; 32]).unwrap();
        let mut capturing = Capturing::new(Some(Arc::new(key)));
        capture(&mut capturing);
        capturing.finish().unwrap()
    }

    fn call(database: &str, rows: u64, owner: &str) -> Arc<Call> {
        let declaration = Declaration {
            action: ActionName::new("db.export").unwrap(),
            policy: PolicyName::new("exports").unwrap(),
            signature: "()".into(),
            version: 1,
            risk: Risk::Low,
            idempotent: false,
            origin: "here".into(),
        };
        let requester = Requester::agent("exporter").unwrap();
        let key = RedactionKey::new("key", vec![7; 32]).unwrap();
        let call = Call::of(Arc::new(declaration), requester)
            .redaction_key(Arc::new(key))
            .argument("database", database)
            .argument("rows", &rows)
            .redacted("owner", owner);
        Arc::new(call.build().unwrap())
    }

    fn assert_is(agreed: &[Agreed], again: &Arguments, expected: bool) {
        for agreed in agreed {
            assert_eq!(agreed.is(again), expected, "{agreed:?}");
        }
    }

    #[test]
    fn any_change_of_an_argument_is_another_call_with_and_without_its_hash() {
        const LARGE: u64 = 1 << 60;
        let first = call("customers", LARGE, "alice");
        let shown = Agreed::new(&first, None, true);
        let agreed = [shown.hashed(), Agreed::new(&first, None, false), shown];
        let same = captured(|arguments| {
            arguments.value("database".into(), "customers");
            arguments.value("rows".into(), &LARGE);
            arguments.redacted("owner".into(), "alice");
        });
        assert_is(&agreed, &same, true);
        for other in [
            call("customer", LARGE, "alice"),
            call("customers", LARGE + 1, "alice"),
            call("customers", LARGE, "mallory"),
        ] {
            assert_is(&agreed, other.arguments(), false);
        }
        // The same bytes in other places, under other names, bound in other ways, or fewer.
        let others: [fn(&mut Capturing); 5] = [
            |arguments| {
                arguments.value("database".into(), "customers");
                arguments.value("rows".into(), &LARGE.to_string());
                arguments.redacted("owner".into(), "alice");
            },
            |arguments| {
                arguments.display("database", "customers");
                arguments.value("rows".into(), &LARGE);
                arguments.redacted("owner".into(), "alice");
            },
            |arguments| {
                arguments.value("rows".into(), &LARGE);
                arguments.value("database".into(), "customers");
                arguments.redacted("owner".into(), "alice");
            },
            |arguments| {
                arguments.value("base".into(), "customers");
                arguments.value("rows".into(), &LARGE);
                arguments.redacted("owner".into(), "alice");
            },
            |arguments| {
                arguments.value("database".into(), "customers");
                arguments.value("rows".into(), &LARGE);
            },
        ];
        for other in others {
            assert_is(&agreed, &captured(other), false);
        }
    }

    #[test]
    fn what_was_masked_is_compared_by_its_hash_from_before() {
        let first = call("postgres://app:hunter2@db/prod", 1, "alice");
        let unmasked = first.arguments().digest();
        let (masked, kept) = Call::clone(&first).mask();
        assert_eq!(kept, Some(unmasked));
        let agreed = [Agreed::new(&Arc::new(masked.clone()), kept, true)];
        assert_is(&agreed, first.arguments(), true);
        assert_is(&agreed, masked.arguments(), false);
        assert!(agreed.iter().all(|agreed| agreed.first().is_none()));
    }
}
