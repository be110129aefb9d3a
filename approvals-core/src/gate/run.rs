//! From a yes to the body: judge again, compare, claim and start.

use std::sync::Arc;

use tokio::time::Instant;

use super::agreed::Comparison;
use super::current::is_detached;
use super::detached::still_pending;
use super::errors::{from_refused, of_chain};
use super::review::{Look, Ticket};
use super::{Gate, Job};
use crate::audit::{NewEvent, What};
use crate::call::Call;
use crate::directory::{ChainError, Whom};
use crate::error::{ApprovalError, Kind};
use crate::id::RequestId;
use crate::non_empty::NonEmpty;
use crate::observe;
use crate::permit::Permit;
use crate::policy::Verdict;
use crate::review::{Choice, ClaimNow, Command, Phase, Record, Refused, VoterNow, groups_of};
use crate::store::{Outcome, Snapshot, StoreError, carry_out};

/// An approved request that was judged once more just now, and may be started by whoever holds
/// this. Dropping it gives back what was claimed.
#[derive(Debug)]
pub(super) struct Approved {
    gate: Gate,
    request: RequestId,
    pub(super) comparison: Comparison,
    snapshot: Snapshot,
    /// When the snapshot was asked for: a lease that counts from its time has run since then.
    read_at: Instant,
    /// When policy and directory had answered.
    judged_at: Instant,
    hold: Hold,
    /// Whether to wait for somebody else who runs the same logical call.
    waits: bool,
}

/// How far those who have to agree have come.
#[derive(Debug)]
pub(super) enum Agreement {
    /// They agreed, and what they agreed to was judged once more.
    Reached(Box<Approved>),
    /// It has to be waited for: for people, or for somebody who runs the same logical call.
    NotYet(Arc<Record>),
}

#[derive(Debug)]
enum Hold {
    /// Nothing that would have to be given back, and nothing to start from.
    Nothing,
    /// What a claim is judged by. Nothing stands between it and a start: one commit makes both.
    Judged(Box<ClaimNow>),
    /// A claim that the required sinks have acknowledged.
    Claimed {
        /// The claim's.
        fence: u64,
    },
}

impl Drop for Approved {
    fn drop(&mut self) {
        if let Hold::Claimed { fence } = self.hold {
            self.gate.leave(Job::Released {
                request: self.request,
                fence,
            });
        }
    }
}

/// What became of a claim.
enum Took {
    /// It is this call's.
    Ours {
        record: Arc<Record>,
        last_event: u64,
        read_at: Option<Instant>,
    },
    /// Somebody else's, who runs the same logical call.
    Others,
}

fn unavailable(error: StoreError) -> ApprovalError {
    ApprovalError::unavailable("the store", error)
}

fn given_back(request: RequestId) -> ApprovalError {
    ApprovalError::new(
        Kind::Unavailable,
        "somebody else had claimed it and gave it back: it is still approved, and the same call with the same key takes it up",
    )
    .request(request)
}

fn lost() -> ApprovalError {
    ApprovalError::new(Kind::Unavailable, "the store has lost the request")
}

impl Gate {
    /// Judges the request of a ticket once more, if it is approved by now, and claims it where a
    /// claim has to be recorded before the start.
    pub(super) async fn claim_if_agreed(
        &self,
        ticket: &mut Ticket,
    ) -> Result<Agreement, ApprovalError> {
        loop {
            let read_at = Instant::now();
            let seen = self.read(ticket.request).await?;
            ticket.still_waits(&seen.snapshot.record);
            let snapshot = match self.judge_seen(seen).await? {
                Look::Approved(snapshot) => snapshot,
                Look::NotYet(record) => return Ok(Agreement::NotYet(record)),
            };
            ticket.settle();
            let claim = self.judged_again(&snapshot).await?;
            let mut approved = Approved {
                gate: self.clone(),
                request: ticket.request,
                comparison: Comparison {
                    redaction: Arc::clone(&self.shared().redaction),
                    agreed: ticket.agreed.clone(),
                },
                snapshot,
                read_at,
                judged_at: Instant::now(),
                hold: Hold::Nothing,
                waits: !is_detached(),
            };
            if !self.shared().sinks.any_required() {
                approved.hold = Hold::Judged(claim);
                return Ok(Agreement::Reached(Box::new(approved)));
            }
            if Box::pin(approved.claim(claim)).await? {
                return Ok(Agreement::Reached(Box::new(approved)));
            }
        }
    }

