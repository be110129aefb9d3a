//! Integration tests of `approvals-testing`: one binary, a module per subject.

mod conformance;
// mod model;
