//! A call that people must agree to: asking them, and waiting for what they say.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::agreed::Agreed;
use super::allow::worker_gone;
use super::authorize::{Step, count};
use super::current::is_detached;
use super::delivering::all_failed;
use super::errors::{from_refusal, from_state, of_chain};
use super::presenting::coverage;
use super::{Gate, Job};
use crate::approver::Coverage;
use crate::audit::{NewEvent, What};
use crate::call::Call;
use crate::digest::{Digest, Domain};
use crate::directory::people_behind;
use crate::error::{ApprovalError, Kind};
use crate::id::{PersonId, RequestId};
use crate::non_empty::NonEmpty;
use crate::policy::{Reasons, Requirement};
use crate::presentation::Presentation;
use crate::review::{Asked, Command, Opening, Phase, Record, State, WithdrawnBy};
use crate::shared_set::SharedSet;
use crate::store::{Delivery, DeliveryState, Opened, Outcome, Snapshot, StoreError, carry_out};
use crate::time::Timestamp;

/// A request that somebody in this process waits for. Dropping it while the request is pending
/// withdraws the request, unless its key lets others find it.
#[derive(Debug)]
pub(crate) struct Ticket {
    gate: Gate,
    pub(super) request: RequestId,
    /// The arguments that will be captured again.
    pub(super) agreed: Agreed,
    withdraws: bool,
    /// Whether it counts among those that wait for people.
    waits: bool,
}

/// Whether whoever asks stays to hear what people say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The call itself waits, unless it is made again.
    Stays,
    /// Somebody comes back with the request's id.
    ComesBack,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.waits {
            metrics::gauge!("approvals_pending").decrement(1.0);
        }
        if self.withdraws {
            self.gate.leave(Job::Cancelled(self.request));
        }
    }
}

impl Ticket {
    /// Of a request that others find as well.
    pub(super) const fn found(gate: Gate, request: RequestId, agreed: Agreed) -> Self {
        Self {
            gate,
            request,
            agreed,
            withdraws: false,
            waits: false,
        }
    }

    pub(crate) const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The request is decided: dropping the ticket changes nothing any more.
    pub(super) const fn settle(&mut self) {
        self.withdraws = false;
    }
}

/// A request that is to be opened.
struct Asking {
    opening: Opening,
    deliveries: Vec<Delivery>,
    /// The hash of the arguments from before they were masked, if they were.
    unmasked: Option<Digest>,
}

/// Why nobody is asked; about what, once that is known.
enum NotAsked {
    Error(ApprovalError),
    About(Box<Asked>, ApprovalError),
}

