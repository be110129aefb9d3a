//! Runs the quickstart and looks at what is left in the database and the files.
#![expect(clippy::unwrap_used, reason = "tests stop at what they did not expect")]

#[path = "../../quickstart/main.rs"]
#[expect(dead_code, reason = "its `main` is not called here")]
mod quickstart;

mod left_behind;
