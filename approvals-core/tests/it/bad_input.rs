//! Bad input is refused with an error that names the field and the fix.

mod calls;
mod durable;
mod gates;
mod names;
mod requirements;

/// What an error says, whole.
fn message<T: std::fmt::Debug, E: std::error::Error>(outcome: Result<T, E>) -> String {
    outcome.expect_err("this is refused").to_string()
}
