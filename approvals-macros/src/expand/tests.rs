use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::quote;

use super::expand;

/// A function of each form, with the arguments of its attribute. The ident `the_body` stands in
/// each body once.
fn shapes() -> Vec<(&'static str, TokenStream, TokenStream)> {
    vec![
        (
            "async_fn",
            quote!(
                policy = "prod-db",
                action = "db.export",
                risk = high,
                resource = "db/{database}"
            ),
            quote! {
                /// Exports a database.
                #[must_use]
                pub async fn export(database: &str, rows: u64) -> crate::Outcome<Report, ExportError> {
                    the_body(database, rows)
                }
            },
        ),
        (
            "every_argument",
            quote!(
                policy = "prod-db",
                risk = critical,
                environment = "production",
                justification = reason(),
                summary = "exported {rows:>5}",
                labels(region = "eu"),
                fields(size = list.len(), text = "{rows}"),
                key = rows,
                skip(pool),
                redact(token),
                debug(list),
                display(rows),
                gate = GATE,
                requester = who(pool),
                on_refusal = errors::refused,
                version = 2,
                idempotent,
                permit,
                crate = ::gatekeeper
            ),
            quote! {
                async fn export(pool: &Pool, token: &str, list: crate::List, rows: u64) -> crate::Outcome<Report> {
                    the_body(permit)
                }
            },
        ),
        (
            "patterns",
            quote!(policy = "prod-db", resource = "{left}/{id}", redact(arg3)),
            quote! {
                async fn export(
                    (mut left, right): (u8, u8),
                    Json(Order { id, note }): Json<Order>,
                    mut count: u64,
                    (a, b): (u8, u8),
                    _: bool,
                    #[cfg(unix)] _unused: &str,
                ) -> crate::Outcome<Report> {
                    the_body(left, right)
                }
            },
        ),
        (
            "generics",
            quote!(policy = "prod-db", debug(value)),
            quote! {
                async fn export<'a, T: Debug + Clone, const N: usize>(value: &'a [T; N]) -> crate::Outcome<impl Display + 'a>
                where
                    T: 'static,
                {
                    #![allow(unused)]
                    the_body(value)
                }
            },
        ),
        (
            "method",
            quote!(
                policy = "bank",
                fields(account = self.account),
                gate = self.gate
            ),
            quote! {
                async fn transfer(&mut self, amount: u64) -> crate::Outcome<Report> {
                    the_body(self, amount)
                }
            },
        ),
        (
            "boxed_future",
            quote!(policy = "bank", skip(self), permit),
            quote! {
                fn transfer<'a>(
                    &'a self,
                    amount: &'a str,
                ) -> ::core::pin::Pin<
                    ::std::boxed::Box<dyn ::core::future::Future<Output = crate::Outcome<Report>> + Send + 'a>,
                > {
                    the_body(amount)
                }
            },
        ),
        (
            "boxed_future_alias",
            quote!(policy = "bank", skip(self)),
            quote! {
                fn transfer<'a>(&'a self, amount: &'a str) -> futures::BoxFuture<'a, crate::Outcome<Report>> {
                    the_body(amount)
                }
            },
        ),
        (
            "named_output",
            quote!(policy = "bank", output = crate::Outcome<Report>),
            quote! {
                fn transfer(amount: u64) -> Transferred {
                    the_body(amount)
                }
            },
        ),
        (
            "opaque_future",
            quote!(policy = "bank"),
            quote! {
                fn transfer(amount: u64) -> impl ::core::future::Future<Output = crate::Outcome<Report>> + Send {
                    the_body(amount)
                }
            },
        ),
    ]
}

fn pretty(tokens: &TokenStream) -> String {
    let wrapped = quote!(impl Wrapped { #tokens });
    prettyplease::unparse(&syn::parse2(wrapped).unwrap())
}

/// All tokens in reading order, without their groups.
fn flat(tokens: TokenStream) -> Vec<TokenTree> {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Group(group) => flat(group.stream()),
            other => vec![other],
        })
        .collect()
}

fn positions(tokens: &[TokenTree], word: &str) -> Vec<usize> {
    let found = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.to_string() == word);
    found.map(|(index, _)| index).collect()
}

#[test]
fn each_form_expands_as_recorded() {
    for (name, arguments, item) in shapes() {
        insta::assert_snapshot!(name, pretty(&expand(arguments, item)));
    }
}

#[test]
fn the_body_stands_once_and_only_behind_both_refusals() {
    for (name, arguments, item) in shapes() {
        let tokens = flat(expand(arguments, item));
        let body = positions(&tokens, "the_body");
        assert_eq!(body.len(), 1, "{name}: one copy of the body");
        let start = positions(&tokens, "start");
        let refusals: Vec<usize> = positions(&tokens, "refused")
            .into_iter()
            .chain(positions(&tokens, "refused_with"))
            .collect();
        assert_eq!(start.len(), 1, "{name}: one start");
        assert!(start[0] < body[0], "{name}: the body comes after the start");
        assert!(
            refusals.iter().filter(|index| **index < body[0]).count() >= 2,
            "{name}: two ways to be refused before it"
        );
        let finish = positions(&tokens, "finish");
        assert!(
            finish.len() == 1 && body[0] < finish[0],
            "{name}: the outcome is reported after it"
        );
    }
}