    /// Everything that a claim is judged by: policy and voters as they are now.
    async fn judged_again(&self, snapshot: &Snapshot) -> Result<Box<ClaimNow>, ApprovalError> {
        let shared = self.shared();
        let store = shared.store();
        let mut judged_at = snapshot.now;
        // Invariant 11: decided before claimed.
        if shared.sinks.any_required() {
            let number = store.append(Vec::new()).await.map_err(unavailable)?;
            shared.sinks.acknowledged(store, number).await?;
            judged_at = store.now().await.map_err(unavailable)?;
        }
        let call = &snapshot.record.asked.call;
        let verdict = self.judge(call, judged_at).await?;
        Ok(Box::new(self.claim_now(snapshot, verdict).await?))
    }
}

impl Gate {
    /// Invariant 10: every voter as the directory knows them now. Whoever is unknown, or is no
    /// longer the one behind the channel identity, is left out. Their groups are those that were
    /// asked and those that policy asks now.
    async fn claim_now(
        &self,
        snapshot: &Snapshot,
        verdict: Verdict,
    ) -> Result<ClaimNow, ApprovalError> {
        let record = &snapshot.record;
        let asks_now = match &verdict {
            Verdict::Allow(_) | Verdict::Deny(_) => None,
            Verdict::Review(tracks, _) => Some(tracks),
        };
        let asks_now = asks_now.into_iter().flat_map(NonEmpty::iter);
        let groups = groups_of(record.asked.tracks.iter().chain(asks_now));
        let votes = record.votes.iter();
        let stands = votes.filter(|vote| vote.choice != Choice::Withdrawn);
        let stands: Vec<_> = stands.collect();
        let identities: Vec<_> = stands.iter().map(|vote| &vote.identity).collect();
        let whom = Whom {
            requester: record.asked.call.requester(),
            identities: &identities,
            groups: &groups,
        };
        let shared = self.shared();
        let resolved = shared.directory().resolve(&whom).await;
        let resolved =
            resolved.map_err(|error| ApprovalError::unavailable("the directory", error))?;
        let voters = stands.iter().zip(resolved.voters);
        let voters = voters.filter_map(|(vote, voter)| {
            let voter = voter.filter(|voter| voter.person == vote.person)?;
            Some(VoterNow {
                person: voter.person,
                groups: voter.groups,
            })
        });
        Ok(ClaimNow {
            owner: shared.owner,
            lease: shared.lease,
            frozen: snapshot.frozen,
            verdict,
            policy_version: self.policy_version(record.asked.call.declaration().policy.as_str()),
            voters: voters.collect(),
            excluded: resolved
                .chain
                .map_err(|unknown| of_chain(ChainError::Unknown(unknown)))?,
        })
    }
}

impl Approved {
    /// Whether this is the call that people agreed to, in everything that decides.
    pub(super) fn is_for(&self, call: &Call) -> bool {
        let anew = call.clone().judged_anew();
        anew.is_ok_and(|call| self.snapshot.record.asked.digest == call.digest())
    }

    /// Does not wait for somebody else who was first.
    pub(super) fn without_waiting(mut self) -> Self {
        self.waits = false;
        self
    }

