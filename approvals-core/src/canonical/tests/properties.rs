use super::*;

/// xorshift64*: the same cases on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn text(&mut self) -> String {
        const PIECES: &[char] = &[
            'a',
            'b',
            'B',
            '0',
            '~',
            '/',
            '"',
            '\\',
            '\n',
            '\u{1}',
            '\u{7f}',
            '\u{80}',
            'é',
            '\u{d7ff}',
            '\u{e000}',
            '\u{fb33}',
            '\u{ffff}',
            '\u{10000}',
            '😂',
            '\u{10ffff}',
        ];
        (0..self.below(5))
            .map(|_| PIECES[self.below(PIECES.len() as u64) as usize])
            .collect()
    }

    fn value(&mut self, depth: u32) -> Value {
        match self.below(if depth == 0 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.next().is_multiple_of(2)),
            2 => json!(self.next() as i64 >> self.below(64)),
            3 => json!(self.next() >> self.below(64)),
            4 => json!(f64::from_bits(self.next())),
            5 => json!(self.text()),
            6 => Value::Array((0..self.below(5)).map(|_| self.value(depth - 1)).collect()),
            _ => Value::Object(
                (0..self.below(9))
                    .map(|_| (self.text(), self.value(depth - 1)))
                    .collect(),
            ),
        }
    }
}

/// Writes the value with its object members in another order each time.
struct Shuffled<'v>(&'v Value, std::cell::Cell<u64>);

impl Serialize for Shuffled<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut random = Random(self.1.get());
        match self.0 {
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                for at in (1..members.len()).rev() {
                    members.swap(at, random.below(at as u64 + 1) as usize);
                }
                let mut map = serializer.serialize_map(None)?;
                for (key, value) in members {
                    map.serialize_entry(key, &Shuffled(value, random.next().into()))?;
                }
                map.end()
            }
            Value::Array(elements) => {
                serializer.collect_seq(elements.iter().map(|e| Shuffled(e, random.next().into())))
            }
            plain => plain.serialize(serializer),
        }
    }
}

/// The rules once more, slowly.
fn expected(value: &Value, pointer: &str, tags: &mut Vec<String>) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| key.encode_utf16().collect::<Vec<_>>());
            let members: Vec<String> = members
                .into_iter()
                .map(|(key, value)| {
                    let segment = key.replace('~', "~0").replace('/', "~1");
                    let value = expected(value, &format!("{pointer}/{segment}"), tags);
                    format!("{}:{value}", Value::from(key.as_str()))
                })
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(elements) => {
            let elements: Vec<String> = elements
                .iter()
                .enumerate()
                .map(|(at, element)| expected(element, &format!("{pointer}/{at}"), tags))
                .collect();
            format!("[{}]", elements.join(","))
        }
        Value::Number(number) if !number.is_f64() => {
            let text = number.to_string();
            if text.parse::<i128>().unwrap().unsigned_abs() < 1 << 53 {
                return text;
            }
            tags.push(pointer.to_owned());
            format!("\"{text}\"")
        }
        Value::Number(number) => ryu_js::Buffer::new()
            .format(number.as_f64().unwrap())
            .to_owned(),
        plain => plain.to_string(),
    }
}

#[test]
fn any_value_in_any_order_gives_what_sorting_it_first_gives() {
    let mut random = Random(0x5eed);
    let mut tagged = 0;
    for case in 0..20_000 {
        let value = random.value(4);
        let mut tags = Vec::new();
        let text = expected(&value, "", &mut tags);
        tags.sort();
        tagged += tags.len();
        assert_eq!(
            with_tags(&value),
            (text.clone(), tags.clone()),
            "case {case}"
        );
        let shuffled = Shuffled(&value, random.next().into());
        assert_eq!(with_tags(&shuffled), (text, tags), "case {case}");
    }
    assert!(tagged > 1_000, "{tagged}");
}

#[test]
fn the_canonical_form_of_a_canonical_form_is_itself() {
    let mut random = Random(0xcafe);
    let mut stable = 0;
    for _ in 0..5_000 {
        let (text, _) = with_tags(&random.value(3));
        let raw = numbers::Raw { json: text.clone() };
        let (again, tags) = with_tags(&raw);
        // As text, an integral float past 2^53 is an integer like any other.
        if tags.is_empty() {
            assert_eq!(again, text);
            stable += 1;
        }
    }
    assert!(stable > 4_000, "{stable}");
}
