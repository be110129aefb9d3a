//! A call that people must agree to: asking them, and waiting for what they say.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::agreed::Agreed;
use super::allow::worker_gone;
use super::authorize::Step;
use super::current::is_detached;
use super::delivering::all_failed;
use super::detached::still_pending;
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
use crate::observe;
use crate::policy::{Reasons, Requirement};
use crate::presentation::Presentation;
use crate::review::{self, Asked, Command, Opening, Phase, Record, Standing, State, WithdrawnBy};
use crate::shared_set::SharedSet;
use crate::store::{
    Delivery, DeliveryState, Known, Opened, Outcome, Seen, Snapshot, Watch, carry_out,
};
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
    watch: Option<Watch>,
    /// Whether nobody else knew of the request when this began to watch it: there is no need to look
    /// before anything has become of it.
    is_new: bool,
}

/// What is found of a request that somebody wants to run.
#[derive(Debug)]
pub(super) enum Look {
    /// It is approved.
    Approved(Snapshot),
    /// It has to be waited for: for people, or for somebody who runs the same logical call.
    NotYet(Arc<Record>),
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
            observe::waits_no_more();
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
            watch: None,
            is_new: false,
        }
    }

    /// Watches the request, from the first call on.
    pub(super) fn watch(&mut self) -> &mut Watch {
        let hints = self.gate.shared().store().hints();
        self.watch.get_or_insert_with(|| hints.watch(self.request))
    }

    /// Watches the request. The watch is returned where nothing can have become of it that the
    /// watch does not tell.
    pub(super) fn watch_what_is_new(&mut self) -> Option<&mut Watch> {
        let (is_new, gone) = (self.is_new, &self.gate.shared().worker_gone);
        // Whoever goes later tells all who watch.
        let waits = is_new && !gone.load(Ordering::Acquire);
        let watch = self.watch();
        waits.then_some(watch)
    }

    /// It counts among those that wait for people until they have decided.
    pub(super) fn still_waits(&mut self, record: &Record) {
        if self.waits && record.state.phase() != Phase::Pending {
            self.waits = false;
            observe::waits_no_more();
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
        known: Option<Known>,
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
            let known = match known {
                Some(known) => known,
                None => self.known(&call).await?,
            };
            if let Some(Ok(record)) = review::keyed(&call, &known.standing, known.now) {
                let joined = Box::pin(self.join(&call, record, known, asker));
                return Ok(Step::Asked(joined.await?));
            }
            let now = known.now;
            let mut ticket;
            let intended;
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
                    watch: None,
                    is_new: opening.waiter.is_some(),
                };
                if ticket.is_new {
                    ticket.watch();
                }
                asked = Arc::clone(&opening.asked);
                intended = if ticket.withdraws {
                    deliveries.clone()
                } else {
                    Vec::new()
                };
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
                    (ticket.watch, ticket.is_new) = (None, false);
                    ticket.agreed = ticket.agreed.hashed();
                    ticket.settle();
                    if record.state.phase() == Phase::Pending {
                        self.look_by(record.due_at());
                        Box::pin(self.present_where_missing(&record, None)).await?;
                    }
                }
                Opened::Granted { record, .. } => {
                    ticket.is_new = false;
                    tracing::info!(request = %record.id(), granted_by = ?record.granted_by, "a grant covers it");
                }
                Opened::Asked { record, last_event } => {
                    observe::requested(&record);
                    observe::waits();
                    ticket.waits = true;
                    // Invariant 11: requested before presented.
                    let acknowledged = shared.sinks.acknowledged(shared.store(), last_event);
                    if let Err(error) = acknowledged.await {
                        Box::pin(self.take_back(record.id(), WithdrawnBy::Requester)).await;
                        ticket.settle();
                        return Err(error);
                    }
                    self.look_by(record.due_at());
                    if ticket.withdraws {
                        self.present(&record, intended);
                    } else {
                        Box::pin(self.present_where_missing(&record, None)).await?;
                    }
                }
            }
            Ok(Step::Asked(ticket))
        }
    }

    /// The store's time, and what a key names already.
    pub(super) async fn known(&self, call: &Call) -> Result<Known, ApprovalError> {
        let store = self.shared().store();
        let known = match key_of(call) {
            Some(key) => store.known(key, call.digest()).await,
            None => store.now().await.map(|now| Known {
                now,
                standing: Standing::default(),
                deliveries: Arc::from([]),
            }),
        };
        known.map_err(|e| ApprovalError::unavailable("the store", e))
    }

    /// Joins the request that a call's key names, whose digest is the call's. Nothing is made ready
    /// that only a new request needs: a call that comes back costs little more than its look.
    async fn join(
        &self,
        call: &Call,
        record: Arc<Record>,
        known: Known,
        asker: Asker,
    ) -> Result<Ticket, ApprovalError> {
        let ticket = Ticket::found(self.clone(), record.id(), Agreed::of(call));
        if record.state.phase() == Phase::Pending {
            self.look_by(record.due_at());
            let deliveries = known.deliveries;
            let presented = self.present_where_missing(&record, Some(&deliveries));
            // Whoever waits looks again when it has begun to watch.
            if !presented.await? && asker == Asker::Stays && is_detached() {
                self.judge_pending(&record, &deliveries, known.now).await?;
                return Err(still_pending(&record));
            }
        }
        Ok(ticket)
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
        observe::refused(error.kind());
        tracing::warn!(action = %asked.call.action(), %error, "nobody is asked");
        self.record_refused(NewEvent::new(What::Refused {
            action: asked.call.action().clone(),
            requester: Some(asked.call.requester().clone()),
            kind: error.kind(),
            why: error.to_string().into(),
            reasons: asked.reasons.clone(),
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
        let key = key_of(&call);
        let keyed = key.is_some();
        let (call, unmasked) = call.mask();
        let mut asked = Asked {
            id: RequestId::new(now),
            digest: call.digest(),
            shown: call.digest(),
            root: call.requester().root().clone(),
            call: Arc::new(call),
            tracks,
            reasons: reasons.masked(),
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

    /// The request as it stands, if it may still run.
    pub(super) async fn look(&self, request: RequestId) -> Result<Look, ApprovalError> {
        let seen = self.read(request).await?;
        self.judge_seen(seen).await
    }

    /// What a request that was read comes to for whoever wants to run it.
    pub(super) async fn judge_seen(&self, seen: Seen) -> Result<Look, ApprovalError> {
        let Seen {
            snapshot,
            deliveries,
        } = seen;
        let record = &snapshot.record;
        let request = record.id();
        match &record.state {
            State::Approved { .. } => return Ok(Look::Approved(snapshot)),
            State::Pending => {
                self.judge_pending(record, &deliveries, snapshot.now)
                    .await?;
            }
            // Another process runs the same logical call: its outcome is this one's.
            State::Claimed { .. } | State::Executing { .. } => {
                // Without the worker no lease would ever run out.
                if self.shared().worker_gone.load(Ordering::Acquire) {
                    return Err(worker_gone().request(request));
                }
                self.judge_overdue(record, &deliveries, snapshot.now)
                    .await?;
            }
            State::Expired { .. } => return Err(expired(record, &deliveries)),
            // Invariant 2: whoever finds it, in this process or another, is told why.
            State::Withdrawn { why, .. } if **why == *WithdrawnBy::Unseen.why() => {
                let unseen = unseen(record, &deliveries, true);
                return Err(told(unseen.unwrap_or_else(|| from_state(record))));
            }
            State::Succeeded { .. }
            | State::Failed { .. }
            | State::InDoubt { .. }
            | State::Denied { .. }
            | State::Withdrawn { .. }
            | State::Revoked { .. }
            | State::Lapsed { .. } => return Err(told(from_state(record))),
        }
        Ok(Look::NotYet(snapshot.record))
    }

    /// Refuses a pending request that cannot go on.
    pub(super) async fn judge_pending(
        &self,
        record: &Record,
        deliveries: &[Delivery],
        now: Timestamp,
    ) -> Result<(), ApprovalError> {
        let request = record.id();
        // Invariant 9: without the worker no deadline would ever come.
        if self.shared().worker_gone.load(Ordering::Acquire) {
            Box::pin(self.take_back(request, WithdrawnBy::Requester)).await;
            return Err(worker_gone().request(request));
        }
        // Invariant 2: when every channel failed for good, nobody can agree.
        if let Some(error) = unseen(record, deliveries, false) {
            Box::pin(self.take_back(request, WithdrawnBy::Unseen)).await;
            return Err(error);
        }
        self.judge_overdue(record, deliveries, now).await
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

/// What is told about a request that people cannot have seen.
fn unseen(record: &Record, deliveries: &[Delivery], over: bool) -> Option<ApprovalError> {
    let whys = all_failed(deliveries, over)?;
    let message = match record.asked.call.key() {
        None => "no channel could put it before people",
        // Under its key the same request would be found.
        Some(_) => {
            "no channel could put it before people, and its request is over: a repeat needs a new key"
        }
    };
    let error = ApprovalError::new(Kind::Unavailable, message);
    Some(error.request(record.id()).detailed(whys))
}

/// What is told of a request whose deadline has taken effect.
pub(super) fn expired(record: &Record, deliveries: &[Delivery]) -> ApprovalError {
    // Invariant 2: nobody was silent who was never asked.
    let unseen = unseen(record, deliveries, true);
    told(unseen.unwrap_or_else(|| timed_out(record, deliveries)))
}

/// What is told when the deadline has come: where no channel has said that people were shown the
/// request, the operator reads that.
fn timed_out(record: &Record, deliveries: &[Delivery]) -> ApprovalError {
    let error = from_state(record);
    if deliveries.iter().any(|copy| copy.state.receipt().is_some()) {
        return error;
    }
    let silent: Vec<String> = deliveries
        .iter()
        .map(|copy| match &copy.state {
            DeliveryState::Failed { why, .. } => format!("{}: {why}", copy.channel),
            DeliveryState::Intended
            | DeliveryState::Delivered(_)
            | DeliveryState::Outdated { .. } => {
                format!(
                    "{}: by the deadline it had not said that people were shown it",
                    copy.channel
                )
            }
        })
        .collect();
    match silent.is_empty() {
        true => error,
        false => error.detailed(silent.join("; ")),
    }
}

/// A refusal, counted.
pub(super) fn told(error: ApprovalError) -> ApprovalError {
    observe::refused(error.kind());
    error
}

/// What a call with a key is found by: requester chain, action and key.
fn key_of(call: &Call) -> Option<Digest> {
    let key = call.key()?;
    let chain: Vec<String> = call.requester().chain().map(ToString::to_string).collect();
    // Names have no line feed, so the parts cannot run into each other.
    let text = format!("{}\n{}\n{key}", chain.join("\n"), call.action());
    Some(Digest::of(Domain::Key, text.as_bytes()))
}
