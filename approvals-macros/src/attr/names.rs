//! What a policy and an action may be called.

use syn::ext::IdentExt;
use syn::{Ident, LitStr};

use crate::errors::Errors;

/// A policy's name as the gate knows it: anything visible without a space.
pub(super) fn policy(name: &LitStr, errors: &mut Errors) {
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
pub(super) fn action(name: &LitStr, errors: &mut Errors) {
    let text = name.value();
    if text.is_empty() {
        errors.at(
            name.span(),
            "an action's name cannot be empty; write one such as `action = \"db.export\"`, or leave it out to use the \
             function's path",
        );
    } else if let Some(bad) = bad_character(&text) {
        errors.at(
            name.span(),
            format!("an action's name cannot contain {bad:?}; use letters, digits and `_`, `-`, `.`, `:`, `/`, as in `db.export`"),
        );
    }
}

/// A function whose name cannot be its action's.
pub(super) fn function_as_action(name: &Ident, errors: &mut Errors) {
    if let Some(bad) = bad_character(&name.unraw().to_string()) {
        errors.at(
            name.span(),
            format!("an action's name cannot contain {bad:?}, so it cannot be this function's; write `action = \"…\"`"),
        );
    }
}

fn bad_character(text: &str) -> Option<char> {
    text.chars().find(|c| !is_action_character(*c))
}

// ASCII only: two names that look alike must not be two actions.
fn is_action_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/')
}
