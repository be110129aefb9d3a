//! The suite that any channel must pass.

mod altered;
mod hall;
mod rules;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use approvals_core::{Approver, ChannelDesk, Choice, RequestId, async_trait};

use crate::report::Report;

/// Lets the suite be a person at a channel. One driver is one outside world (a chat server, a
/// terminal): messages that are posted there stay when the channel is made anew.
#[async_trait]
pub trait Driver: fmt::Debug + Send + Sync {
    /// Makes the channel on its desk, as a process does when it starts. Called again, it is the
    /// channel after a restart: it knows nothing but what its outside world has kept.
    async fn connect(&self, desk: ChannelDesk) -> Arc<dyn Approver>;

    /// Does what this user does on the message of this request, *as the message stands there*:
    /// presses approve or deny and types the comment. Returns when the channel has handed the vote
    /// in, or refused it; whether it counted is seen elsewhere.
    async fn click(&self, request: RequestId, user: &str, choice: Choice, comment: Option<&str>);

    /// All text that the message of this request shows now; `None` when there is no message. A
    /// driver that cannot tell keeps the default, and what is shown is not judged.
    async fn shown(&self, request: RequestId) -> Shown {
        let _ = request;
        Shown::CannotTell
    }

    /// How many messages of this request can be answered now, wherever they are; `None` where the
    /// driver cannot tell.
    async fn live(&self, request: RequestId) -> Option<usize> {
        let _ = request;
        None
    }

    /// Has the outside world post the next message and lose the answer, so that the channel does not
    /// learn of it. Says whether it will: a channel whose answers cannot be lost keeps the default.
    async fn lose_an_answer(&self) -> bool {
        false
    }

    /// As [`click`](Self::click), on one of several messages of the request, in the order in which
    /// they were posted.
    async fn click_on(&self, message: usize, request: RequestId, user: &str, choice: Choice) {
        let _ = message;
        self.click(request, user, choice, None).await;
    }

    /// The channel identity's user id of one of the suite's people: `alice`, `carol`, `bob`, and
    /// `mallory`, whom nobody knows.
    fn user(&self, name: &str) -> (String, String) {
        (String::new(), name.to_owned())
    }
}

/// What a message shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// This text.
    Text(String),
    /// There is no message.
    Nothing,
    /// The driver cannot tell.
    CannotTell,
}

/// Judges the channels that `make`'s drivers drive: a new outside world for each rule.
///
/// Requests are made through a gate over in-memory parts, which follows tokio's clock; paused time
/// works where the channel needs no real time.
pub async fn conformance<F, S>(make: F) -> Report
where
    F: Fn() -> S,
    S: Future<Output = Arc<dyn Driver>>,
{
    let mut report = Report::new("approver");
    for rule in rules::RULES {
        report.judge(rule, make().await).await;
    }
    report
}
