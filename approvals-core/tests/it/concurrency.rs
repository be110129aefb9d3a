//! Many requests at once.

mod copies;
mod flood;
mod gone;
mod race;
mod shared_store;
mod support;
