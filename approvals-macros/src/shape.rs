//! Which future the function returns, read from `async` and the return type alone.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    AngleBracketedGenericArguments, GenericArgument, Lifetime, PathArguments, PathSegment, ReturnType, Signature,
    Token, Type, TypeInfer, TypeParamBound, TypePath, TypeTraitObject,
};

use crate::attr::Arguments;
use crate::borrow;
use crate::errors::Errors;

/// The form that the gated function keeps.
pub(crate) struct Shape {
    pub(crate) form: Form,
    /// The awaited type, with `_` for what cannot be named.
    pub(crate) output: Type,
}

/// How the body becomes a future.
pub(crate) enum Form {
    /// `async fn`.
    Async,
    /// A boxed future; the type that the body, in a closure, returns.
    Boxed(Box<Type>),
    /// `impl Future`.
    Opaque,
}

/// Classifies a signature, or reports why a function of this signature cannot be gated.
pub(crate) fn classify(sig: &Signature, arguments: &Arguments, errors: &mut Errors) -> Option<Shape> {
    let ty = match &sig.output {
        ReturnType::Type(_, ty) => peel(ty),
        ReturnType::Default if sig.asyncness.is_some() => {
            errors.on(
                &sig.ident,
                "this function returns nothing, so a refused call could not be told from a finished one; \
                 write `-> Result<(), E>` where `E: From<ApprovalError>`",
            );
            return None;
        }
        ReturnType::Default => {
            errors.on(&sig.fn_token, synchronous(None));
            return None;
        }
    };
    if sig.asyncness.is_some() {
        return asynchronous(ty, arguments, errors);
    }
    if let Some(output) = &arguments.output {
        return alias(sig, ty, output, arguments, errors);
    }
    let found = match ty {
        Type::ImplTrait(opaque) => from_bounds(&opaque.bounds).map(|output| (Form::Opaque, output)),
        Type::Path(path) => boxed(path),
        _ => Found::Other,
    };
    match found {
        Found::Future((form, output)) => {
            outlives(sig, ty, errors);
            Some(Shape { form, output: nameable(output) })
        }
        Found::Stream => {
            errors.on(
                ty,
                "a stream cannot be gated: it has no single result that could carry a refusal; \
                 gate an `async fn` that returns the stream inside a `Result`, so that the approval comes before the first item",
            );
            None
        }
        Found::Unpinned => {
            errors.on(ty, "a boxed future has to be pinned: write `Pin<Box<dyn Future<Output = …> + Send + '_>>`");
            None
        }
        Found::NoOutput => {
            errors.on(ty, "say what the future returns: `Future<Output = Result<…>>`");
            None
        }
        Found::Other => {
            errors.on(&sig.fn_token, synchronous(Some(ty)));
            None
        }
    }
}

fn synchronous(returned: Option<&Type>) -> String {
    let mut message = "a plain `fn` cannot wait for an approval: make it `async` and call blocking code through \
                       `spawn_blocking` inside"
        .to_owned();
    if let Some(Type::Path(path)) = returned
        && let Some(last) = path.path.segments.last()
        && last.ident != "Result"
    {
        message.push_str(&format!(
            "; if `{}` stands for a boxed future, name what it resolves to with `output = Type`",
            last.ident
        ));
    }
    message
}

fn asynchronous(ty: &Type, arguments: &Arguments, errors: &mut Errors) -> Option<Shape> {
    if let Some(output) = &arguments.output {
        errors.on(output, "an `async fn` names its output itself; remove `output`");
        return None;
    }
    if let Type::ImplTrait(opaque) = ty {
        match from_bounds(&opaque.bounds) {
            Found::Stream => errors.on(
                ty,
                "a refusal cannot travel in a stream: return the stream inside a `Result`, \
                 so that the approval comes before the first item",
            ),
            _ => errors.on(
                ty,
                "a refusal cannot travel in an opaque type: return `Result<impl …, E>` where `E: From<ApprovalError>`",
            ),
        }
        return None;
    }
    Some(Shape { form: Form::Async, output: nameable(ty.clone()) })
}

