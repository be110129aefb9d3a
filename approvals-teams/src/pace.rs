//! How often Teams may be called: what it publishes for one bot in one conversation, and for one app
//! in one tenant.

use std::sync::Arc;

use approvals_channel::{Pace, Window};

use crate::id::ConversationId;

/// The limits in one tenant.
#[derive(Debug)]
pub(crate) struct Connector {
    /// All calls.
    pub(crate) calls_per_second: usize,
}

/// What calls wait in line for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Line {
    /// Posting to a conversation and changing what is there. A thread is part of its channel.
    Say(Arc<str>),
    /// Making a personal chat with somebody.
    Meet(Arc<str>),
    /// Asking who is in a conversation.
    Ask(Arc<str>),
}

impl Line {
    pub(crate) fn say(conversation: &ConversationId) -> Self {
        Self::Say(conversation.without_thread().into())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Limit {
    Conversation(Line),
    Tenant,
}

const SAY: [Window; 4] = [
    Window::of(7, 1),
    Window::of(8, 2),
    Window::of(60, 30),
    Window::of(1_800, 3_600),
];
const ASK: [Window; 4] = [
    Window::of(14, 1),
    Window::of(16, 2),
    Window::of(120, 30),
    Window::of(3_600, 3_600),
];

impl Pace for Connector {
    type Line = Line;
    type Limit = Limit;
    type Pause = Line;

    fn limits(&self, line: &Line) -> impl Iterator<Item = (Limit, Window)> {
        let windows = match line {
            Line::Say(_) | Line::Meet(_) => SAY,
            Line::Ask(_) => ASK,
        };
        let tenant = (Limit::Tenant, Window::of(self.calls_per_second.max(1), 1));
        let own = move |window| (Limit::Conversation(line.clone()), window);
        windows.into_iter().map(own).chain([tenant])
    }

    fn pause(&self, line: &Line) -> Line {
        line.clone()
    }
}
