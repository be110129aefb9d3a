//! A store at whose calls a process ends itself, and which may have a flaw.

use std::future::Future;
use std::sync::Arc;

use approvals_core::store::{Due, Freeze, RequestStore, Snapshot, StoreError, Swap, Swapped};
use approvals_core::{Phase, RequestId};
use approvals_testing::faults::Method;
use approvals_testing::wrapping::WrapsStore;

use crate::flaw::Flaw;
use crate::point::Points;

/// Passes everything on to the store that is tried.
#[derive(Debug)]
pub(crate) struct PointedStore {
    pub(crate) inner: Arc<dyn RequestStore>,
    pub(crate) points: Arc<Points>,
    pub(crate) flaw: Option<Flaw>,
}

impl WrapsStore for PointedStore {
    fn inner(&self) -> &dyn RequestStore {
        &*self.inner
    }

    async fn around<T: Send>(
        &self,
        method: Method,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.points.pass(method.name(), call).await
    }

    async fn compare_and_swap(&self, mut swap: Swap) -> Result<Swapped, StoreError> {
        swap.unfrozen &= self.flaw != Some(Flaw::IgnoresFreeze);
        let loses = match self.flaw {
            Some(Flaw::LosesVotes) => true,
            Some(Flaw::LosesStarts) => swap.record.state.phase() == Phase::Executing,
            Some(
                Flaw::RunsUnclaimed
                | Flaw::ForgetsKeys
                | Flaw::LosesEvents
                | Flaw::NeverDue
                | Flaw::IgnoresFreeze,
            )
            | None => false,
        };
        if loses {
            return Ok(Swapped::Done {
                record: swap.record,
                last_event: 0,
            });
        }
        self.inner.compare_and_swap(swap).await
    }

    async fn read(&self, id: RequestId) -> Result<Option<Snapshot>, StoreError> {
        let read = self.inner.read(id).await?;
        Ok(read.map(|read| Snapshot {
            frozen: read.frozen && self.flaw != Some(Flaw::IgnoresFreeze),
            ..read
        }))
    }

    async fn freeze(&self) -> Result<Option<Freeze>, StoreError> {
        let freeze = self.inner.freeze().await?;
        Ok(freeze.filter(|_| self.flaw != Some(Flaw::IgnoresFreeze)))
    }

    async fn due(&self, limit: usize) -> Result<Due, StoreError> {
        if self.flaw == Some(Flaw::NeverDue) {
            return Ok(Due::default());
        }
        self.inner.due(limit).await
    }
}
