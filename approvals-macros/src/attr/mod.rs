//! The arguments of the attribute, parsed.

mod names;
mod parse;
mod suggest;

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use syn::{Expr, ExprPath, Ident, LitInt, LitStr, Path, Type};

pub(crate) use suggest::choices;

use crate::errors::Errors;

/// What the author wrote between the parentheses of `#[requires_approval(…)]`.
///
/// Each mistake in it has been reported; what is here is what could be read.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) policy: Option<LitStr>,
    pub(crate) action: Option<LitStr>,
    pub(crate) risk: Option<Ident>,
    pub(crate) version: Option<LitInt>,
    pub(crate) idempotent: bool,
    pub(crate) resource: Option<Expr>,
    pub(crate) environment: Option<Expr>,
    pub(crate) justification: Option<Expr>,
    pub(crate) summary: Option<Expr>,
    pub(crate) key: Option<Expr>,
    pub(crate) fields: Vec<Named>,
    pub(crate) labels: Vec<Named>,
    pub(crate) treatments: Vec<(Treatment, Ident)>,
    /// Arguments and extra fields that reviewers see, and the audit log only commits to.
    pub(crate) sensitive: Vec<Ident>,
    pub(crate) gate: Option<Expr>,
    pub(crate) requester: Option<Expr>,
    /// The word itself: the body sees the permit under exactly this identifier.
    pub(crate) permit: Option<Ident>,
    pub(crate) on_refusal: Option<ExprPath>,
    pub(crate) output: Option<Type>,
    pub(crate) krate: Option<Path>,
    /// The words written so far, whether or not their values could be read.
    seen: BTreeSet<String>,
}

/// `name = expression` inside `fields(…)` or `labels(…)`.
pub(crate) struct Named {
    pub(crate) name: Ident,
    pub(crate) value: Expr,
}

/// How an argument reaches the reviewer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// Shown whole, through `Serialize`: what happens when nothing is said.
    Argument,
    /// Not shown and not bound; only its name is.
    Skip,
    /// Not shown, but bound by a keyed fingerprint.
    Redact,
    /// Shown and bound by its `Debug` text.
    Debug,
    /// Shown and bound by its `Display` text.
    Display,
}

impl Treatment {
    /// Whether the value must not reach a reviewer by another way either.
    pub(crate) fn hides(self) -> bool {
        matches!(self, Self::Skip | Self::Redact)
    }

    /// The word in the attribute.
    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Self::Argument => None,
            Self::Skip => Some("skip"),
            Self::Redact => Some("redact"),
            Self::Debug => Some("debug"),
            Self::Display => Some("display"),
        }
    }
}

impl Arguments {
    /// Reads the attribute's tokens, reporting every mistake in them.
    pub(crate) fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let arguments = parse::read(tokens, errors);
        match &arguments.policy {
            Some(name) => names::policy(name, errors),
            // A policy that was written but could not be read has its own error.
            None if !arguments.seen.contains("policy") => errors.at(
                Span::call_site(),
                "say which policy of the gate judges this call: `#[requires_approval(policy = \"prod-db\")]`",
            ),
            None => {}
        }
        if let Some(name) = &arguments.action {
            names::action(name, errors);
        }
        arguments
    }

    /// Checks the action's default, now that the function is known.
    pub(crate) fn check_default_action(&self, function: &Ident, errors: &mut Errors) {
        if !self.seen.contains("action") {
            names::function_as_action(function, errors);
        }
    }
}