/// A type that the author says is a boxed future of `output`.
fn alias(sig: &Signature, ty: &Type, output: &Type, arguments: &Arguments, errors: &mut Errors) -> Option<Shape> {
    let readable = match ty {
        Type::ImplTrait(opaque) => matches!(from_bounds(&opaque.bounds), Found::Future(_)),
        Type::Path(path) => matches!(boxed(path), Found::Future(_)),
        _ => false,
    };
    if readable {
        errors.on(output, "the return type names its output already; remove `output`");
        return None;
    }
    let Type::Path(path) = ty else {
        errors.on(&sig.output, "`output` is for a type alias of a boxed future; write out the return type instead");
        return None;
    };
    let mut returned = path.clone();
    if shorten_first_lifetime(&mut returned).is_none()
        && let Some(permit) = &arguments.permit
    {
        errors.on(
            permit,
            "the body of a future without a lifetime cannot borrow the permit; write out the return type instead of its alias",
        );
    }
    Some(Shape { form: Form::Boxed(Box::new(Type::Path(returned))), output: nameable(output.clone()) })
}

/// What a return type turned out to be.
enum Found<T> {
    Future(T),
    Stream,
    /// A future in a box that is not pinned.
    Unpinned,
    /// A future that does not say its output.
    NoOutput,
    Other,
}

impl<T> Found<T> {
    fn map<U>(self, into: impl FnOnce(T) -> U) -> Found<U> {
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
fn boxed(path: &TypePath) -> Found<(Form, Type)> {
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
        (true, Some(Type::Path(inner))) => (inner.path.segments.last().filter(is_box).and_then(only_type), true),
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
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn only_type(segment: &PathSegment) -> Option<&Type> {
    types(segment).next().map(peel)
}

fn from_bounds(bounds: &Punctuated<TypeParamBound, Token![+]>) -> Found<Type> {
    for bound in bounds {
        let TypeParamBound::Trait(bound) = bound else { continue };
        let Some(last) = bound.path.segments.last() else { continue };
        if last.ident.to_string().ends_with("Stream") {
            return Found::Stream;
        }
        if last.ident == "Future" {
            let PathArguments::AngleBracketed(arguments) = &last.arguments else {
                return Found::NoOutput;
            };
            let output = arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(assoc.ty.clone()),
                _ => None,
            });
            return output.map_or(Found::NoOutput, Found::Future);
        }
    }
    Found::Other
}

/// Reports a future that has to outlive everything although the call borrows.
///
/// While it waits, the gated future holds the arguments for the body; an ungated one may have
/// copied out of them and let them go.
fn outlives(sig: &Signature, ty: &Type, errors: &mut Errors) {
    let Some(place) = static_future(ty) else { return };
    let Some(borrowed) = borrow::borrowed(sig) else { return };
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
                let Type::Path(inner) = only_type(last)? else { return None };
                let Type::TraitObject(object) = only_type(inner.path.segments.last()?)? else { return None };
                return match lifetime(&object.bounds) {
                    Some(lifetime) => (lifetime.ident == "static").then(|| lifetime.span()),
                    None => Some(object.span()),
                };
            }
            match &last.arguments {
                PathArguments::AngleBracketed(arguments) => arguments.args.iter().find_map(|argument| match argument {
                    GenericArgument::Lifetime(lifetime) if lifetime.ident == "static" => Some(lifetime.span()),
                    _ => None,
                }),
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
            .chain([TypeParamBound::Lifetime(Lifetime::new("'_", Span::mixed_site()))])
            .collect();
    }
}

fn shorten_first_lifetime(path: &mut TypePath) -> Option<()> {
    let PathArguments::AngleBracketed(arguments) = &mut path.path.segments.last_mut()?.arguments else {
        return None;
    };
    let lifetime = arguments.args.iter_mut().find_map(|argument| match argument {
        GenericArgument::Lifetime(lifetime) => Some(lifetime),
        _ => None,
    })?;
    *lifetime = Lifetime::new("'_", lifetime.span());
    Some(())
}

/// `impl Trait` cannot be named inside a body; inference fills it in.
fn nameable(mut ty: Type) -> Type {
    struct Infer;

    impl VisitMut for Infer {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if let Type::ImplTrait(opaque) = ty {
                *ty = Type::Infer(TypeInfer {
                    attrs: Vec::new(),
                    underscore_token: Token![_](opaque.impl_token.span),
                });
            } else {
                visit_mut::visit_type_mut(self, ty);
            }
        }
    }

    Infer.visit_type_mut(&mut ty);
    ty
}

/// A type without the invisible groups and parentheses around it.
fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peel(&group.elem),
        Type::Paren(paren) => peel(&paren.elem),
        other => other,
    }
}
