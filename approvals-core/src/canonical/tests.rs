use std::collections::{BTreeMap, HashMap};

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CanonicalError, Limits, write, write_str};

mod numbers;
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a value that is neither list nor object is plain"
)]
mod properties;
mod protocol;

fn canonical<T: Serialize + ?Sized>(value: &T) -> String {
    let (text, tags) = with_tags(value);
    assert_eq!(tags, [""; 0], "{text}");
    text
}

fn with_tags<T: Serialize + ?Sized>(value: &T) -> (String, Vec<String>) {
    let mut out = String::new();
    let tags = write(value, &mut out, &Limits::default()).unwrap();
    (out, tags.iter().map(str::to_owned).collect())
}

fn refused<T: Serialize + ?Sized>(value: &T) -> CanonicalError {
    refused_within(value, &Limits::default())
}

fn refused_within<T: Serialize + ?Sized>(value: &T, limits: &Limits) -> CanonicalError {
    let mut out = "before".to_owned();
    let error = write(value, &mut out, limits).unwrap_err();
    assert_eq!(out, "before");
    error
}

fn reformatted(json: &str) -> String {
    canonical(&serde_json::from_str::<Value>(json).unwrap())
}

/// A map that serializes its entries in the given order, duplicates included.
struct Entries<K, V>(Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for Entries<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[test]
fn the_samples_of_rfc_8785_come_out_as_published() {
    let arrays = r#"[56, {"d": true, "10": null, "1": [ ]}]"#;
    assert_eq!(reformatted(arrays), r#"[56,{"1":[],"10":null,"d":true}]"#);

    let french = r#"{
        "peach": "This sorting order",
        "péché": "is wrong according to French",
        "pêche": "but canonicalization MUST",
        "sin":   "ignore locale"
    }"#;
    assert_eq!(
        reformatted(french),
        r#"{"peach":"This sorting order","péché":"is wrong according to French","pêche":"but canonicalization MUST","sin":"ignore locale"}"#
    );

    let structures = r#"{
        "1": {"f": {"f": "hi","F": 5} ,"\n": 56.0},
        "10": { },
        "": "empty",
        "a": { },
        "111": [ {"e": "yes","E": "no" } ],
        "A": { }
    }"#;
    assert_eq!(
        reformatted(structures),
        r#"{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}"#
    );

    let unicode = "{\"Unnormalized Unicode\":\"A\u{30a}\"}";
    assert_eq!(reformatted(unicode), unicode);

    // Built, not parsed: serde_json reads 333333333.33333329 one unit off
    // unless its feature `float_roundtrip` is on.
    #[expect(clippy::excessive_precision, reason = "as published")]
    let values = json!({
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u{20ac}$\u{f}\nA'\u{42}\"\\\\\"/",
        "literals": [null, true, false]
    });
    assert_eq!(
        canonical(&values),
        r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
    );

    let weird = r#"{
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\u000a": "Newline",
        "1": "One",
        "\u0080": "Control\u007f",
        "\ud83d\ude02": "Smiley",
        "\u00f6": "Latin Small Letter O With Diaeresis",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "</script>": "Browser Challenge"
    }"#;
    assert_eq!(
        reformatted(weird),
        "{\"\\n\":\"Newline\",\"\\r\":\"Carriage Return\",\"1\":\"One\",\"</script>\":\"Browser Challenge\",\
         \"\u{80}\":\"Control\u{7f}\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\
         \"😂\":\"Smiley\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
    );
}

#[test]
fn keys_that_need_escapes_sort_by_what_they_mean() {
    let keys = [
        "\\", "\"", "\u{1}", "!", "#", "]", "[", "\n", "a\u{2}", "a!", "a",
    ];
    let map: HashMap<&str, u8> = keys.iter().map(|key| (*key, 0)).collect();
    assert_eq!(
        canonical(&map),
        r##"{"\u0001":0,"\n":0,"!":0,"\"":0,"#":0,"[":0,"\\":0,"]":0,"a":0,"a\u0002":0,"a!":0}"##
    );
}

