//! Values inside the text of a statement.

use std::fmt::Write;

use crate::parameters::Parameters;

/// A statement that every connection keeps prepared: it is planned once, and carried out by name.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) name: &'static str,
    /// The types of its parameters.
    pub(crate) types: &'static str,
    pub(crate) sql: &'static str,
}

impl Prepared {
    /// To be sent once on each connection.
    pub(crate) fn prepare(&self) -> String {
        let Self { name, types, sql } = self;
        format!("PREPARE {name} ({types}) AS {sql}; ")
    }

    pub(crate) fn execute(&self, values: &Values) -> String {
        format!("EXECUTE {} ({})", self.name, values.0)
    }
}

/// The parameters of a [`Prepared`] statement, in its order.
///
/// Statements that go to the server together, in one round trip, cannot have parameters of the
/// protocol. Everything here is a number, a word of ours or hexadecimal digits, so there is nothing
/// to be escaped: no value can end where it should not, whatever the settings of the server are.
#[derive(Debug, Default)]
pub(crate) struct Values(String);

impl Values {
    fn next(&mut self) -> &mut String {
        if !self.0.is_empty() {
            self.0.push_str(", ");
        }
        &mut self.0
    }
}

impl Parameters for Values {
    fn number(mut self, number: impl Into<Option<i64>>) -> Self {
        write_number(self.next(), number.into());
        self
    }

    fn flag(mut self, flag: bool) -> Self {
        self.next().push_str(if flag { "true" } else { "false" });
        self
    }

    fn bytes(mut self, bytes: Option<&[u8]>) -> Self {
        write_bytes(self.next(), bytes);
        self
    }

    fn text(mut self, text: &str) -> Self {
        write_text(self.next(), text);
        self
    }

    fn all_bytes<'a>(mut self, all: impl Iterator<Item = Option<&'a [u8]>>) -> Self {
        write_array(self.next(), all, write_bytes, "bytea");
        self
    }

    fn all_texts<'a>(mut self, all: impl Iterator<Item = &'a str>) -> Self {
        write_array(self.next(), all, write_text, "text");
        self
    }

    fn all_numbers(mut self, all: impl Iterator<Item = Option<i64>>) -> Self {
        write_array(self.next(), all, write_number, "bigint");
        self
    }
}

fn write_array<T>(
    text: &mut String,
    all: impl Iterator<Item = T>,
    write_one: impl Fn(&mut String, T),
    of: &str,
) {
    text.push_str("ARRAY[");
    for (place, one) in all.enumerate() {
        if place > 0 {
            text.push(',');
        }
        write_one(text, one);
    }
    text.push_str("]::");
    text.push_str(of);
    text.push_str("[]");
}

fn write_number(text: &mut String, number: Option<i64>) {
    match number {
        // Writing to a string cannot fail.
        Some(number) => {
            let _ = write!(text, "{number}");
        }
        None => text.push_str("NULL"),
    }
}

fn write_bytes(text: &mut String, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        text.push_str("NULL");
        return;
    };
    text.push_str("decode('");
    write_digits(text, bytes);
    text.push_str("','hex')");
}

fn write_text(text: &mut String, value: &str) {
    text.push_str("convert_from(decode('");
    write_digits(text, value.as_bytes());
    text.push_str("','hex'),'UTF8')");
}

fn write_digits(text: &mut String, bytes: &[u8]) {
    text.reserve(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_value_holds_is_read_as_a_statement() {
        let hostile = "'); DROP TABLE requests; --\\'\u{0}$$";
        let values = Values::default()
            .text(hostile)
            .bytes(Some(hostile.as_bytes()))
            .all_texts([hostile].into_iter());
        let digits: String = hostile.bytes().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("convert_from(decode('{digits}','hex'),'UTF8')");
        assert_eq!(
            values.0,
            format!("{text}, decode('{digits}','hex'), ARRAY[{text}]::text[]")
        );
    }

    #[test]
    fn what_is_not_there_is_null_and_what_is_empty_has_its_type() {
        let values = Values::default()
            .number(None)
            .number(-7)
            .bytes(None)
            .flag(true)
            .all_bytes([None, Some(&[1, 0xab][..])].into_iter())
            .all_numbers(std::iter::empty());
        assert_eq!(
            values.0,
            "NULL, -7, NULL, true, ARRAY[NULL,decode('01ab','hex')]::bytea[], ARRAY[]::bigint[]"
        );
    }
}
