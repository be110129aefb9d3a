//! Stored records and events.

use std::collections::BTreeSet;

use approvals_core::review::{SCHEMA, State, apply};
use approvals_core::store::encoding::{decode, decode_event, encode, encode_event};
use approvals_core::{Record, What};
use serde_json::Value;

const RECORDS: &str = include_str!("records.jsonl");
const EVENTS: &str = include_str!("events.jsonl");

/// The kinds that there are, and the name of each. A kind that is not here does not compile.
macro_rules! kinds {
    ($names:ident, $name:ident, $type:ty, $($kind:path => $text:literal,)+) => {
        const $names: &[&str] = &[$($text),+];

        fn $name(of: &$type) -> &'static str {
            match of {
                $($kind { .. } => $text,)+
            }
        }
    };
}

kinds! { EVENT_KINDS, event_kind, What,
    What::Allowed => "allowed",
    What::Refused => "refused",
    What::Requested => "requested",
    What::RequestedUnderGrant => "requested_under_grant",
    What::GrantUsed => "grant_used",
    What::Voted => "voted",
    What::VoteRefused => "vote_refused",
    What::StageOpened => "stage_opened",
    What::Widened => "widened",
    What::Reminded => "reminded",
    What::Approved => "approved",
    What::GlassBroken => "glass_broken",
    What::ReviewedAfterwards => "reviewed_afterwards",
    What::Denied => "denied",
    What::DeniedWith => "denied_with",
    What::Withdrawn => "withdrawn",
    What::Expired => "expired",
    What::Lapsed => "lapsed",
    What::Revoked => "revoked",
    What::Claimed => "claimed",
    What::ClaimReleased => "claim_released",
    What::LeaseLost => "lease_lost",
    What::Started => "started",
    What::Finished => "finished",
    What::FinishedLate => "finished_late",
    What::InDoubt => "in_doubt",
    What::Resolved => "resolved",
    What::GrantClosed => "grant_closed",
    What::Frozen => "frozen",
    What::Thawed => "thawed",
}

kinds! { STATES, state_kind, State,
    State::Pending => "pending",
    State::Approved => "approved",
    State::Claimed => "claimed",
    State::Executing => "executing",
    State::Succeeded => "succeeded",
    State::Failed => "failed",
    State::InDoubt => "in_doubt",
    State::Denied => "denied",
    State::Withdrawn => "withdrawn",
    State::Expired => "expired",
    State::Revoked => "revoked",
    State::Lapsed => "lapsed",
}

/// Everything that an old text says stands in what is written today, under the same name: a newer
/// form may say more.
#[track_caller]
fn assert_kept(old: &Value, new: &Value, at: &str) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in old {
                let kept = new.get(name).unwrap_or(&Value::Null);
                assert_kept(value, kept, &format!("{at}/{name}"));
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            assert_eq!(old.len(), new.len(), "{at}");
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                assert_kept(old, new, &format!("{at}/{index}"));
            }
        }
        (old, new) => assert_eq!(old, new, "{at}"),
    }
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn records() -> impl Iterator<Item = (&'static str, Record)> {
    RECORDS
        .lines()
        .map(|text| (text, decode("a record", text).expect(text)))
}

#[test]
fn every_record_that_was_ever_stored_is_read_and_nothing_of_it_is_lost() {
    let mut seen = BTreeSet::new();
    for (text, record) in records() {
        let old = value(text);
        let state = state_kind(&record.state);
        assert_eq!(old["state"]["phase"], state);
        assert_eq!(old["schema"], record.schema);
        assert_kept(&old, &value(&encode(&record).unwrap()), state);
        // The digest that people agreed to is still that of the call.
        let digest = record.asked.digest.to_string();
        assert_eq!(old["asked"]["digest"], digest, "{state}");
        let mut call = old["asked"]["call"].clone();
        let stored = call["digest"].take();
        if call.get("resource").is_some() {
            let call: approvals_core::Call = serde_json::from_value(call).unwrap();
            assert_eq!(stored, call.digest().to_string(), "{state}");
        }
        seen.insert((record.schema, state));
    }
    let forms = (1..=SCHEMA).flat_map(|form| STATES.iter().map(move |state| (form, *state)));
    assert_eq!(seen, forms.collect(), "each state in each form");
}

#[test]
fn a_record_that_was_stored_before_goes_on_where_it_was() {
    use approvals_core::review::Command;
    let mut goes_on = 0;
    for (_, record) in records() {
        let Some(late) = record.late_from() else {
            continue;
        };
        let due = apply(&record, &Command::Due, late.max(record.changed_at)).unwrap();
        assert_eq!(due.record.revision, record.revision + 1);
        assert_eq!(due.record.asked, record.asked);
        goes_on += 1;
    }
    // Pending, approved, claimed and executing, in both forms, and one more that is pending.
    assert_eq!(goes_on, 9);
}

#[test]
fn every_event_that_was_ever_stored_is_read_and_nothing_of_it_is_lost() {
    let mut seen = BTreeSet::new();
    for (number, text) in (1..).zip(EVENTS.lines()) {
        let old = value(text);
        let what = decode_event(number, text).expect(text);
        let kind = event_kind(&what);
        assert_eq!(old["what"], kind);
        assert_kept(&old, &value(&encode_event(&what).unwrap()), kind);
        seen.insert(kind);
    }
    let all: BTreeSet<&str> = EVENT_KINDS.iter().copied().collect();
    assert_eq!(seen, all, "one of every kind");
}
