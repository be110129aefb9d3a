//! What operators do: freeze, thaw, revoke, resolve, review afterwards, look around.

use std::sync::Arc;

use super::errors::{from_refused, from_withdrawal, of_chain};
use super::{Gate, Job};
use crate::audit::{NewEvent, What};
use crate::directory::people_behind;
use crate::error::{ApprovalError, Kind};
use crate::id::{PersonId, RequestId};
use crate::observe;
use crate::review::{Command, Record, Refused, WithdrawnBy};
use crate::shared_set::People;
use crate::store::{Filter, Freeze, Outcome, RequestStore, Seen, StoreError, carry_out};

fn unavailable(error: StoreError) -> ApprovalError {
    ApprovalError::unavailable("the store", error)
}

impl Gate {
    pub(crate) fn store(&self) -> &dyn RequestStore {
        self.shared().store()
    }

    pub(crate) fn holds(&self, request: RequestId, fence: u64) {
        self.shared().held().insert(request, fence);
    }

    pub(crate) fn no_longer_holds(&self, request: RequestId) {
        self.shared().held().remove(&request);
    }

    pub(crate) fn abandoned(&self, request: RequestId, fence: u64, why: &'static str) {
        self.no_longer_holds(request);
        self.leave(Job::Abandoned {
            request,
            fence,
            why,
        });
    }

    /// Stops everything, on every replica: pending requests stay, nothing is claimed or started,
    /// and what policy allows stops too.
    ///
    /// # Errors
    /// [`ApprovalError`] when the store cannot be reached or no reason is given.
    pub async fn freeze(&self, by: &PersonId, reason: &str) -> Result<(), ApprovalError> {
        let reason = given(reason)?;
        let since = self.store().now().await.map_err(unavailable)?;
        let freeze = Freeze {
            by: by.clone(),
            reason: Arc::clone(&reason),
            since,
        };
        let event = NewEvent::new(What::Frozen {
            by: by.clone(),
            reason,
        });
        self.set_freeze(Some(freeze), event).await
    }

    /// Lifts a freeze.
    ///
    /// # Errors
    /// [`ApprovalError`] when the store cannot be reached or no reason is given.
    pub async fn thaw(&self, by: &PersonId, reason: &str) -> Result<(), ApprovalError> {
        let event = NewEvent::new(What::Thawed {
            by: by.clone(),
            reason: given(reason)?,
        });
        self.set_freeze(None, event).await
    }

    async fn set_freeze(
        &self,
        freeze: Option<Freeze>,
        event: NewEvent,
    ) -> Result<(), ApprovalError> {
        let frozen = freeze.is_some();
        self.store()
            .set_freeze(freeze, event)
            .await
            .map_err(unavailable)?;
        observe::froze(frozen);
        self.shared().read_freeze().await.map_err(unavailable)?;
        Ok(())
    }

    /// Takes an approval back that has not started, or what is left of a grant.
    ///
    /// # Errors
    /// [`ApprovalError`] when there is nothing to take back, or no reason is given.
    pub async fn revoke(
        &self,
        request: RequestId,
        by: &PersonId,
        reason: &str,
    ) -> Result<Arc<Record>, ApprovalError> {
        let revoke = Command::Revoke {
            by: by.clone(),
            reason: given(reason)?,
        };
        self.command(request, &revoke).await
    }

    /// Takes a pending request back, in the requester's name.
    ///
    /// # Errors
    /// [`ApprovalError`] when it is not pending any more: [`Kind::Decided`] names who approved it,
    /// and what stands.
    pub async fn withdraw(&self, request: RequestId) -> Result<Arc<Record>, ApprovalError> {
        let withdraw = Command::Withdraw(WithdrawnBy::Requester);
        match self.carry(request, &withdraw).await? {
            Ok(record) => Ok(record),
            Err((refused, record)) => Err(from_withdrawal(&refused, &record)),
        }
    }

