//! Requests that outlive whoever asks: ask without waiting, find what waits, take it up again.

use std::future::Future;
use std::sync::Arc;

use super::Gate;
use super::agreed::Agreed;
use super::authorize::{Admitted, Ready, Step, denied_by_policy};
use super::current::scope_detached;
use super::review::{Asker, Ticket};
use super::run::Agreement;
use crate::call::Call;
use crate::error::{ApprovalError, Kind};
use crate::id::RequestId;
use crate::policy::Verdict;
use crate::principal::Requester;
use crate::review::{Phase, Record};
use crate::store::Filter;

/// How many records are read at once where only some of them are wanted.
const PAGE: usize = 256;

/// Runs a future whose guarded calls do not wait for people.
///
/// A call that people have to agree to asks them and is refused with
/// [`Kind::Pending`](crate::Kind::Pending), which names the request. The same call made later,
/// here or in another process, with the same key, finds what became of it: it runs when people
/// agreed, and is told what stands when they did not. So every such call needs a `key`; without one
/// nothing would find its request again, and it is refused before anybody is asked.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use approvals_core::{ApprovalError, Gate, Requester, Requirement, detached, requires_approval};
/// use approvals_core::memory::{InMemoryApprover, InMemoryDirectory, MemoryStore};
///
/// #[requires_approval(policy = "deploys", key = run)]
/// async fn deploy(run: &str) -> Result<(), ApprovalError> {
///     Ok(())
/// }
///
/// # let directory = Arc::new(InMemoryDirectory::new());
/// # directory.person("alice", ["on-call"])?;
/// # directory.person("bob", ["developers"])?;
/// # let approver = InMemoryApprover::new();
/// let gate = Gate::builder(Arc::new(MemoryStore::new()), directory)
///     .policy("deploys", Requirement::one_of("on-call")?)
///     .approver("chat", approver.connect())
///     .single_requester(Requester::agent("deployer")?.acting_for("person:bob")?)
///     .build()
///     .await?;
///
/// let asked = gate.scope(detached(deploy("run-42"))).await.unwrap_err();
/// assert!(asked.is_pending() && asked.request_id().is_some());
///
/// approver.next().await.approve_as("alice").await?;
/// gate.scope(detached(deploy("run-42"))).await?;
/// # Ok(())
/// # }
/// ```
pub async fn detached<F: Future>(future: F) -> F::Output {
    scope_detached(future).await
}

impl Gate {
    /// Asks people about a call, without waiting for them. `None` when policy allows the call as it
    /// is, so that there is nothing to ask: [`authorize`](Self::authorize) it.
    ///
    /// The request is withdrawn only by [`withdraw`](Self::withdraw) or a deadline, not when
    /// anything is dropped. [`resume`](Self::resume) takes it up by its id, and so does the same
    /// call with the same key.
    ///
    /// # Errors
    /// [`ApprovalError`] when the call may not run, or nobody can be asked.
    pub async fn ask(&self, call: Call) -> Result<Option<RequestId>, ApprovalError> {
        let action = call.action().clone();
        let asked = Box::pin(self.ask_detached(call)).await;
        asked.map_err(|error| error.action(&action))
    }

    async fn ask_detached(&self, call: Call) -> Result<Option<RequestId>, ApprovalError> {
        let call = call.judged_anew().map_err(ApprovalError::invalid)?;
        self.shared().refuse_if_frozen().await?;
        let (call, known) = self.known_or_refuse(call).await?;
        match self.judge_or_refuse(call, known.now).await? {
            (_, Verdict::Allow(_)) => Ok(None),
            (call, Verdict::Deny(reasons)) => {
                let error = denied_by_policy(reasons);
                self.refused(call, &error).await;
                Err(error)
            }
            (call, Verdict::Review(tracks, reasons)) => {
                let asking =
                    self.clone()
                        .ask_people(call, tracks, reasons, Asker::ComesBack, Some(known));
                match asking.await? {
                    // What policy asks people about is never simply admitted.
                    Step::Admitted(_) => Ok(None),
                    Step::Asked(ticket) => {
                        // What is over already is told here as well.
                        self.look(ticket.request).await?;
                        Ok(Some(ticket.request))
                    }
                }
            }
        }
    }

