//! Tests of the examples.
