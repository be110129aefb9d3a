//! Function shapes against everything that can happen to a call.