    /// Takes up a request that was asked without waiting, or under a key, also by another process.
    /// `call` is the same call, captured again. Does not wait: it is refused with
    /// [`Kind::Pending`] while people have not decided, or while somebody else is at it.
    ///
    /// What it returns is judged as the call itself would be: by policy and voters as they are now,
    /// when it is started at the latest. Knowing an id gives no right to anything: requester and arguments have to be the
    /// ones that people saw.
    ///
    /// # Errors
    /// [`ApprovalError`]: `Changed` when it is another call, and otherwise what the call itself
    /// would have been told.
    pub async fn resume(&self, request: RequestId, call: Call) -> Result<Admitted, ApprovalError> {
        let action = call.action().clone();
        let resumed = Box::pin(self.take_up(request, call)).await;
        resumed.map_err(|error| error.action(&action).request(request))
    }

    async fn take_up(&self, request: RequestId, call: Call) -> Result<Admitted, ApprovalError> {
        let call = call.judged_anew().map_err(ApprovalError::invalid)?;
        self.shared().refuse_if_frozen().await?;
        let seen = self.seen(request).await?;
        let record = &seen.snapshot.record;
        // Invariant 3, before anything is told: another call learns nothing about this one.
        if record.asked.digest != call.digest() {
            return Err(ApprovalError::new(
                Kind::Changed,
                "it is not the call that people were asked about",
            ));
        }
        if record.waiter.is_some() {
            return Err(ApprovalError::new(
                Kind::Invalid,
                "its request belongs to a call that waits for it itself: name the call by a key, or ask with `Gate::ask`",
            ));
        }
        let mut ticket = Ticket::found(self.clone(), request, Agreed::of(&call));
        if record.state.phase() == Phase::Pending {
            self.look_by(record.due_at());
            let presented = self.present_where_missing(record, Some(&seen.deliveries));
            if !presented.await? {
                self.judge_pending(record, &seen.deliveries, seen.snapshot.now)
                    .await?;
                return Err(still_pending(record));
            }
        }
        match self.claim_if_agreed(&mut ticket).await? {
            Agreement::Reached(approved) => {
                let approved = Box::new(approved.without_waiting());
                Ok(Admitted(Ready::Approved(approved)))
            }
            Agreement::NotYet(record) => Err(still_pending(&record)),
        }
    }

    /// What this requester has waiting, by id, after `after`: requests that people are asked about
    /// or have agreed to, and that the same call with the same key, or [`resume`](Self::resume),
    /// takes up. Up to `limit`; the last one's id is the cursor of the next page, and stays one
    /// whatever becomes of the request. An empty page is the last.
    ///
    /// # Errors
    /// [`ApprovalError`] when the store cannot be reached.
    pub async fn waiting(
        &self,
        requester: &Requester,
        mut after: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, ApprovalError> {
        let filter = Filter {
            phases: vec![Phase::Pending, Phase::Approved, Phase::Claimed],
            requester: Some(requester.actor().clone()),
            ..Filter::default()
        };
        let waits = |record: &Arc<Record>| {
            let of = record.asked.call.requester();
            record.waiter.is_none() && of.chain().eq(requester.chain())
        };
        let mut found = Vec::new();
        while found.len() < limit {
            let page = self.requests(&filter, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id());
            let room = limit.saturating_sub(found.len());
            found.extend(page.into_iter().filter(waits).take(room));
        }
        Ok(found)
    }
}

/// A call that does not wait is told that it would have to.
pub(super) fn still_pending(record: &Record) -> ApprovalError {
    let phase = record.state.phase();
    let message = if phase == Phase::Pending {
        "people are asked, and have not decided yet".to_owned()
    } else {
        format!("somebody else is at it: its request is {phase}")
    };
    ApprovalError::new(Kind::Pending, message).request(record.id())
}