    /// Says what became of a request in doubt.
    ///
    /// # Errors
    /// [`ApprovalError`] when it is not in doubt, or no reason is given.
    pub async fn resolve(
        &self,
        request: RequestId,
        by: &PersonId,
        reason: &str,
        succeeded: bool,
    ) -> Result<Arc<Record>, ApprovalError> {
        let resolve = Command::Resolve {
            by: by.clone(),
            reason: given(reason)?,
            succeeded,
        };
        self.command(request, &resolve).await
    }

    /// Gives the review that is owed after a glass was broken.
    ///
    /// # Errors
    /// [`ApprovalError`] when none is owed, or this person cannot give it.
    pub async fn review_afterwards(
        &self,
        request: RequestId,
        by: &PersonId,
        comment: &str,
    ) -> Result<Arc<Record>, ApprovalError> {
        let record = self.request(request).await?;
        let directory = self.shared().directory();
        let known = directory.exists(by).await;
        let excluded = people_behind(directory, record.asked.call.requester()).await;
        let (known, excluded): (bool, People) = match (known, excluded) {
            (Ok(known), Ok(excluded)) => (known, excluded),
            (Err(error), _) => return Err(ApprovalError::unavailable("the directory", error)),
            (_, Err(error)) => return Err(of_chain(error)),
        };
        if !known {
            let why = format!("`{by}` is nobody that the directory knows");
            return Err(ApprovalError::new(Kind::Invalid, why));
        }
        let review = Command::ReviewAfterwards {
            by: by.clone(),
            excluded,
            comment: given(comment)?,
        };
        self.command(request, &review).await
    }

    /// One request.
    ///
    /// # Errors
    /// [`ApprovalError`] when there is none.
    pub async fn request(&self, request: RequestId) -> Result<Arc<Record>, ApprovalError> {
        match self.store().read(request).await.map_err(unavailable)? {
            Some(snapshot) => Ok(snapshot.record),
            None => Err(unknown(request)),
        }
    }

    /// The same with its copies.
    pub(super) async fn seen(&self, request: RequestId) -> Result<Seen, ApprovalError> {
        let seen = self.store().read_with_deliveries(request).await;
        let seen = seen.map_err(unavailable)?;
        seen.ok_or_else(|| unknown(request))
    }

    /// Up to `limit` requests that the filter wants, by id, after `after`.
    ///
    /// # Errors
    /// [`ApprovalError`] when the store cannot be reached.
    pub async fn requests(
        &self,
        filter: &Filter,
        after: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, ApprovalError> {
        self.store()
            .list(filter, after, limit)
            .await
            .map_err(unavailable)
    }

    async fn command(
        &self,
        request: RequestId,
        command: &Command,
    ) -> Result<Arc<Record>, ApprovalError> {
        match self.carry(request, command).await? {
            Ok(record) => Ok(record),
            Err((refused, record)) => Err(from_refused(&refused, &record)),
        }
    }

    /// Carries a command out, or says why not and what stands.
    async fn carry(
        &self,
        request: RequestId,
        command: &Command,
    ) -> Result<Result<Arc<Record>, (Refused, Arc<Record>)>, ApprovalError> {
        let carried = carry_out(self.store(), request, command, None).await;
        match carried.map_err(unavailable)? {
            Outcome::Done { record, .. } => Ok(Ok(record)),
            Outcome::Refused { refused, record } => Ok(Err((refused, record))),
            Outcome::Stale | Outcome::Unknown => Err(unknown(request)),
        }
    }
}

fn unknown(request: RequestId) -> ApprovalError {
    ApprovalError::new(Kind::Invalid, format!("there is no request {request}")).request(request)
}

fn given(reason: &str) -> Result<Arc<str>, ApprovalError> {
    if reason.trim().is_empty() {
        return Err(ApprovalError::new(
            Kind::Invalid,
            "a reason is required: say why",
        ));
    }
    Ok(crate::secrets::masked(reason))
}
