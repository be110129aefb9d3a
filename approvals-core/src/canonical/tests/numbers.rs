use super::*;

#[test]
fn the_number_samples_of_rfc_8785_come_out_as_published() {
    let samples: &[(u64, &str)] = &[
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ];
    for &(bits, expected) in samples {
        assert_eq!(canonical(&f64::from_bits(bits)), expected, "{bits:x}");
    }
    for bits in [0x7fff_ffff_ffff_ffff, 0x7ff0_0000_0000_0000] {
        let pointer = String::new();
        assert_eq!(
            refused(&f64::from_bits(bits)),
            CanonicalError::NonFinite { pointer }
        );
    }
}

#[test]
fn floats_keep_their_value_and_stay_numbers() {
    assert_eq!(canonical(&1e20), "100000000000000000000");
    assert_eq!(canonical(&0.1f32), "0.10000000149011612");
    assert_eq!(canonical(&-0.0f32), "0");
    assert_eq!(canonical(&1.0), "1");
}

#[test]
fn a_float_that_is_not_finite_is_refused_where_it_stands() {
    let value = BTreeMap::from([("a/b", vec![Some(1.0), Some(f64::NEG_INFINITY)])]);
    let pointer = "/a~1b/1".to_owned();
    assert_eq!(refused(&value), CanonicalError::NonFinite { pointer });
    let pointer = String::new();
    assert_eq!(refused(&f32::NAN), CanonicalError::NonFinite { pointer });
}

