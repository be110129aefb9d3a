//! Every interleaving of a small review, explored.
//!
//! `review::apply` decides whether a body may run, so it is not sampled but explored: from an empty
//! request, every command by everybody at every tick, to the end of every path. [`truth`] watches
//! from outside and never reads the record to judge it.

mod explored;
mod grants;
mod machine;
mod mutants;
mod properties;
mod truth;
mod view;
mod world;
