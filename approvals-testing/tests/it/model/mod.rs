//! Every interleaving of a small review, explored.
//!
//! `review::apply` decides whether a body may run, so it is not sampled but explored: from an empty
//! request, every command by everybody at every tick, to the end of every path. [`truth`] watches
//! from outside and never reads the record to judge it. Around the engine stands the loop that carries
//! a command out: it is the product's own too, over a store of the model's ([`stored`]).

mod ballots;
mod explored;
mod grants;
mod guards;
mod machine;
mod mutants;
mod properties;
mod stored;
mod truth;
mod view;
mod world;
