//! Every interleaving of a small review, explored.
