//! Numbers are shown to the last digit, or refused.

use std::collections::BTreeMap;

use approvals_core::{Call, Presentation};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::fixture::{asked, exporter};

fn call<T: Serialize>(value: &T) -> Call {
    exporter().argument("n", value).build().unwrap()
}

/// The argument's line, without its title.
fn line<T: Serialize>(value: &T) -> String {
    let shown = Presentation::of(&asked(call(value), "exports")).to_string();
    let line = shown.lines().find_map(|l| l.strip_prefix("argument     "));
    line.unwrap().to_owned()
}

#[test]
fn whole_numbers_beyond_2_to_the_53_are_shown_to_the_last_digit() {
    assert_eq!(line(&9_007_199_254_740_991_u64), "n = 9007199254740991");
    assert_eq!(
        line(&9_007_199_254_740_992_u64),
        "n = \"9007199254740992\" (a whole number, written as text)"
    );
    assert_eq!(
        line(&u64::MAX),
        "n = \"18446744073709551615\" (a whole number, written as text)"
    );
    assert_eq!(
        line(&i128::MIN),
        "n = \"-170141183460469231731687303715884105728\" (a whole number, written as text)"
    );
    let nested: BTreeMap<&str, u64> = [("a", u64::MAX), ("b", 1)].into();
    assert_eq!(
        line(&nested),
        "n = {\"a\":\"18446744073709551615\",\"b\":1} (whole numbers, written as text, at \"/a\")"
    );
    assert_eq!(
        call(&u64::MAX).argument("n").unwrap().as_u64(),
        Some(u64::MAX)
    );
}

#[test]
fn a_number_and_its_text_are_different_calls_and_look_different() {
    assert_ne!(
        call(&u64::MAX).digest(),
        call(&u64::MAX.to_string()).digest()
    );
    assert_ne!(line(&u64::MAX), line(&u64::MAX.to_string()));
    assert_ne!(
        call(&9_007_199_254_740_992_u64).digest(),
        call(&9_007_199_254_740_993_u64).digest()
    );
}

#[test]
fn places_of_large_numbers_cannot_run_into_each_other() {
    let big = u64::MAX;
    let text = big.to_string();
    let one = serde_json::json!({"a": big, "b": big, "a, ": {"b": text}});
    let other = serde_json::json!({"a": text, "b": text, "a, ": {"b": big}});
    assert_ne!(call(&one).digest(), call(&other).digest());
    assert!(line(&one).ends_with("at \"/a\", \"/b\")"), "{}", line(&one));
    assert!(line(&other).ends_with("at \"/a, /b\")"), "{}", line(&other));
}

#[test]
fn fractions_are_shown_as_written_and_those_that_are_no_numbers_are_refused() {
    assert_eq!(line(&0.1), "n = 0.1");
    assert_eq!(line(&1e21), "n = 1e+21");
    assert_eq!(line(&-0.0), "n = 0");
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = exporter().argument("n", &value).build().unwrap_err();
        assert_eq!(
            error.to_string(),
            "argument `n` cannot be shown to a reviewer: the number at `` is not finite; carry NaN and infinities as text or null"
        );
    }
}

struct Twice;

impl Serialize for Twice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("rows", &1)?;
        map.serialize_entry("rows", &2)?;
        map.end()
    }
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let error = exporter().argument("n", &Twice).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "argument `n` cannot be shown to a reviewer: the object at `` has the key `rows` twice; give every key once"
    );
}
