//! Invariant 2: one test for each cause that refuses a call. Each asserts that the body did not
//! run, that the error says which cause it was, and what to do about it.

mod channels;
mod people;
mod setup;
mod store;
