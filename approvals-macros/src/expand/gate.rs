//! The gate itself, and the one place where the body stands.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Pat};

use super::{Guarded, local};
use crate::parameters::Pattern;
use crate::shape::Form;

impl ToTokens for Guarded {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let function = &self.function;
        let (attrs, vis, defaultness, sig) = (
            &function.attrs,
            &function.vis,
            &function.defaultness,
            &function.sig,
        );
        let gated = self.gated();
        let body = match &self.shape.form {
            Form::Async => gated,
            Form::Boxed(_) => quote!(::std::boxed::Box::pin(async move { #gated })),
            Form::Opaque => quote!(async move { #gated }),
        };
        tokens.extend(quote!(#(#attrs)* #vis #defaultness #sig { #body }));
    }
}

impl Guarded {
    /// The steps of a gated call. Every step that is refused returns; the body is part of the last.
    fn gated(&self) -> TokenStream {
        let private = &self.paths.private;
        let [
            attempt,
            authorizing,
            admitted,
            starting,
            permit,
            capture,
            outcome,
            error,
        ] = [
            "attempt",
            "authorizing",
            "admitted",
            "starting",
            "permit",
            "capture",
            "outcome",
            "error",
        ]
        .map(local);
        let begin = self.begin(&attempt);
        let arguments = self.capture_arguments(&capture);
        let values = self.capture_values(&capture);
        let marks = self.capture_marks(&capture);
        let refusal = self.refusal(&error);
        let shown_permit = self.shown_permit(&permit);
        let output = &self.shape.output;
        let mut outcome = outcome;
        // rustc reports here an output that is not `Send` where the future has to be.
        outcome.set_span(self.at_output());
        let finish = self.finish(&permit, &outcome);
        let body = self.body_future();
        // What is named outside the inner blocks is kept while people are waited for, or while the
        // body runs: there are no names but those that are still needed.
        quote! {
            let #authorizing = {
                #begin
                let #capture = if #private::Attempt::wants_arguments(&#attempt) {
                    let mut #capture = #private::Attempt::capture(&#attempt);
                    #arguments
                    #values
                    #marks
                    ::core::option::Option::Some(#capture)
                } else {
                    ::core::option::Option::None
                };
                #private::Attempt::authorize(#attempt, #capture)
            };
            let #permit = {
                let mut #admitted = match #authorizing.await {
                    ::core::result::Result::Ok(#admitted) => #admitted,
                    ::core::result::Result::Err(#error) => return #refusal,
                };
                // Once, and once more where the start took a while.
                loop {
                    let #starting = {
                        let #capture = if #private::Admitted::wants_arguments(&#admitted) {
                            let mut #capture = #private::Admitted::capture(&#admitted);
                            #arguments
                            ::core::option::Option::Some(#capture)
                        } else {
                            ::core::option::Option::None
                        };
                        #private::Admitted::start(#admitted, #capture)
                    };
                    match #starting.await {
                        ::core::result::Result::Ok(#private::Began::Runs(#permit)) => break #permit,
                        ::core::result::Result::Ok(#private::Began::Again(#capture)) => #admitted = #capture,
                        ::core::result::Result::Err(#error) => return #refusal,
                    }
                }
            };
            #shown_permit
            let #outcome: #output = #body.await;
            #finish
            #outcome
        }
    }

    /// Declares the action and begins an attempt at it.
    fn begin(&self, attempt: &Ident) -> TokenStream {
        let private = &self.paths.private;
        let [gate, requester] = ["gate", "requester"].map(local);
        let chosen_gate = self.chosen(self.arguments.gate.as_ref(), "gate");
        let chosen_requester = self.chosen(self.arguments.requester.as_ref(), "requester");
        // Items ignore hygiene, so this one lives in a block where no token of the user's stands.
        let declared = Ident::new("DECLARED", Span::mixed_site());
        let declaration = self.declaration(&declared);
        quote! {
            let #gate = #chosen_gate;
            let #requester = #chosen_requester;
            let #attempt = {
                #declaration
                #private::Attempt::begin(&#declared, #gate, #requester)
            };
        }
    }

    /// The function's own way of saying no.
    fn refusal(&self, error: &Ident) -> TokenStream {
        let krate = &self.paths.krate;
        let private = &self.paths.private;
        let output = &self.shape.output;
        let span = self.at_output();
        match &self.arguments.on_refusal {
            Some(path) => {
                let failure =
                    quote_spanned!(Span::mixed_site().located_at(path.span())=> #path(#error));
                quote_spanned!(span=> <#output as #private::Outcome>::refused_with(#failure))
            }
            None => quote_spanned!(span=> <#output as #krate::Refusable>::refused(#error)),
        }
    }

    /// Records whether the body succeeded.
    fn finish(&self, permit: &Ident, outcome: &Ident) -> TokenStream {
        let private = &self.paths.private;
        let output = &self.shape.output;
        quote_spanned! {self.at_output()=>
            #private::finish(#permit, <#output as #private::Outcome>::succeeded(&#outcome)).await;
        }
    }

    /// At the return type, where rustc then reports, once, one that cannot say no.
    fn at_output(&self) -> Span {
        Span::mixed_site().located_at(self.shape.output.span())
    }

    /// `permit`, under the author's own word and therefore visible in the body.
    fn shown_permit(&self, permit: &Ident) -> TokenStream {
        let krate = &self.paths.krate;
        match &self.arguments.permit {
            Some(word) => quote!(let #word: &#krate::Permit = &#permit;),
            None => TokenStream::new(),
        }
    }

    /// The original body, whole and once.
    ///
    /// Its own block keeps `return` and `?` inside; patterns are taken apart here and not before.
    fn body_future(&self) -> TokenStream {
        let body = &self.body;
        let patterns = self.patterns();
        let output = &self.shape.output;
        match &self.shape.form {
            Form::Async => {
                let unreachable = local("unreachable");
                // Tells rustc the declared type first, so that a body of another type is reported
                // in the body.
                quote! {
                    async move {
                        if let ::core::option::Option::Some(#unreachable) = ::core::option::Option::None::<#output> {
                            return #unreachable;
                        }
                        #patterns
                        #body
                    }
                }
            }
            Form::Boxed(returned) => quote!((move || -> #returned { #patterns #body })()),
            Form::Opaque => {
                // A closure cannot return `impl Future`; this function tells rustc the output.
                let helper = local("future_of");
                quote! {
                    {
                        fn #helper<Awaited, Begin, Running>(begin: Begin) -> Running
                        where
                            Begin: ::core::ops::FnOnce() -> Running,
                            Running: ::core::future::Future<Output = Awaited>,
                        {
                            begin()
                        }
                        #helper::<#output, _, _>(move || { #patterns #body })
                    }
                }
            }
        }
    }

    fn patterns(&self) -> TokenStream {
        let mut tokens = TokenStream::new();
        for parameter in &self.parameters.list {
            let Some(Pattern { attrs, pat, .. }) = &parameter.pattern else {
                continue;
            };
            let variable = &parameter.variable;
            // A plain name moves the value, and clippy asks of `_name` that the right side does something.
            let value = match pat {
                Pat::Ident(_) => quote!(::core::convert::identity(#variable)),
                _ => variable.to_token_stream(),
            };
            tokens.extend(quote!(#(#attrs)* let #pat = #value;));
        }
        tokens
    }
}
