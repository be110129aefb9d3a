//! The function's arguments: under which name and in which way each is captured.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::{Attribute, FnArg, Ident, Pat, Signature, Token, Type};

use crate::attr::{Arguments, Treatment, choices};
use crate::errors::Errors;
use crate::pattern;

/// Prefix of the variables that stand in for patterns until the approval has come.
const STAND_IN: &str = "__approvals_arg_";

/// All arguments of a function that are captured, in order.
pub(crate) struct Parameters {
    pub(crate) list: Vec<Parameter>,
    pub(crate) receiver: Option<Token![self]>,
}

/// One captured argument.
pub(crate) struct Parameter {
    /// What reviewers see it called.
    pub(crate) name: String,
    /// The variable that holds it before the body runs.
    pub(crate) variable: Ident,
    pub(crate) treatment: Treatment,
    /// Whether the audit log may only commit to it.
    pub(crate) sensitive: bool,
    /// `#[cfg(…)]` on the argument, which its capture has to repeat.
    pub(crate) cfg: Vec<Attribute>,
    /// Taken apart in front of the body, never before the approval.
    pub(crate) pattern: Option<Pattern>,
    /// `None` for `self`.
    pub(crate) ty: Option<Type>,
}

/// The pattern that stood in the signature.
pub(crate) struct Pattern {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) pat: Pat,
    pub(crate) bindings: Vec<Ident>,
}

/// What a name in a template or an expression stands for.
pub(crate) enum Meaning<'a> {
    Whole(&'a Parameter),
    /// A name bound by the argument's pattern.
    Part(&'a Parameter, &'a Ident),
}

impl Parameters {
    /// Reads the arguments and gives each pattern in the signature a variable instead.
    pub(crate) fn read(sig: &mut Signature, arguments: &Arguments, errors: &mut Errors) -> Self {
        let mut list: Vec<Parameter> = Vec::new();
        let mut receiver = None;
        let mut position = 0;
        for input in &mut sig.inputs {
            match input {
                FnArg::Receiver(found) => {
                    receiver = Some(found.self_token);
                    // Captured only if the author says how: a receiver is often a pool or a client.
                    if let Some((treatment, word)) =
                        arguments.treatments.iter().find(|(_, name)| name == "self")
                    {
                        list.push(Parameter {
                            name: "self".to_owned(),
                            variable: Ident::new(
                                "self",
                                found.self_token.span.located_at(word.span()),
                            ),
                            treatment: *treatment,
                            sensitive: false,
                            cfg: cfg(&found.attrs),
                            pattern: None,
                            ty: None,
                        });
                    }
                }
                FnArg::Typed(found) => {
                    let parameter = typed(found, position);
                    if list.iter().any(|earlier| earlier.name == parameter.name) {
                        errors.at(
                            parameter.variable.span(),
                            format!(
                                "two arguments would be shown as `{}`; rename one of them",
                                parameter.name
                            ),
                        );
                    }
                    list.push(parameter);
                    position += 1;
                }
            }
        }
        let mut parameters = Self { list, receiver };
        parameters.treat(arguments, errors);
        parameters.mark(arguments, errors);
        parameters
    }

