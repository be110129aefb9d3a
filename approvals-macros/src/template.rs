//! Format strings over the arguments, such as `"db/{database}"`.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::{Ident, LitStr};

use crate::attr::choices;
use crate::errors::Errors;
use crate::parameters::{Meaning, Parameters};

/// A format string whose names have been looked up.
pub(crate) struct Template {
    /// The same string with `{}` in place of `{name}`.
    format: LitStr,
    variables: Vec<Ident>,
    /// Whether it shows an argument that is marked as sensitive.
    sensitive: bool,
}

impl Template {
    /// Reads a string literal, reporting every placeholder that is not an argument or must not be shown.
    pub(crate) fn read(literal: &LitStr, parameters: &Parameters, errors: &mut Errors) -> Self {
        let mut format = String::new();
        let mut variables = Vec::new();
        let mut sensitive = false;
        for piece in pieces(&literal.value()) {
            match piece {
                Ok(Piece::Text(text)) => format.push_str(&text),
                Ok(Piece::Placeholder { name, spec }) => {
                    sensitive |= parameters.tells_sensitive(&name);
                    if let Some(variable) = variable(&name, literal.span(), parameters, errors) {
                        variables.push(variable);
                    }
                    format.push('{');
                    format.push_str(&spec);
                    format.push('}');
                }
                Err(message) => errors.at(literal.span(), message),
            }
        }
        Self {
            format: LitStr::new(&format, literal.span()),
            variables,
            sensitive,
        }
    }

    /// Whether it shows an argument that is marked as sensitive.
    pub(crate) const fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// The names of bindings and arguments that are formatted.
    pub(crate) fn variables(&self) -> &[Ident] {
        &self.variables
    }

    /// `format_args!` over the arguments.
    pub(crate) fn arguments(&self) -> TokenStream {
        let Self {
            format, variables, ..
        } = self;
        quote_spanned!(Span::mixed_site()=> ::core::format_args!(#format #(, #variables)*))
    }
}

fn variable(name: &str, span: Span, parameters: &Parameters, errors: &mut Errors) -> Option<Ident> {
    let (parameter, variable) = match parameters.meaning(name) {
        Some(Meaning::Whole(parameter)) => (parameter, &parameter.variable),
        Some(Meaning::Part(parameter, binding)) => (parameter, binding),
        None if name == "self" => {
            errors.at(span, "say how `self` is shown to name it in a template: `display(self)` or `debug(self)`");
            return None;
        }
        None => {
            let names = parameters.names();
            errors.at(
                span,
                format!(
                    "`{{{name}}}` is not an argument of this function; {}",
                    choices(name, names.iter().map(String::as_str))
                ),
            );
            return None;
        }
    };
    if parameter.treatment.hides() {
        errors.at(span, hidden(name, parameter));
        return None;
    }
    // Resolved as the argument, located at the template.
    let mut variable = variable.clone();
    variable.set_span(variable.span().located_at(span));
    Some(variable)
}

/// Why a name cannot be written where values become visible.
pub(crate) fn hidden(name: &str, parameter: &crate::parameters::Parameter) -> String {
    let word = parameter.treatment.word().unwrap_or_default();
    format!(
        "`{name}` is named in `{word}({})`, so it cannot be shown here; remove it from here or from `{word}`",
        parameter.name
    )
}

/// Every name inside the braces of a format string, whatever else stands there.
pub(crate) fn words_in_braces(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let inside = after.split(['{', '}']).next().unwrap_or_default();
        words.extend(
            inside
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .filter(|word| !word.is_empty())
                .map(str::to_owned),
        );
        rest = after;
    }
    words
}

enum Piece {
    Text(String),
    Placeholder { name: String, spec: String },
}

/// Splits a format string into text (its doubled braces kept) and placeholders.
fn pieces(text: &str) -> Vec<Result<Piece, String>> {
    let mut pieces = Vec::new();
    let mut current = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '{' | '}' if characters.next_if_eq(&character).is_some() => {
                current.push(character);
                current.push(character);
            }
            '{' => {
                pieces.push(Ok(Piece::Text(std::mem::take(&mut current))));
                let mut inside = String::new();
                let mut closed = false;
                for character in characters.by_ref() {
                    if character == '}' {
                        closed = true;
                        break;
                    }
                    inside.push(character);
                }
                pieces.push(if closed {
                    placeholder(&inside)
                } else {
                    Err(format!(
                        "`{{{inside}` is not closed; write `}}`, or `{{{{` for a brace"
                    ))
                });
            }
            '}' => pieces.push(Err(
                "this `}` closes nothing; write `}}` for a brace".to_owned()
            )),
            other => current.push(other),
        }
    }
    pieces.push(Ok(Piece::Text(current)));
    pieces
}

fn placeholder(inside: &str) -> Result<Piece, String> {
    let (name, spec) = match inside.split_once(':') {
        Some((name, spec)) => (name.trim(), format!(":{spec}")),
        None => (inside.trim(), String::new()),
    };
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "`{{{inside}}}` does not say what it shows; name an argument, as in `\"db/{{database}}\"`"
        ));
    }
    if !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Err(format!(
            "`{{{inside}}}` is not the name of an argument; write an expression instead of a template: `format!(\"…{{}}\", {name})`"
        ));
    }
    if spec.contains(['$', '*']) {
        return Err(format!(
            "`{{{inside}}}` takes its width from an argument; write the number"
        ));
    }
    Ok(Piece::Placeholder {
        name: name.to_owned(),
        spec,
    })
}

#[cfg(test)]
mod tests {
    use super::words_in_braces;

    #[test]
    fn words_are_found_wherever_a_format_string_could_use_them() {
        assert_eq!(
            words_in_braces("a {b} {c:?} {d:>e$} {{f}} {"),
            ["b", "c", "d", "e", "f"]
        );
    }
}
