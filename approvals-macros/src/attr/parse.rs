//! The grammar of the attribute: `word = value`, `word(list)` and bare words.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Expr, Ident, Lit, LitInt, LitStr, Path, Result, Token};

use super::suggest::closest;
use super::{Arguments, Named, Treatment, choices};
use crate::errors::Errors;

/// Every word that the attribute knows, in the order of its documentation.
const WORDS: [&str; 23] = [
    "policy",
    "action",
    "risk",
    "resource",
    "environment",
    "justification",
    "summary",
    "skip",
    "redact",
    "debug",
    "display",
    "sensitive",
    "fields",
    "labels",
    "gate",
    "requester",
    "key",
    "permit",
    "on_refusal",
    "idempotent",
    "version",
    "output",
    "crate",
];

const RISKS: [&str; 4] = ["low", "medium", "high", "critical"];

/// Words that may be written more than once, because they hold lists.
const LISTS: [&str; 7] = [
    "skip",
    "redact",
    "debug",
    "display",
    "sensitive",
    "fields",
    "labels",
];

pub(super) fn read(tokens: TokenStream, errors: &mut Errors) -> Arguments {
    let mut arguments = Arguments::default();
    let parser = |input: ParseStream<'_>| {
        each(input, errors, |input, errors| {
            word(input, &mut arguments, errors)
        });
        Ok(())
    };
    if let Err(error) = parser.parse2(tokens) {
        errors.push(error);
    }
    arguments
}

/// Reads a comma-separated list; a mistake in one element does not hide those in the next.
fn each(
    input: ParseStream<'_>,
    errors: &mut Errors,
    mut element: impl FnMut(ParseStream<'_>, &mut Errors) -> Result<()>,
) {
    while !input.is_empty() {
        match element(input, errors) {
            Ok(()) if input.is_empty() || input.peek(Token![,]) => {}
            Ok(()) => {
                errors.push(input.error("expected `,`"));
                skip_to_comma(input);
            }
            Err(error) => {
                errors.push(error);
                skip_to_comma(input);
            }
        }
        // Present, or the input is empty.
        let _ = input.parse::<Option<Token![,]>>();
    }
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}

fn word(input: ParseStream<'_>, arguments: &mut Arguments, errors: &mut Errors) -> Result<()> {
    if !input.peek(Ident::peek_any) {
        return Err(input.error(format!(
            "expected an argument such as `policy = \"prod-db\"`; {}",
            choices("", WORDS)
        )));
    }
    let word = input.call(Ident::parse_any)?;
    let text = word.to_string();
    if !WORDS.contains(&text.as_str()) {
        // A misspelt `policy` is not a missing one as well.
        arguments
            .seen
            .extend(closest(&text, WORDS).map(str::to_owned));
        return Err(syn::Error::new(
            word.span(),
            format!(
                "`{text}` is not an argument of `requires_approval`; {}",
                choices(&text, WORDS)
            ),
        ));
    }
    if !LISTS.contains(&text.as_str()) && !arguments.seen.insert(text.clone()) {
        errors.at(
            word.span(),
            format!("`{text}` is already given; remove one of the two"),
        );
        // Read it all the same, so that a mistake inside is reported too, and leave the first.
        let mut discarded = Arguments::default();
        return value(input, &word, &text, &mut discarded, errors);
    }
    value(input, &word, &text, arguments, errors)
}

fn value(
    input: ParseStream<'_>,
    word: &Ident,
    text: &str,
    arguments: &mut Arguments,
    errors: &mut Errors,
) -> Result<()> {
    match text {
        "policy" => arguments.policy = Some(string(input, word, "prod-db")?),
        "action" => arguments.action = Some(string(input, word, "db.export")?),
        "risk" => arguments.risk = Some(risk(input, word)?),
        "version" => arguments.version = Some(version(input, word)?),
        "resource" => arguments.resource = Some(expression(input, word)?),
        "environment" => arguments.environment = Some(expression(input, word)?),
        "justification" => arguments.justification = Some(expression(input, word)?),
        "summary" => arguments.summary = Some(expression(input, word)?),
        "key" => arguments.key = Some(expression(input, word)?),
        "gate" => arguments.gate = Some(expression(input, word)?),
        "requester" => arguments.requester = Some(expression(input, word)?),
        "on_refusal" => arguments.on_refusal = Some(function_path(input, word)?),
        "output" => {
            arguments.output = Some(assigned(
                input,
                word,
                "the awaited type, such as `output = Result<Report, ExportError>`",
            )?)
        }
        "crate" => arguments.krate = Some(krate(input, word)?),
        "idempotent" => {
            flag(input, word)?;
            arguments.idempotent = true;
        }
        "permit" => {
            flag(input, word)?;
            arguments.permit = Some(word.clone());
        }
        "fields" => named(input, word, &mut arguments.fields, errors)?,
        "labels" => named(input, word, &mut arguments.labels, errors)?,
        "skip" => listed(input, word, Treatment::Skip, arguments, errors)?,
        "redact" => listed(input, word, Treatment::Redact, arguments, errors)?,
        "debug" => listed(input, word, Treatment::Debug, arguments, errors)?,
        "display" => listed(input, word, Treatment::Display, arguments, errors)?,
        "sensitive" => marked(input, word, &mut arguments.sensitive, errors)?,
        // `word` has checked it; said again so that a word forgotten here is an error, never ignored.
        _ => {
            return Err(syn::Error::new(
                word.span(),
                format!("`{text}` is not an argument of `requires_approval`"),
            ));
        }
    }
    Ok(())
}

fn assigned<T: Parse>(input: ParseStream<'_>, word: &Ident, what: &str) -> Result<T> {
    let given = input.parse::<Option<Token![=]>>()?.is_some();
    if !given || input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(
            word.span(),
            format!("`{word}` needs a value: {what}"),
        ));
    }
    input.parse()
}

