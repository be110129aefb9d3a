//! Examples of `approvals-core`: see `examples/examples`.
