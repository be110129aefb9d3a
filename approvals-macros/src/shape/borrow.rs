//! Futures that would have to outlive what they borrow.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    FnArg, GenericArgument, Lifetime, ParenthesizedGenericArguments, Pat, PathArguments,
    ReceiverKind, Signature, Token, TraitBound, Type, TypeFnPtr, TypeParamBound, TypeReference,
};

use super::returned::only_type;
use crate::errors::Errors;

/// Reports a future that has to outlive everything although the call borrows.
///
/// While it waits, the gated future holds the arguments for the body; an ungated one may have
/// copied out of them and let them go.
pub(super) fn outlives(sig: &Signature, ty: &Type, errors: &mut Errors) {
    let Some(place) = static_future(ty) else {
        return;
    };
    let Some(borrowed) = borrowed(sig) else {
        return;
    };
    errors.at(
        place,
        format!(
            "while it waits for an approval this future keeps `{borrowed}`, which is borrowed, so it cannot be `'static`; \
             write the future's lifetime, as in `Pin<Box<dyn Future<Output = …> + Send + '_>>`"
        ),
    );
}

/// Where a return type says, by word or by default, that its future is `'static`.
fn static_future(ty: &Type) -> Option<Span> {
    match ty {
        Type::ImplTrait(opaque) => lifetime(&opaque.bounds)
            .filter(|lifetime| lifetime.ident == "static")
            .map(Lifetime::span),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            if last.ident == "Pin" {
                let Type::Path(inner) = only_type(last)? else {
                    return None;
                };
                let Type::TraitObject(object) = only_type(inner.path.segments.last()?)? else {
                    return None;
                };
                return match lifetime(&object.bounds) {
                    Some(lifetime) => (lifetime.ident == "static").then(|| lifetime.span()),
                    None => Some(object.span()),
                };
            }
            match &last.arguments {
                PathArguments::AngleBracketed(arguments) => {
                    arguments.args.iter().find_map(|argument| match argument {
                        GenericArgument::Lifetime(lifetime) if lifetime.ident == "static" => {
                            Some(lifetime.span())
                        }
                        _ => None,
                    })
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn lifetime(bounds: &Punctuated<TypeParamBound, Token![+]>) -> Option<&Lifetime> {
    bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Lifetime(lifetime) => Some(lifetime),
        _ => None,
    })
}

/// The first argument that visibly borrows, by the name that an error may call it.
///
/// A type that hides its lifetime is not seen here; rustc reports that one.
fn borrowed(sig: &Signature) -> Option<String> {
    sig.inputs.iter().find_map(|input| match input {
        FnArg::Receiver(receiver) => {
            let borrows = match &receiver.kind {
                ReceiverKind::Reference(_, lifetime, _) => !is_static(lifetime.as_ref()),
                ReceiverKind::Typed(_, ty) => borrows(|finder| finder.visit_type(ty)),
                _ => false,
            };
            borrows.then(|| "self".to_owned())
        }
        FnArg::Typed(argument) => {
            borrows(|finder| finder.visit_type(&argument.ty)).then(|| match &*argument.pat {
                Pat::Ident(pat) => pat.ident.to_string(),
                _ => "an argument".to_owned(),
            })
        }
    })
}

fn is_static(lifetime: Option<&Lifetime>) -> bool {
    lifetime.is_some_and(|lifetime| lifetime.ident == "static")
}

fn borrows(look: impl FnOnce(&mut Finder)) -> bool {
    let mut finder = Finder(false);
    look(&mut finder);
    finder.0
}

struct Finder(bool);

impl<'ast> Visit<'ast> for Finder {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        self.0 |= !is_static(reference.lifetime.as_ref());
        visit::visit_type(self, &reference.elem);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        self.0 |= !is_static(Some(lifetime));
    }

    // `for<'a> Trait<'a>` names a lifetime of its own.
    fn visit_trait_bound(&mut self, bound: &'ast TraitBound) {
        if bound.lifetimes.is_none() {
            visit::visit_trait_bound(self, bound);
        }
    }

    // `fn(&str)` and `Fn(&str)` mention borrows of later calls.
    fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
}