impl Gate {
    /// Opens a request and puts it before people; or joins the one that its key names.
    ///
    /// What is asked about is large, and every call pays for the whole future: rare ways are in
    /// boxes of their own.
    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` would hold its arguments twice"
    )]
    pub(crate) fn ask_people(
        self,
        call: Call,
        tracks: NonEmpty<Arc<Requirement>>,
        reasons: Reasons,
        asker: Asker,
    ) -> impl Future<Output = Result<Step, ApprovalError>> + Send {
        async move {
            let shared = self.shared();
            if shared.worker_gone.load(Ordering::Acquire) {
                return Err(worker_gone());
            }
            if asker == Asker::Stays && is_detached() && call.key().is_none() {
                return Err(Box::pin(self.cannot_come_back(call)).await);
            }
            let principals = people_behind(shared.directory(), call.requester())
                .await
                .map_err(of_chain)?;
            let now = shared
                .store()
                .now()
                .await
                .map_err(|e| ApprovalError::unavailable("the store", e))?;
            let mut ticket;
            let asked;
            let opened = {
                let asking = self.opening(call, tracks, reasons, principals, now);
                let Asking {
                    mut opening,
                    deliveries,
                    unmasked,
                } = match asking {
                    Ok(asking) => asking,
                    Err(NotAsked::Error(error)) => return Err(error),
                    Err(NotAsked::About(asked, error)) => {
                        return Err(Box::pin(self.not_asked(&asked, error)).await);
                    }
                };
                if asker == Asker::ComesBack {
                    opening.waiter = None;
                }
                // From here on, a crash or a dropped future must not leave people asked for nobody.
                let call = &opening.asked.call;
                ticket = Ticket {
                    gate: self.clone(),
                    request: opening.asked.id,
                    agreed: Agreed::new(call, unmasked, !shared.store().is_durable()),
                    withdraws: opening.waiter.is_some(),
                    waits: false,
                };
                asked = Arc::clone(&opening.asked);
                shared.store().open(opening, deliveries)
            };
            let opened = opened
                .await
                .map_err(|e| ApprovalError::unavailable("the store", e))?;
            match opened {
                Opened::Refused(refusal) => {
                    ticket.settle();
                    let error = from_refusal(&refusal);
                    return Err(Box::pin(self.not_asked(&asked, error)).await);
                }
                Opened::Found(record) => {
                    ticket.request = record.id();
                    ticket.agreed = ticket.agreed.hashed();
                    ticket.settle();
                    if record.state.phase() == Phase::Pending {
                        self.look_by(record.due_at());
                        Box::pin(self.present_where_missing(&record)).await?;
                    }
                }
                Opened::Granted { record, .. } => {
                    tracing::info!(request = %record.id(), granted_by = ?record.granted_by, "a grant covers it");
                }
                Opened::Asked { record, last_event } => {
                    metrics::counter!("approvals_requests_total").increment(1);
                    metrics::gauge!("approvals_pending").increment(1.0);
                    ticket.waits = true;
                    tracing::info!(
                        request = %record.id(), action = %asked.call.action(),
                        requester = %asked.call.requester(), digest = %asked.digest, "requested"
                    );
                    // Invariant 11: requested before presented.
                    let acknowledged = shared.sinks.acknowledged(shared.store(), last_event);
                    if let Err(error) = acknowledged.await {
                        Box::pin(self.take_back(record.id(), WithdrawnBy::Requester)).await;
                        ticket.settle();
                        return Err(error);
                    }
                    self.look_by(record.due_at());
                    if ticket.withdraws {
                        self.present(&record);
                    } else {
                        Box::pin(self.present_where_missing(&record)).await?;
                    }
                }
            }
            Ok(Step::Asked(ticket))
        }
    }

    /// A call that would go away and that nothing would find again.
    async fn cannot_come_back(&self, call: Call) -> ApprovalError {
        let error = ApprovalError::new(
            Kind::Invalid,
            "it does not wait for people and has no key, so nothing would find its request again: name it with `key = …`",
        );
        self.refused(call, &error).await;
        error
    }

    /// Records that nobody is asked.
    async fn not_asked(&self, asked: &Asked, error: ApprovalError) -> ApprovalError {
        count(error.kind().as_str());
        tracing::warn!(action = %asked.call.action(), %error, "nobody is asked");
        self.record_refused(NewEvent::new(What::Refused {
            action: asked.call.action().clone(),
            requester: Some(asked.call.requester().clone()),
            kind: error.kind(),
            why: error.to_string().into(),
            call: Some(Arc::clone(&asked.call)),
            policy_version: asked.policy_version.clone(),
        }))
        .await;
        error
    }

    /// What is put before people, and where.
    fn opening(
        &self,
        call: Call,
        tracks: NonEmpty<Arc<Requirement>>,
        reasons: Reasons,
        principals: SharedSet<PersonId>,
        now: Timestamp,
    ) -> Result<Asking, NotAsked> {
        let shared = self.shared();
        let named = self.policy_named(call.declaration().policy.as_str());
        let policy_version = named.map_err(NotAsked::Error)?.version();
        let longest = tracks
            .iter()
            .map(|track| track.whole_time())
            .fold(tracks.first().whole_time(), std::time::Duration::min);
        let risk = tracks
            .iter()
            .map(|track| track.risk())
            .fold(call.risk(), crate::call::Risk::max);
        let key = call.key().map(|key| {
            let chain: Vec<String> = call.requester().chain().map(ToString::to_string).collect();
            // Names have no line feed, so the parts cannot run into each other.
            let text = format!("{}\n{}\n{key}", chain.join("\n"), call.action());
            Digest::of(Domain::Key, text.as_bytes())
        });
        let keyed = key.is_some();
        let (call, unmasked) = call.mask();
        let mut asked = Asked {
            id: RequestId::new(now),
            digest: call.digest(),
            shown: call.digest(),
            root: call.requester().root().clone(),
            call: Arc::new(call),
            tracks,
            reasons,
            policy_version,
            risk,
            principals: principals.clone(),
            asked_at: now,
            expires_at: now.plus(longest),
            may_have_run: None,
        };
        let deliveries = match self.intended(&mut asked) {
            Ok(deliveries) => deliveries,
            Err(error) => return Err(NotAsked::About(Box::new(asked), error)),
        };
        Ok(Asking {
            opening: Opening {
                asked: Arc::new(asked),
                key,
                excluded: principals,
                waiter: (!keyed).then_some(shared.owner),
                limits: shared.limits,
            },
            deliveries,
            unmasked,
        })
    }

    /// Takes the hash of what reviewers will see. Invariant 4: says what each channel will be able
    /// to show of it, committed before anything is posted.
    fn intended(&self, asked: &mut Asked) -> Result<Vec<Delivery>, ApprovalError> {
        let presentation = Presentation::of(asked);
        let shown = presentation.hash();
        let masked = (!presentation.is_whole()).then(|| presentation.masked.join(", "));
        let deliveries: Vec<Delivery> = self
            .shared()
            .channels
            .iter()
            .map(|channel| Delivery {
                channel: channel.id.clone(),
                coverage: match &masked {
                    Some(masked) => Coverage::Partial {
                        why: format!(
                            "what looks like a secret is masked: {masked}. The author can name the argument in `redact(…)`"
                        ),
                    },
                    None => coverage(channel.approver.as_ref(), &presentation),
                },
                state: DeliveryState::Intended,
                revision: 1,
            })
            .collect();
        let whys: Vec<String> = deliveries
            .iter()
            .map_while(|delivery| match &delivery.coverage {
                Coverage::Whole => None,
                Coverage::Partial { why } => Some(format!("{}: {why}", delivery.channel)),
            })
            .collect();
        if whys.len() == deliveries.len() {
            return Err(ApprovalError::new(
                Kind::Invalid,
                format!(
                    "no channel can show the whole call, so nobody could approve it ({})",
                    whys.join("; ")
                ),
            ));
        }
        asked.shown = shown;
        Ok(deliveries)
    }

    /// The request as it is approved; `None` while it has to be waited for.
    pub(super) async fn look(&self, request: RequestId) -> Result<Option<Snapshot>, ApprovalError> {
        let snapshot = self.read(request).await?;
        match &snapshot.record.state {
            State::Approved { .. } => {
                decided(&snapshot.record);
                return Ok(Some(snapshot));
            }
            State::Pending => {
                // Invariant 9: without the worker no deadline would ever come.
                if self.shared().worker_gone.load(Ordering::Acquire) {
                    self.take_back(request, WithdrawnBy::Requester).await;
                    return Err(worker_gone().request(request));
                }
                self.refuse_if_unreachable(&snapshot.record).await?;
            }
            // Another process runs the same logical call: its outcome is this one's.
            State::Claimed { .. } | State::Executing { .. } => {
                // Without the worker no lease would ever run out.
                if self.shared().worker_gone.load(Ordering::Acquire) {
                    return Err(worker_gone().request(request));
                }
            }
            State::Expired { .. } => {
                decided(&snapshot.record);
                // Invariant 2: nobody was silent who was never asked.
                let unseen = self.unseen(&snapshot.record, true).await?;
                let error = unseen.unwrap_or_else(|| from_state(&snapshot.record));
                count(error.kind().as_str());
                return Err(error);
            }
            // Invariant 2: whoever finds it, in this process or another, is told why.
            State::Withdrawn { why, .. } if **why == *WithdrawnBy::Unseen.why() => {
                decided(&snapshot.record);
                let unseen = self.unseen(&snapshot.record, true).await?;
                let error = unseen.unwrap_or_else(|| from_state(&snapshot.record));
                count(error.kind().as_str());
                return Err(error);
            }
            State::Succeeded { .. }
            | State::Failed { .. }
            | State::InDoubt { .. }
            | State::Denied { .. }
            | State::Withdrawn { .. }
            | State::Revoked { .. }
            | State::Lapsed { .. } => {
                decided(&snapshot.record);
                let error = from_state(&snapshot.record);
                count(error.kind().as_str());
                return Err(error);
            }
        }
        Ok(None)
    }

    async fn read(&self, request: RequestId) -> Result<Snapshot, ApprovalError> {
        let unavailable = |e: StoreError| ApprovalError::unavailable("the store", e);
        match self.shared().store().read(request).await {
            Ok(Some(snapshot)) => Ok(snapshot),
            Ok(None) => Err(ApprovalError::new(
                Kind::Unavailable,
                "the store has lost the request",
            )
            .request(request)),
            Err(error) => Err(unavailable(error).request(request)),
        }
    }

    /// Invariant 2: when every channel failed for good, nobody can agree.
    async fn refuse_if_unreachable(&self, record: &Arc<Record>) -> Result<(), ApprovalError> {
        match self.unseen(record, false).await? {
            None => Ok(()),
            Some(error) => {
                Box::pin(self.take_back(record.id(), WithdrawnBy::Unseen)).await;
                Err(error)
            }
        }
    }

    /// What is told about a request that people cannot have seen.
    async fn unseen(
        &self,
        record: &Record,
        over: bool,
    ) -> Result<Option<ApprovalError>, ApprovalError> {
        let deliveries = self.shared().store().deliveries(record.id()).await;
        let deliveries = deliveries.map_err(|e| ApprovalError::unavailable("the store", e))?;
        let whys = all_failed(&deliveries, over);
        let message = match record.asked.call.key() {
            None => "no channel could put it before people",
            // Under its key the same request would be found.
            Some(_) => {
                "no channel could put it before people, and its request is over: a repeat needs a new key"
            }
        };
        Ok(whys.map(|whys| {
            ApprovalError::new(Kind::Unavailable, message)
                .request(record.id())
                .detailed(whys)
        }))
    }

    /// Withdraws a request that cannot go on.
    async fn take_back(&self, request: RequestId, by: WithdrawnBy) {
        let withdraw = Command::Withdraw(by);
        match carry_out(self.shared().store(), request, &withdraw, None).await {
            Ok(
                Outcome::Done { .. } | Outcome::Refused { .. } | Outcome::Stale | Outcome::Unknown,
            ) => {}
            Err(error) => {
                tracing::error!(%request, %error, "a request could not be withdrawn yet");
                self.leave(Job::Cancelled(request));
            }
        }
    }
}

/// How long people took, for whoever watches the metrics.
fn decided(record: &Record) {
    let taken = record.changed_at.since(record.asked.asked_at);
    metrics::histogram!("approvals_time_to_decision_seconds").record(taken.as_secs_f64());
}
