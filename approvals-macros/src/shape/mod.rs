//! Which future the function returns, read from `async` and the return type alone.

mod borrow;
mod returned;

use syn::visit_mut::{self, VisitMut};
use syn::{ReturnType, Signature, Token, Type, TypeInfer};

use self::borrow::outlives;
use self::returned::{Found, boxed, from_bounds, peel, shorten_first_lifetime};
use crate::attr::Arguments;
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
pub(crate) fn classify(
    sig: &Signature,
    arguments: &Arguments,
    errors: &mut Errors,
) -> Option<Shape> {
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
            Some(Shape {
                form,
                output: nameable(output),
            })
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
            errors.on(
                ty,
                "say what the future returns: `Future<Output = Result<…>>`",
            );
            None
        }
        Found::Other => {
            errors.on(&sig.fn_token, synchronous(Some(ty)));
            None
        }
    }
}

fn synchronous(returned: Option<&Type>) -> String {
    let mut message =
        "a plain `fn` cannot wait for an approval: make it `async` and call blocking code through \
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
        errors.on(
            output,
            "an `async fn` names its output itself; remove `output`",
        );
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
    Some(Shape {
        form: Form::Async,
        output: nameable(ty.clone()),
    })
}

/// A type that the author says is a boxed future of `output`.
fn alias(
    sig: &Signature,
    ty: &Type,
    output: &Type,
    arguments: &Arguments,
    errors: &mut Errors,
) -> Option<Shape> {
    let readable = match ty {
        Type::ImplTrait(opaque) => matches!(from_bounds(&opaque.bounds), Found::Future(_)),
        Type::Path(path) => matches!(boxed(path), Found::Future(_)),
        _ => false,
    };
    if readable {
        errors.on(
            output,
            "the return type names its output already; remove `output`",
        );
        return None;
    }
    let Type::Path(path) = ty else {
        errors.on(
            &sig.output,
            "`output` is for a type alias of a boxed future; write out the return type instead",
        );
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
    Some(Shape {
        form: Form::Boxed(Box::new(Type::Path(returned))),
        output: nameable(output.clone()),
    })
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
