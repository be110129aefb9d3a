//! Arguments that are taken apart in the signature.

use std::collections::BTreeSet;

use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{FieldPat, Ident, Pat, PatIdent, PatWild, Token};

/// The names that a pattern binds, in order.
pub(crate) fn bindings(pat: &Pat) -> Vec<Ident> {
    struct Bindings(Vec<Ident>);

    impl<'ast> Visit<'ast> for Bindings {
        fn visit_pat_ident(&mut self, pat: &'ast PatIdent) {
            self.0.push(pat.ident.clone());
            visit::visit_pat_ident(self, pat);
        }
    }

    let mut bindings = Bindings(Vec::new());
    bindings.visit_pat(pat);
    bindings.0
}

/// The pattern as it matches a reference to the argument, binding only the `wanted` names.
///
/// Attribute values are evaluated before the approval, when nothing may be moved out yet.
pub(crate) fn by_reference(mut pat: Pat, wanted: &BTreeSet<String>) -> Pat {
    ByReference { wanted }.visit_pat_mut(&mut pat);
    pat
}

struct ByReference<'a> {
    wanted: &'a BTreeSet<String>,
}

impl VisitMut for ByReference<'_> {
    fn visit_pat_mut(&mut self, pat: &mut Pat) {
        match pat {
            Pat::Ident(ident) => {
                ident.by_ref = None;
                ident.mutability = None;
                if !self.wanted.contains(&ident.ident.unraw().to_string()) {
                    *pat = match ident.subpat.take() {
                        Some((_, inner)) => *inner,
                        None => Pat::Wild(PatWild {
                            attrs: Vec::new(),
                            underscore_token: Token![_](ident.ident.span()),
                        }),
                    };
                    if !matches!(pat, Pat::Wild(_)) {
                        self.visit_pat_mut(pat);
                    }
                    return;
                }
            }
            // Default binding modes see through references by themselves.
            Pat::Reference(reference) => {
                *pat = (*reference.pat).clone();
                self.visit_pat_mut(pat);
                return;
            }
            _ => {}
        }
        visit_mut::visit_pat_mut(self, pat);
    }

    fn visit_field_pat_mut(&mut self, field: &mut FieldPat) {
        visit_mut::visit_field_pat_mut(self, field);
        // `Order { id }` whose `id` became `_` is written `Order { id: _ }`.
        if !matches!(&*field.pat, Pat::Ident(_)) && field.colon_token.is_none() {
            field.colon_token = Some(Token![:](proc_macro2::Span::mixed_site()));
        }
    }
}
