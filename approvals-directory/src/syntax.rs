//! TOML with places: what all files of this crate are read by.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::mistake::{Mistakes, quoted};

/// Up to this size all syntax errors of a file are told, beyond it the first: what the parser keeps
/// of each is many times the text that causes it.
const MAX_RECOVERED: usize = 512 * 1024;

/// What a table calls something, and where.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) span: Range<usize>,
    pub(crate) value: T,
}

/// The table that a text is. Where its syntax is broken, nothing that could be misread is returned.
pub(crate) fn parse<'t>(text: &'t str, mistakes: &mut Mistakes) -> Option<DeTable<'t>> {
    let (table, errors) = if text.len() <= MAX_RECOVERED {
        DeTable::parse_recoverable(text)
    } else {
        match DeTable::parse(text) {
            Ok(table) => (table, Vec::new()),
            Err(error) => (Spanned::new(0..0, DeTable::new()), vec![error]),
        }
    };
    let mut readable = true;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        // A name that is there twice leaves the rest of the file readable, and as wrong as it is.
        if error.message() == "duplicate key" {
            let name = text.get(span.clone()).unwrap_or_default();
            let message = format!(
                "{} is there twice: remove one of them, or give it another name",
                quoted(name)
            );
            mistakes.add(&span, message);
        } else {
            readable = false;
            let message = format!("this is no TOML: {}", error.message());
            mistakes.add(&span, message);
        }
    }
    (readable && text.len() <= MAX_RECOVERED || mistakes.is_empty()).then(|| table.into_inner())
}

/// The entries of a table: its names with their places, and the values.
pub(crate) fn entries<'a, 't>(
    table: &'a DeTable<'t>,
) -> impl Iterator<Item = (At<&'a str>, &'a Spanned<DeValue<'t>>)> {
    table.iter().map(|(key, value)| {
        let name = At {
            span: key.span(),
            value: key.get_ref().as_ref(),
        };
        (name, value)
    })
}

/// A key that its table does not have.
pub(crate) fn unknown_key(key: &At<&str>, known: &[&str], inside: &str, mistakes: &mut Mistakes) {
    let message = no_key(key, known, inside);
    mistakes.add(&key.span, message);
}

/// A key that the entry of an id does not have. A table there is the rest of an id with dots.
pub(crate) fn unknown_key_of_id(
    key: &At<&str>,
    value: &Spanned<DeValue<'_>>,
    known: &[&str],
    inside: &str,
    mistakes: &mut Mistakes,
) {
    let hint = match value.get_ref() {
        DeValue::Table(_) => "; an id that has a dot needs quotes, such as `[people.\"a.b\"]`",
        _ => "",
    };
    let message = no_key(key, known, inside);
    mistakes.add(&key.span, message + hint);
}

fn no_key(key: &At<&str>, known: &[&str], inside: &str) -> String {
    let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    let known = known.join(", ");
    format!("{inside} has no key {}: it has {known}", quoted(key.value))
}

/// A value that has to be a table.
pub(crate) fn table<'a, 't>(
    key: &At<&str>,
    value: &'a Spanned<DeValue<'t>>,
    mistakes: &mut Mistakes,
) -> Option<&'a DeTable<'t>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(table),
        other => {
            let example = "write a table, such as `[people.alice]`";
            wrong_type(key, other, value.span(), example, mistakes);
            None
        }
    }
}

/// A value that has to be a text.
pub(crate) fn text<'a>(
    key: &At<&str>,
    value: &'a Spanned<DeValue<'_>>,
    mistakes: &mut Mistakes,
) -> Option<At<&'a str>> {
    match value.get_ref() {
        DeValue::String(text) => Some(At {
            span: value.span(),
            value: text.as_ref(),
        }),
        other => {
            wrong_type(key, other, value.span(), "write a text in quotes", mistakes);
            None
        }
    }
}

/// A value that has to be yes or no.
pub(crate) fn boolean(
    key: &At<&str>,
    value: &Spanned<DeValue<'_>>,
    mistakes: &mut Mistakes,
) -> Option<bool> {
    match value.get_ref() {
        DeValue::Boolean(boolean) => Some(*boolean),
        other => {
            wrong_type(
                key,
                other,
                value.span(),
                "write `true` or `false`",
                mistakes,
            );
            None
        }
    }
}

/// A value that has to be a number that is not negative.
pub(crate) fn number(
    key: &At<&str>,
    value: &Spanned<DeValue<'_>>,
    mistakes: &mut Mistakes,
) -> Option<u64> {
    let number = match value.get_ref() {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    if number.is_none() {
        let example = "write a number that is not negative";
        wrong_type(key, value.get_ref(), value.span(), example, mistakes);
    }
    number
}

/// A value that has to be a list.
pub(crate) fn list<'a, 't>(
    key: &At<&str>,
    value: &'a Spanned<DeValue<'t>>,
    example: &str,
    mistakes: &mut Mistakes,
) -> Option<&'a DeArray<'t>> {
    match value.get_ref() {
        DeValue::Array(array) => Some(array),
        other => {
            wrong_type(key, other, value.span(), example, mistakes);
            None
        }
    }
}

/// A value that has to be a list of texts.
pub(crate) fn texts<'a>(
    key: &At<&str>,
    value: &'a Spanned<DeValue<'_>>,
    mistakes: &mut Mistakes,
) -> Vec<At<&'a str>> {
    let example = "write a list, such as `[\"alice\", \"bob\"]`";
    let Some(array) = list(key, value, example, mistakes) else {
        return Vec::new();
    };
    array
        .iter()
        .filter_map(|item| text(key, item, mistakes))
        .collect()
}

fn wrong_type(
    key: &At<&str>,
    found: &DeValue<'_>,
    span: Range<usize>,
    example: &str,
    mistakes: &mut Mistakes,
) {
    let found = match found {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "this number",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    let key = quoted(key.value);
    mistakes.add(&span, format!("{key} cannot be {found}: {example}"));
}
