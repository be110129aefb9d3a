//! What operators see: a span for each command on a request, an event for each change of its phase,
//! and metrics.
//!
//! Changes are counted by the process that commits them, once, whoever else waits for them. So
//! counters add up over processes.
//!
//! | metric | kind | what it says |
//! |---|---|---|
//! | `approvals_allowed_total` | counter | calls that policy allowed |
//! | `approvals_requests_total` | counter | requests that people were asked |
//! | `approvals_votes_total{channel}` | counter | votes that were recorded |
//! | `approvals_votes_refused_total{channel}` | counter | votes that did not count, each; in the trail the same one of the same identity is once |
//! | `approvals_decisions_total{outcome}` | counter | what became of requests: `approved`, `denied`, `expired`, `withdrawn` |
//! | `approvals_time_to_decision_seconds{outcome}` | histogram | from the question to that |
//! | `approvals_refused_total{kind}` | counter | calls that were told that they did not run, by [`Kind`] |
//! | `approvals_pending` | gauge | calls that wait for people in this process |
//! | `approvals_archived_total` | counter | requests that were archived |

use std::sync::Arc;

use crate::error::Kind;
use crate::id::{ChannelId, RequestId};
use crate::review::{Command, Phase, Record};

/// A command on a request, from reading what stands to the commit.
pub(crate) fn command(request: RequestId, command: &Command) -> tracing::Span {
    tracing::debug_span!("approvals.command", %request, command = command.name())
}

/// A change that this process committed.
pub(crate) fn changed(before: Phase, record: &Record) {
    let phase = record.state.phase();
    if phase == before {
        return;
    }
    let call = &record.asked.call;
    tracing::info!(
        request = %record.id(), action = %call.action(), requester = %call.requester(),
        trace = call.requester().traceparent(), from = %before, to = %phase,
        revision = record.revision, "request changed"
    );
    if before == Phase::Pending {
        let outcome = phase.as_str();
        let taken = record.changed_at.since(record.asked.asked_at);
        metrics::counter!("approvals_decisions_total", "outcome" => outcome).increment(1);
        metrics::histogram!("approvals_time_to_decision_seconds", "outcome" => outcome)
            .record(taken.as_secs_f64());
    }
}

/// Everything stops, or goes on.
pub(crate) fn froze(frozen: bool) {
    tracing::warn!(frozen, "freeze changed");
}

/// A request that people are asked.
pub(crate) fn requested(record: &Record) {
    let call = &record.asked.call;
    metrics::counter!("approvals_requests_total").increment(1);
    tracing::info!(
        request = %record.id(), action = %call.action(), requester = %call.requester(),
        trace = call.requester().traceparent(), digest = %record.asked.digest, "requested"
    );
}

/// One allowed call. The name is known when compiled, so nothing is allocated for it.
pub(crate) fn allowed() {
    metrics::counter!("approvals_allowed_total").increment(1);
}

/// One call that was told that it did not run.
pub(crate) fn refused(kind: Kind) {
    metrics::counter!("approvals_refused_total", "kind" => kind.as_str()).increment(1);
}

/// One vote that was recorded.
pub(crate) fn voted(channel: &ChannelId) {
    let channel = Arc::<str>::from(channel.clone());
    metrics::counter!("approvals_votes_total", "channel" => channel).increment(1);
}

/// One vote that did not count.
pub(crate) fn vote_refused(channel: &ChannelId) {
    let channel = Arc::<str>::from(channel.clone());
    metrics::counter!("approvals_votes_refused_total", "channel" => channel).increment(1);
}

/// A call begins to wait for people here.
pub(crate) fn waits() {
    metrics::gauge!("approvals_pending").increment(1.0);
}

/// It does not wait any more.
pub(crate) fn waits_no_more() {
    metrics::gauge!("approvals_pending").decrement(1.0);
}

/// So many requests were archived.
pub(crate) fn archived(requests: u64) {
    tracing::info!(requests, "requests that finished long ago were archived");
    metrics::counter!("approvals_archived_total").increment(requests);
}