#[test]
fn integers_that_readers_may_round_are_carried_as_tagged_text() {
    const SAFE: i64 = (1 << 53) - 1;
    assert_eq!(
        canonical(&[SAFE, -SAFE]),
        "[9007199254740991,-9007199254740991]"
    );
    assert_eq!(canonical(&(SAFE as u64)), "9007199254740991");
    assert_eq!(canonical(&(SAFE as i128)), "9007199254740991");
    assert_eq!(canonical(&(SAFE as u128)), "9007199254740991");
    for (text, tags) in [
        with_tags(&(SAFE + 1)),
        with_tags(&(SAFE as u64 + 1)),
        with_tags(&(i128::from(SAFE) + 1)),
        with_tags(&(SAFE as u128 + 1)),
    ] {
        assert_eq!(
            (text.as_str(), tags),
            (r#""9007199254740992""#, vec![String::new()])
        );
    }
    let extremes = (i64::MIN, u64::MAX, i128::MIN, u128::MAX);
    let (text, tags) = with_tags(&extremes);
    assert_eq!(
        text,
        r#"["-9223372036854775808","18446744073709551615","-170141183460469231731687303715884105728","340282366920938463463374607431768211455"]"#
    );
    assert_eq!(tags, ["/0", "/1", "/2", "/3"]);
}

#[test]
fn tags_are_pointers_into_the_sorted_form_whatever_the_order_of_writing() {
    #[derive(Serialize)]
    enum Variant {
        New(u64),
        Tuple(u8, u64),
        Struct { b: u8, a: u64 },
    }
    #[derive(Serialize)]
    struct Outer {
        z: [u64; 2],
        #[serde(rename = "a~/\n")]
        a: Vec<Variant>,
    }
    let value = Outer {
        z: [1, u64::MAX],
        a: vec![
            Variant::New(u64::MAX),
            Variant::Tuple(0, u64::MAX),
            Variant::Struct { b: 0, a: u64::MAX },
        ],
    };
    let (text, tags) = with_tags(&value);
    assert_eq!(
        tags,
        [
            "/a~0~1\n/0/New",
            "/a~0~1\n/1/Tuple/1",
            "/a~0~1\n/2/Struct/a",
            "/z/1"
        ]
    );
    let read: Value = serde_json::from_str(&text).unwrap();
    for tag in &tags {
        assert_eq!(
            read.pointer(tag),
            Some(&json!(u64::MAX.to_string())),
            "{tag}"
        );
    }
    let number = with_tags(&u64::MAX);
    let string = with_tags(&u64::MAX.to_string());
    assert_eq!(number.0, string.0);
    assert_ne!(number.1, string.1);
}

#[test]
fn pointers_cannot_outgrow_the_byte_limit() {
    let value = BTreeMap::from([("k".repeat(10_000), vec![u64::MAX; 1_000])]);
    let limit = Limits::default().bytes;
    assert_eq!(refused(&value), CanonicalError::TooLarge { limit });
}

/// What serde_json gives with `arbitrary_precision`, which some other crate in
/// the build may switch on.
#[derive(Serialize)]
#[serde(rename = "$serde_json::private::Number")]
struct Number {
    #[serde(rename = "$serde_json::private::Number")]
    text: &'static str,
}

/// What serde_json gives for its `RawValue`.
#[derive(Serialize)]
#[serde(rename = "$serde_json::private::RawValue")]
pub(super) struct Raw {
    #[serde(rename = "$serde_json::private::RawValue")]
    pub(super) json: String,
}

#[test]
fn numbers_of_arbitrary_precision_follow_the_same_rules() {
    for (text, expected) in [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("0e7", "0"),
        ("12", "12"),
        ("1.0", "1"),
        ("1.10", "1.1"),
        ("0.1", "0.1"),
        ("-2.5E+3", "-2500"),
        ("100e-2", "1"),
        ("1e30", "1e+30"),
        ("1e21", "1e+21"),
        ("9007199254740991", "9007199254740991"),
        ("9007199254740992.0", "9007199254740992"),
        ("5e-324", "5e-324"),
    ] {
        assert_eq!(canonical(&Number { text }), expected, "{text}");
    }
    for (text, expected) in [
        ("9007199254740992", r#""9007199254740992""#),
        ("-18446744073709551616", r#""-18446744073709551616""#),
        ("9007199254740993.0", r#""9007199254740993""#),
        (
            "0.1000000000000000000001",
            r#""1000000000000000000001e-22""#,
        ),
        ("333333333.333333332", r#""333333333333333332e-9""#),
        ("1e400", r#""1e400""#),
        ("1e-400", r#""1e-400""#),
        ("-10.0e399", r#""-1e400""#),
    ] {
        let (written, tags) = with_tags(&[Number { text }]);
        assert_eq!(
            (written, tags),
            (format!("[{expected}]"), vec!["/0".to_owned()]),
            "{text}"
        );
    }
    for text in [
        "",
        "-",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "1e+",
        "NaN",
        "0x1",
        " 1",
        "1 ",
        "1e99999999999999999999",
        "١",
    ] {
        let pointer = "/0".to_owned();
        assert_eq!(
            refused(&[Number { text }]),
            CanonicalError::MalformedJson { pointer },
            "{text}"
        );
    }
}

#[test]
fn raw_json_is_written_canonically() {
    let raw = |json: &str| Raw {
        json: json.to_owned(),
    };
    let json = r#" { "b" : [ 1.0 , 18446744073709551616, {"\u0062":"\ud83d\ude02\/","a":-0 } , [ ] ] ,
        "a\"":{ }, "n":null,"t":true } "#;
    let (text, tags) = with_tags(&vec![raw(json)]);
    assert_eq!(
        text,
        r#"[{"a\"":{},"b":[1,"18446744073709551616",{"a":0,"b":"😂/"},[]],"n":null,"t":true}]"#
    );
    assert_eq!(tags, ["/0/b/1"]);

    for json in [
        "",
        " ",
        "{",
        "[",
        "[1,]",
        "[1 2]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{1:1}",
        "tru",
        "nul",
        "truex",
        "1 2",
        "\"",
        "\"\\\"",
        "\"\\ud800\"",
        "\"\n\"",
        "[1}",
        "{\"a\":1]",
        "'a'",
        "[,1]",
        "é",
        "\u{a0}1",
    ] {
        let error = refused(&raw(json));
        assert!(
            matches!(error, CanonicalError::MalformedJson { .. }),
            "{json}: {error}"
        );
    }
    assert_eq!(
        refused(&raw(r#"{"x":{"a":1,"\u0061":2}}"#)),
        CanonicalError::DuplicateKey {
            pointer: "/x".to_owned(),
            key: "a".to_owned()
        }
    );
    canonical(&raw(&("[".repeat(128) + &"]".repeat(128))));
    assert_eq!(
        refused(&raw(&"[".repeat(1_000_000))),
        CanonicalError::TooDeep { limit: 128 }
    );
}
