//! The annotated function: its signature parsed, its body left as tokens.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{AttrStyle, Attribute, Ident, Result, Safety, Signature, Token, Visibility};

use crate::errors::Errors;

/// A function, method or associated function.
///
/// Its body is never looked into: what a body contains cannot decide whether it is gated.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) defaultness: Option<Ident>,
    pub(crate) sig: Signature,
    /// `None` for a declaration in a trait.
    pub(crate) body: Option<Group>,
}

impl Function {
    /// Reads an item, or reports why the attribute cannot stand on it.
    pub(crate) fn read(item: TokenStream, errors: &mut Errors) -> Option<Self> {
        match syn::parse2::<Self>(item.clone()) {
            Ok(function) => {
                function.check(errors);
                Some(function)
            }
            Err(error) if looks_like_a_function(&item) => {
                errors.push(error);
                None
            }
            Err(_) => {
                errors.on(
                    &item,
                    "`#[requires_approval]` goes on a function: put it on each `async fn` that needs an approval",
                );
                None
            }
        }
    }

    /// Reports what no gated function can be, at the keyword that says so.
    fn check(&self, errors: &mut Errors) {
        let sig = &self.sig;
        if let Some(token) = &sig.constness {
            errors.on(
                token,
                "a `const fn` cannot wait for an approval; remove `const` and make it `async`",
            );
        }
        match &sig.safety {
            Safety::Unsafe(token) => errors.on(
                token,
                "an `unsafe fn` cannot be gated: its caller's promise would not cover the wait for an approval; \
                 gate a safe `async fn` and call the unsafe one inside",
            ),
            Safety::Safe(token) => errors.on(token, "a foreign function cannot be gated; gate an `async fn` that calls it"),
            Safety::Default => {}
        }
        if let Some(abi) = &sig.abi {
            errors.on(
                abi,
                "an `extern fn` cannot wait for an approval; gate an `async fn` and call it from this one",
            );
        }
        if let Some(variadic) = &sig.variadic {
            errors.on(
                variadic,
                "variadic arguments cannot be shown to a reviewer; name each argument of a gated function",
            );
        }
        if self.body.is_none() {
            errors.on(
                &sig.ident,
                "a declaration has no body to gate: put `#[requires_approval]` on each implementation",
            );
        }
    }
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let defaultness = default_keyword(input)?;
        let sig = input.parse()?;
        if input.parse::<Option<Token![;]>>()?.is_some() {
            return Ok(Self {
                attrs,
                vis,
                defaultness,
                sig,
                body: None,
            });
        }
        let group = braces(input.parse()?)?;
        let (inner, statements) = split_inner_attributes.parse2(group.stream())?;
        attrs.extend(inner);
        let mut body = Group::new(Delimiter::Brace, statements);
        // rustc reports a body of the wrong type at its braces, and would otherwise lint the pair
        // that the expansion adds as if the author had written it.
        body.set_span(Span::mixed_site().located_at(group.span()));
        Ok(Self {
            attrs,
            vis,
            defaultness,
            sig,
            body: Some(body),
        })
    }
}

/// The body, also where a `macro_rules!` has put it in as `$body`.
fn braces(token: TokenTree) -> Result<Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Ok(group),
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            syn::parse2(group.stream()).and_then(braces)
        }
        other => Err(syn::Error::new(
            other.span(),
            "expected the function's body",
        )),
    }
}

/// The contextual keyword of specialisation, kept as it is.
fn default_keyword(input: ParseStream<'_>) -> Result<Option<Ident>> {
    let ahead = input.fork();
    match ahead.parse::<Ident>() {
        Ok(ident) if ident == "default" => input.parse().map(Some),
        _ => Ok(None),
    }
}

/// `#![…]` at the start of a body becomes `#[…]` on the function, where it means the same.
fn split_inner_attributes(input: ParseStream<'_>) -> Result<(Vec<Attribute>, TokenStream)> {
    let mut attrs = input.call(Attribute::parse_inner)?;
    for attr in &mut attrs {
        attr.style = AttrStyle::Outer;
    }
    Ok((attrs, input.parse()?))
}

fn looks_like_a_function(item: &TokenStream) -> bool {
    item.to_token_stream()
        .into_iter()
        .take_while(|token| !matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace))
        .any(|token| matches!(token, TokenTree::Ident(ident) if ident == "fn"))
}
