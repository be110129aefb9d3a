//! What others got wrong, one test each.
