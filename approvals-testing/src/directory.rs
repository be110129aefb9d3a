//! The suite that any request store must pass.
