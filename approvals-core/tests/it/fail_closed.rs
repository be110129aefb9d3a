//! One test for each cause that refuses a call.
