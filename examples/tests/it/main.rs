//! Runs the quickstart and looks at what is left in the database and the files.

#[path = "../../quickstart/main.rs"]
#[expect(dead_code, reason = "its `main` is not called here")]
mod quickstart;

mod left_behind;
