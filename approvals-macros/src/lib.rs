//! The `#[requires_approval]` attribute of `approvals-core`, which re-exports it.
//!
//! Use it from there: `use approvals_core::requires_approval`.
//! This crate and `approvals-core` are always of the same version.

mod attr;
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

/// Gates a function: its body runs only when policy allows this very call, or after the right
/// people have agreed to it.
///
/// ```
/// use approvals_core::{ApprovalError, requires_approval};
/// # #[derive(serde::Serialize)]
/// # struct Report;
///
/// #[requires_approval(policy = "prod-db", action = "db.export", risk = high, resource = "db/{database}")]
/// async fn export(database: &str, rows: u64) -> Result<Report, ApprovalError> {
///     // Nothing in here happens before the approval.
///     # let _ = (database, rows);
///     Ok(Report)
/// }
/// ```
///
/// # What can be gated
///
/// The signature alone decides; the body is moved behind the gate whole, whatever it contains.
///
/// - An `async fn` stays one. Nothing is boxed, and no `Send` is added.
/// - A function that returns `Pin<Box<dyn Future<Output = …>>>`, `BoxFuture<'_, …>` or
///   `impl Future<Output = …>`, which is also what `#[async_trait]` and tool macros leave behind.
///   Its whole body runs inside the gated future, also what stands before the inner future.
///   Before edition 2024 an `impl Future` that borrows has to say so (`+ '_`).
///
/// Everything else is a compile error that says what to write instead.
/// The gated future keeps its arguments while it waits, so it cannot be `'static` if they borrow.
///
/// The output has to be a `Result` whose error is `From<ApprovalError>`, or `on_refusal` says how
/// to make one: a gate that cannot say no is not a gate. A future that has to be `Send` needs an
/// output that is `Send`, because the outcome is recorded before it is returned.
///
/// # Arguments
///
/// | argument | meaning |
/// |---|---|
/// | `policy = "prod-db"` | required: the policy of the gate that judges the call |
/// | `action = "db.export"` | what is done, in ASCII letters, digits and `_ - . : /`; default: module path and function name. Methods of different types in one module need one, since their paths are equal |
/// | `risk = high` | `low`, `medium`, `high` or `critical`; a hint that can only tighten |
/// | `resource = "db/{database}"` | what it is done to |
/// | `environment = "production"` | where |
/// | `justification = claim` | why, in the words of whoever calls; shown as a claim |
/// | `summary = "…"` | what the call will do, in a sentence: reviewers read it, and the trail has it. What came of it is for `Permit::summarise` |
/// | `skip(pool)` | neither shown nor bound: the author's word that the value does not change what the call does. Only its name is shown |
/// | `redact(token)` | not shown, but bound by a keyed fingerprint |
/// | `debug(a)`, `display(a)` | shown and bound by that text; the default is `Serialize` |
/// | `sensitive(customer)` | shown to reviewers whole and bound, but an audit log keeps it only as a salted commitment, which can be disclosed or destroyed later. Names arguments and `fields` |
/// | `fields(name = expression)` | more that is shown and bound |
/// | `labels(region = expression)` | more that policy may look at |
/// | `gate = expression`, `requester = expression` | instead of those in scope |
/// | `key = expression` | idempotency key: one key names one call, however often it is made |
/// | `permit` | makes `permit: &Permit` visible in the body |
/// | `on_refusal = path` | a function from `ApprovalError` to this function's error |
/// | `idempotent` | running it twice does no harm |
/// | `version = 2` | raise it when the meaning of the body changes: earlier approvals then end |
/// | `output = Type` | what a type alias of a boxed future resolves to |
/// | `crate = ::path` | where `approvals-core` is, if it was renamed |
///
/// A string literal as a value is a format string over the function's arguments. Any other value is
/// an expression; it is evaluated once, by reference, before policy is asked, and it can neither
/// `return` nor `.await`. Only arguments are captured a second time, right before the body, and
/// have to be unchanged.
///
/// A method has to say what of `self` matters, in `fields`, `labels`, `resource` or `environment`,
/// or by `skip(self)`.
///
/// A skipped or redacted argument cannot be named where it would be shown, not even inside
/// `format!("{token}")`; `gate` and `requester` are shown to nobody and may name it.
///
/// What names a sensitive argument in a template or an expression is as sensitive: the resource
/// `"mail/{customer}"` is committed to as well. `environment` and `requester` are always in clear,
/// so they cannot name one.
///
/// # Destructured arguments
///
/// They are captured whole, and taken apart only after the approval. An argument is called as the
/// name that its pattern binds, if it binds one (`order` for `Json(order): Json<Order>`), and
/// otherwise by its position: `arg0` is the first argument after `self`. Values of the attribute may
/// name what a pattern binds, as a reference to it:
///
/// ```
/// # use approvals_core::{ApprovalError, requires_approval};
/// #[requires_approval(policy = "prod-db", resource = "db/{database}", redact(arg1))]
/// async fn export(
///     (database, rows): (String, u64),
///     (user, token): (String, String),
/// ) -> Result<(), ApprovalError> {
///     # let _ = (database, rows, user, token);
///     Ok(())
/// }
/// ```
///
/// # More than one gate
///
/// Several `#[requires_approval]` on one function are all asked, the last first. Each decides for
/// itself what it shows: what one redacts, the other shows unless it is told not to.
///
/// Do not write it inside `cfg_attr`: a gate that a feature can remove is not a gate.
#[proc_macro_attribute]
pub fn requires_approval(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(arguments.into(), item.into()).into()
}
