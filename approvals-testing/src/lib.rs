//! Conformance suites, fault injection and a test clock for the traits of `approvals-core`.
