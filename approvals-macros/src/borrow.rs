//! Whether a call borrows from its caller.

use syn::visit::{self, Visit};
use syn::{FnArg, Lifetime, ParenthesizedGenericArguments, Pat, ReceiverKind, Signature, TypeFnPtr, TypeReference};

/// The first argument that visibly borrows, by the name that an error may call it.
///
/// A type that hides its lifetime is not seen here; rustc reports that one.
pub(crate) fn borrowed(sig: &Signature) -> Option<String> {
    sig.inputs.iter().find_map(|input| match input {
        FnArg::Receiver(receiver) => {
            let borrows = match &receiver.kind {
                ReceiverKind::Reference(_, lifetime, _) => !is_static(lifetime.as_ref()),
                ReceiverKind::Typed(_, ty) => borrows(|finder| finder.visit_type(ty)),
                _ => false,
            };
            borrows.then(|| "self".to_owned())
        }
        FnArg::Typed(argument) => borrows(|finder| finder.visit_type(&argument.ty)).then(|| match &*argument.pat {
            Pat::Ident(pat) => pat.ident.to_string(),
            _ => "an argument".to_owned(),
        }),
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

    // `fn(&str)` and `Fn(&str)` mention borrows of later calls.
    fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
}
