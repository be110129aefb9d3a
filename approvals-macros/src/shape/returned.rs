//! What a return type says about the future behind it.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::visit_mut::VisitMut;
use syn::{
    AngleBracketedGenericArguments, GenericArgument, Lifetime, PathArguments, PathSegment, Token,
    Type, TypeParamBound, TypePath, TypeTraitObject,
};

use super::Form;

/// What a return type turned out to be.
pub(super) enum Found<T> {
    Future(T),
    Stream,
    /// A future in a box that is not pinned.
    Unpinned,
    /// A future that does not say its output.
    NoOutput,
    Other,
}

impl<T> Found<T> {
    pub(super) fn map<U>(self, into: impl FnOnce(T) -> U) -> Found<U> {
        match self {
            Self::Future(value) => Found::Future(into(value)),
            Self::Stream => Found::Stream,
            Self::Unpinned => Found::Unpinned,
            Self::NoOutput => Found::NoOutput,
            Self::Other => Found::Other,
        }
    }
}

/// `Pin<Box<dyn Future<Output = R> + 'a>>` and `BoxFuture<'a, R>`, by their last names.
pub(super) fn boxed(path: &TypePath) -> Found<(Form, Type)> {
    let Some(last) = path.path.segments.last() else {
        return Found::Other;
    };
    if last.ident.to_string().ends_with("BoxStream") {
        return Found::Stream;
    }
    if last.ident == "BoxFuture" || last.ident == "LocalBoxFuture" {
        let Some(output) = types(last).last().cloned() else {
            return Found::NoOutput;
        };
        let mut returned = path.clone();
        shorten_first_lifetime(&mut returned);
        return Found::Future((Form::Boxed(Box::new(Type::Path(returned))), output));
    }
    let (object, pinned) = match (last.ident == "Pin", only_type(last)) {
        (true, Some(Type::Path(inner))) => (
            inner
                .path
                .segments
                .last()
                .filter(is_box)
                .and_then(only_type),
            true,
        ),
        (false, only) if is_box(&last) => (only, false),
        _ => (None, false),
    };
    match object {
        Some(Type::TraitObject(object)) => match from_bounds(&object.bounds) {
            Found::Future(_) if !pinned => Found::Unpinned,
            found => found.map(|output| {
                let mut returned = path.clone();
                ShortenObject.visit_type_path_mut(&mut returned);
                (Form::Boxed(Box::new(Type::Path(returned))), output)
            }),
        },
        _ => Found::Other,
    }
}

fn is_box(segment: &&PathSegment) -> bool {
    segment.ident == "Box"
}

fn types(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(AngleBracketedGenericArguments { args, .. }) => Some(args),
        _ => None,
    };
    arguments
        .into_iter()
        .flatten()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
}

pub(super) fn only_type(segment: &PathSegment) -> Option<&Type> {
    types(segment).next().map(peel)
}

pub(super) fn from_bounds(bounds: &Punctuated<TypeParamBound, Token![+]>) -> Found<Type> {
    for bound in bounds {
        let TypeParamBound::Trait(bound) = bound else {
            continue;
        };
        let Some(last) = bound.path.segments.last() else {
            continue;
        };
        if last.ident.to_string().ends_with("Stream") {
            return Found::Stream;
        }
        if last.ident == "Future" {
            let PathArguments::AngleBracketed(arguments) = &last.arguments else {
                return Found::NoOutput;
            };
            let output = arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::AssocType(assoc) if assoc.ident == "Output" => {
                    Some(assoc.ty.clone())
                }
                _ => None,
            });
            return output.map_or(Found::NoOutput, Found::Future);
        }
    }
    Found::Other
}

/// The body's own future may borrow the permit, so it lives shorter than the declared one.
struct ShortenObject;

impl VisitMut for ShortenObject {
    // Only the outermost object is the future: its type arguments are not visited.
    fn visit_type_trait_object_mut(&mut self, object: &mut TypeTraitObject) {
        object.bounds = object
            .bounds
            .iter()
            .filter(|bound| !matches!(bound, TypeParamBound::Lifetime(_)))
            .cloned()
            .chain([TypeParamBound::Lifetime(Lifetime::new(
                "'_",
                Span::mixed_site(),
            ))])
            .collect();
    }
}

/// The same for an alias that names its lifetime; `None` if it names none.
pub(super) fn shorten_first_lifetime(path: &mut TypePath) -> Option<()> {
    let PathArguments::AngleBracketed(arguments) = &mut path.path.segments.last_mut()?.arguments
    else {
        return None;
    };
    let lifetime = arguments
        .args
        .iter_mut()
        .find_map(|argument| match argument {
            GenericArgument::Lifetime(lifetime) => Some(lifetime),
            _ => None,
        })?;
    *lifetime = Lifetime::new("'_", lifetime.span());
    Some(())
}

/// A type without the invisible groups and parentheses around it.
pub(super) fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peel(&group.elem),
        Type::Paren(paren) => peel(&paren.elem),
        other => other,
    }
}
