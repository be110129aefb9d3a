//! What is stored and what is hashed, written down once: texts and digests that were made by the
//! versions before have to mean the same to this one.
//!
//! The texts in `forms/` are never changed. Whoever changes a form adds texts of the new one.

mod digests;
mod texts;