    /// The snapshot, while it is young enough: leases count from the time that it was read at, and
    /// after a wait, for a sink or for the caller, that is not the time any more.
    /// Without one the store is asked again, from now on.
    fn fresh(&mut self) -> Option<Snapshot> {
        if self.is_young(self.read_at) {
            return Some(self.snapshot.clone());
        }
        self.read_at = Instant::now();
        None
    }

    fn is_young(&self, since: Instant) -> bool {
        since.elapsed() < self.gate.shared().lease / 8
    }

    /// Claims, and waits for the required sinks. Whether nobody else was first.
    async fn claim(&mut self, claim: Box<ClaimNow>) -> Result<bool, ApprovalError> {
        let from = self.fresh();
        let claim = Command::Claim(claim);
        let Took::Ours {
            record, last_event, ..
        } = self.take(&claim, from).await?
        else {
            return Ok(false);
        };
        self.hold = Hold::Claimed {
            fence: record.fence,
        };
        self.snapshot = Snapshot {
            now: self.snapshot.now.max(record.changed_at),
            record,
            frozen: false,
        };
        // Invariant 11: claimed before started. An error gives the claim back.
        let shared = self.gate.shared();
        let sinks = &shared.sinks;
        sinks.acknowledged(shared.store(), last_event).await?;
        Ok(true)
    }

    /// Carries out a claim, or a claim and a start at once.
    async fn take(&self, claim: &Command, from: Option<Snapshot>) -> Result<Took, ApprovalError> {
        let store = self.gate.shared().store();
        let done = carry_out(store, self.request, claim, from).await;
        match done.map_err(unavailable)? {
            Outcome::Done {
                record,
                last_event,
                read_at,
            } => Ok(Took::Ours {
                record,
                last_event,
                read_at,
            }),
            Outcome::Refused {
                refused:
                    Refused::Phase {
                        found: Phase::Claimed | Phase::Executing,
                        ..
                    },
                ..
            } => Ok(Took::Others),
            Outcome::Refused { refused, record } => Err(from_refused(&refused, &record)),
            Outcome::Stale => Err(ApprovalError::new(
                Kind::Unavailable,
                "the store took too long to start it, so it was not started",
            )
            .request(self.request)),
            Outcome::Unknown => Err(lost()),
        }
    }

    /// Starts the execution, if what will run is what was approved, and still may.
    pub(super) async fn start(mut self, unchanged: bool) -> Result<Permit, ApprovalError> {
        // Invariant 3: what was shown is what runs.
        if !unchanged {
            let changed = self.gate.changed(&self.snapshot.record);
            return Err(Box::pin(changed).await);
        }
        let claim = match std::mem::replace(&mut self.hold, Hold::Nothing) {
            Hold::Nothing => None,
            Hold::Judged(claim) => Some(claim),
            Hold::Claimed { fence } => {
                self.hold = Hold::Claimed { fence };
                let record = self.start_claimed(fence).await?;
                self.hold = Hold::Nothing;
                return self.permit(&record).await;
            }
        };
        match self.claim_and_start(claim).await? {
            Some(record) => self.permit(&record).await,
            None => Err(Box::pin(self.after_others()).await),
        }
    }

    /// The permit of what was started, if its body can still be polled in time.
    async fn permit(&self, record: &Arc<Record>) -> Result<Permit, ApprovalError> {
        let now = self.snapshot.now.max(record.changed_at);
        let permit = Permit::started(self.gate.clone(), record, now);
        if self.read_at.elapsed() > self.gate.shared().lease / 2 {
            permit
                .not_run("the start took longer than half a lease")
                .await;
            return Err(ApprovalError::new(
                Kind::Unavailable,
                "the store took too long to start it, so it was not run",
            )
            .request(self.request));
        }
        Ok(permit)
    }

