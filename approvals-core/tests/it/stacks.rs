//! The attribute among other attribute macros.
