//! The declared signature as text: part of what an approval is bound to.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    AngleBracketedGenericArguments, GenericArgument, GenericParam, Signature, Token, Type,
    TypeImplTrait, TypeParamBound, TypeReference, TypeTraitObject,
};

use crate::parameters::{Parameter, Parameters};
use crate::shape::Shape;

/// The signature in one line, such as `export(database: &str, skip pool: &Pool) -> Result<(), E>`.
///
/// It is the same for an `async fn` and for what another macro has made of it: lifetimes, bounds
/// and the future around the output are left out, and spaces do not depend on the compiler.
pub(crate) fn signature_text(sig: &Signature, parameters: &Parameters, shape: &Shape) -> String {
    let mut arguments: Vec<String> = parameters.list.iter().map(argument).collect();
    if parameters.receiver.is_some()
        && !parameters
            .list
            .iter()
            .any(|parameter| parameter.name == "self")
    {
        arguments.insert(0, "self".to_owned());
    }
    format!(
        "{}{}({}) -> {}",
        sig.ident.unraw(),
        generics(sig),
        arguments.join(", "),
        type_text(&shape.output)
    )
}

fn argument(parameter: &Parameter) -> String {
    let mut text = String::new();
    for attr in &parameter.cfg {
        text.push_str(&token_text(attr.to_token_stream()));
        text.push(' ');
    }
    if let Some(word) = parameter.treatment.word() {
        text.push_str(word);
        text.push(' ');
    }
    text.push_str(&parameter.name);
    if let Some(ty) = &parameter.ty {
        text.push_str(": ");
        text.push_str(&type_text(ty));
    }
    text
}

fn generics(sig: &Signature) -> String {
    let parameters: Vec<String> = sig
        .generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(ty) => Some(ty.ident.to_string()),
            GenericParam::Const(constant) => Some(format!(
                "const {}: {}",
                constant.ident,
                type_text(&constant.ty)
            )),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    if parameters.is_empty() {
        String::new()
    } else {
        format!("<{}>", parameters.join(", "))
    }
}

fn type_text(ty: &Type) -> String {
    let mut ty = ty.clone();
    WithoutLifetimes.visit_type_mut(&mut ty);
    token_text(ty.to_token_stream())
}

struct WithoutLifetimes;

impl VisitMut for WithoutLifetimes {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        reference.lifetime = None;
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_angle_bracketed_generic_arguments_mut(
        &mut self,
        arguments: &mut AngleBracketedGenericArguments,
    ) {
        arguments.args = std::mem::take(&mut arguments.args)
            .into_iter()
            .filter(|argument| !matches!(argument, GenericArgument::Lifetime(_)))
            .collect();
        visit_mut::visit_angle_bracketed_generic_arguments_mut(self, arguments);
    }

    fn visit_path_segment_mut(&mut self, segment: &mut syn::PathSegment) {
        visit_mut::visit_path_segment_mut(self, segment);
        // `Row<'a>` becomes `Row`, as it may also be written.
        if segment.arguments.is_empty() {
            segment.arguments = syn::PathArguments::None;
        }
    }

    fn visit_type_trait_object_mut(&mut self, object: &mut TypeTraitObject) {
        without_lifetimes(&mut object.bounds);
        visit_mut::visit_type_trait_object_mut(self, object);
    }

    fn visit_type_impl_trait_mut(&mut self, opaque: &mut TypeImplTrait) {
        without_lifetimes(&mut opaque.bounds);
        visit_mut::visit_type_impl_trait_mut(self, opaque);
    }
}

fn without_lifetimes(bounds: &mut Punctuated<TypeParamBound, Token![+]>) {
    *bounds = std::mem::take(bounds)
        .into_iter()
        .filter(|bound| !matches!(bound, TypeParamBound::Lifetime(_)))
        .collect();
}

/// Tokens with spaces where a person would put them.
fn token_text(tokens: TokenStream) -> String {
    let mut text = String::new();
    write(tokens, &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.truncate(text.trim_end().len());
                text.push_str(close);
            }
            TokenTree::Punct(punct) => punctuation(punct.as_char(), text),
            word @ (TokenTree::Ident(_) | TokenTree::Literal(_)) => {
                if text.ends_with(|c: char| {
                    c.is_alphanumeric() || matches!(c, '_' | '"' | '>' | ')' | ']' | '}')
                }) {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}

fn punctuation(character: char, text: &mut String) {
    match character {
        ',' | ';' => {
            text.push(character);
            text.push(' ');
        }
        '+' | '=' => {
            text.push(' ');
            text.push(character);
            text.push(' ');
        }
        '-' => text.push_str(" -"),
        '>' if text.ends_with(" -") => text.push_str("> "),
        '>' => {
            // A comma at the end of a list says nothing.
            text.truncate(text.trim_end_matches([',', ' ']).len());
            text.push('>');
        }
        ':' if text.ends_with(": ") => {
            text.pop();
            text.push(':');
        }
        ':' => text.push_str(": "),
        other => text.push(other),
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::token_text;
    use crate::expand::expand;

    fn signature(arguments: proc_macro2::TokenStream, item: proc_macro2::TokenStream) -> String {
        let expanded = expand(arguments, item).to_string();
        let (_, after) = expanded.split_once(". signature (\"").unwrap();
        after.split_once('"').unwrap().0.to_owned()
    }

    #[test]
    fn an_async_trait_method_has_the_signature_that_its_author_wrote() {
        let written = signature(
            quote!(policy = "bank", fields(account = self.account), skip(to)),
            quote! {
                async fn transfer(&self, amount: Vec<(u8, &str)>, to: Row<'_>) -> Result<Report, Error> {}
            },
        );
        let rewritten = signature(
            quote!(policy = "bank", fields(account = self.account), skip(to)),
            quote! {
                fn transfer<'life0, 'life1, 'life2, 'async_trait>(
                    &'life0 self,
                    amount: Vec<(u8, &'life1 str)>,
                    to: Row<'life2>,
                ) -> ::core::pin::Pin<Box<
                    dyn ::core::future::Future<Output = Result<Report, Error>> + ::core::marker::Send + 'async_trait
                >>
                where
                    'life0: 'async_trait,
                    Self: 'async_trait,
                {}
            },
        );
        assert_eq!(written, rewritten);
        assert_eq!(
            written,
            "transfer(self, amount: Vec<(u8, &str)>, skip to: Row) -> Result<Report, Error>"
        );
    }

    #[test]
    fn spaces_are_where_a_person_puts_them() {
        let types = [
            quote!(&mut dyn Fn(u8, &str) -> Result<(), E>),
            quote!(impl Iterator<Item = [u8; 4]> + Send),
            quote!(<T as Trait>::Item),
            quote!(Box<dyn for<'a> Fn(&'a T)>),
            quote!((u8,)),
            quote!(*const u8),
            quote!(Map<K, V,>),
        ];
        let texts = types.map(token_text);
        assert_eq!(
            texts,
            [
                "&mut dyn Fn(u8, &str) -> Result<(), E>",
                "impl Iterator<Item = [u8; 4]> + Send",
                "<T as Trait>::Item",
                "Box<dyn for<'a> Fn(&'a T)>",
                "(u8,)",
                "*const u8",
                "Map<K, V>",
            ]
        );
    }
}
