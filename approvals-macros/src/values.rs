//! What the author wants said about a call besides its arguments.

use std::collections::BTreeSet;

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Ident, Lit};

use crate::attr::{Arguments, Named};
use crate::errors::Errors;
use crate::expression;
use crate::parameters::{Meaning, Parameters};
use crate::template::{Template, hidden};

/// One value and where it goes.
pub(crate) struct Recorded {
    pub(crate) slot: Slot,
    pub(crate) value: Value,
    /// Names of pattern bindings that the value reads.
    pub(crate) wanted: BTreeSet<String>,
    /// Whether it is marked as sensitive, or tells an argument that is.
    pub(crate) sensitive: bool,
}

/// The part of a call that a value fills.
pub(crate) enum Slot {
    Field(Ident),
    Label(Ident),
    Resource,
    Environment,
    Justification,
    Summary,
    Key,
}

/// A value as it was written.
pub(crate) enum Value {
    Template(Template),
    Expression(Expr),
}

/// Reads all values, and reports a receiver of which nothing is said.
pub(crate) fn read(
    arguments: &Arguments,
    parameters: &Parameters,
    errors: &mut Errors,
) -> Vec<Recorded> {
    let mut recorded = Vec::new();
    for Named { name, value } in &arguments.fields {
        let text = name.unraw().to_string();
        if parameters
            .list
            .iter()
            .any(|parameter| parameter.name == text)
        {
            errors.at(
                name.span(),
                format!("`{text}` is an argument already; give the field another name"),
            );
        }
        let mut field = one(Slot::Field(name.clone()), value, parameters, errors);
        field.sensitive |= arguments
            .sensitive
            .iter()
            .any(|marked| marked.unraw() == text);
        recorded.push(field);
    }
    for Named { name, value } in &arguments.labels {
        recorded.push(one(Slot::Label(name.clone()), value, parameters, errors));
    }
    let single = [
        (Slot::Resource, &arguments.resource),
        (Slot::Environment, &arguments.environment),
        (Slot::Justification, &arguments.justification),
        (Slot::Summary, &arguments.summary),
        (Slot::Key, &arguments.key),
    ];
    for (slot, value) in single {
        if let Some(value) = value {
            let found = one(slot, value, parameters, errors);
            if found.sensitive && matches!(found.slot, Slot::Environment) {
                errors.at(value.span(), in_clear("an environment"));
            }
            recorded.push(found);
        }
    }
    if let Some(requester) = &arguments.requester
        && tells_sensitive(requester, parameters)
    {
        errors.at(requester.span(), in_clear("a requester"));
    }
    for expression in [&arguments.gate, &arguments.requester]
        .into_iter()
        .flatten()
    {
        // Neither is shown to anybody, so a skipped argument may be named here.
        expression::check_control_flow(expression, errors);
    }
    check_receiver(arguments, parameters, errors);
    check_permit(arguments, parameters, errors);
    recorded
}

fn one(slot: Slot, value: &Expr, parameters: &Parameters, errors: &mut Errors) -> Recorded {
    if let Expr::Lit(ExprLit {
        lit: Lit::Str(literal),
        ..
    }) = value
    {
        if literal.value().is_empty() {
            errors.at(
                literal.span(),
                "this is empty; say something here, or leave it out",
            );
        }
        let template = Template::read(literal, parameters, errors);
        let wanted = template
            .variables()
            .iter()
            .map(|variable| variable.unraw().to_string())
            .collect();
        return Recorded {
            slot,
            sensitive: template.is_sensitive(),
            value: Value::Template(template),
            wanted,
        };
    }
    expression::check_control_flow(value, errors);
    check_hidden(value, parameters, errors);
    Recorded {
        slot,
        value: Value::Expression(value.clone()),
        wanted: expression::mentioned(value),
        sensitive: tells_sensitive(value, parameters),
    }
}

fn tells_sensitive(value: &Expr, parameters: &Parameters) -> bool {
    let mentioned = expression::mentioned(value);
    mentioned
        .iter()
        .any(|name| parameters.tells_sensitive(name))
}

/// Why what is sensitive cannot be told there.
fn in_clear(what: &str) -> String {
    format!(
        "{what} is in the audit log in clear, and this tells an argument that is marked as sensitive; remove it from here or from `sensitive`"
    )
}

fn check_hidden(value: &Expr, parameters: &Parameters, errors: &mut Errors) {
    for (name, span) in expression::mentions(value) {
        if let Some(Meaning::Whole(parameter) | Meaning::Part(parameter, _)) =
            parameters.meaning(&name)
            && parameter.treatment.hides()
        {
            errors.at(span, hidden(&name, parameter));
        }
    }
}

/// A method's effect nearly always depends on what it is called on, and nothing shows that by itself.
fn check_receiver(arguments: &Arguments, parameters: &Parameters, errors: &mut Errors) {
    let Some(receiver) = parameters.receiver else {
        return;
    };
    let treated = parameters
        .list
        .iter()
        .any(|parameter| parameter.name == "self");
    // What decides, by the digest: a key, a justification or a summary would not bind it.
    let bound = [&arguments.resource, &arguments.environment]
        .into_iter()
        .flatten();
    let named = arguments
        .fields
        .iter()
        .chain(&arguments.labels)
        .map(|named| &named.value);
    if !treated
        && !bound
            .chain(named)
            .any(|value| expression::mentioned(value).contains("self"))
    {
        errors.at(
            receiver.span,
            "say what of `self` matters to this call: `fields(account = self.account)`, or `skip(self)` if nothing does",
        );
    }
}

fn check_permit(arguments: &Arguments, parameters: &Parameters, errors: &mut Errors) {
    if let Some(permit) = &arguments.permit
        && parameters.names().iter().any(|name| name == "permit")
    {
        errors.at(permit.span(), "an argument is called `permit` already; rename it, so that the body can see the permit");
    }
}

impl Slot {
    /// The method of the capture that takes the value.
    pub(crate) fn method(&self) -> Ident {
        Ident::new(self.word(), Span::mixed_site())
    }

    /// What it is called.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Field(_) => "field",
            Self::Label(_) => "label",
            Self::Resource => "resource",
            Self::Environment => "environment",
            Self::Justification => "justification",
            Self::Summary => "summary",
            Self::Key => "key",
        }
    }

    /// The name under which the value is recorded, where there are several.
    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::Field(name) | Self::Label(name) => Some(name.unraw().to_string()),
            _ => None,
        }
    }
}
