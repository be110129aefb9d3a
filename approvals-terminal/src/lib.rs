//! The terminal channel: a developer answers at a prompt.
//!
//! A request is shown whole, as [`Presentation`](approvals_core::Presentation) prints it. The person
//! types `approve`, `deny` or `details`, then a reason; at critical risk a yes also needs the
//! digest's short code. Only the whole word is a yes: end of input, Ctrl-C and anything that stays
//! unclear after three tries are denials.
//!
//! One request is asked at a time. A prompt whose request was decided elsewhere, or has expired, is
//! taken back and says so. A request that a terminal cannot show whole can only be denied here.
//!
//! ```no_run
//! use approvals_terminal::Terminal;
//!
//! // For `GateBuilder::approver("terminal", …)`:
//! let channel = Terminal::answering_as("alice").connect();
//! # let _ = channel;
//! ```

mod channel;
mod console;
mod conversation;
mod prompting;
mod render;
mod tty;

pub use channel::{Terminal, TerminalApprover};
pub use console::{Console, Question, Recall, Reply, Word};
pub use tty::Tty;
