//! Outcomes that can say no.

use crate::error::ApprovalError;
use crate::private::Outcome;

/// What a guarded function returns: a `Result` whose error can carry a refusal.
///
/// Write `impl From<ApprovalError> for MyError`, or name a function with `on_refusal = …` where the
/// error type is somebody else's. `anyhow::Error`, `Box<dyn Error>` and the like carry it as they
/// are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry an approval refusal",
    label = "a guarded function must be able to say that it did not run",
    note = "return a `Result<T, E>` and write `impl From<ApprovalError> for E`, or convert the refusal with `on_refusal = path`"
)]
pub trait Refusable: Outcome {
    /// The outcome of a call that did not run.
    fn refused(error: ApprovalError) -> Self;
}

// What is missing is said about the function's return type, with what to write.
#[diagnostic::do_not_recommend]
impl<T, E: From<ApprovalError>> Refusable for Result<T, E> {
    fn refused(error: ApprovalError) -> Self {
        Err(E::from(error))
    }
}
