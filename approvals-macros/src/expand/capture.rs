//! Describing the call: its arguments, and what the author says about them.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, Ident};

use super::Guarded;
use crate::attr::Treatment;
use crate::parameters::Parameter;
use crate::pattern;
use crate::values::{Recorded, Slot, Value};

impl Guarded {
    /// Captures every argument. It is emitted twice, before and after a review, so that no borrow
    /// of an argument is kept across an `.await`.
    pub(super) fn capture_arguments(&self, capture: &Ident) -> TokenStream {
        self.parameters
            .list
            .iter()
            .map(|parameter| self.capture_argument(parameter, capture))
            .collect()
    }

    fn capture_argument(&self, parameter: &Parameter, capture: &Ident) -> TokenStream {
        let private = &self.paths.private;
        let Parameter {
            name,
            variable,
            cfg,
            treatment,
            ..
        } = parameter;
        let method = match treatment {
            Treatment::Skip => {
                return quote!(#(#cfg)* #private::Capture::skipped(&mut #capture, #name););
            }
            Treatment::Argument => "argument",
            Treatment::Redact => "redacted",
            Treatment::Debug => "debug",
            Treatment::Display => "display",
        };
        let method = Ident::new(method, Span::mixed_site());
        // rustc reports a missing `Serialize` at this reference: at the argument.
        let value = quote_spanned!(Span::mixed_site().located_at(variable.span())=> &#variable);
        quote!(#(#cfg)* #private::Capture::#method(&mut #capture, #name, #value);)
    }

    /// Records every value of the attribute, in the first capture only: `now()` evaluated twice
    /// would always read as a changed call.
    pub(super) fn capture_values(&self, capture: &Ident) -> TokenStream {
        self.values
            .iter()
            .map(|recorded| self.capture_value(recorded, capture))
            .collect()
    }

    /// Says which of them the audit log may only commit to.
    pub(super) fn capture_marks(&self, capture: &Ident) -> TokenStream {
        let private = &self.paths.private;
        let arguments = self.parameters.list.iter();
        let arguments = arguments.filter(|parameter| parameter.sensitive);
        let arguments = arguments.map(|Parameter { name, cfg, .. }| {
            quote!(#(#cfg)* #private::Capture::sensitive(&mut #capture, #name);)
        });
        let values = self.values.iter().filter(|recorded| recorded.sensitive);
        let values = values.map(|recorded| {
            let word = || recorded.slot.word().to_owned();
            let name = recorded.slot.name().unwrap_or_else(word);
            quote!(#private::Capture::sensitive(&mut #capture, #name);)
        });
        arguments.chain(values).collect()
    }

    fn capture_value(&self, recorded: &Recorded, capture: &Ident) -> TokenStream {
        let private = &self.paths.private;
        let method = recorded.slot.method();
        let name = recorded.slot.name().map(|name| quote!(#name,));
        let value = match (&recorded.value, &recorded.slot) {
            (Value::Expression(expression), _) => by_reference(expression),
            // A field is serialised, and format arguments are not.
            (Value::Template(template), Slot::Field(_)) => {
                let arguments = template.arguments();
                quote!(&::std::fmt::format(#arguments))
            }
            (Value::Template(template), _) => {
                let arguments = template.arguments();
                quote!(&#arguments)
            }
        };
        let bindings = self.borrowed_bindings(&recorded.wanted);
        // A closure that has to return what only the capture makes: a `return` in a macro's
        // expansion is a type error, and never a way around the body or the recording.
        quote! {
            let _: #private::Recorded = (|| -> #private::Recorded {
                #bindings
                #private::Capture::#method(&mut #capture, #name #value)
            })();
        }
    }

    /// The parts of destructured arguments that a value reads, bound by reference.
    fn borrowed_bindings(&self, wanted: &BTreeSet<String>) -> TokenStream {
        let mut tokens = TokenStream::new();
        for parameter in &self.parameters.list {
            let Some(found) = &parameter.pattern else {
                continue;
            };
            if !found
                .bindings
                .iter()
                .any(|binding| wanted.contains(&binding.unraw().to_string()))
            {
                continue;
            }
            let pat = pattern::by_reference(found.pat.clone(), wanted);
            let Parameter { cfg, variable, .. } = parameter;
            tokens.extend(quote!(#(#cfg)* let #pat = &#variable;));
        }
        tokens
    }

    /// The gate or requester that the attribute names, as an `Option` of an owned one.
    pub(super) fn chosen(&self, expression: Option<&Expr>, convert: &str) -> TokenStream {
        let Some(expression) = expression else {
            return quote!(::core::option::Option::None);
        };
        let private = &self.paths.private;
        let convert = Ident::new(convert, Span::mixed_site());
        let value = by_reference(expression);
        let bindings = self.borrowed_bindings(&crate::expression::mentioned(expression));
        quote! {
            ::core::option::Option::Some((|| {
                #bindings
                #private::#convert(#value)
            })())
        }
    }
}

/// Refers to a value instead of moving it: the body still needs it.
fn by_reference(expression: &Expr) -> TokenStream {
    let tokens = expression.to_token_stream();
    quote_spanned!(Span::mixed_site().located_at(expression.span())=> &(#tokens))
}
