//! Expressions in the attribute: what they mention, and what they must not do.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Expr, ExprAsync, ExprAwait, ExprClosure, ExprReturn, ExprTry, ExprYield, Item, Lit};

use crate::errors::Errors;
use crate::template::words_in_braces;

/// The names that an expression may read, each where it stands.
///
/// It errs towards finding too many: a name inside a format string counts, and so does everything
/// inside a macro's parentheses.
pub(crate) fn mentions(expression: &Expr) -> Vec<(String, Span)> {
    let mut found = Vec::new();
    walk(expression.to_token_stream(), false, &mut found);
    found
}

/// The names alone.
pub(crate) fn mentioned(expression: &Expr) -> BTreeSet<String> {
    mentions(expression)
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

fn walk(tokens: TokenStream, in_macro: bool, found: &mut Vec<(String, Span)>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let before = |steps: usize| index.checked_sub(steps).and_then(|index| tokens.get(index));
        match token {
            TokenTree::Ident(ident) => {
                // `value.name` and `module::name` are other things of the same name; `..name` is not.
                let member = is(before(1), '.') && !is(before(2), '.');
                let path = (is(before(1), ':') && is(before(2), ':'))
                    || (is(tokens.get(index + 1), ':') && is(tokens.get(index + 2), ':'));
                let field = !in_macro && is(tokens.get(index + 1), ':');
                if !(member || path || field) {
                    found.push((ident.unraw().to_string(), ident.span()));
                }
            }
            TokenTree::Literal(literal) => {
                if let Lit::Str(text) = Lit::new(literal.clone()) {
                    let words = words_in_braces(&text.value());
                    found.extend(words.into_iter().map(|word| (word, literal.span())));
                }
            }
            TokenTree::Group(group) => walk(group.stream(), in_macro || is(before(1), '!'), found),
            TokenTree::Punct(_) => {}
        }
    }
}

fn is(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// Reports `return`, `?`, `.await` and `yield`, which would leave the capture half done.
///
/// The expansion evaluates each expression in a closure of its own, so that none inside a macro
/// gets around this either.
pub(crate) fn check_control_flow(expression: &Expr, errors: &mut Errors) {
    ControlFlow { errors }.visit_expr(expression);
}

struct ControlFlow<'a> {
    errors: &'a mut Errors,
}

impl<'ast> Visit<'ast> for ControlFlow<'_> {
    fn visit_expr_return(&mut self, expression: &'ast ExprReturn) {
        self.errors.on(
            &expression.return_token,
            "`return` has nothing to return from here: this expression is evaluated to describe the call",
        );
    }

    fn visit_expr_try(&mut self, expression: &'ast ExprTry) {
        self.errors.on(
            &expression.question_token,
            "`?` cannot be used here: the call is described before the function runs; handle the error in the expression",
        );
        visit::visit_expr_try(self, expression);
    }

    fn visit_expr_await(&mut self, expression: &'ast ExprAwait) {
        self.errors.on(
            &expression.await_token,
            "`.await` cannot be used here: a call is described without waiting; pass what it needs as an argument",
        );
        visit::visit_expr_await(self, expression);
    }

    fn visit_expr_yield(&mut self, expression: &'ast ExprYield) {
        self.errors
            .on(&expression.yield_token, "`yield` cannot be used here");
    }

    // These have a body of their own, in which all of it is fine.
    fn visit_expr_closure(&mut self, _: &'ast ExprClosure) {}

    fn visit_expr_async(&mut self, _: &'ast ExprAsync) {}

    fn visit_item(&mut self, _: &'ast Item) {}
}
