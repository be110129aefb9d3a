//! The `#[requires_approval]` attribute of `approvals-core`.
mod attr;
mod borrow;
mod errors;
mod expand;
mod expression;
mod function;
mod parameters;
mod pattern;
mod shape;
mod signature_text;
mod template;
mod values;

use proc_macro::TokenStream;

/// x
#[proc_macro_attribute]
pub fn requires_approval(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(arguments.into(), item.into()).into()
}
