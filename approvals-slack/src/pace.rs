//! How often Slack may be called: each call waits for its method's tier, a message for its
//! conversation (one a second) and for the workspace. A pause that Slack asks for holds for a method.

use std::sync::Arc;

use approvals_channel::{Pace, Window};

use crate::method::Method;

/// The limits of one workspace.
#[derive(Debug)]
pub(crate) struct WebApi {
    /// All messages.
    pub(crate) posts_per_minute: usize,
}

/// What calls wait in line for: a method, and where it is of one, a conversation or whoever is
/// written to directly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Line(Method, Option<Arc<str>>);

impl Line {
    pub(crate) fn of(method: Method, conversation: Option<&str>) -> Self {
        Self(method, conversation.map(Into::into))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Limit {
    Method(Method),
    Conversation(Arc<str>),
    Workspace,
}

impl Pace for WebApi {
    type Line = Line;
    type Limit = Limit;
    type Pause = Method;

    fn limits(&self, Line(method, conversation): &Line) -> impl Iterator<Item = (Limit, Window)> {
        let post = *method == Method::PostMessage;
        let conversation = conversation.as_ref().filter(|_| post);
        let tier = Window::of(method.per_minute(), 60);
        let all = Window::of(self.posts_per_minute.max(1), 60);
        [
            (!post).then_some((Limit::Method(*method), tier)),
            post.then_some((Limit::Workspace, all)),
            conversation.map(|id| (Limit::Conversation(Arc::clone(id)), Window::of(1, 1))),
        ]
        .into_iter()
        .flatten()
    }

    fn pause(&self, Line(method, _): &Line) -> Method {
        *method
    }
}
