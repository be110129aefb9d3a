//! The static description of a guarded function, registered even if it is never called.

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt;

use super::Guarded;

impl Guarded {
    /// The items that declare the action. They name nothing of the function, so that they also
    /// work inside a generic one.
    pub(super) fn declaration(&self, name: &Ident) -> TokenStream {
        let private = &self.paths.private;
        let policy = &self.policy;
        let function = self.function_path();
        let action = match &self.arguments.action {
            Some(action) => quote!(#action),
            None => function.clone(),
        };
        let signature = Literal::string(&self.signature);
        let risk = self.arguments.risk.as_ref().map(|risk| {
            let variant = match risk.to_string().as_str() {
                "low" => quote!(Low),
                "medium" => quote!(Medium),
                "high" => quote!(High),
                // Parsed as one of four; the strictest for whatever else there could be.
                _ => quote!(Critical),
            };
            quote!(.risk(#private::Risk::#variant))
        });
        let version = self
            .arguments
            .version
            .as_ref()
            .map(|version| quote!(.version(#version)));
        let idempotent = self.arguments.idempotent.then(|| quote!(.idempotent()));
        // In the user's own span, so that they are those of the function and not of the attribute.
        let place = self.function.sig.ident.span();
        let file = quote_spanned!(place=> ::core::file!());
        let line = quote_spanned!(place=> ::core::line!());
        quote! {
            static #name: #private::GuardedAction =
                #private::GuardedAction::new(#policy, #action, #function, #file, #line)
                    #risk #version #idempotent
                    .signature(#signature);
            #private::inventory::submit! { #private::Registered(&#name) }
        }
    }

    fn function_path(&self) -> TokenStream {
        let name = Literal::string(&format!("::{}", self.function.sig.ident.unraw()));
        quote!(::core::concat!(::core::module_path!(), #name))
    }
}