fn value_of(input: ParseStream<'_>, word: &Ident, what: &str) -> Result<Expr> {
    assigned(input, word, what).map(ungrouped)
}

/// The expression without what a `macro_rules!` puts around `$value`: a template from a macro is a
/// template, and not a text with braces in it.
fn ungrouped(expression: Expr) -> Expr {
    match expression {
        Expr::Group(group) => ungrouped(*group.expr),
        Expr::Paren(paren) => ungrouped(*paren.expr),
        other => other,
    }
}

fn string(input: ParseStream<'_>, word: &Ident, example: &str) -> Result<LitStr> {
    let what = format!("`{word} = \"{example}\"`");
    match value_of(input, word, &what)? {
        Expr::Lit(syn::ExprLit {
            lit: Lit::Str(string),
            ..
        }) => Ok(string),
        other => Err(syn::Error::new_spanned(
            other,
            format!("`{word}` is read while compiling, so it has to be a string literal: {what}"),
        )),
    }
}

fn risk(input: ParseStream<'_>, word: &Ident) -> Result<Ident> {
    let value = value_of(input, word, "one of `low`, `medium`, `high`, `critical`")?;
    let written = match &value {
        Expr::Path(path) => path.path.get_ident(),
        Expr::Lit(syn::ExprLit {
            lit: Lit::Str(string),
            ..
        }) if RISKS.contains(&string.value().as_str()) => {
            return Err(syn::Error::new(
                string.span(),
                format!("write the risk without quotes: `risk = {}`", string.value()),
            ));
        }
        _ => None,
    };
    match written {
        Some(risk) if RISKS.contains(&risk.to_string().as_str()) => Ok(risk.clone()),
        Some(other) => Err(syn::Error::new(
            other.span(),
            format!(
                "`{other}` is not a risk; {}",
                choices(&other.to_string(), RISKS)
            ),
        )),
        None => Err(syn::Error::new_spanned(
            &value,
            format!("this is not a risk; {}", choices("", RISKS)),
        )),
    }
}

fn version(input: ParseStream<'_>, word: &Ident) -> Result<LitInt> {
    let what = "a number that you raise when the body's meaning changes, such as `version = 2`";
    match value_of(input, word, what)? {
        Expr::Lit(syn::ExprLit {
            lit: Lit::Int(number),
            ..
        }) if number.suffix().is_empty() && number.base10_parse::<u32>().is_ok() => Ok(number),
        other => Err(syn::Error::new_spanned(
            other,
            format!("`version` has to be a whole number that fits `u32`: {what}"),
        )),
    }
}

fn expression(input: ParseStream<'_>, word: &Ident) -> Result<Expr> {
    value_of(input, word, &format!("`{word} = …`"))
}

