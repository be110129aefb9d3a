//! From a yes to the body: claim, compare, start.

use std::sync::Arc;

use tokio::time::Instant;

use super::agreed::Agreed;
use super::errors::{from_refused, of_chain};
use super::review::Ticket;
use super::{Gate, Job};
use crate::call::{Arguments, Call, Capturing};
use crate::directory::{ChainError, Whom};
use crate::error::{ApprovalError, Kind};
use crate::id::RequestId;
use crate::non_empty::NonEmpty;
use crate::permit::Permit;
use crate::policy::Verdict;
use crate::review::{Choice, ClaimNow, Command, Phase, Refused, VoterNow, groups_of};
use crate::store::{Outcome, Snapshot, StoreError, carry_out};

/// A claim on an approved request. Dropping it gives the claim back.
#[derive(Debug)]
pub(super) struct Approved {
    gate: Gate,
    request: RequestId,
    agreed: Agreed,
    fence: u64,
    snapshot: Snapshot,
    claimed: Instant,
    released: bool,
}

impl Drop for Approved {
    fn drop(&mut self) {
        if !self.released {
            self.gate.leave(Job::Released {
                request: self.request,
                fence: self.fence,
            });
        }
    }
}

fn unavailable(error: StoreError) -> ApprovalError {
    ApprovalError::unavailable("the store", error)
}

impl Gate {
    /// Claims the request of a ticket, if it is approved by now. `None` while it has to be waited
    /// for: for people, or for somebody who runs the same logical call.
    pub(super) async fn claim_if_agreed(
        &self,
        ticket: &mut Ticket,
    ) -> Result<Option<Approved>, ApprovalError> {
        while let Some(snapshot) = self.look(ticket).await? {
            if let Some(approved) = self.claim(ticket, snapshot).await? {
                return Ok(Some(approved));
            }
        }
        Ok(None)
    }

    /// Claims an approved request: policy and voters are judged again, and required sinks have to
    /// have caught up. `None` when somebody else holds a claim on it.
    async fn claim(
        &self,
        ticket: &mut Ticket,
        snapshot: Snapshot,
    ) -> Result<Option<Approved>, ApprovalError> {
        ticket.settle();
        let shared = self.shared();
        let store = shared.store();
        let request = ticket.request;
        let mut judged_at = snapshot.now;
        // Invariant 11: decided before claimed.
        if shared.sinks.any_required() {
            let number = store.append(Vec::new()).await.map_err(unavailable)?;
            shared.sinks.acknowledged(store, number).await?;
            judged_at = store.now().await.map_err(unavailable)?;
        }
        let call = &snapshot.record.asked.call;
        let verdict = self.judge(call, judged_at).await?;
        let claim = Command::Claim(Box::new(self.claim_now(&snapshot, verdict).await?));
        let now = snapshot.now;
        let (record, last_event) = match carry_out(store, request, &claim, Some(snapshot)).await {
            Ok(Outcome::Done { record, last_event }) => (record, last_event),
            Ok(Outcome::Refused {
                refused:
                    Refused::Phase {
                        found: Phase::Claimed | Phase::Executing,
                        ..
                    },
                ..
            }) => return Ok(None),
            Ok(Outcome::Refused { refused, record }) => {
                return Err(from_refused(&refused, &record));
            }
            Ok(Outcome::Unknown) => {
                return Err(ApprovalError::new(
                    Kind::Unavailable,
                    "the store has lost the request",
                ));
            }
            Err(error) => return Err(unavailable(error)),
        };
        let approved = Approved {
            gate: self.clone(),
            request,
            agreed: ticket.agreed.clone(),
            fence: record.fence,
            snapshot: Snapshot {
                now: now.max(record.changed_at),
                record,
                frozen: false,
            },
            claimed: Instant::now(),
            released: false,
        };
        // Invariant 11: claimed before started. An error gives the claim back.
        shared.sinks.acknowledged(store, last_event).await?;
        Ok(Some(approved))
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

    /// An empty capture of the same arguments.
    pub(super) fn capture(&self) -> Capturing {
        let redaction = Some(Arc::clone(&self.gate.shared().redaction));
        match self.agreed.first() {
            Some(first) => Capturing::again(redaction, first),
            None => Capturing::new(redaction),
        }
    }

    /// Whether these are the arguments that people agreed to.
    pub(super) fn is_with(&self, again: &Arguments) -> bool {
        self.agreed.is(again)
    }

    /// Starts the execution, if what will run is what was approved and the claim still holds.
    pub(super) async fn start(mut self, unchanged: bool) -> Result<Permit, ApprovalError> {
        // Invariant 3: what was shown is what runs.
        if !unchanged {
            return Err(ApprovalError::new(
                Kind::Changed,
                "its arguments changed while people were asked: what would run is not what they approved",
            )
            .request(self.request));
        }
        let shared = Arc::clone(self.gate.shared());
        let began = Instant::now();
        let start = Command::Start {
            fence: self.fence,
            owner: shared.owner,
            frozen: false,
            lease: shared.lease,
        };
        // The lease counts from the time that the start is judged at: after a wait, for a sink or
        // for the caller, that is not the claim's any more.
        let just_claimed = self.claimed.elapsed() < shared.lease / 8;
        let from = just_claimed.then(|| self.snapshot.clone());
        let record = match carry_out(shared.store(), self.request, &start, from).await {
            Ok(Outcome::Done { record, .. }) => record,
            Ok(Outcome::Refused {
                refused: Refused::Phase { .. },
                ..
            }) => {
                self.released = true;
                return Err(ApprovalError::new(
                    Kind::Unavailable,
                    "its claim ran out before it was started",
                )
                .request(self.request));
            }
            Ok(Outcome::Refused { refused, record }) => {
                self.released = record.state.phase() != Phase::Claimed;
                return Err(from_refused(&refused, &record));
            }
            Ok(Outcome::Unknown) => {
                return Err(ApprovalError::new(
                    Kind::Unavailable,
                    "the store has lost the request",
                ));
            }
            // It may have started: its lease decides. Giving the claim back is refused then.
            Err(error) => return Err(unavailable(error)),
        };
        self.released = true;
        let permit = Permit::started(
            self.gate.clone(),
            &record,
            self.snapshot.now.max(record.changed_at),
        );
        if began.elapsed() > shared.lease / 2 {
            permit
                .not_run("the start took longer than half a lease")
                .await;
            return Err(ApprovalError::new(
                Kind::Unavailable,
                "the store took too long to start it, so it was not run",
            ));
        }
        Ok(permit)
    }
}