    /// What `name` stands for where values of the attribute are written.
    pub(crate) fn meaning(&self, name: &str) -> Option<Meaning<'_>> {
        let part = self.list.iter().find_map(|parameter| {
            let pattern = parameter.pattern.as_ref()?;
            let binding = pattern
                .bindings
                .iter()
                .find(|binding| binding.unraw() == name)?;
            Some(Meaning::Part(parameter, binding))
        });
        part.or_else(|| {
            self.list
                .iter()
                .find(|parameter| parameter.name == name)
                .map(Meaning::Whole)
        })
    }

    /// Whether what `name` stands for is an argument that is marked as sensitive, or a part of one.
    pub(crate) fn tells_sensitive(&self, name: &str) -> bool {
        matches!(
            self.meaning(name),
            Some(Meaning::Whole(parameter) | Meaning::Part(parameter, _)) if parameter.sensitive
        )
    }

    /// The names that can be written in a template.
    pub(crate) fn names(&self) -> Vec<String> {
        self.list
            .iter()
            .flat_map(|parameter| match &parameter.pattern {
                Some(pattern) if !pattern.bindings.is_empty() => pattern
                    .bindings
                    .iter()
                    .map(|binding| binding.unraw().to_string())
                    .collect(),
                _ => vec![parameter.name.clone()],
            })
            .collect()
    }

    /// Applies `skip`, `redact`, `debug` and `display`.
    fn treat(&mut self, arguments: &Arguments, errors: &mut Errors) {
        for (treatment, name) in &arguments.treatments {
            let word = treatment.word().unwrap_or_default();
            let written = name.unraw().to_string();
            if let Some(parameter) = self
                .list
                .iter_mut()
                .find(|parameter| parameter.name == written)
            {
                parameter.treatment = *treatment;
                continue;
            }
            if written == "self" {
                errors.at(
                    name.span(),
                    format!("this function has no `self` to {word}; remove it"),
                );
                continue;
            }
            self.unknown(name, word, &[], errors);
        }
    }

    /// Applies `sensitive`.
    fn mark(&mut self, arguments: &Arguments, errors: &mut Errors) {
        let fields = arguments.fields.iter();
        let fields: Vec<String> = fields.map(|field| field.name.unraw().to_string()).collect();
        for name in &arguments.sensitive {
            let written = name.unraw().to_string();
            let found = self
                .list
                .iter_mut()
                .find(|parameter| parameter.name == written);
            match found {
                Some(parameter) if parameter.treatment.hides() => {
                    let word = parameter.treatment.word().unwrap_or_default();
                    errors.at(
                        name.span(),
                        format!(
                            "`{written}` is in `{word}`, so its value is neither shown nor recorded; remove it from `{word}` or from `sensitive`"
                        ),
                    );
                }
                Some(parameter) => parameter.sensitive = true,
                None if fields.contains(&written) => {}
                None if written == "self" => errors.at(
                    name.span(),
                    "`self` is not captured whole here; name a field of the call instead: `fields(account = self.account), sensitive(account)`",
                ),
                None => self.unknown(name, "sensitive", &fields, errors),
            }
        }
    }

    /// Reports a name that is no argument's.
    fn unknown(&self, name: &Ident, word: &str, others: &[String], errors: &mut Errors) {
        let written = name.unraw().to_string();
        if let Some(Meaning::Part(whole, _)) = self.meaning(&written) {
            errors.at(
                name.span(),
                format!(
                    "`{written}` is a part of an argument that is captured whole; write `{word}({})`",
                    whole.name
                ),
            );
            return;
        }
        let known = self.list.iter().map(|parameter| parameter.name.as_str());
        let known = known.chain(others.iter().map(String::as_str));
        errors.at(
            name.span(),
            format!(
                "this function has no argument `{written}`; {}",
                choices(&written, known)
            ),
        );
    }
}

fn typed(argument: &mut syn::PatType, position: usize) -> Parameter {
    let ty = Some((*argument.ty).clone());
    let cfg = cfg(&argument.attrs);
    if let Pat::Ident(pat) = &*argument.pat
        && pat.by_ref.is_none()
        && pat.subpat.is_none()
        && !unused(&pat.ident)
    {
        return Parameter {
            name: shown_name(&pat.ident, position),
            variable: pat.ident.clone(),
            treatment: Treatment::Argument,
            sensitive: false,
            cfg,
            pattern: None,
            ty,
        };
    }
    let pat = (*argument.pat).clone();
    let bindings = pattern::bindings(&pat);
    let name = match bindings.as_slice() {
        [only] => shown_name(only, position),
        _ => format!("arg{position}"),
    };
    let span = Span::mixed_site().located_at(syn::spanned::Spanned::span(&pat));
    let variable = Ident::new(&format!("{STAND_IN}{name}"), span);
    // Lint attributes are about the pattern and go with it.
    let attrs = std::mem::replace(&mut argument.attrs, cfg.clone());
    *argument.pat = Pat::Ident(syn::PatIdent {
        attrs: Vec::new(),
        by_ref: None,
        mutability: None,
        ident: variable.clone(),
        subpat: None,
    });
    Parameter {
        name,
        variable,
        treatment: Treatment::Argument,
        sensitive: false,
        cfg,
        pattern: Some(Pattern {
            attrs,
            pat,
            bindings,
        }),
        ty,
    }
}

/// Whether the author says that the body does not use this; clippy would find that it is used.
fn unused(ident: &Ident) -> bool {
    let text = ident.to_string();
    text.starts_with('_') && !text.starts_with(STAND_IN)
}

/// A name for reviewers, also when another macro (or this one, before) has replaced a pattern.
fn shown_name(ident: &Ident, position: usize) -> String {
    let text = ident.unraw().to_string();
    if let Some(name) = text.strip_prefix(STAND_IN) {
        return name.to_owned();
    }
    // async-trait's stand-in for a pattern.
    match text.strip_prefix("__arg") {
        Some(number) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("arg{position}")
        }
        _ => text,
    }
}

fn cfg(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr"))
        .cloned()
        .collect()
}
