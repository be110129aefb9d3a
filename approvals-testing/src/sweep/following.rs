//! A store of its own threads or its own server, under paused time.

use std::future::Future;
use std::sync::{Arc, mpsc};

use approvals_core::{Clock, RequestStore, StoreError, TokioClock};

use crate::ManualClock;
use crate::faults::Method;
use crate::wrapping::{Wrapping, WrapsStore};

/// See [`Follows`].
pub(super) type Following = Wrapping<Follows>;

/// A store whose clock follows tokio's. While it is asked something, time stands still: it would
/// leap otherwise whenever the runtime has nothing to do but wait for the answer.
#[derive(Debug)]
pub(super) struct Follows {
    inner: Arc<dyn RequestStore>,
    clock: Arc<ManualClock>,
    tokio: TokioClock,
}

impl Following {
    pub(super) async fn new<F>(tokio: TokioClock, store: impl Fn(Arc<dyn Clock>) -> F) -> Self
    where
        F: Future<Output = Arc<dyn RequestStore>>,
    {
        let clock = Arc::new(ManualClock::at(tokio.now().unwrap()));
        let inner = standing_still(store(clock.clone())).await;
        Wrapping(Follows {
            inner,
            clock,
            tokio,
        })
    }
}

/// Tokio does not let paused time pass while a blocking task runs.
async fn standing_still<T>(future: impl Future<Output = T>) -> T {
    let (done, goes_on) = mpsc::channel::<()>();
    let still = tokio::task::spawn_blocking(move || goes_on.recv());
    let answer = future.await;
    drop(done);
    // That nothing was sent is how it ends.
    let _ = still.await;
    answer
}

impl WrapsStore for Follows {
    fn inner(&self) -> &dyn RequestStore {
        &*self.inner
    }

    async fn around<T: Send>(
        &self,
        _: Method,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.clock.set(self.tokio.now()?);
        standing_still(call).await
    }
}