#[test]
fn enums_look_as_serde_json_writes_them() {
    #[derive(Serialize)]
    enum External {
        Unit,
        Newtype(u8),
        Tuple(u8, u8),
        Struct { b: u8, a: u8 },
    }
    #[derive(Serialize)]
    #[serde(tag = "t")]
    enum Internal {
        Z { u: u8, a: u8 },
    }
    #[derive(Serialize)]
    #[serde(tag = "t", content = "c")]
    enum Adjacent {
        Z(u8),
    }
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Untagged {
        Z(u8),
    }
    #[derive(Serialize)]
    struct Flat {
        z: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        none: Option<u8>,
    }
    assert_eq!(canonical(&External::Unit), r#""Unit""#);
    assert_eq!(canonical(&External::Newtype(1)), r#"{"Newtype":1}"#);
    assert_eq!(canonical(&External::Tuple(1, 2)), r#"{"Tuple":[1,2]}"#);
    assert_eq!(
        canonical(&External::Struct { b: 1, a: 2 }),
        r#"{"Struct":{"a":2,"b":1}}"#
    );
    assert_eq!(
        canonical(&Internal::Z { u: 1, a: 2 }),
        r#"{"a":2,"t":"Z","u":1}"#
    );
    assert_eq!(canonical(&Adjacent::Z(1)), r#"{"c":1,"t":"Z"}"#);
    assert_eq!(canonical(&Untagged::Z(1)), "1");
    let flat = Flat {
        z: 1,
        rest: BTreeMap::from([("a".to_owned(), 2)]),
        none: None,
    };
    assert_eq!(canonical(&flat), r#"{"a":2,"z":1}"#);
}

#[test]
fn plain_types_look_as_serde_json_writes_them() {
    #[derive(Serialize)]
    struct Unit;
    #[derive(Serialize)]
    struct Newtype(Option<&'static str>);
    #[derive(Serialize)]
    struct Tuple(u8, i8);
    let value = (
        (Unit, (), None::<u8>, Newtype(Some("n")), Tuple(1, -1)),
        ('é', "s", true, [0u8; 2], std::net::Ipv4Addr::LOCALHOST),
    );
    assert_eq!(canonical(&value), serde_json::to_string(&value).unwrap());
}

#[test]
fn a_key_may_be_anything_with_one_obvious_text() {
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    enum Unit {
        V,
    }
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    struct Id(i128);
    assert_eq!(canonical(&BTreeMap::from([(Unit::V, 1)])), r#"{"V":1}"#);
    assert_eq!(
        canonical(&BTreeMap::from([(9, 1), (10, 2)])),
        r#"{"10":2,"9":1}"#
    );
    assert_eq!(
        canonical(&BTreeMap::from([(Id(i128::MIN), 1)])),
        format!(r#"{{"{}":1}}"#, i128::MIN)
    );
    assert_eq!(
        canonical(&BTreeMap::from([(true, 1), (false, 2)])),
        r#"{"false":2,"true":1}"#
    );
    assert_eq!(canonical(&BTreeMap::from([('"', 1)])), r#"{"\"":1}"#);
    assert_eq!(canonical(&BTreeMap::from([(Some("k"), 1)])), r#"{"k":1}"#);

    let pointer = "/0".to_owned();
    let expected = CanonicalError::KeyNotString { pointer };
    assert_eq!(refused(&[Entries(vec![(1.5, 0)])]), expected);
    assert_eq!(refused(&[BTreeMap::from([((1, 2), 0)])]), expected);
    assert_eq!(refused(&[BTreeMap::from([((), 0)])]), expected);
    assert_eq!(refused(&[BTreeMap::from([(None::<u8>, 0)])]), expected);
}

#[test]
fn a_key_given_twice_is_refused() {
    let value = json_list(Entries(vec![
        ("b", 1),
        ("a~/\n", 2),
        ("b", 3),
        ("a~/\n", 4),
    ]));
    assert_eq!(
        refused(&value),
        CanonicalError::DuplicateKey {
            pointer: "/list/1".to_owned(),
            key: "a~/\n".to_owned(),
        }
    );
    // Different values, one text.
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Key {
        Number(u8),
        Text(&'static str),
    }
    let value = Entries(vec![(Key::Number(1), 1), (Key::Text("1"), 2)]);
    assert_eq!(
        refused(&value),
        CanonicalError::DuplicateKey {
            pointer: String::new(),
            key: "1".to_owned()
        }
    );
}

fn json_list<T: Serialize>(second: T) -> BTreeMap<&'static str, (u8, T)> {
    BTreeMap::from([("list", (0, second))])
}

#[test]
fn ten_thousand_keys_in_any_order_give_one_text() {
    let sorted: BTreeMap<String, u32> = (0..10_000).map(|n| (format!("key-{n}"), n)).collect();
    let shuffled: HashMap<&String, &u32> = sorted.iter().collect();
    assert_eq!(
        canonical(&shuffled),
        serde_json::to_string(&sorted).unwrap()
    );
}

#[test]
fn nested_maps_are_sorted_at_every_level() {
    let nested = Entries(vec![
        (
            "b",
            Entries(vec![
                ("d", vec![Entries(vec![("z", 1), ("y", 2)])]),
                ("c", vec![]),
            ]),
        ),
        ("a", Entries(vec![("c", vec![]), ("b", vec![])])),
        ("aa", Entries(vec![])),
    ]);
    assert_eq!(
        canonical(&nested),
        r#"{"a":{"b":[],"c":[]},"aa":{},"b":{"c":[],"d":[{"y":2,"z":1}]}}"#
    );
}

#[test]
fn nesting_is_allowed_up_to_the_limit_and_refused_past_it() {
    let nested = |levels: usize| {
        (0..levels).fold(json!(1), |inner, level| {
            if level % 2 == 0 {
                json!([inner])
            } else {
                json!({ "k": inner })
            }
        })
    };
    assert!(canonical(&nested(128)).len() > 128);
    assert_eq!(
        refused(&nested(129)),
        CanonicalError::TooDeep { limit: 128 }
    );
    // Siblings do not add up.
    canonical(&vec![nested(127); 3]);

    #[derive(Serialize)]
    enum Nest {
        Leaf,
        Tuple((), Box<Nest>),
    }
    let mut nest = Nest::Leaf;
    for _ in 0..100 {
        nest = Nest::Tuple((), Box::new(nest));
    }
    assert_eq!(refused(&nest), CanonicalError::TooDeep { limit: 128 });

    #[derive(Serialize)]
    struct Chain(Option<Box<Chain>>);
    let mut chain = Chain(None);
    for _ in 0..2_000 {
        chain = Chain(Some(Box::new(chain)));
    }
    assert_eq!(refused(&chain), CanonicalError::TooDeep { limit: 128 });
}

#[test]
fn the_byte_limit_is_exact_and_counts_from_where_writing_began() {
    let value = json!({"text": "a\n😂", "list": [1, 2.5, null, true, u64::MAX]});
    let (text, _) = with_tags(&value);
    for bytes in 0..text.len() {
        let limits = Limits { bytes, depth: 9 };
        let expected = CanonicalError::TooLarge { limit: bytes };
        assert_eq!(refused_within(&value, &limits), expected, "{bytes}");
    }
    let limits = Limits {
        bytes: text.len(),
        depth: 9,
    };
    let mut out = "before".to_owned();
    write(&value, &mut out, &limits).unwrap();
    assert_eq!(out, format!("before{text}"));
}

#[test]
fn long_strings_are_written_whole_or_refused_without_being_copied() {
    let long = "x".repeat(1 << 20);
    assert_eq!(canonical(&long), format!("\"{long}\""));
    let controls = "\u{1}".repeat(1 << 20);
    let limit = Limits::default().bytes;
    let mut out = String::new();
    let error = write(&controls, &mut out, &Limits::default()).unwrap_err();
    assert_eq!(error, CanonicalError::TooLarge { limit });
    assert!(out.capacity() < 2 << 20, "{}", out.capacity());

    // Also through `Display`, which hands over piece by piece.
    let endless = " ".repeat(9_999_999);
    let mut out = String::new();
    write(&Shown(&endless), &mut out, &Limits::default()).unwrap_err();
    assert!(out.capacity() < 9 << 20);
}

struct Shown<'a>(&'a str);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

#[test]
fn displayed_text_is_escaped_like_any_other() {
    assert_eq!(canonical(&Shown("\"\u{1f}\n")), r#""\"\u001f\n""#);
    assert_eq!(canonical(&Entries(vec![(Shown("\""), 1)])), r#"{"\"":1}"#);
}

#[test]
fn a_single_string_is_written_with_the_escapes_of_the_rfc() {
    let mut out = "=".to_owned();
    let all: String = (0..=0x22)
        .map(char::from)
        .chain("\\/\u{7f}\u{2028}".chars())
        .collect();
    write_str(&all, &mut out);
    let controls: String = (0..0x20)
        .map(|byte| match byte {
            8 => "\\b".to_owned(),
            9 => "\\t".to_owned(),
            10 => "\\n".to_owned(),
            12 => "\\f".to_owned(),
            13 => "\\r".to_owned(),
            other => format!("\\u{other:04x}"),
        })
        .collect();
    assert_eq!(out, format!("=\"{controls} !\\\"\\\\/\u{7f}\u{2028}\""));
    assert_eq!(serde_json::from_str::<String>(&out[1..]).unwrap(), all);
    assert_eq!(canonical(&all), out[1..]);
}

#[test]
fn the_messages_say_what_to_do() {
    #[derive(Deserialize)]
    struct Strict {
        #[serde(rename = "x")]
        _x: u8,
    }
    assert_eq!(
        refused(&Entries(vec![("k", 1), ("k", 2)])).to_string(),
        "the object at `` has the key `k` twice; give every key once"
    );
    assert_eq!(
        refused(&[f64::NAN]).to_string(),
        "the number at `/0` is not finite; carry NaN and infinities as text or null"
    );
    // What we write is JSON that others read.
    serde_json::from_str::<Strict>(&canonical(&json!({"x": 1}))).unwrap();
}
