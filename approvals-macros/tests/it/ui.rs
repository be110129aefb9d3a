//! One file for each mistake and its message; `TRYBUILD=overwrite` writes the messages anew.

#[test]
fn each_mistake_is_reported_at_the_users_token_and_says_what_to_write() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
