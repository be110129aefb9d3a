//! From an annotated function to a gated one.

mod capture;
mod declare;
mod gate;
#[cfg(test)]
mod tests;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Ident, Path};

use crate::attr::Arguments;
use crate::errors::Errors;
use crate::function::Function;
use crate::parameters::Parameters;
use crate::shape::{self, Shape};
use crate::values::{self, Recorded};

/// Expands `#[requires_approval(arguments)] item`.
///
/// With any mistake the result is the mistakes and the item as it was: the editor keeps working,
/// and the `compile_error!`s see to it that the ungated item is never built.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let gated = Guarded::read(arguments, item.clone(), &mut errors);
    match gated {
        Some(guarded) if errors.is_empty() => guarded.to_token_stream(),
        _ => {
            let errors = errors.to_tokens();
            quote!(#errors #item)
        }
    }
}

/// A function with all that its gate needs to know.
struct Guarded {
    function: Function,
    body: proc_macro2::Group,
    arguments: Arguments,
    policy: syn::LitStr,
    parameters: Parameters,
    values: Vec<Recorded>,
    shape: Shape,
    signature: String,
    paths: Paths,
}

impl Guarded {
    fn read(arguments: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let arguments = Arguments::read(arguments, errors);
        let before = errors.count();
        let mut function = Function::read(item, errors)?;
        // What can never be gated needs no advice about its return type.
        let possible = errors.count() == before;
        let shape = possible
            .then(|| shape::classify(&function.sig, &arguments, errors))
            .flatten();
        arguments.check_default_action(&function.sig.ident, errors);
        let parameters = Parameters::read(&mut function.sig, &arguments, errors);
        let values = values::read(&arguments, &parameters, errors);
        let shape = shape?;
        let body = function.body.take()?;
        Some(Self {
            signature: crate::signature_text::signature_text(&function.sig, &parameters, &shape),
            paths: Paths::new(arguments.krate.as_ref()),
            policy: arguments.policy.clone()?,
            function,
            body,
            arguments,
            parameters,
            values,
            shape,
        })
    }
}

/// The runtime's paths, absolute, so that nothing in the user's scope can stand in for them.
struct Paths {
    krate: TokenStream,
    private: TokenStream,
}

impl Paths {
    fn new(krate: Option<&Path>) -> Self {
        let krate = krate.map_or_else(|| quote!(::approvals_core), ToTokens::to_token_stream);
        let private = quote!(#krate::private);
        Self { krate, private }
    }
}

/// A variable of the expansion, which no token of the user's can name.
fn local(name: &str) -> Ident {
    Ident::new(&format!("__approvals_{name}"), Span::mixed_site())
}