    /// One commit for both, by what was judged or, where that has grown old, by what holds now.
    /// `None` when somebody else was first.
    async fn claim_and_start(
        &mut self,
        claim: Option<Box<ClaimNow>>,
    ) -> Result<Option<Arc<Record>>, ApprovalError> {
        let claim = match claim.filter(|_| self.is_young(self.judged_at)) {
            Some(claim) => claim,
            // Invariant 10: valid now.
            None => match Box::pin(self.judged_now()).await? {
                Some(claim) => claim,
                None => return Ok(None),
            },
        };
        let from = self.fresh();
        let both = Command::ClaimAndStart(claim);
        // When the answer is lost it may have started: its lease decides.
        match self.take(&both, from).await? {
            Took::Ours {
                record, read_at, ..
            } => {
                // Its lease counts from the look that it was judged by at last.
                self.read_at = read_at.unwrap_or(self.read_at);
                Ok(Some(record))
            }
            Took::Others => Ok(None),
        }
    }

    /// Judges once more, after what was judged has grown old.
    async fn judged_now(&mut self) -> Result<Option<Box<ClaimNow>>, ApprovalError> {
        self.read_at = Instant::now();
        match self.gate.look(self.request).await? {
            Look::Approved(snapshot) => self.snapshot = snapshot,
            Look::NotYet(_) => return Ok(None),
        }
        let claim = self.gate.judged_again(&self.snapshot).await?;
        self.judged_at = Instant::now();
        Ok(Some(claim))
    }

    /// Starts under a claim that is held.
    async fn start_claimed(&mut self, fence: u64) -> Result<Arc<Record>, ApprovalError> {
        let shared = Arc::clone(self.gate.shared());
        let from = self.fresh();
        let start = Command::Start {
            fence,
            owner: shared.owner,
            frozen: false,
            lease: shared.lease,
        };
        let done = carry_out(shared.store(), self.request, &start, from).await;
        // When the answer is lost it may have started: its lease decides. Giving the claim back is
        // refused then.
        match done.map_err(unavailable)? {
            Outcome::Done { record, .. } => Ok(record),
            Outcome::Refused {
                refused: Refused::Phase { .. },
                ..
            } => {
                self.hold = Hold::Nothing;
                Err(ApprovalError::new(
                    Kind::Unavailable,
                    "its claim ran out before it was started",
                )
                .request(self.request))
            }
            Outcome::Refused { refused, record } => {
                if record.state.phase() != Phase::Claimed {
                    self.hold = Hold::Nothing;
                }
                Err(from_refused(&refused, &record))
            }
            Outcome::Stale | Outcome::Unknown => Err(lost()),
        }
    }

    /// Somebody else runs the same logical call: its outcome is this one's.
    async fn after_others(&self) -> ApprovalError {
        let gate = &self.gate;
        if !self.waits {
            return match gate.look(self.request).await {
                Ok(Look::NotYet(record)) => still_pending(&record),
                Ok(Look::Approved(_)) => given_back(self.request),
                Err(error) => error,
            };
        }
        let mut watch = gate.shared().store().hints().watch(self.request);
        loop {
            match gate.look(self.request).await {
                Ok(Look::NotYet(_)) => watch.changed().await,
                // What was captured before the wait is not compared after it.
                Ok(Look::Approved(_)) => return given_back(self.request),
                Err(error) => return error,
            }
        }
    }
}

impl Gate {
    /// What would run is something else: that is told, and stands on the trail.
    pub(crate) async fn changed(&self, record: &Record) -> ApprovalError {
        let error = ApprovalError::new(
            Kind::Changed,
            "its arguments changed while people were asked: what would run is not what they approved",
        )
        .request(record.id());
        let what = What::Refused {
            action: record.asked.call.action().clone(),
            requester: Some(record.asked.call.requester().clone()),
            kind: error.kind(),
            why: error.to_string().into(),
            reasons: error.reasons(),
            call: None,
            policy_version: record.asked.policy_version.clone(),
        };
        observe::refused(error.kind());
        let event = NewEvent::about(record.id(), record.revision, what);
        self.record_refused(event).await;
        error
    }
}
