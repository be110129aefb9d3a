//! What a policy and an action may be called.

use proc_macro2::Span;
use syn::LitStr;

use crate::errors::Errors;

/// A policy's name as the gate knows it: anything visible without a space.
pub(crate) fn policy(name: &LitStr, errors: &mut Errors) {
    let text = name.value();
    if text.is_empty() {
        errors.at(name.span(), "a policy's name cannot be empty; write the name under which the gate knows it, such as `policy = \"prod-db\"`");
    } else if let Some(bad) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
        errors.at(
            name.span(),
            format!("a policy's name cannot contain {bad:?}; write it without spaces, such as `policy = \"prod-db\"`"),
        );
    }
}

/// An action's name: letters, digits and `_ - . : /`.
pub(crate) fn action(name: &LitStr, errors: &mut Errors) {
    check_action(&name.value(), name.span(), errors);
}

fn check_action(text: &str, span: Span, errors: &mut Errors) {
    if text.is_empty() {
        errors.at(span, "an action's name cannot be empty; write one such as `action = \"db.export\"`, or leave it out to use the function's path");
    } else if let Some(bad) = text.chars().find(|c| !is_action_character(*c)) {
        errors.at(
            span,
            format!("an action's name cannot contain {bad:?}; use letters, digits and `_`, `-`, `.`, `:`, `/`, as in `db.export`"),
        );
    }
}

// ASCII only: two names that look alike must not be two actions.
fn is_action_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/')
}