#[test]
fn patterns_are_taken_apart_only_after_the_start() {
    let (_, arguments, item) = shapes()
        .into_iter()
        .find(|(name, ..)| *name == "patterns")
        .unwrap();
    let tokens = flat(expand(arguments, item));
    let start = positions(&tokens, "start")[0];
    // `right` is bound by the first pattern and read by no value of the attribute.
    assert!(
        positions(&tokens, "right")
            .iter()
            .all(|index| *index > start)
    );
}

#[test]
fn generated_paths_are_absolute() {
    const BANNED: [&str; 16] = [
        "Ok",
        "Err",
        "Box",
        "Some",
        "None",
        "Result",
        "Option",
        "Vec",
        "String",
        "std",
        "core",
        "Pin",
        "Future",
        "approvals_core",
        "format",
        "format_args",
    ];
    for (name, arguments, item) in shapes() {
        let tokens = flat(expand(arguments, item));
        for (index, token) in tokens.iter().enumerate() {
            let absolute = index
                .checked_sub(1)
                .is_some_and(|before| matches!(&tokens[before], TokenTree::Punct(punct) if punct.as_char() == ':'));
            assert!(
                absolute || !BANNED.contains(&token.to_string().as_str()),
                "{name}: `{token}` means whatever it means in the user's scope"
            );
        }
    }
}

#[test]
fn the_runtime_is_called_by_path_and_never_by_method() {
    // A blanket trait of the user's, taking `self` by value, would win over an inherent method.
    for (name, arguments, item) in shapes() {
        let tokens = flat(expand(arguments, item));
        for method in [
            "wants_arguments",
            "capture",
            "authorize",
            "start",
            "succeeded",
            "refused",
            "refused_with",
        ] {
            for index in positions(&tokens, method) {
                assert_ne!(tokens[index - 1].to_string(), ".", "{name}: `.{method}`");
            }
        }
    }
}

#[test]
fn a_mistake_keeps_the_item_and_fails_the_compile() {
    for (name, _, item) in shapes() {
        let expanded = expand(quote!(policy = ""), item.clone());
        assert!(expanded.to_string().contains("compile_error"), "{name}");
        assert!(expanded.to_string().ends_with(&item.to_string()), "{name}");
    }
}

#[test]
fn every_mistake_is_reported_in_one_compile() {
    let expanded = expand(
        quote!(
            polcy = "prod-db",
            risk = hihg,
            skip(datbase),
            resource = "{tabel}",
            version = 2.0,
            permit = 1
        ),
        quote!(
            fn export(database: &str) -> u8 {
                1
            }
        ),
    );
    assert_eq!(positions(&flat(expanded), "compile_error").len(), 7);
}

#[test]
fn what_can_never_be_gated_is_an_error_at_its_keyword() {
    let items = [
        quote!(
            const fn export() -> u8 {
                1
            }
        ),
        quote!(
            async unsafe fn export() -> u8 {
                1
            }
        ),
        quote!(
            unsafe extern "C" fn export(rows: u8, ...) -> u8 {
                1
            }
        ),
        quote!(
            extern "C" fn export() -> u8 {
                1
            }
        ),
        quote!(
            async fn export() -> u8;
        ),
        quote!(
            fn export() {
                1
            }
        ),
        quote!(
            struct Export;
        ),
        quote!(),
        quote!(fn),
        quote!(fn export() -> u8 = 1;),
    ];
    for item in items {
        let expanded = expand(quote!(policy = "prod-db"), item.clone());
        assert!(expanded.to_string().contains("compile_error"), "{item}");
    }
}

/// Removes each token of the attribute in turn: whatever is left either expands or is an error.
#[test]
fn no_attribute_makes_the_macro_panic_or_pass_the_function_through() {
    for (name, arguments, item) in shapes() {
        for broken in without_each_token(arguments) {
            let expanded = expand(broken.clone(), item.clone());
            let refused = expanded.to_string().contains("compile_error");
            let gated = positions(&flat(expanded), "authorize").len() == 1;
            assert!(refused != gated, "{name}: {broken}");
        }
    }
}

/// The same with the function's own tokens.
#[test]
fn no_item_makes_the_macro_panic_or_pass_the_function_through() {
    for (name, arguments, item) in shapes() {
        for broken in without_each_token(item) {
            let expanded = expand(arguments.clone(), broken.clone());
            let refused = expanded.to_string().contains("compile_error");
            let gated = positions(&flat(expanded), "authorize").len() == 1;
            assert!(refused != gated, "{name}: {broken}");
        }
    }
}

fn without_each_token(tokens: TokenStream) -> Vec<TokenStream> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut results = Vec::new();
    for index in 0..tokens.len() {
        let with = |replacement: Option<TokenTree>| -> TokenStream {
            let (before, after) = tokens.split_at(index);
            before
                .iter()
                .cloned()
                .chain(replacement)
                .chain(after.iter().skip(1).cloned())
                .collect()
        };
        results.push(with(None));
        if let TokenTree::Group(group) = &tokens[index]
            && group.delimiter() != Delimiter::None
        {
            for inner in without_each_token(group.stream()) {
                results.push(with(Some(
                    proc_macro2::Group::new(group.delimiter(), inner).into(),
                )));
            }
        }
    }
    results
}
