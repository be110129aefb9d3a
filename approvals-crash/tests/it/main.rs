//! Short runs of what the command runs for longer, and of the harness with something wrong in it.

mod crash;
mod flaws;
mod races;
mod support;