fn function_path(input: ParseStream<'_>, word: &Ident) -> Result<syn::ExprPath> {
    let what = "the path of a function from `ApprovalError` to this function's error, such as `on_refusal = refused`";
    match value_of(input, word, what)? {
        Expr::Path(path) => Ok(path),
        other => Err(syn::Error::new_spanned(
            other,
            format!("`on_refusal` takes {what}"),
        )),
    }
}

fn krate(input: ParseStream<'_>, word: &Ident) -> Result<Path> {
    let what = "the absolute path of the renamed crate, such as `crate = ::gatekeeper`";
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(
            word.span(),
            format!("`crate` needs {what}"),
        ));
    }
    input.parse::<Token![=]>()?;
    let path = input.call(Path::parse_mod_style)?;
    let rooted = path.leading_colon.is_some()
        || path
            .segments
            .first()
            .is_some_and(|first| first.ident == "crate");
    if rooted {
        Ok(path)
    } else {
        // A relative path would mean something else in every module.
        Err(syn::Error::new_spanned(
            path,
            format!("`crate` takes {what}"),
        ))
    }
}

fn flag(input: ParseStream<'_>, word: &Ident) -> Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        Ok(())
    } else {
        Err(input.error(format!("`{word}` takes no value; write `{word}` alone")))
    }
}

/// Opens the parentheses after a word.
fn list(
    input: ParseStream<'_>,
    word: &Ident,
    example: &str,
    errors: &mut Errors,
    element: impl FnMut(ParseStream<'_>, &mut Errors) -> Result<()>,
) -> Result<()> {
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(
            word.span(),
            format!("`{word}` takes a list: `{word}({example})`"),
        ));
    }
    let content;
    syn::parenthesized!(content in input);
    if content.is_empty() {
        return Err(syn::Error::new(
            word.span(),
            format!("`{word}()` names nothing; write `{word}({example})` or remove it"),
        ));
    }
    each(&content, errors, element);
    Ok(())
}

fn named(
    input: ParseStream<'_>,
    word: &Ident,
    into: &mut Vec<Named>,
    errors: &mut Errors,
) -> Result<()> {
    let mut seen: BTreeSet<String> = into
        .iter()
        .map(|named| named.name.unraw().to_string())
        .collect();
    list(input, word, "name = expression", errors, |input, errors| {
        if !input.peek(Ident::peek_any) {
            return Err(input.error(format!(
                "`{word}` takes names with values: `{word}(name = expression)`"
            )));
        }
        let name = input.call(Ident::parse_any)?;
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(
                name.span(),
                format!("say what `{name}` is: `{word}({name} = expression)`"),
            ));
        }
        input.parse::<Token![=]>()?;
        let value = ungrouped(input.parse()?);
        if seen.insert(name.unraw().to_string()) {
            into.push(Named { name, value });
        } else {
            errors.at(
                name.span(),
                format!("`{name}` is already in `{word}`; remove one of the two"),
            );
        }
        Ok(())
    })
}

fn listed(
    input: ParseStream<'_>,
    word: &Ident,
    treatment: Treatment,
    arguments: &mut Arguments,
    errors: &mut Errors,
) -> Result<()> {
    list(input, word, "argument", errors, |input, errors| {
        if !input.peek(Ident::peek_any) {
            return Err(input.error(format!(
                "`{word}` takes names of arguments: `{word}(argument)`"
            )));
        }
        let name = input.call(Ident::parse_any)?;
        match arguments
            .treatments
            .iter()
            .find(|(_, earlier)| earlier.unraw() == name.unraw())
        {
            None => arguments.treatments.push((treatment, name)),
            Some((earlier, _)) => errors.at(
                name.span(),
                format!(
                    "`{name}` is already in `{}`; an argument is captured in one way only",
                    earlier.word().unwrap_or_default()
                ),
            ),
        }
        Ok(())
    })
}

fn marked(
    input: ParseStream<'_>,
    word: &Ident,
    into: &mut Vec<Ident>,
    errors: &mut Errors,
) -> Result<()> {
    list(input, word, "argument", errors, |input, errors| {
        if !input.peek(Ident::peek_any) {
            return Err(input.error(format!(
                "`{word}` takes names of arguments and fields: `{word}(argument)`"
            )));
        }
        let name = input.call(Ident::parse_any)?;
        if into.iter().any(|earlier| earlier.unraw() == name.unraw()) {
            errors.at(
                name.span(),
                format!("`{name}` is already in `{word}`; remove one of the two"),
            );
        } else {
            into.push(name);
        }
        Ok(())
    })
}
